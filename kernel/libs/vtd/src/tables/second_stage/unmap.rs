//! Unmapping: entries are cleared at once, emptied tables kept until the unit has forgotten them.

use dma_types::{Iova, PAGE_SIZE, PageSize, PhysAddr};

use crate::TableMemory;
use crate::spec::second_stage::SecondStageEntry;
use crate::tables::word;
use iommu::PageList;

use super::level::Level;
use super::map::BLOCK;
use super::node::{Place, Slots};
use super::{SecondStage, Span, Stale, UnmapError, read, write};

/// The proof that a range is unmapped, and the tables that were unlinked for it.
///
/// The unit may go on using what it has cached until an invalidation has completed; only then may the
/// memory of the range be used again, and this be released.
#[must_use = "invalidate, then release"]
#[derive(Debug)]
pub struct Unmapped {
    tables: PageList,
}

impl Unmapped {
    /// What has to be invalidated, in any mode, with read and write drain where offered.
    pub const fn stale(&self) -> Stale {
        if self.tables.is_empty() { Stale::Range } else { Stale::Domain }
    }

    /// Takes over what another unmap of the same domain unlinked, so that one invalidation serves both.
    pub fn join<M: TableMemory + ?Sized>(&mut self, memory: &mut M, mut other: Self) {
        self.tables.append(memory, other.take());
    }

    /// Frees the unlinked tables. To be called once the invalidation has completed.
    pub fn release<M: TableMemory + ?Sized>(mut self, memory: &mut M) {
        self.take().free(memory);
    }

    /// Leaves the unlinked tables taken for good, since the unit may still walk them.
    pub fn give_up(mut self) {
        let _ = self.take();
    }

    /// The proof of an unmap that left every table linked.
    pub(super) const NOTHING_UNLINKED: Self = Self { tables: PageList::new() };

    const fn take(&mut self) -> PageList {
        core::mem::replace(&mut self.tables, PageList::new())
    }
}

impl Drop for Unmapped {
    fn drop(&mut self) {
        debug_assert!(self.tables.is_empty(), "unlinked tables were dropped, not released");
    }
}

impl SecondStage {
    /// Clears exactly the given range, which whole entries must cover completely.
    ///
    /// # Errors
    ///
    /// The range is malformed, holds an address that is not mapped, or ends within an entry. In each case
    /// nothing has changed.
    pub fn unmap<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        iova: Iova,
        bytes: u64,
    ) -> Result<Unmapped, UnmapError> {
        let span = Span { start: iova, bytes };
        let leaves = match (iova.as_u64() | bytes) & (PageSize::Size2M.bytes() - 1) {
            0 => Level::LARGE_PAGES,
            _ => Level::PAGES,
        };
        let unmapped = match self.clear_in_one_table(memory, leaves, span, Emptied::Any) {
            Some(TableState::InUse) => Unmapped::NOTHING_UNLINKED,
            Some(TableState::Empty(place)) => self.retire(memory, place),
            None => self.unmap_across_tables(memory, span)?,
        };
        self.mapped_bytes = self.mapped_bytes.wrapping_sub(bytes);
        Ok(unmapped)
    }

    /// The fast path of [`unmap`](Self::unmap): the entries are leaves of one table, which
    /// stays linked. Tells whether it was that; if not, nothing has changed.
    ///
    /// What has to be invalidated then is [`Stale::Range`].
    #[must_use = "invalidate, or take the slow path"]
    #[inline(always)]
    pub fn unmap_fast<M: TableMemory + ?Sized>(&mut self, memory: &mut M, iova: Iova, bytes: u64) -> bool {
        let span = |bytes| Span { start: iova, bytes };
        // Each with the level as a constant, and the lengths that drivers map most as well.
        let cleared = if bytes == PAGE_SIZE {
            self.clear_in_one_table(memory, Level::PAGES, span(PAGE_SIZE), Emptied::Newest)
        } else if bytes == BLOCK {
            self.clear_in_one_table(memory, Level::PAGES, span(BLOCK), Emptied::Newest)
        } else if (iova.as_u64() | bytes) & (PageSize::Size2M.bytes() - 1) != 0 {
            self.clear_in_one_table(memory, Level::PAGES, span(bytes), Emptied::Newest)
        } else {
            self.clear_in_one_table(memory, Level::LARGE_PAGES, span(bytes), Emptied::Newest)
        };
        if cleared.is_none() {
            return false;
        }
        self.mapped_bytes = self.mapped_bytes.wrapping_sub(bytes);
        true
    }

    /// The common case: leaf entries of one table of the level. `None` if it is another; then nothing has
    /// changed.
    #[inline(always)]
    fn clear_in_one_table<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        level: Level,
        span: Span,
        emptied: Emptied,
    ) -> Option<TableState> {
        let whole_pages = (span.start.as_u64() | span.bytes) & (level.entry_bytes() - 1) == 0;
        if !whole_pages || !span.within_one_table(level) {
            return None;
        }
        let node = self.node(memory, level, span.start)?;
        let slots = Slots::new(node, level, span);
        let parent = read(memory, node.parent);
        let is_emptied = parent.software() == slots.len();
        let place = Place::of(level, span.start);
        if is_emptied && emptied == Emptied::Newest && !self.idle.is_newest(place) {
            return None;
        }
        clear_leaves(memory, slots, level)?;
        self.format.coherence.publish(memory, slots.first(), slots.bytes());
        // The hardware ignores the count, so it need not be published.
        write(memory, node.parent, parent.sub_software(slots.len()));
        Some(if is_emptied { TableState::Empty(place) } else { TableState::InUse })
    }

    /// Every other case: checks the whole range, then clears.
    #[cold]
    fn unmap_across_tables<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        span: Span,
    ) -> Result<Unmapped, UnmapError> {
        let span = Span::new(span.start, span.bytes).ok_or(UnmapError::NotWholePages)?;
        if span.end() > self.limit {
            return Err(UnmapError::BeyondWidth(span.start));
        }
        self.check_covered(memory, self.root, self.top(), span)?;
        let mut unlinked = PageList::new();
        self.clear(memory, self.root, self.top(), span, &mut unlinked);
        Ok(self.unlinked(unlinked))
    }

    /// Hands over tables that are no longer part of the address space.
    const fn unlinked(&mut self, tables: PageList) -> Unmapped {
        self.table_pages = self.table_pages.saturating_sub(tables.len());
        Unmapped { tables }
    }

    /// Keeps an emptied table linked for the next mapping, and unlinks the one kept longest instead.
    #[cold]
    pub(super) fn retire<M: TableMemory + ?Sized>(&mut self, memory: &mut M, emptied: Place) -> Unmapped {
        let mut unlinked = PageList::new();
        if let Some(oldest) = self.idle.keep(emptied) {
            let (level, start) = (oldest.level(), oldest.start());
            let still_empty = self.node(memory, level, start).is_some_and(|node| node.live(memory) == 0);
            if still_empty {
                let span = Span { start, bytes: level.table_bytes() };
                self.clear(memory, self.root, self.top(), span, &mut unlinked);
            }
        }
        self.unlinked(unlinked)
    }

    /// Checks that leaf entries cover a span completely and none of them reaches beyond it.
    fn check_covered<M: TableMemory + ?Sized>(
        &self,
        memory: &M,
        table: PhysAddr,
        level: Level,
        span: Span,
    ) -> Result<(), UnmapError> {
        for piece in span.pieces(level) {
            let entry = read(memory, word(table, level.index(piece.start)));
            if !entry.is_present() {
                return Err(UnmapError::NotMapped(piece.start));
            }
            match (level.below(), level.page_size()) {
                (Some(below), _) if !entry.is_large() => {
                    self.check_covered(memory, entry.address(), below, piece)?;
                }
                (_, Some(size)) if piece.bytes != size.bytes() => {
                    return Err(UnmapError::Splits(piece.start, size));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Clears what is present in a span, unlinks every table that is empty then, and tells how many
    /// entries of `table` were cleared.
    fn clear<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        table: PhysAddr,
        level: Level,
        span: Span,
        unlinked: &mut PageList,
    ) -> u16 {
        let mut cleared = 0;
        for piece in span.pieces(level) {
            let at = word(table, level.index(piece.start));
            let entry = read(memory, at);
            if !entry.is_present() {
                continue;
            }
            if let Some(below) = level.below().filter(|_| !entry.is_large()) {
                let mut live = entry.software();
                if live > 0 {
                    let gone = self.clear(memory, entry.address(), below, piece, unlinked);
                    live = live.saturating_sub(gone);
                }
                if live > 0 {
                    write(memory, at, entry.with_software(live));
                    continue;
                }
                self.nodes.forget(below, piece.start);
                write(memory, at, SecondStageEntry::EMPTY);
                unlinked.push(memory, entry.address());
            } else {
                write(memory, at, SecondStageEntry::EMPTY);
            }
            cleared += 1;
        }
        if cleared > 0 {
            self.publish_entries(memory, table, level, span);
        }
        cleared
    }
}

/// Clears entries, or `None` and nothing if one of them is no leaf.
#[inline(always)]
fn clear_leaves<M: TableMemory + ?Sized>(memory: &mut M, slots: Slots, level: Level) -> Option<()> {
    let (first, words) = (slots.first(), slots.words());
    let leaves = memory.each_has(first, words, SecondStageEntry::PRESENT)
        && (level == Level::PAGES || memory.each_has(first, words, SecondStageEntry::LARGE));
    if !leaves {
        return None;
    }
    memory.fill(first, words, SecondStageEntry::EMPTY.bits(), 0);
    Some(())
}

/// Which tables may become empty.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Emptied {
    /// Any.
    Any,
    /// The one that was emptied last, which stays linked as it is.
    Newest,
}

/// What is left of a table after some of its entries were cleared.
enum TableState {
    /// Present entries.
    InUse,
    /// None.
    Empty(Place),
}
