//! A set of numbers that fills, empties and tests whole ranges, a word at a time.

use core::mem::take;
use core::ops::Range;

/// Bits of a word.
const WORD: usize = 64;

/// A set of numbers below a limit, in words that the caller gives.
#[derive(Debug, Default)]
pub struct BitSet<'a> {
    words: &'a mut [u64],
}

impl<'a> BitSet<'a> {
    /// Words that a set of numbers below `limit` needs.
    pub const fn words_needed(limit: usize) -> usize {
        limit.div_ceil(WORD)
    }

    /// Takes what it needs from the front of zeroed `memory`: the empty set. `None` if it does not suffice.
    pub fn new(limit: usize, memory: &mut &'a mut [u64]) -> Option<Self> {
        let (words, rest) = take(memory).split_at_mut_checked(Self::words_needed(limit))?;
        *memory = rest;
        Some(Self { words })
    }

    /// Adds all numbers of a range; those beyond the limit are left out.
    pub fn insert(&mut self, range: Range<usize>) {
        for (index, mask) in masks(range) {
            let Some(word) = self.words.get_mut(index) else { return };
            *word |= mask;
        }
    }

    /// Removes all numbers of a range.
    pub fn remove(&mut self, range: Range<usize>) {
        for (index, mask) in masks(range) {
            let Some(word) = self.words.get_mut(index) else { return };
            *word &= !mask;
        }
    }

    /// How many members there are.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Tells whether at least one number of the range is a member.
    pub fn any(&self, range: Range<usize>) -> bool {
        masks(range)
            .map_while(|(index, mask)| Some(self.words.get(index)? & mask))
            .any(|members| members != 0)
    }

    /// Tells whether every number of the range is a member.
    pub fn all(&self, range: Range<usize>) -> bool {
        masks(range).all(|(index, mask)| self.words.get(index).is_some_and(|word| word & mask == mask))
    }
}

/// The words that a range touches, each with the bits of the range in it.
fn masks(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let words = if range.is_empty() { 0..0 } else { range.start / WORD..range.end.div_ceil(WORD) };
    words.map(move |index| {
        let low = range.start.saturating_sub(index * WORD).min(WORD - 1);
        let high = (range.end - index * WORD).min(WORD);
        (index, (u64::MAX << low) & (u64::MAX >> (WORD - high)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec;
    use std::vec::Vec;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_a_set(changes: Vec<(bool, u8, u8)>, probes: Vec<(u8, u8)>) {
            let mut words = vec![0; BitSet::words_needed(256)];
            let mut set = BitSet::new(256, &mut &mut words[..]).expect("memory suffices");
            let mut model = BTreeSet::new();
            let range = |a: u8, b: u8| usize::from(a.min(b))..usize::from(a.max(b));
            for (add, a, b) in changes {
                if add {
                    set.insert(range(a, b));
                    model.extend(range(a, b));
                } else {
                    set.remove(range(a, b));
                    model.retain(|number| !range(a, b).contains(number));
                }
            }
            for (a, b) in probes {
                prop_assert_eq!(set.any(range(a, b)), range(a, b).any(|n| model.contains(&n)));
                prop_assert_eq!(set.all(range(a, b)), range(a, b).all(|n| model.contains(&n)));
            }
        }
    }

    #[test]
    fn numbers_beyond_the_limit_are_no_members() {
        let mut words = [0; 1];
        let mut set = BitSet::new(64, &mut &mut words[..]).expect("memory suffices");
        set.insert(0..1000);
        assert!(set.all(0..64));
        assert!(!set.all(0..65));
        assert!(!set.any(64..1000));
    }
}
