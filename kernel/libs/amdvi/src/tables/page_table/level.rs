//! Levels of a tree, and spans of device addresses cut along them.

use dma_types::{Iova, PAGE_SIZE, PageSize, PhysAddr};

use crate::spec::page_entry::TableLevels;
use crate::tables::word;

/// A level of tables; 1 is the one whose entries are pages of 4 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level(u8);

impl Level {
    /// Entries of a table.
    pub(super) const ENTRIES: u64 = 512;

    /// That of the table a device entry leads to.
    pub(super) const fn top(levels: TableLevels) -> Self {
        Self(levels.count())
    }

    /// Its number.
    pub(super) const fn number(self) -> u8 {
        self.0
    }

    /// The level of the tables that its entries lead to.
    pub(super) const fn below(self) -> Option<Self> {
        if self.0 > 1 { Some(Self(self.0 - 1)) } else { None }
    }

    /// Bytes that one entry covers.
    pub(super) const fn entry_bytes(self) -> u64 {
        PAGE_SIZE << (9 * (self.0 as u32 - 1))
    }

    /// The size of its leaf entries, where it has some.
    pub(super) const fn page_size(self) -> Option<PageSize> {
        match self.0 {
            1 => Some(PageSize::Size4K),
            2 => Some(PageSize::Size2M),
            3 => Some(PageSize::Size1G),
            _ => None,
        }
    }

    /// The place of the entry for an address.
    pub(super) const fn entry(self, table: PhysAddr, iova: Iova) -> PhysAddr {
        word(table, iova.as_u64() / self.entry_bytes())
    }
}

/// Whole pages of device addresses, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: Iova,
    pub(super) bytes: u64,
}

impl Span {
    /// A range, if it consists of whole pages, is not empty, and does not pass the end of the number range.
    pub(super) const fn new(start: Iova, bytes: u64) -> Option<Self> {
        let whole = bytes != 0 && (start.as_u64() | bytes) & (PAGE_SIZE - 1) == 0;
        if whole && start.as_u64().checked_add(bytes - 1).is_some() {
            Some(Self { start, bytes })
        } else {
            None
        }
    }

    /// The address of its last byte.
    pub(super) const fn last(self) -> Iova {
        Iova::new(self.start.as_u64() + (self.bytes - 1))
    }

    /// The parts that belong to one entry of the level each, in order.
    pub(super) fn pieces(self, level: Level) -> impl Iterator<Item = Self> {
        let size = level.entry_bytes();
        let mut start = self.start.as_u64();
        let mut left = self.bytes;
        core::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let bytes = left.min(size - (start & (size - 1)));
            let piece = Self { start: Iova::new(start), bytes };
            start = start.wrapping_add(bytes);
            left -= bytes;
            Some(piece)
        })
    }
}
