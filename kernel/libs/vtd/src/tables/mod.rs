//! The tables that say which memory each requester may reach.
//!
//! [`RootTable`] leads a requester to its domain, [`SecondStage`] is the domain's address space. Both
//! change memory only; what the unit may still have cached is said at each call and is the caller's to
//! invalidate. Neither frees anything when dropped.

use core::fmt;

use dma_types::{PhysAddr, SourceId};

use crate::TableMemory;
use crate::spec::capability::ExtendedCapabilities;

mod page_list;
mod root_table;
mod second_stage;
#[cfg(test)]
mod test_memory;

pub use root_table::{Attached, RootTable};
pub use second_stage::{
    Format, IDLE_TABLES, MapError, RequestWalk, SecondStage, Stale, Step, UnmapError, Unmapped, WalkPath,
    walk_request,
};

/// Whether a unit's table walks see the processors' caches: the C field (VT-d "Extended Capability
/// Register").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coherence {
    /// They do.
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

/// Why a root or top-level table could not be made, or a requester not be attached. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// No page was left for a table.
    OutOfMemory,
    /// The requester has a present entry already; it has to be blocked and invalidated first.
    AlreadyAttached(SourceId),
    /// The requester was attached, and the unit has not confirmed that it forgot that; it has to be blocked
    /// once more.
    Unconfirmed(SourceId),
    /// This top-level table does not start at a page.
    Unaligned(PhysAddr),
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => f.write_str("no memory for a translation table"),
            Self::AlreadyAttached(source) => write!(f, "{source} is attached to a domain already"),
            Self::Unconfirmed(source) => {
                write!(f, "the unit has not confirmed that it forgot the last domain of {source}")
            }
            Self::Unaligned(table) => write!(f, "table at {table} does not start at a page"),
        }
    }
}

impl core::error::Error for TableError {}

/// The 8-byte word number `index` of a table's page.
const fn word(table: PhysAddr, index: u64) -> PhysAddr {
    PhysAddr::new(table.page().as_u64() | (index & 0x1ff) << 3)
}
