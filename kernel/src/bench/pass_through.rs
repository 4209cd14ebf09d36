//! A requester that reaches all of memory by physical addresses: for measuring what translation costs, never for work.
#![expect(unsafe_code, reason = "UNSAFETY: lets a requester reach all of memory")]

use dma_types::{DomainId, SourceId};

use crate::iommu::{IommuError, Unit};
use crate::sync::InterruptsOff;

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
        if !unit.facts.is_some_and(|facts| facts.extended.pass_through()) {
            return Err(IommuError::NoPassThrough { unit: unit.index });
        }
        let off = InterruptsOff::new();
        let domain = unit.run(&off, |controller| controller.take_id())?;
        let this = Self { unit, domain, source };
        let passes = unit.run(&off, |controller| {
            controller.block([source])?;
            controller.unit_mut().pass_through(source, domain)
        });
        match passes {
            Ok(()) => Ok(this),
            Err(error) => {
                this.end()?;
                Err(error)
            }
        }
    }

    /// Blocks the requester.
    ///
    /// # Errors
    /// If the unit did not confirm; the requester's bus mastering must go off then.
    pub fn end(self) -> Result<(), IommuError> {
        self.unit.run(&InterruptsOff::new(), |controller| {
            controller.block([self.source])?;
            controller.retire_id(self.domain)
        })
    }
}
