//! Context entries that are fetched in two halves, the lower one first, while software writes.
//!
//! A unit may have fetched the lower half of an entry at any moment, and fetch the upper half at any later one. What it
//! then takes for the entry must be one that stood there, or block: an entry of two lives leads a device anywhere.

use std::vec::Vec;

use dma_types::{PhysAddr, SourceId};

/// What was fetched of the entries of devices that ask all the while, since the unit forgot them last.
#[derive(Debug, Default)]
pub(super) struct Halves {
    /// Whose, where it stood, and both halves of one moment.
    seen: Vec<(SourceId, PhysAddr, (u64, u64))>,
}

impl Halves {
    /// Looks at an entry at one more moment.
    ///
    /// # Panics
    ///
    /// It was present and is so with other words; or with a lower half from before it is a present entry that never
    /// stood there.
    pub(super) fn fetch(&mut self, source: SourceId, at: PhysAddr, (low, high): (u64, u64)) {
        let moment = (source, at, (low, high));
        if self.seen.last() != Some(&moment) {
            self.seen.push(moment);
        }
        let earlier = self.seen.iter().filter(|(who, place, _)| (*who, *place) == (source, at));
        let whole = |fetched: (u64, u64)| earlier.clone().any(|(_, _, entry)| *entry == fetched);
        for (_, _, (first, second)) in earlier.clone().filter(|(_, _, (first, _))| first & 1 != 0) {
            assert!(
                low & 1 == 0 || (*first, *second) == (low, high),
                "the entry for {source} changes while it is present"
            );
            let fetched = (*first, high);
            assert!(
                whole(fetched),
                "a unit may fetch the entry {fetched:x?} for {source}, which never stood there"
            );
        }
    }

    /// Forgets all, as the unit does with context entries.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }
}
