//! The tables that say which memory each requester may reach, and which interrupts it may raise.
//!
//! [`RootTable`] leads a requester to its domain, [`SecondStage`] is the domain's address space,
//! [`InterruptTable`] has the interrupts of all. They change memory only; what the unit may still have cached is said at each call and is the caller's to
//! invalidate. Neither frees anything when dropped.

use dma_types::PhysAddr;
pub use iommu::TableError;

use crate::TableMemory;
use crate::spec::capability::ExtendedCapabilities;

mod interrupt_table;
mod root_table;
mod second_stage;
#[cfg(test)]
mod test_memory;

pub use interrupt_table::InterruptTable;
pub use root_table::{Attached, RootTable};
pub use second_stage::{
    Format, IDLE_TABLES, MapError, RequestWalk, SecondStage, Stale, Step, UnmapError, Unmapped, WalkPath,
    walk_request,
};

/// Whether a unit's table walks see the processors' caches: the C field (VT-d "Extended Capability
/// Register").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coherence {
    /// The unit snoops: what a processor stored is seen at once.
    Coherent,
    /// They do not: every change is written back to memory before it counts.
    NonCoherent,
}

impl Coherence {
    /// What the unit says of itself.
    pub const fn of_unit(extended: ExtendedCapabilities) -> Self {
        if extended.coherent_walks() { Self::Coherent } else { Self::NonCoherent }
    }

    /// Makes what was written to `[at, at + bytes)` visible to the unit.
    #[inline]
    fn publish<M: TableMemory + ?Sized>(self, memory: &M, at: PhysAddr, bytes: u64) {
        if self == Self::NonCoherent {
            memory.flush(at, bytes);
        }
    }
}

/// The 8-byte word number `index` of a table's page.
const fn word(table: PhysAddr, index: u64) -> PhysAddr {
    PhysAddr::new(table.page().as_u64() | (index & 0x1ff) << 3)
}
