//! Unmapping: entries are cleared at once, emptied tables kept until the unit has forgotten them.

use dma_types::{Iova, PhysAddr};
use iommu::{PageList, Stale, TableMemory, UnmapError};

use crate::spec::page_entry::PageEntry;
use crate::tables::word;

use super::level::{Level, Span};
use super::{PageTable, read, write};

/// The proof that a range is unmapped, and the tables that were unlinked for it.
///
/// The unit may go on using what it has cached until an invalidation has completed; only then may the memory of the range
/// be used again, and this be released.
#[must_use = "invalidate, then release"]
#[derive(Debug)]
pub struct Unmapped {
    tables: PageList,
}

impl Unmapped {
    /// The proof of an unmap that left every table linked.
    pub const NOTHING_UNLINKED: Self = Self { tables: PageList::new() };

    pub(super) const fn of(tables: PageList) -> Self {
        Self { tables }
    }

    /// What has to be invalidated.
    pub const fn stale(&self) -> Stale {
        if self.tables.is_empty() { Stale::Range } else { Stale::Domain }
    }

    /// Takes over what another unmap of the same domain unlinked, so that one invalidation serves both.
    pub fn join<M: TableMemory>(&mut self, memory: &mut M, mut other: Self) {
        self.tables.append(memory, other.take());
    }

    /// Frees the unlinked tables. To be called once the invalidation has completed.
    pub fn release<M: TableMemory>(mut self, memory: &mut M) {
        self.take().free(memory);
    }

    /// Leaves the unlinked tables taken for good, since the unit may still walk them.
    pub fn give_up(mut self) {
        let _ = self.take();
    }

    const fn take(&mut self) -> PageList {
        core::mem::replace(&mut self.tables, PageList::new())
    }
}

impl Drop for Unmapped {
    fn drop(&mut self) {
        debug_assert!(self.tables.is_empty(), "unlinked tables were dropped, not released");
    }
}

impl PageTable {
    /// Clears exactly the given range, which whole entries must cover completely.
    ///
    /// # Errors
    /// As [`UnmapError`] says; nothing has changed.
    pub fn unmap<M: TableMemory>(
        &mut self,
        memory: &mut M,
        iova: Iova,
        bytes: u64,
    ) -> Result<Unmapped, UnmapError> {
        let span = Span::new(iova, bytes).ok_or(UnmapError::NotWholePages)?;
        if !self.reaches_all(span) {
            return Err(UnmapError::BeyondWidth(iova));
        }
        let top = Level::top(self.root.levels);
        check_covered(memory, self.root.table, top, span)?;
        let mut tables = PageList::new();
        clear(memory, self.root.table, top, span, &mut tables);
        self.mapped_bytes = self.mapped_bytes.saturating_sub(bytes);
        Ok(self.unlinked(tables))
    }
}

/// Checks that leaf entries cover a span completely and none of them reaches beyond it.
fn check_covered<M: TableMemory>(
    memory: &M,
    table: PhysAddr,
    level: Level,
    span: Span,
) -> Result<(), UnmapError> {
    for piece in span.pieces(level) {
        let entry = read(memory, level.entry(table, piece.start));
        if !entry.is_present() {
            return Err(UnmapError::NotMapped(piece.start));
        }
        match (level.below(), level.page_size()) {
            (Some(below), _) if !entry.is_leaf() => check_covered(memory, entry.address(), below, piece)?,
            (_, Some(size)) if piece.bytes != size.bytes() => {
                return Err(UnmapError::Splits(piece.start, size));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Clears what is present in a span, and unlinks every table below `table` that is empty then.
fn clear<M: TableMemory>(memory: &mut M, table: PhysAddr, level: Level, span: Span, unlinked: &mut PageList) {
    for piece in span.pieces(level) {
        let at = level.entry(table, piece.start);
        let entry = read(memory, at);
        if let Some(below) = level.below().filter(|_| entry.is_present() && !entry.is_leaf()) {
            clear(memory, entry.address(), below, piece, unlinked);
            if memory.any(word(entry.address(), 0), Level::ENTRIES) != 0 {
                continue;
            }
            // First the way to it, then the link in its own first word.
            write(memory, at, PageEntry::EMPTY);
            unlinked.push(memory, entry.address());
        } else {
            write(memory, at, PageEntry::EMPTY);
        }
    }
}
