//! The entries of a book, by slot number.

use dma_types::{Direction, Iova};
use iova::{Arena, IovaRange, OutOfMemory};

use crate::index::Leaf;
use crate::{Backing, Label, Mapping, MappingRecord, Site, Step, Timestamp};

/// A slot's place on the books.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The mapping, live or released.
    pub(crate) record: MappingRecord,
    /// Where the slot starts.
    start: Iova,
    /// Pages of its slot, the gap included.
    pub(crate) slot_pages: u64,
    /// Its first page, counted from the window's start.
    pub(crate) page: u64,
    /// Its leaf of the index.
    pub(crate) leaf: Leaf,
}

impl Entry {
    /// No entry.
    const ABSENT: Self = {
        let step = Step { at: Timestamp::from_nanos(0), site: Site::NOWHERE };
        let mapping = Mapping {
            start: Iova::new(u64::MAX),
            length: 0,
            direction: Direction::Bidirectional,
            label: Label(""),
            backing: Backing::NOWHERE,
            mapped: step,
        };
        let record = MappingRecord { mapping, released: Some(step) };
        Self { record, start: mapping.start, slot_pages: 0, page: 0, leaf: Leaf::NONE }
    };

    /// The entry of a slot that nothing is mapped in yet; what will be starts at `first`.
    pub(crate) fn new(range: &IovaRange, first: Iova, page: u64, leaf: Leaf, step: Step) -> Self {
        let mut record = Self::ABSENT.record;
        record.mapping.start = first;
        record.mapping.mapped = step;
        record.released = Some(step);
        Self { record, start: range.start(), slot_pages: range.slot_pages(), page, leaf }
    }

    /// Where its slot starts.
    pub(crate) const fn start(&self) -> Iova {
        self.start
    }

    /// Tells whether there is an entry at all.
    const fn is_present(&self) -> bool {
        self.start.as_u64() != Self::ABSENT.start.as_u64()
    }

    /// Tells whether a range lies in this slot, at the same place and with the same gap; in an absent one none
    /// does.
    #[inline]
    pub(crate) fn is_same_slot(&self, range: &IovaRange) -> bool {
        self.start == range.start() && self.slot_pages == range.slot_pages()
    }

    /// Pages behind the mapping that belong to nobody.
    pub(crate) const fn gap(&self) -> u64 {
        self.slot_pages.saturating_sub(self.record.mapping.pages())
    }
}

/// The entries by slot number.
#[derive(Debug)]
pub(crate) struct Entries(Arena<Entry>);

impl Entries {
    /// No entries.
    pub(crate) const fn new() -> Self {
        Self(Arena::new(Entry::ABSENT))
    }

    /// Makes room for a slot number.
    ///
    /// # Errors
    /// [`OutOfMemory`]; no entry is changed.
    pub(crate) fn reserve(&mut self, slot: u32) -> Result<(), OutOfMemory> {
        self.0.reserve(slot.checked_add(1).ok_or(OutOfMemory)?)
    }

    /// Sets the entry of a slot that there is room for.
    pub(crate) fn set(&mut self, slot: u32, entry: Entry) {
        if let Some(place) = self.0.get_mut(slot) {
            *place = entry;
        }
    }

    /// Takes the entry of a slot away.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Entry> {
        let place = self.0.get_mut(slot).filter(|entry| entry.is_present())?;
        Some(core::mem::replace(place, Entry::ABSENT))
    }

    /// The entry of a slot.
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&Entry> {
        self.0.get(slot).filter(|entry| entry.is_present())
    }

    /// The entry, which may be absent, of the slot that a range had a number of.
    #[inline]
    pub(crate) fn get_mut(&mut self, range: &IovaRange) -> Option<&mut Entry> {
        self.0.get_mut(range.slot().index())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_the_memory_that_is_stated() {
        assert_eq!(size_of::<Entry>(), 120);
    }
}
