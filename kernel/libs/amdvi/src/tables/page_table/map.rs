//! Mapping: everything that can fail is done before the first entry changes.

use dma_types::{Iova, PAGE_SIZE, Permissions, PhysAddr};
use iommu::{MapError, PageList, TableMemory};

use crate::spec::page_entry::PageEntry;

use super::level::{Level, Span};
use super::{PageTable, RESERVED, read, write};

/// The first address that an entry cannot hold.
const MEMORY_LIMIT: u64 = 1 << 52;

impl PageTable {
    /// Maps `bytes` at `iova` to the memory at `phys`, with entries as large as alignment and length allow.
    ///
    /// Nothing has to be invalidated, except where the unit remembers what was not present.
    ///
    /// # Errors
    /// As [`MapError`] says; nothing has changed.
    pub fn map<M: TableMemory>(
        &mut self,
        memory: &mut M,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: Permissions,
    ) -> Result<(), MapError> {
        let span = self.check_map(iova, phys, bytes)?;
        let target = &Target { offset: phys.as_u64().wrapping_sub(iova.as_u64()), permissions };
        let top = Level::top(self.root.levels);
        let missing = count_missing(memory, Some(self.root.table), top, span, target)?;
        let mut spare = PageList::allocate(memory, missing).ok_or(MapError::OutOfMemory)?;
        let filled = fill(memory, self.root.table, top, span, target, &mut spare);
        debug_assert!(filled.is_some() && spare.is_empty(), "tables were counted wrongly");
        self.mapped_bytes = self.mapped_bytes.saturating_add(bytes);
        self.table_pages = self.table_pages.saturating_add(missing);
        spare.free(memory);
        filled.ok_or(MapError::OutOfMemory)
    }

    fn check_map(&self, iova: Iova, phys: PhysAddr, bytes: u64) -> Result<Span, MapError> {
        let span = Span::new(iova, bytes).ok_or(MapError::NotWholePages)?;
        if !phys.is_aligned(PAGE_SIZE) {
            return Err(MapError::NotWholePages);
        }
        if !self.reaches_all(span) {
            return Err(MapError::BeyondWidth(iova));
        }
        if phys.as_u64().saturating_add(bytes) > MEMORY_LIMIT {
            return Err(MapError::BeyondMemory(phys));
        }
        let memory = Span { start: Iova::new(phys.as_u64()), bytes };
        if is_reserved(span) || is_reserved(memory) {
            return Err(MapError::InterruptRange);
        }
        Ok(span)
    }
}

/// Tells whether a span meets addresses that the fabric has for itself.
fn is_reserved(span: Span) -> bool {
    RESERVED.iter().any(|range| span.start.as_u64() < range.end && span.last().as_u64() >= range.start)
}

/// Counts the tables that a span lacks below `table` (`None`: a table still to come, all vacant).
fn count_missing<M: TableMemory>(
    memory: &M,
    table: Option<PhysAddr>,
    level: Level,
    span: Span,
    target: &Target,
) -> Result<u64, MapError> {
    let mut missing = 0;
    for piece in span.pieces(level) {
        let entry = table.map_or(PageEntry::EMPTY, |table| read(memory, level.entry(table, piece.start)));
        match action(entry, level, piece, target) {
            Action::Leaf => {}
            Action::Taken => return Err(MapError::Overlap(piece.start)),
            Action::Below(below, child) => {
                missing += u64::from(child.is_none());
                missing += count_missing(memory, child, below, piece, target)?;
            }
        }
    }
    Ok(missing)
}

/// Fills a span that [`count_missing`] found vacant; `None` if `spare` has too few pages, which that count rules out.
///
/// A new table is complete, with everything below it, before an entry leads to it.
fn fill<M: TableMemory>(
    memory: &mut M,
    table: PhysAddr,
    level: Level,
    span: Span,
    target: &Target,
    spare: &mut PageList,
) -> Option<()> {
    for piece in span.pieces(level) {
        let at = level.entry(table, piece.start);
        match action(read(memory, at), level, piece, target) {
            Action::Leaf => write(memory, at, target.leaf(piece.start)),
            Action::Below(below, Some(child)) => fill(memory, child, below, piece, target, spare)?,
            Action::Below(below, None) => {
                let child = spare.take(memory)?;
                fill(memory, child, below, piece, target, spare)?;
                write(memory, at, PageEntry::table(child, below.number()));
            }
            Action::Taken => return None,
        }
    }
    Some(())
}

/// What mapping `piece`, which belongs to one entry of the level, means for that entry.
fn action(entry: PageEntry, level: Level, piece: Span, target: &Target) -> Action {
    if entry.is_present() {
        return match level.below() {
            Some(below) if !entry.is_leaf() => Action::Below(below, Some(entry.address())),
            _ => Action::Taken,
        };
    }
    let is_leaf = level.page_size().is_some_and(|size| {
        piece.bytes == size.bytes() && (target.offset | piece.start.as_u64()) & (size.bytes() - 1) == 0
    });
    match level.below() {
        _ if is_leaf => Action::Leaf,
        Some(below) => Action::Below(below, None),
        None => Action::Taken,
    }
}

/// What to do with one entry.
enum Action {
    /// It is vacant and becomes a leaf.
    Leaf,
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
}

impl Target {
    /// The entry for the given device address.
    const fn leaf(&self, iova: Iova) -> PageEntry {
        PageEntry::leaf(PhysAddr::new(iova.as_u64().wrapping_add(self.offset)), self.permissions)
    }
}
