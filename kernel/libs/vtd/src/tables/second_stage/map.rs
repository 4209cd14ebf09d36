//! Mapping: everything that can fail is done before the first entry changes.

use dma_types::{Iova, PAGE_SIZE, PageSize, Permissions, PhysAddr};

use crate::TableMemory;
use crate::spec::second_stage::{SecondStageEntry, Snoop};
use crate::tables::page_list::PageList;
use crate::tables::word;

use super::level::Level;
use super::node::Slots;
use super::{MapError, SecondStage, Span, read, write};

/// The addresses at which requests are interrupts (VT-d "Handling Requests to Interrupt Address Range").
const INTERRUPTS: core::ops::Range<u64> = 0xfee0_0000..0xfef0_0000;

/// The first address that an entry cannot hold.
const MEMORY_LIMIT: u64 = 1 << 52;

impl SecondStage {
    /// Maps `bytes` at `iova` to the memory at `phys`, with entries as large as alignment, length and
    /// unit allow.
    ///
    /// Nothing has to be invalidated, except in caching mode: then the IOTLB, by domain or by this range
    /// without the leaf hint, as tables may have been linked. Where the unit requires write buffer
    /// flushing, that.
    ///
    /// # Errors
    ///
    /// The range is malformed, out of reach, or in part mapped already, or no memory is left for a table.
    /// In each case nothing has changed.
    pub fn map<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: Permissions,
    ) -> Result<(), MapError> {
        let span = self.check_map(iova, phys, bytes)?;
        let target = Target {
            offset: phys.as_u64().wrapping_sub(iova.as_u64()),
            permissions,
            snoop: self.format.snoop,
        };
        // Each with the level as a constant.
        let mapped = if self.suits_large_pages(span, &target) {
            self.map_in_one_table(memory, Level::LARGE_PAGES, span, &target)
        } else {
            self.map_in_one_table(memory, Level::PAGES, span, &target)
        };
        if mapped.is_none() {
            self.map_across_tables(memory, span, &target)?;
        }
        self.mapped_bytes = self.mapped_bytes.wrapping_add(bytes);
        Ok(())
    }

    fn check_map(&self, iova: Iova, phys: PhysAddr, bytes: u64) -> Result<Span, MapError> {
        let span = Span::new(iova, bytes).ok_or(MapError::NotWholePages)?;
        if !phys.is_aligned(PAGE_SIZE) {
            return Err(MapError::NotWholePages);
        }
        if span.end() > self.limit {
            return Err(MapError::BeyondWidth(iova));
        }
        let phys_end = phys.as_u64().saturating_add(bytes);
        if phys_end > MEMORY_LIMIT {
            return Err(MapError::BeyondMemory(phys));
        }
        let touches = |start: u64, end: u64| start < INTERRUPTS.end && end > INTERRUPTS.start;
        if touches(iova.as_u64(), span.end()) || touches(phys.as_u64(), phys_end) {
            return Err(MapError::InterruptRange);
        }
        Ok(span)
    }

    /// Tells whether a span is best covered by 2 MiB entries, and nothing larger.
    fn suits_large_pages(&self, span: Span, target: &Target) -> bool {
        target.is_aligned(span, PageSize::Size2M)
            && span.bytes & (PageSize::Size2M.bytes() - 1) == 0
            && span.bytes < PageSize::Size1G.bytes()
            && self.format.page_sizes.supports(PageSize::Size2M)
    }

    /// The common case: vacant entries of one table of the level that is linked already. `None` if it is
    /// another; then nothing has changed.
    #[inline(always)]
    fn map_in_one_table<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        level: Level,
        span: Span,
        target: &Target,
    ) -> Option<()> {
        if !span.within_one_table(level) {
            return None;
        }
        let size = level.page_size()?;
        let node = self.node(memory, level, span.start)?;
        let slots = Slots::new(node, level, span);
        let first = target.leaf(span.start, size);
        match slots.single() {
            Some(slot) => fill_vacant(memory, slot, first, size)?,
            None => fill_vacant(memory, slots, first, size)?,
        }
        self.format.coherence.publish(memory, slots.first(), slots.bytes());
        node.add_live(memory, slots.len());
        Some(())
    }

    /// Every other case: checks the whole range, gets the tables that are missing, then fills.
    #[cold]
    fn map_across_tables<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        span: Span,
        target: &Target,
    ) -> Result<(), MapError> {
        let missing = self.count_missing(memory, Some(self.root), self.top(), span, target)?;
        let mut spare = PageList::allocate(memory, missing).ok_or(MapError::OutOfMemory)?;
        let filled = self.fill(memory, self.root, self.top(), span, target, &mut spare);
        debug_assert!(filled.is_some() && spare.len() == 0, "tables were counted wrongly");
        self.table_pages = self.table_pages.saturating_add(missing);
        spare.free(memory);
        filled.map(|_| ()).ok_or(MapError::OutOfMemory)
    }

    /// Counts the tables that a span lacks below `table` (`None`: a table still to come, all vacant).
    fn count_missing<M: TableMemory + ?Sized>(
        &self,
        memory: &M,
        table: Option<PhysAddr>,
        level: Level,
        span: Span,
        target: &Target,
    ) -> Result<u64, MapError> {
        if table.is_none() && level == Level::PAGES {
            return Ok(0);
        }
        let mut missing = 0;
        for piece in span.pieces(level) {
            let entry = match table {
                Some(table) => read(memory, word(table, level.index(piece.start))),
                None => SecondStageEntry::EMPTY,
            };
            match self.action(entry, level, piece, target) {
                Action::Leaf(_) => {}
                Action::Taken => return Err(MapError::Overlap(piece.start)),
                Action::Below(below, child) => {
                    missing += u64::from(child.is_none());
                    missing += self.count_missing(memory, child, below, piece, target)?;
                }
            }
        }
        Ok(missing)
    }

    /// Fills a span that [`Self::count_missing`] found vacant, and tells how many entries of `table`
    /// became present; `None` if `spare` has too few pages, which that count rules out.
    ///
    /// A new table is complete, with everything below it, before an entry leads to it.
    fn fill<M: TableMemory + ?Sized>(
        &self,
        memory: &mut M,
        table: PhysAddr,
        level: Level,
        span: Span,
        target: &Target,
        spare: &mut PageList,
    ) -> Option<u16> {
        let mut added = 0;
        for piece in span.pieces(level) {
            let at = word(table, level.index(piece.start));
            let entry = read(memory, at);
            match self.action(entry, level, piece, target) {
                Action::Leaf(size) => {
                    write(memory, at, target.leaf(piece.start, size));
                    added += 1;
                }
                Action::Below(below, Some(child)) => {
                    let live = self.fill(memory, child, below, piece, target, spare)?;
                    write(memory, at, entry.with_software(entry.software().saturating_add(live)));
                }
                Action::Below(below, None) => {
                    let child = spare.take(memory)?;
                    let live = self.fill(memory, child, below, piece, target, spare)?;
                    self.format.coherence.publish(memory, child, PAGE_SIZE);
                    write(memory, at, SecondStageEntry::table(child).with_software(live));
                    added += 1;
                }
                Action::Taken => return None,
            }
        }
        if added > 0 {
            self.publish_entries(memory, table, level, span);
        }
        Some(added)
    }

    /// Makes the entries of a table for a span visible to the unit.
    pub(super) fn publish_entries<M: TableMemory + ?Sized>(
        &self,
        memory: &M,
        table: PhysAddr,
        level: Level,
        span: Span,
    ) {
        let first = level.index(span.start);
        let last = level.index(span.last());
        let entries = last.saturating_sub(first) + 1;
        self.format.coherence.publish(memory, word(table, first), entries * SecondStageEntry::BYTES);
    }

    /// What mapping `piece`, which belongs to one entry of the level, means for that entry.
    fn action(&self, entry: SecondStageEntry, level: Level, piece: Span, target: &Target) -> Action {
        if entry.is_present() {
            return match level.below() {
                Some(below) if !entry.is_large() => Action::Below(below, Some(entry.address())),
                _ => Action::Taken,
            };
        }
        let leaf = level.page_size().filter(|size| {
            piece.bytes == size.bytes()
                && target.is_aligned(piece, *size)
                && self.format.page_sizes.supports(*size)
        });
        match (leaf, level.below()) {
            (Some(size), _) => Action::Leaf(size),
            (None, Some(below)) => Action::Below(below, None),
            (None, None) => Action::Taken,
        }
    }
}

/// Fills entries with ascending addresses, or `None` and nothing if one of them is present.
#[inline(always)]
fn fill_vacant<M: TableMemory + ?Sized>(
    memory: &mut M,
    slots: Slots,
    first: SecondStageEntry,
    size: PageSize,
) -> Option<()> {
    if slots.iter().any(|at| read(memory, at).is_present()) {
        return None;
    }
    let mut bits = first.bits();
    for at in slots.iter() {
        memory.write(at, bits);
        bits = bits.wrapping_add(size.bytes());
    }
    Some(())
}

/// What to do with one entry.
enum Action {
    /// It is vacant and becomes a leaf.
    Leaf(PageSize),
    /// It leads to a table of this level, which exists or not.
    Below(Level, Option<PhysAddr>),
    /// A mapping holds it.
    Taken,
}

/// What a range is mapped to.
struct Target {
    /// Memory address minus device address, modulo 2^64.
    offset: u64,
    permissions: Permissions,
    snoop: Snoop,
}

impl Target {
    /// Tells whether both addresses of the span's start are multiples of the size.
    const fn is_aligned(&self, span: Span, size: PageSize) -> bool {
        (self.offset | span.start.as_u64()) & (size.bytes() - 1) == 0
    }

    /// The entry for the given device address.
    const fn leaf(&self, iova: Iova, size: PageSize) -> SecondStageEntry {
        let phys = PhysAddr::new(iova.as_u64().wrapping_add(self.offset));
        SecondStageEntry::leaf(phys, size, self.permissions, self.snoop)
    }
}
