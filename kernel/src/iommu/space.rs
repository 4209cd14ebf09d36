//! A domain on a unit of the machine: the sequences of [`::iommu::Domain`] under the unit's lock.
#![expect(unsafe_code, reason = "UNSAFETY: puts bare addresses into tables that devices go by")]

use ::iommu::{Domain, FastUnmap, Maps};
use dma_types::{DomainId, Iova, Permissions, PhysAddr, SourceId};
use iova::IovaRange;
use vtd::DomainTables;
use vtd::tables::RequestWalk;

use super::{IommuError, Unit};
use crate::memory::tables::FrameMemory;
use crate::sync::InterruptsOff;

/// The tables of one domain, and its number on its unit.
pub struct AddressSpace {
    unit: &'static Unit,
    domain: Domain<DomainTables<FrameMemory>>,
}

/// How large the tables of an address space are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Bytes that translate.
    pub mapped_bytes: u64,
    /// Pages of tables.
    pub table_pages: u64,
}

impl AddressSpace {
    /// Makes an empty address space.
    ///
    /// # Errors
    /// If the unit does not enforce, has no domain id left, or there is no memory.
    pub fn new(unit: &'static Unit) -> Result<Self, IommuError> {
        let domain = unit.run(&InterruptsOff::new(), |controller| controller.new_domain())?;
        Ok(Self { unit, domain })
    }

    /// The unit.
    pub fn unit(&self) -> &'static Unit {
        self.unit
    }

    /// Its number on the unit.
    pub fn id(&self) -> DomainId {
        self.domain.id()
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        let stage = self.domain.tables().stage();
        Size { mapped_bytes: stage.mapped_bytes(), table_pages: stage.table_pages() }
    }

    /// [`Domain::map`].
    ///
    /// # Errors
    /// As there. Where the memory [may be reached](IommuError::may_be_reached), it must never be used again.
    ///
    /// # Safety
    /// The memory is the caller's, or one that firmware reserved for the devices, until the range is unmapped and that is
    /// confirmed; what the devices write there is nobody's undoing.
    pub unsafe fn map(
        &mut self,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: Permissions,
        off: &InterruptsOff,
    ) -> Result<(), IommuError> {
        let Self { unit, domain } = self;
        match domain.map_tables((iova, phys), bytes, permissions) {
            Ok(Maps::Found) => Ok(()),
            Ok(Maps::Announced) => unit.run(off, |controller| domain.announce(controller, iova, bytes)),
            Err(error) => Err(IommuError::Sequence { unit: unit.index, error: error.into() }),
        }
    }

    /// [`Domain::map_fast`]: tells whether it was taken. If not, nothing has changed.
    ///
    /// # Safety
    /// As [`map`](Self::map).
    #[must_use = "if it was not, take the slow path"]
    #[inline(always)]
    pub unsafe fn map_fast(
        &mut self,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: Permissions,
    ) -> bool {
        self.domain.map_fast((iova, phys), bytes, permissions)
    }

    /// [`Domain::unmap`]. When this returns, the unit has confirmed that it forgot the range.
    ///
    /// # Errors
    /// If the unit did not confirm: the memory may still be reached and must never be used again.
    pub fn unmap(&mut self, iova: Iova, bytes: u64, off: &InterruptsOff) -> Result<(), IommuError> {
        self.unmap_slow(FastUnmap::NotBegun, iova, bytes, off)
    }

    /// [`Domain::unmap_fast`] by its halves, as far as it goes: the unit's lock is taken only in between.
    #[inline(always)]
    pub fn unmap_fast(&mut self, iova: Iova, bytes: u64, off: &InterruptsOff) -> FastUnmap {
        if !self.domain.clear_fast(iova, bytes) {
            return FastUnmap::NotBegun;
        }
        let mut control = self.unit.lock_control(off);
        let Some(controller) = control.as_mut() else { return FastUnmap::Cleared };
        self.domain.invalidate_fast(controller, iova, bytes)
    }

    /// [`Domain::unmap_slow`]: the slow path, from where the fast one ended.
    ///
    /// # Errors
    /// If the unit did not confirm: the memory may still be reached and must never be used again.
    pub fn unmap_slow(
        &mut self,
        progress: FastUnmap,
        iova: Iova,
        bytes: u64,
        off: &InterruptsOff,
    ) -> Result<(), IommuError> {
        let Self { unit, domain } = self;
        unit.run(off, |controller| domain.unmap_slow(controller, progress, iova, bytes))
    }

    /// [`Domain::unmap_all`]: many ranges with one wait.
    ///
    /// # Errors
    /// If one is not mapped or the unit did not confirm: all of the memory may still be reached and must never
    /// be used again.
    pub fn unmap_all(&mut self, ranges: &[IovaRange], off: &InterruptsOff) -> Result<(), IommuError> {
        let Self { unit, domain } = self;
        unit.run(off, |controller| domain.unmap_all(controller, ranges))
    }

    /// Puts a requester into this address space, unless it is there already.
    ///
    /// # Errors
    /// If it is in another one, or the unit did not take note; it is blocked then.
    pub fn attach(&self, source: SourceId) -> Result<(), IommuError> {
        self.unit.run(&InterruptsOff::new(), |controller| controller.attach(&self.domain, source))
    }

    /// What the tables say of an address: the memory behind it and the way it may be used.
    pub fn translate(&self, iova: Iova) -> Option<(PhysAddr, Permissions)> {
        self.domain.tables().translate(iova)
    }

    /// Tells whether all that a walk met is as it was written for a requester of this space, every bit.
    pub fn wrote(&self, walk: &RequestWalk) -> bool {
        let stage = self.domain.tables().stage();
        walk.leads_to(self.id(), stage.root(), stage.levels()) && stage.may_have_written(&walk.path)
    }
}

/// Gives everything back. No requester may be attached any more.
impl Drop for AddressSpace {
    fn drop(&mut self) {
        let Self { unit, domain } = self;
        if let Err(error) = unit.run(&InterruptsOff::new(), |controller| controller.retire(domain)) {
            // Their pages stay taken: the unit may still walk them.
            log::error!("the tables of domain {} are given up: {error}", domain.id());
        }
    }
}
