//! Which of several ranges meet one another, however many there are.

use alloc::vec::Vec;

use dma_types::PhysAddr;

use super::range::AddressRange;

/// Ranges with a number each, sorted so that each question takes few steps: who makes them up may make up thousands.
pub(super) struct Contest(Vec<Entry>);

#[derive(Clone, Copy)]
struct Entry {
    range: AddressRange,
    number: usize,
    /// The highest address of all entries up to this one, and the number of the one that has it.
    highest: (PhysAddr, usize),
}

impl Contest {
    pub(super) fn new(ranges: impl Iterator<Item = (usize, AddressRange)>) -> Self {
        let mut entries: Vec<_> =
            ranges.map(|(number, range)| Entry { range, number, highest: (range.last(), number) }).collect();
        entries.sort_unstable_by_key(|entry| entry.range.first());
        let mut highest: Option<(PhysAddr, usize)> = None;
        for entry in &mut entries {
            entry.highest = highest.map_or(entry.highest, |before| before.max(entry.highest));
            highest = Some(entry.highest);
        }
        Self(entries)
    }

    /// The number of a range that meets this one.
    pub(super) fn met_by(&self, range: AddressRange) -> Option<usize> {
        self.among(self.0.partition_point(|entry| entry.range.first() <= range.last()), range)
    }

    /// Every range that meets another one, with one that it meets.
    pub(super) fn clashes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().enumerate().filter_map(|(place, entry)| {
            let later = || self.0.get(place + 1).filter(|next| next.range.first() <= entry.range.last());
            let other = self.among(place, entry.range).or_else(|| later().map(|next| next.number))?;
            Some((entry.number, other))
        })
    }

    /// The ranges that share a page with that of another owner, as far as none meets another; by rising number.
    pub(super) fn in_shared_pages(&self, owner: impl Fn(usize) -> usize) -> Vec<usize> {
        let mut found = Vec::new();
        for (one, next) in self.0.iter().zip(self.0.iter().skip(1)) {
            let shares = one.range.pages().meets(next.range.pages());
            if shares && owner(one.number) != owner(next.number) {
                found.extend([one.number, next.number]);
            }
        }
        found.sort_unstable();
        found
    }

    /// A range among the first `count` that reaches up to where this one starts.
    fn among(&self, count: usize, range: AddressRange) -> Option<usize> {
        let (last, number) = self.0.get(count.checked_sub(1)?)?.highest;
        (last >= range.first()).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges() -> impl Strategy<Value = Vec<AddressRange>> {
        let range = (0..64_u64, 1..16_u64);
        let range = range.prop_map(|(first, bytes)| {
            AddressRange::with_length(PhysAddr::new(first << 10), bytes << 10).unwrap()
        });
        proptest::collection::vec(range, 0..12)
    }

    proptest! {
        #[test]
        fn what_meets_is_found_as_by_looking_at_every_pair(all in ranges(), probe in ranges()) {
            let contest = Contest::new(all.iter().copied().enumerate());
            let mut clashing: Vec<_> = contest.clashes().collect();
            clashing.sort_unstable();
            let expected: Vec<_> = (0..all.len())
                .filter(|&one| (0..all.len()).any(|two| one != two && all[one].meets(all[two])))
                .collect();
            prop_assert_eq!(clashing.iter().map(|(one, _)| *one).collect::<Vec<_>>(), expected);
            for (one, two) in clashing {
                prop_assert!(one != two && all[one].meets(all[two]));
            }
            for range in probe {
                let met = contest.met_by(range);
                prop_assert_eq!(met.is_some(), all.iter().any(|other| other.meets(range)));
                prop_assert!(met.is_none_or(|met| all[met].meets(range)));
            }
        }
    }

    #[test]
    fn ranges_of_one_owner_may_share_a_page() {
        let at = |first: u64| AddressRange::with_length(PhysAddr::new(first), 0x100).unwrap();
        let contest = Contest::new([0x1000, 0x1100, 0x1f00, 0x2000].map(at).into_iter().enumerate());
        assert_eq!(contest.in_shared_pages(|number| number.min(1)), [0, 1]);
        assert_eq!(contest.in_shared_pages(|_| 0), []);
    }
}
