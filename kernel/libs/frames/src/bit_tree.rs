//! A set of numbers that finds its next member in a few steps.
//!
//! Level 0 has a bit for each number. A bit of level *n + 1* says that the word of level *n* with its index is
//! not zero, so that a search climbs over empty stretches and descends to the first member:
//!
//! ```text
//!   level 2   1.......                       one word
//!   level 1   .1..1...  ........             a bit a word below
//!   level 0   ........ ..1....1 ... 1.......  a bit a number
//! ```

use core::mem::take;

/// Bits of a word.
const WORD: usize = 64;
/// Levels that suffice for 2^30 numbers.
const MAX_LEVELS: usize = 5;

/// A set of numbers below a limit, in words that the caller gives.
#[derive(Debug, Default)]
pub struct BitTree<'a> {
    levels: [&'a mut [u64]; MAX_LEVELS],
    depth: usize,
}

impl<'a> BitTree<'a> {
    /// Words that a set of numbers below `limit` needs.
    pub const fn words_needed(limit: usize) -> usize {
        let mut words = limit.div_ceil(WORD);
        let mut total = words;
        while words > 1 {
            words = words.div_ceil(WORD);
            total += words;
        }
        total
    }

    /// Takes what it needs from the front of zeroed `memory`: the empty set. `None` if it does not suffice
    /// or `limit` is above 2^30.
    pub fn new(limit: usize, memory: &mut &'a mut [u64]) -> Option<Self> {
        let mut tree = Self::default();
        let mut words = limit;
        loop {
            words = words.div_ceil(WORD);
            let (level, rest) = take(memory).split_at_mut_checked(words)?;
            *memory = rest;
            *tree.levels.get_mut(tree.depth)? = level;
            tree.depth += 1;
            if words <= 1 {
                return Some(tree);
            }
        }
    }

    /// Tells whether `number` is a member.
    pub fn contains(&self, number: usize) -> bool {
        self.word(0, number / WORD).is_some_and(|word| word >> (number % WORD) & 1 == 1)
    }

    /// Adds a member; a number at or above the limit is left out.
    pub fn insert(&mut self, number: usize) {
        let mut index = number;
        for level in self.levels.iter_mut().take(self.depth) {
            let Some(word) = level.get_mut(index / WORD) else { return };
            let was_empty = *word == 0;
            *word |= 1 << (index % WORD);
            if !was_empty {
                return;
            }
            index /= WORD;
        }
    }

    /// Removes a member.
    pub fn remove(&mut self, number: usize) {
        let mut index = number;
        for level in self.levels.iter_mut().take(self.depth) {
            let Some(word) = level.get_mut(index / WORD) else { return };
            *word &= !(1 << (index % WORD));
            if *word != 0 {
                return;
            }
            index /= WORD;
        }
    }

    /// The smallest member that is not below `start`.
    pub fn next_from(&self, start: usize) -> Option<usize> {
        let (mut index, mut level) = (start, 0);
        loop {
            let rest = self.word(level, index / WORD)? >> (index % WORD);
            if rest != 0 {
                index += rest.trailing_zeros() as usize;
                break;
            }
            index = index / WORD + 1;
            level += 1;
            if level == self.depth {
                return None;
            }
        }
        while level > 0 {
            level -= 1;
            index = index * WORD + self.word(level, index)?.trailing_zeros() as usize;
        }
        Some(index)
    }

    fn word(&self, level: usize, index: usize) -> Option<u64> {
        self.levels.get(level)?.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn memory_is_taken_as_announced() {
        for limit in [0, 1, 64, 65, 4096, 4097, 1 << 18, (1 << 18) + 1] {
            let mut words = vec![0; BitTree::words_needed(limit)];
            let mut memory = &mut words[..];
            assert!(BitTree::new(limit, &mut memory).is_some(), "{limit}");
            assert!(memory.is_empty(), "{limit}");
        }
        let mut words = vec![0; BitTree::words_needed(65) - 1];
        assert!(BitTree::new(65, &mut &mut words[..]).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_a_set(limit in 1_usize..20_000, changes: Vec<(bool, usize)>, probes: Vec<usize>) {
            let mut words = vec![0; BitTree::words_needed(limit)];
            let mut tree = BitTree::new(limit, &mut &mut words[..]).expect("memory suffices");
            let mut model = BTreeSet::new();
            for (add, number) in changes {
                let number = number % limit;
                if add {
                    tree.insert(number);
                    model.insert(number);
                } else {
                    tree.remove(number);
                    model.remove(&number);
                }
            }
            for probe in probes {
                let probe = probe % (limit + 100);
                prop_assert_eq!(tree.contains(probe), model.contains(&probe));
                prop_assert_eq!(tree.next_from(probe), model.range(probe..).next().copied());
            }
        }
    }
}
