//! A domain's tables apart from its books: for trials, attacks and what the kernel itself puts there.
#![expect(unsafe_code, reason = "UNSAFETY: passes bare addresses on to the tables")]

use dma_types::{DomainId, Iova, Permissions, PhysAddr, SourceId};

use super::Domain;
use crate::iommu::{IommuError, Size, Unit};

/// The tables of a domain. Each call takes the domain's lock, so none may be made by who holds the books.
#[derive(Clone, Copy)]
pub struct Space<'d>(&'d Domain);

impl<'d> Space<'d> {
    /// The tables of a domain.
    pub(super) const fn of(domain: &'d Domain) -> Self {
        Self(domain)
    }

    /// The unit.
    pub fn unit(self) -> &'static Unit {
        self.0.unit()
    }

    /// The domain's number on the unit.
    pub fn id(self) -> DomainId {
        self.0.id()
    }

    /// How large the tables are.
    pub fn size(self) -> Size {
        self.0.with_space(|space, _| space.size())
    }

    /// What the tables say of an address: the memory behind it and the way it may be used.
    pub fn translate(self, iova: Iova) -> Option<(PhysAddr, Permissions)> {
        self.0.with_space(|space, _| space.translate(iova))
    }

    /// Lets requests to `[iova, iova + bytes)` reach the memory at `phys`; the books know nothing of it.
    ///
    /// # Errors
    /// As [`AddressSpace::map`](crate::iommu::AddressSpace::map).
    ///
    /// # Safety
    /// As [`AddressSpace::map`](crate::iommu::AddressSpace::map).
    pub unsafe fn map(
        self,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: Permissions,
    ) -> Result<(), IommuError> {
        // SAFETY: the caller vouches for the memory.
        self.0.with_space(|space, off| unsafe { space.map(iova, phys, bytes, permissions, off) })
    }

    /// Ends what [`map`](Self::map) began. When this returns, the unit has forgotten the range, and requests
    /// that were under way have drained.
    ///
    /// # Errors
    /// If the unit did not confirm: the memory may still be reached and must never be used again.
    pub fn unmap(self, iova: Iova, bytes: u64) -> Result<(), IommuError> {
        self.0.with_space(|space, off| space.unmap(iova, bytes, off))
    }

    /// Puts a requester into the domain.
    ///
    /// # Errors
    /// If it is in another one, or the unit did not take note; it is blocked then.
    pub fn attach(self, source: SourceId) -> Result<(), IommuError> {
        self.0.with_space(|space, _| space.attach(source))
    }
}
