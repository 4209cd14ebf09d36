//! A domain's address space: tables of three to five levels, changed by map and unmap.
//!
//! An entry that refers to a table keeps, in the bits that the hardware ignores, how many entries of that
//! table are present. So a table is known to be empty without looking through it, and the count costs one
//! read and one write beside the table's own.
//!
//! Tables are freed as they become empty, with one exception: the few that were emptied last by an unmap
//! within one table stay linked, because the next mapping most likely falls beside the last one. At most
//! [`IDLE_TABLES`] tables are ever empty, each with its chain of parents.

use dma_types::{Iova, PAGE_SIZE, PageSize, Permissions, PhysAddr};

use crate::TableMemory;
use crate::spec::capability::{Capabilities, ExtendedCapabilities, SupportedPageSizes};
use crate::spec::second_stage::{SecondStageEntry, Snoop, TableLevels};

use super::{Coherence, TableError, word};

mod idle;
mod level;
mod map;
mod node;
mod request;
mod run;
mod span;
mod unmap;
mod walk;

pub use iommu::{MapError, Stale, UnmapError};
pub use request::{RequestWalk, walk_request};
pub use unmap::Unmapped;
pub use walk::{Step, WalkPath};

use idle::IdleTables;
use level::Level;
use node::NodeCache;
use span::Span;

/// Empty tables that may stay linked: as many as freed ranges of up to 128 KiB spread over while they wait to be used
/// again, so that no table is linked and unlinked in turn.
pub const IDLE_TABLES: usize = 40;

/// How a domain's tables look: what its unit can walk, and how it is to treat the memory.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Depth of the tables; the context entry has to name the same.
    pub levels: TableLevels,
    /// Bits of address that the unit lets through (MGAW). The narrower of this and the tables counts.
    pub address_width: u8,
    /// Entries above 4 KiB that may be used.
    pub page_sizes: SupportedPageSizes,
    /// Whether entries force snooping.
    pub snoop: Snoop,
    /// Whether the unit sees the processors' caches.
    pub coherence: Coherence,
}

impl Format {
    /// The format for a unit: all that it offers, and snooping forced where it can be, so that no device
    /// reads around the caches.
    pub const fn of_unit(
        levels: TableLevels,
        capabilities: Capabilities,
        extended: ExtendedCapabilities,
    ) -> Self {
        Self {
            levels,
            address_width: capabilities.address_width(),
            page_sizes: capabilities.large_pages(),
            snoop: if extended.snoop_control() { Snoop::Forced } else { Snoop::AsRequested },
            coherence: Coherence::of_unit(extended),
        }
    }
}

/// The second-stage tables of one domain.
///
/// An address translates exactly if a mapping made here and not yet unmapped covers it, with the
/// permissions of that mapping.
#[must_use = "dropping it leaks its pages"]
#[derive(Debug)]
pub struct SecondStage {
    root: PhysAddr,
    format: Format,
    /// The first address beyond the width; 0 once the tables are freed.
    limit: u64,
    nodes: NodeCache,
    idle: IdleTables,
    table_pages: u64,
    mapped_bytes: u64,
}

impl SecondStage {
    /// Makes the tables of an address space with nothing in it.
    ///
    /// # Errors
    ///
    /// Out of memory.
    pub fn new<M: TableMemory + ?Sized>(memory: &mut M, format: Format) -> Result<Self, TableError> {
        let root = memory.allocate().ok_or(TableError::OutOfMemory)?;
        format.coherence.publish(memory, root, PAGE_SIZE);
        let width = format.levels.width().min(format.address_width);
        Ok(Self {
            root,
            format,
            limit: 1 << width,
            nodes: NodeCache::new(),
            idle: IdleTables::new(),
            table_pages: 1,
            mapped_bytes: 0,
        })
    }

    /// The top-level table, for the context entry.
    pub const fn root(&self) -> PhysAddr {
        self.root
    }

    /// The depth, for the context entry.
    pub const fn levels(&self) -> TableLevels {
        self.format.levels
    }

    /// Pages in use for tables. Unlinked ones that wait for an invalidation are not counted.
    pub const fn table_pages(&self) -> u64 {
        self.table_pages
    }

    /// Bytes for which a leaf entry is present.
    pub const fn mapped_bytes(&self) -> u64 {
        self.mapped_bytes
    }

    /// What an address translates to by the tables in memory.
    pub fn translate<M: TableMemory + ?Sized>(
        &self,
        memory: &M,
        iova: Iova,
    ) -> Option<(PhysAddr, Permissions, PageSize)> {
        self.walk_path(memory, iova).translation(iova)
    }

    /// Tells whether every entry of a walk through these tables is one that mapping and unmapping write, every
    /// bit, whatever it refers to.
    pub fn may_have_written(&self, path: &WalkPath) -> bool {
        path.steps().all(|step| step.may_be_ours(self.format.snoop))
    }

    /// The entries that a walk to an address reads, for a report.
    pub fn walk_path<M: TableMemory + ?Sized>(&self, memory: &M, iova: Iova) -> WalkPath {
        walk::path(self, memory, iova)
    }

    /// Frees every table. No context entry may refer to them, and the unit must hold nothing of them.
    ///
    /// From then on no address is within the width: nothing can be mapped or unmapped, nothing translates.
    pub fn release<M: TableMemory + ?Sized>(&mut self, memory: &mut M) {
        if self.limit == 0 {
            return;
        }
        free_tables(memory, self.root, self.top());
        self.limit = 0;
        self.nodes = NodeCache::new();
        self.table_pages = 0;
        self.mapped_bytes = 0;
    }

    /// The level of the top table.
    const fn top(&self) -> Level {
        Level::top(self.format.levels)
    }
}

/// Frees a table and all below it.
fn free_tables<M: TableMemory + ?Sized>(memory: &mut M, table: PhysAddr, level: Level) {
    if let Some(below) = level.below() {
        for index in 0..Level::ENTRIES {
            let entry = read(memory, word(table, index));
            if entry.is_present() && !entry.is_large() {
                free_tables(memory, entry.address(), below);
            }
        }
    }
    memory.free(table);
}

/// Reads the entry at `at`.
fn read<M: TableMemory + ?Sized>(memory: &M, at: PhysAddr) -> SecondStageEntry {
    SecondStageEntry::from_bits(memory.read(at))
}

/// Stores the entry at `at`.
fn write<M: TableMemory + ?Sized>(memory: &mut M, at: PhysAddr, entry: SecondStageEntry) {
    memory.write(at, entry.bits());
}

#[cfg(test)]
mod tests;
