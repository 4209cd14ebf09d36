//! The books of one domain: what is mapped, what was, and what happened lately.
//!
//! # Costs
//! A range's slot number is the record's number, so that map and unmap search nothing. In the steady state
//! (a slot used before, at the same place) a map overwrites the record, sets one bit and writes one event:
//! some 65 instructions in the kernel as it ships, some 90 more if the slot now stands for other memory and is
//! filed anew. An unmap takes some 50. Neither depends on how many mappings are live. The first use of a slot enters it into the index: some 1,000, once.
//!
//! # Memory
//! For each slot on the books (the most that were ever live at once, and the allocator's quarantine): 120
//! bytes of record, 16 of physical index, and of page index 9 (small ranges, densely packed) to 280 (a
//! range alone in its 64 pages). For each book: a ring of 256 events (16 KiB), 8,192 chain heads (32 KiB) and
//! the first nodes of the page index (17 KiB). Nothing grows with time.

mod lookup;

use alloc::vec::Vec;
use core::ops::Range;

use dma_types::{Direction, Iova, PAGE_SIZE};
use iova::{IovaRange, OutOfMemory};

use crate::entries::{Entries, Entry};
use crate::history::{Event, History, Operation, Span};
use crate::index::{PageIndex, Which};
use crate::physical::PhysicalIndex;
use crate::{Backing, BookError, Label, Mapping, MappingRecord, Step};

/// The books of one domain.
#[derive(Debug)]
pub struct Book {
    window: Range<Iova>,
    entries: Entries,
    index: PageIndex,
    physical: PhysicalIndex,
    regions: Vec<MappingRecord>,
    history: History,
    live: u64,
    live_bytes: u64,
    forgotten: u64,
}

impl Book {
    /// Empty books for the window of a domain's allocator.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(window: Range<Iova>) -> Result<Self, OutOfMemory> {
        let pages = window.end.as_u64().div_ceil(PAGE_SIZE).saturating_sub(first_page(&window));
        Ok(Self {
            window,
            entries: Entries::new(),
            index: PageIndex::new(pages)?,
            physical: PhysicalIndex::new()?,
            regions: Vec::new(),
            history: History::new()?,
            live: 0,
            live_bytes: 0,
            forgotten: 0,
        })
    }

    /// Enters a mapping of a range: it starts on the range's first page and ends within the range.
    ///
    /// # Errors
    /// [`BookError`]; the books are unchanged.
    pub fn record_map(&mut self, range: &IovaRange, mapping: Mapping) -> Result<(), BookError> {
        let Mapping { start, length, mapped, .. } = mapping;
        if self.record_map_fast(range, mapping) {
            return Ok(());
        }
        let room = range.length().wrapping_sub(start.page_offset());
        if start.page() != range.start() || length == 0 || length > room {
            return Err(BookError::OutsideRange { start, length });
        }
        match self.entries.get_mut(range) {
            Some(entry) if entry.is_same_slot(range) && !entry.record.is_live() => {
                // Pages may remain behind whose last owner is overwritten.
                let old = core::mem::replace(&mut entry.record.mapping, mapping);
                self.forgotten += u64::from(mapping.pages() < old.pages());
                // Not known to be filed under what it was: file it.
                entry.record.mapping.backing = old.backing;
            }
            _ => self.open_entry(range, start, mapped)?,
        }
        if self.record_map_fast(range, mapping) { Ok(()) } else { Err(BookError::AlreadyMapped { start }) }
    }

    /// The fast path of [`record_map`](Self::record_map): the slot is on the books, released, and
    /// its last mapping started at the same byte. Tells whether it was that; if not, nothing has changed.
    #[must_use = "if it was not, take the slow path"]
    #[inline(always)]
    pub fn record_map_fast(&mut self, range: &IovaRange, mapping: Mapping) -> bool {
        let Mapping { start, length, direction, label, backing, mapped } = mapping;
        let room = range.length().wrapping_sub(start.page_offset());
        let within = start.page() == range.start() && length.wrapping_sub(1) < room;
        let Some(entry) = self.entries.get_mut(range) else { return false };
        // A mapping starts on the first page of its slot: with the one, the other is the same.
        let same_slot = entry.record.mapping.start == start && entry.slot_pages == range.slot_pages();
        if !within || !same_slot || entry.record.is_live() {
            return false;
        }
        if length < entry.record.mapping.length {
            // Pages may remain behind whose last owner is overwritten.
            self.forgotten =
                self.forgotten.wrapping_add(u64::from(mapping.pages() < entry.record.mapping.pages()));
        }
        if entry.record.mapping.backing != backing {
            entry.record.mapping.backing = backing;
            self.physical.file(range.slot().index(), &backing);
        }
        entry.record.mapping.length = length;
        entry.record.mapping.direction = direction;
        entry.record.mapping.label = label;
        entry.record.mapping.mapped = mapped;
        entry.record.released = None;
        self.index.mark_live(entry.leaf, entry.page);
        // Both bounded by the window.
        self.live = self.live.wrapping_add(1);
        self.live_bytes = self.live_bytes.wrapping_add(length);
        self.history.push(Event::of(Operation::Map, &mapping, mapped));
        true
    }

    /// Enters that a range was unmapped; its owner stays on the books until the range is used again.
    ///
    /// Call it when the translation is gone from tables and caches, before the range is freed.
    ///
    /// # Errors
    /// [`BookError::NotMapped`]; the books are unchanged.
    #[inline(always)]
    pub fn record_unmap(&mut self, range: &IovaRange, step: Step) -> Result<(), BookError> {
        let Some(length) = self.release(range, step) else {
            return Err(BookError::NotMapped { start: range.start() });
        };
        self.live = self.live.wrapping_sub(1);
        self.live_bytes = self.live_bytes.wrapping_sub(length);
        Ok(())
    }

    /// Enters that many ranges were unmapped, as [`record_unmap`](Self::record_unmap) does for each.
    ///
    /// # Errors
    /// [`BookError::NotMapped`]; those before it are entered.
    pub fn record_unmap_all(&mut self, ranges: &[IovaRange], step: Step) -> Result<(), BookError> {
        let (mut count, mut bytes) = (0_u64, 0_u64);
        let mut released = Ok(());
        for range in ranges {
            let Some(length) = self.release(range, step) else {
                released = Err(BookError::NotMapped { start: range.start() });
                break;
            };
            count = count.wrapping_add(1);
            bytes = bytes.wrapping_add(length);
        }
        self.live = self.live.wrapping_sub(count);
        self.live_bytes = self.live_bytes.wrapping_sub(bytes);
        released
    }

    /// Notes in record, index and history that a range was unmapped, and tells its mapping's bytes, which remain to
    /// be taken off the sums. `None` and nothing if it is not mapped.
    #[inline(always)]
    fn release(&mut self, range: &IovaRange, step: Step) -> Option<u64> {
        let entry = self.entries.get_mut(range)?;
        if !entry.is_same_slot(range) || !entry.record.is_live() {
            return None;
        }
        entry.record.released = Some(step);
        self.index.mark_released(entry.leaf, entry.page);
        self.history.push(Event::of(Operation::Unmap, &entry.record.mapping, step));
        Some(entry.record.mapping.length)
    }

    /// Enters memory that firmware reserved for the device: mapped to itself, both ways, for good.
    ///
    /// # Errors
    /// [`BookError::OutOfMemory`]; the books are unchanged.
    pub fn record_firmware_region(&mut self, region: Backing, step: Step) -> Result<(), BookError> {
        self.regions.try_reserve(1).map_err(|_| BookError::OutOfMemory)?;
        let mapping = Mapping {
            start: Iova::new(region.first_page().as_u64()),
            length: region.pages().saturating_mul(PAGE_SIZE),
            direction: Direction::Bidirectional,
            label: Label("firmware region"),
            backing: region,
            mapped: step,
        };
        self.regions.push(MappingRecord { mapping, released: None });
        self.history.push(Event::of(Operation::Map, &mapping, step));
        Ok(())
    }

    /// Enters an invalidation that is not part of an unmap; `None` for the whole domain.
    pub fn record_flush(&mut self, span: Option<Span>, step: Step) {
        self.record_event(Operation::Flush, span, step);
    }

    /// Enters that a device was attached to the domain.
    pub fn record_attach(&mut self, step: Step) {
        self.record_event(Operation::Attach, None, step);
    }

    /// Enters that a device was detached from the domain.
    pub fn record_detach(&mut self, step: Step) {
        self.record_event(Operation::Detach, None, step);
    }

    fn record_event(&mut self, operation: Operation, span: Option<Span>, step: Step) {
        self.history.push(Event::beside(operation, span, step));
    }

    /// The number of a page, counted from the window's start; `None` below it.
    fn page_of(&self, address: Iova) -> Option<u64> {
        (address.as_u64() / PAGE_SIZE).checked_sub(first_page(&self.window))
    }

    /// Enters a slot that was not on the books, or was another one, with a mapping to come that starts at `first`, and
    /// forgets the released slots that it overlaps: those on the books are disjoint, gaps included.
    #[cold]
    fn open_entry(&mut self, range: &IovaRange, first: Iova, step: Step) -> Result<(), BookError> {
        let slot = range.slot().index();
        let start = range.start();
        let outside = BookError::OutsideRange { start, length: range.length() };
        let page = self.page_of(start).filter(|_| range.end() <= self.window.end).ok_or(outside)?;
        let last = page + range.slot_pages() - 1;
        let overlapping = |book: &Self, last| {
            let found = book.index.floor(last, Which::Present)?;
            book.entries
                .get(found)
                .filter(|entry| entry.page + entry.slot_pages > page)
                .map(|entry| (found, *entry))
        };
        if let Some(live) = self.entries.get(slot).filter(|entry| entry.record.is_live()) {
            return Err(BookError::AlreadyMapped { start: live.record.mapping.start });
        }
        let mut below = Some(last);
        while let Some((_, entry)) = below.and_then(|last| overlapping(self, last)) {
            if entry.record.is_live() {
                return Err(BookError::AlreadyMapped { start: entry.record.mapping.start });
            }
            below = entry.page.checked_sub(1);
        }
        // All memory first: nothing is forgotten for a mapping that fails.
        self.entries.reserve(slot)?;
        self.physical.reserve(slot)?;
        self.index.reserve()?;
        self.forget(slot);
        while let Some((found, _)) = overlapping(self, last) {
            self.forget(found);
        }
        let leaf = self.index.insert(page, slot)?;
        self.entries.set(slot, Entry::new(range, first, page, leaf, step));
        Ok(())
    }

    fn forget(&mut self, slot: u32) {
        if let Some(entry) = self.entries.take(slot) {
            self.index.remove(entry.leaf, entry.page);
            self.forgotten += 1;
        }
    }
}

fn first_page(window: &Range<Iova>) -> u64 {
    window.start.as_u64() / PAGE_SIZE
}
