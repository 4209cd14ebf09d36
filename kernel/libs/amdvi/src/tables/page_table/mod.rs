//! One domain's address space: a tree of page tables of the first version.
//!
//! Present entries are never changed into other present entries: mapping needs vacant ones, unmapping clears them. A table
//! that is emptied is unlinked, and freed once the unit has forgotten it.

mod level;
mod map;
#[cfg(test)]
mod tests;
mod unmap;

use core::ops::Range;

use dma_types::{INTERRUPT_RANGE, Iova, Permissions, PhysAddr};
use iommu::{PageList, TableError, TableMemory};

use crate::spec::device_entry::PageTableRoot;
use crate::spec::page_entry::{PageEntry, TableLevels};

use level::{Level, Span};

pub use unmap::Unmapped;

/// Addresses that the fabric has for itself: interrupts, and what HyperTransport says (AMD I/O Virtualization "Special
/// Address Ranges").
const RESERVED: [Range<u64>; 2] = [INTERRUPT_RANGE, 0xfd_0000_0000..0x100_0000_0000];

/// The page tables of one domain.
#[must_use = "dropping it leaks its tables"]
#[derive(Debug)]
pub struct PageTable {
    root: PageTableRoot,
    mapped_bytes: u64,
    table_pages: u64,
}

impl PageTable {
    /// Makes a tree with nothing in it.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new<M: TableMemory>(memory: &mut M, levels: TableLevels) -> Result<Self, TableError> {
        let table = memory.allocate().ok_or(TableError::OutOfMemory)?;
        Ok(Self { root: PageTableRoot { table, levels }, mapped_bytes: 0, table_pages: 1 })
    }

    /// Where a device entry leads.
    pub const fn root(&self) -> PageTableRoot {
        self.root
    }

    /// Bytes that are mapped.
    pub const fn mapped_bytes(&self) -> u64 {
        self.mapped_bytes
    }

    /// Pages of tables in use, the top one included.
    pub const fn table_pages(&self) -> u64 {
        self.table_pages
    }

    /// What the tables say of an address: the memory behind it and the way it may be used.
    pub fn translate<M: TableMemory>(&self, memory: &M, iova: Iova) -> Option<(PhysAddr, Permissions)> {
        if !self.reaches(iova) {
            return None;
        }
        let mut table = self.root.table;
        let mut level = Level::top(self.root.levels);
        loop {
            let entry = read(memory, level.entry(table, iova));
            let permissions = entry.permissions()?;
            let Some(below) = level.below().filter(|_| !entry.is_leaf()) else {
                let offset = iova.as_u64() & (level.entry_bytes() - 1);
                return Some((PhysAddr::new(entry.address().as_u64() | offset), permissions));
            };
            (table, level) = (entry.address(), below);
        }
    }

    /// Frees every table. Nothing can be mapped from then on, and no device may be attached.
    pub fn release<M: TableMemory>(&mut self, memory: &mut M) {
        if self.table_pages > 0 {
            free_below(memory, self.root.table, Level::top(self.root.levels));
            self.table_pages = 0;
            self.mapped_bytes = 0;
        }
    }

    /// Tells whether the tables translate an address at all.
    const fn reaches(&self, iova: Iova) -> bool {
        self.table_pages > 0 && iova.as_u64() >> (self.root.levels.width() - 1) <= 1
    }

    /// Tells whether they translate every address of a span.
    const fn reaches_all(&self, span: Span) -> bool {
        self.reaches(span.start) && self.reaches(span.last())
    }

    /// Hands over tables that are no longer part of the address space.
    const fn unlinked(&mut self, tables: PageList) -> Unmapped {
        self.table_pages = self.table_pages.saturating_sub(tables.len());
        Unmapped::of(tables)
    }
}

fn free_below<M: TableMemory>(memory: &mut M, table: PhysAddr, level: Level) {
    if let Some(below) = level.below() {
        for index in 0..Level::ENTRIES {
            let entry = read(memory, super::word(table, index));
            if entry.is_present() && !entry.is_leaf() {
                free_below(memory, entry.address(), below);
            }
        }
    }
    memory.free(table);
}

fn read<M: TableMemory>(memory: &M, at: PhysAddr) -> PageEntry {
    PageEntry::from_bits(memory.read(at))
}

fn write<M: TableMemory>(memory: &mut M, at: PhysAddr, entry: PageEntry) {
    memory.write(at, entry.bits());
}
