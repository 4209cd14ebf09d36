//! A requester that reaches all of memory by physical addresses: for measuring what translation costs, never for work.
#![expect(unsafe_code, reason = "UNSAFETY: lets a requester reach all of memory")]

use dma_types::{DomainId, SourceId};

use super::hardware::{FrameMemory, KernelClock};
use super::unit::Control;
use super::{IommuError, Unit};

/// A requester whose requests pass untranslated, until [`end`](Self::end).
#[must_use = "the requester reaches everything until this is ended"]
pub struct PassThrough {
    unit: &'static Unit,
    domain: DomainId,
    source: SourceId,
}

impl PassThrough {
    /// Takes a requester out of the address space that it is in and lets its requests pass.
    ///
    /// # Errors
    /// If the unit offers no pass-through, or did not take note; the requester is blocked then.
    ///
    /// # Safety
    /// Until this is ended, the requester is told none but addresses of memory that is mapped for it, in the same direction.
    pub unsafe fn begin(unit: &'static Unit, source: SourceId) -> Result<Self, IommuError> {
        let domain = unit.control(|control| {
            if !control.unit.extended_capabilities().pass_through() {
                return Err(IommuError::NoPassThrough { unit: unit.index });
            }
            control.take_domain(unit.index)
        })?;
        let this = Self { unit, domain, source };
        match this.enter() {
            Ok(()) => Ok(this),
            Err(error) => {
                this.end()?;
                Err(error)
            }
        }
    }

    fn enter(&self) -> Result<(), IommuError> {
        let Self { unit, domain, source } = *self;
        unit.control(|control| {
            let Control { unit, roots, .. } = control;
            unit.block(roots, source, &mut FrameMemory, &KernelClock)?;
            let levels = unit.levels()?;
            Ok(unit.pass_through(roots, (source, domain), levels, &mut FrameMemory, &KernelClock)?)
        })
    }

    /// Blocks the requester.
    ///
    /// # Errors
    /// If the unit did not confirm; the requester's bus mastering must go off then.
    pub fn end(self) -> Result<(), IommuError> {
        self.unit.control(|control| {
            let Control { unit, roots, .. } = control;
            unit.block(roots, self.source, &mut FrameMemory, &KernelClock)?;
            unit.retire(roots, self.domain, &mut FrameMemory, &KernelClock)?;
            control.give_domain_back(self.domain);
            Ok(())
        })
    }
}
