//! The entries of a book, by slot number.

use iova::{Arena, IovaRange, OutOfMemory};

use crate::MappingRecord;
use crate::index::Leaf;

/// A slot's place on the books.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The mapping, live or released.
    pub(crate) record: MappingRecord,
    /// Its first page, counted from the window's start.
    pub(crate) page: u64,
    /// Pages of the mapping.
    pub(crate) pages: u64,
    /// Pages of its slot, the gap included.
    pub(crate) slot_pages: u64,
    /// Its leaf of the index.
    pub(crate) leaf: Leaf,
}

impl Entry {
    /// Tells whether a range lies in this slot, at the same place and with the same gap.
    #[inline]
    pub(crate) fn is_same_slot(&self, range: &IovaRange) -> bool {
        self.slot_pages == range.slot_pages() && self.record.mapping.start.page() == range.start()
    }

    /// Pages behind the mapping that belong to nobody.
    pub(crate) const fn gap(&self) -> u64 {
        self.slot_pages.saturating_sub(self.pages)
    }
}

/// The entries by slot number.
#[derive(Debug)]
pub(crate) struct Entries(Arena<Option<Entry>>);

impl Entries {
    /// No entries.
    pub(crate) const fn new() -> Self {
        Self(Arena::new(None))
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
            *place = Some(entry);
        }
    }

    /// Takes the entry of a slot away.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Entry> {
        self.0.get_mut(slot).and_then(Option::take)
    }

    /// The entry of a slot.
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&Entry> {
        self.0.get(slot)?.as_ref()
    }

    /// The entry of a slot, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.0.get_mut(slot)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_the_memory_that_is_stated() {
        assert_eq!(size_of::<Option<Entry>>(), 120);
    }
}
