//! Mapping: everything that can fail is done before the first entry changes.

use dma_types::{INTERRUPT_RANGE, Iova, PAGE_SIZE, PageSize, Permissions, PhysAddr};

use crate::TableMemory;
use crate::spec::second_stage::{SecondStageEntry, Snoop};
use crate::tables::word;
use iommu::PageList;

use super::level::Level;
use super::node::Slots;
use super::{MapError, SecondStage, Span, read, write};

/// A length that drivers map often: 64 KiB.
pub(super) const BLOCK: u64 = 16 * PAGE_SIZE;

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
        let offset = phys.as_u64().wrapping_sub(iova.as_u64());
        let target = &Target { offset, permissions, snoop: self.format.snoop };
        let missing = self.count_missing(memory, Some(self.root), self.top(), span, target)?;
        let mut spare = PageList::allocate(memory, missing).ok_or(MapError::OutOfMemory)?;
        let filled = self.fill(memory, self.root, self.top(), span, target, &mut spare);
        debug_assert!(filled.is_some() && spare.is_empty(), "tables were counted wrongly");
        self.mapped_bytes = self.mapped_bytes.wrapping_add(bytes);
        self.table_pages = self.table_pages.saturating_add(missing);
        spare.free(memory);
        filled.map(|_| ()).ok_or(MapError::OutOfMemory)
    }

    /// The fast path of [`map`](Self::map): the entries fall into one table that is linked
    /// already. Tells whether it was that; if not, nothing has changed.
    #[inline(always)]
    pub fn map_fast<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        (iova, phys): (Iova, PhysAddr),
        bytes: u64,
        permissions: Permissions,
    ) -> bool {
        let large = PageSize::Size2M.bytes() - 1;
        // Each with the level as a constant, and the lengths that drivers map most as well.
        let mapped = if bytes == PAGE_SIZE {
            self.map_in_one_table(memory, Level::PAGES, (iova, phys, PAGE_SIZE), permissions)
        } else if bytes == BLOCK {
            self.map_in_one_table(memory, Level::PAGES, (iova, phys, BLOCK), permissions)
        } else if bytes & large != 0 {
            self.map_in_one_table(memory, Level::PAGES, (iova, phys, bytes), permissions)
        } else if (iova.as_u64() | phys.as_u64()) & large == 0
            && self.format.page_sizes.supports(PageSize::Size2M)
        {
            self.map_in_one_table(memory, Level::LARGE_PAGES, (iova, phys, bytes), permissions)
        } else {
            None
        };
        if mapped.is_none() {
            return false;
        }
        self.mapped_bytes = self.mapped_bytes.wrapping_add(bytes);
        true
    }

    /// The common case: vacant entries of one table of the level that is linked already. `None` if it is
    /// another, or not allowed; then nothing has changed.
    ///
    /// A linked table proves that its addresses are in reach and none of them an interrupt.
    #[inline(always)]
    fn map_in_one_table<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        level: Level,
        (iova, phys, bytes): (Iova, PhysAddr, u64),
        permissions: Permissions,
    ) -> Option<()> {
        let size = level.page_size()?;
        let span = Span { start: iova, bytes };
        let whole_pages = (iova.as_u64() | phys.as_u64() | bytes) & (size.bytes() - 1) == 0;
        if !whole_pages || !span.within_one_table(level) {
            return None;
        }
        let below_interrupts = phys.as_u64() < INTERRUPT_RANGE.start - level.table_bytes();
        let in_reach = phys.as_u64() < MEMORY_LIMIT - level.table_bytes();
        if !below_interrupts && (!in_reach || touches_interrupts(phys, bytes)) {
            return None;
        }
        let node = self.node(memory, level, iova)?;
        let slots = Slots::new(node, level, span);
        let first = SecondStageEntry::leaf(phys, size, permissions, self.format.snoop);
        fill_vacant(memory, slots, first, size)?;
        self.format.coherence.publish(memory, slots.first(), slots.bytes());
        node.add_live(memory, slots.len());
        Some(())
    }

    fn check_map(&self, iova: Iova, phys: PhysAddr, bytes: u64) -> Result<Span, MapError> {
        let span = Span::new(iova, bytes).ok_or(MapError::NotWholePages)?;
        if !phys.is_aligned(PAGE_SIZE) {
            return Err(MapError::NotWholePages);
        }
        if span.end() > self.limit {
            return Err(MapError::BeyondWidth(iova));
        }
        if phys.as_u64().saturating_add(bytes) > MEMORY_LIMIT {
            return Err(MapError::BeyondMemory(phys));
        }
        if touches_interrupts(PhysAddr::new(iova.as_u64()), bytes) || touches_interrupts(phys, bytes) {
            return Err(MapError::InterruptRange);
        }
        Ok(span)
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

/// Tells whether a range that does not pass the end of the number range has an interrupt address in it.
#[inline]
const fn touches_interrupts(start: PhysAddr, bytes: u64) -> bool {
    // How far the range's end lies beyond the first of them: a huge number if before.
    let beyond = start.as_u64().wrapping_add(bytes).wrapping_sub(INTERRUPT_RANGE.start + 1);
    beyond < (INTERRUPT_RANGE.end - INTERRUPT_RANGE.start - 1).wrapping_add(bytes)
}

/// Fills entries with ascending addresses, or `None` and nothing if one of them is present.
#[inline(always)]
fn fill_vacant<M: TableMemory + ?Sized>(
    memory: &mut M,
    slots: Slots,
    first: SecondStageEntry,
    size: PageSize,
) -> Option<()> {
    let present = SecondStageEntry::from_bits(memory.any(slots.first(), slots.words())).is_present();
    if present {
        return None;
    }
    memory.fill(slots.first(), slots.words(), first.bits(), size.bytes());
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
