//! Memory lent to a domain, whoever owns it: what mappings and batches have in common.

use diagnosis::{Label, Site};
use dma_types::{Direction, Iova, PhysAddr};
use iova::IovaRange;

use super::{DmaError, Domain};
use crate::memory::arc::Arc;
use crate::sync::InterruptsOff;

/// What is to be mapped, which way, and on whose behalf.
#[derive(Clone, Copy)]
pub(super) struct Lent {
    /// Where the memory starts.
    pub(super) memory: PhysAddr,
    /// Its bytes.
    pub(super) bytes: u64,
    /// Which way the data flow.
    pub(super) direction: Direction,
    /// What the driver calls it.
    pub(super) label: Label,
    /// The driver's call.
    pub(super) site: Site,
}

/// A range of a domain behind which memory lies.
///
/// Holding one proves that the domain's devices can reach the memory. It must be ended before the memory is
/// used for anything else; one that is only dropped leaves the memory mapped for good.
#[must_use = "memory stays mapped until its lease is ended"]
pub(super) struct Lease {
    /// The domain.
    pub(super) domain: Arc<Domain>,
    /// The range.
    pub(super) range: IovaRange,
}

impl Lease {
    /// Its first page as the devices know it.
    pub(super) fn start(&self) -> Iova {
        self.range.start()
    }

    /// Unmaps the memory. When this returns, no device can reach it any more.
    ///
    /// # Errors
    /// If the unit did not confirm that; the memory must never be used again then.
    pub(super) fn end(self, site: Site) -> Result<(), DmaError> {
        let off = InterruptsOff::new();
        self.domain.books_within(&off).unmap(self.range, site, &off)
    }
}
