//! The device's side of the books: what the IOMMU lets it reach, as the machine tells it.

use std::collections::BTreeMap;
use std::time::Instant;

/// What a live mapping permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permission(u32);

impl Permission {
    const READ: u32 = 1;
    const WRITE: u32 = 2;

    pub(crate) fn from_flags(flags: u32) -> Self {
        Self(flags & (Self::READ | Self::WRITE))
    }

    /// The device may read.
    pub fn reads(self) -> bool {
        self.0 & Self::READ != 0
    }

    /// The device may write.
    pub fn writes(self) -> bool {
        self.0 & Self::WRITE != 0
    }
}

/// One message about what may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// From here on the range may be reached.
    Mapped {
        /// Its first address.
        start: u64,
        /// Its bytes.
        bytes: u64,
        /// How it may be reached.
        permission: Permission,
    },
    /// From here on nothing in the range may be reached.
    Unmapped {
        /// Its first address.
        start: u64,
        /// Its bytes.
        bytes: u64,
    },
}

/// The ranges that may be reached, and how they came and went.
///
/// QEMU takes back ranges that were never given, and more than was given: "unmapped" means that nothing of the range is
/// live any more.
#[derive(Clone, Debug, Default)]
pub struct Books {
    // From the first to the last address, so that a range may end with the address space.
    live: BTreeMap<u64, (u64, Permission)>,
    changes: Vec<(Instant, Change)>,
}

impl Books {
    /// The live ranges in order: first address, last address, permission.
    pub fn live(&self) -> impl Iterator<Item = (u64, u64, Permission)> {
        self.live.iter().map(|(first, (last, permission))| (*first, *last, *permission))
    }

    /// How an address may be reached just now.
    pub fn at(&self, address: u64) -> Option<Permission> {
        let (_, (last, permission)) = self.live.range(..=address).next_back()?;
        (address <= *last).then_some(*permission)
    }

    /// How many changes there were.
    pub fn change_count(&self) -> usize {
        self.changes.len()
    }

    /// The changes in order, from the `first` on.
    pub fn changes(&self, first: usize) -> &[(Instant, Change)] {
        self.changes.get(first..).unwrap_or_default()
    }

    pub(crate) fn map(&mut self, start: u64, bytes: u64, permission: Permission) {
        let Some(last) = last(start, bytes) else { return };
        self.remove(start, last);
        self.live.insert(start, (last, permission));
        self.changes.push((Instant::now(), Change::Mapped { start, bytes, permission }));
    }

    pub(crate) fn unmap(&mut self, start: u64, bytes: u64) {
        let Some(last) = last(start, bytes) else { return };
        self.remove(start, last);
        self.changes.push((Instant::now(), Change::Unmapped { start, bytes }));
    }

    pub(crate) fn unmap_all(&mut self) {
        self.live.clear();
        self.changes.push((Instant::now(), Change::Unmapped { start: 0, bytes: u64::MAX }));
    }

    /// Takes a range out, and keeps what lies before and behind it.
    fn remove(&mut self, first: u64, last: u64) {
        let met: Vec<_> = self
            .live
            .range(..=last)
            .rev()
            .take_while(|(_, (end, _))| *end >= first)
            .map(|(start, (end, permission))| (*start, *end, *permission))
            .collect();
        for (start, end, permission) in met {
            self.live.remove(&start);
            if start < first {
                self.live.insert(start, (first - 1, permission));
            }
            if end > last {
                self.live.insert(last + 1, (end, permission));
            }
        }
    }
}

/// The last address of a range; `None` for one that is empty or does not exist.
fn last(start: u64, bytes: u64) -> Option<u64> {
    start.checked_add(bytes.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Permission = Permission(3);
    const READ: Permission = Permission(1);

    fn live(books: &Books) -> Vec<(u64, u64)> {
        books.live().map(|(first, last, _)| (first, last)).collect()
    }

    #[test]
    fn a_range_is_live_from_map_to_unmap() {
        let mut books = Books::default();
        books.map(0x1000, 0x1000, READ);
        assert_eq!(books.at(0x1fff), Some(READ));
        assert_eq!((books.at(0xfff), books.at(0x2000)), (None, None));
        books.unmap(0x1000, 0x1000);
        assert_eq!(books.at(0x1000), None);
        assert_eq!(books.change_count(), 2);
        assert_eq!(books.changes(1)[0].1, Change::Unmapped { start: 0x1000, bytes: 0x1000 });
    }

    #[test]
    fn an_unmap_may_take_parts_and_more_than_there_is() {
        let mut books = Books::default();
        books.map(0x1000, 0x4000, BOTH);
        books.unmap(0x2000, 0x1000);
        assert_eq!(live(&books), [(0x1000, 0x1fff), (0x3000, 0x4fff)]);
        books.unmap(0, 0x3800);
        assert_eq!(live(&books), [(0x3800, 0x4fff)]);
        books.unmap(0, u64::MAX);
        assert!(live(&books).is_empty());
    }

    #[test]
    fn a_range_may_end_with_the_address_space() {
        let mut books = Books::default();
        books.map(0xffff_ffff_ffff_f000, 0x1000, BOTH);
        assert_eq!(books.at(u64::MAX), Some(BOTH));
        books.unmap(0xffff_ffff_ffff_f000, 0x1000);
        assert_eq!(books.at(u64::MAX), None);
    }

    #[test]
    fn a_later_map_wins_and_nonsense_changes_nothing() {
        let mut books = Books::default();
        books.map(0x1000, 0x3000, BOTH);
        books.map(0x2000, 0x1000, READ);
        assert_eq!(
            (books.at(0x1000), books.at(0x2000), books.at(0x3000)),
            (Some(BOTH), Some(READ), Some(BOTH))
        );
        books.map(0x1000, 0, READ);
        books.unmap(u64::MAX, 2);
        assert_eq!(books.change_count(), 2);
        books.unmap_all();
        assert_eq!(books.live().count(), 0);
    }
}
