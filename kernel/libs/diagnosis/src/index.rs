//! Finds records by page: a radix tree of bitmaps.
//!
//! ```text
//!   page number, counted from the window's start:   … | digit 2 | digit 1 | digit 0
//!                                                       6 bits    6 bits    6 bits
//!   inner node: bit n of `present` set  -> child n holds a record
//!   leaf:       bit n of `present` set  -> record number `children[n]` starts at that page;
//!               bit n of `live` set     -> and is live
//! ```
//!
//! A record is marked live in its leaf only, so that map and unmap touch one word. The nearest record below
//! or above a page is found by one bit scan a level, up and down once: at most 2 × 9 steps, however many
//! records there are. The nearest live one may lie behind leaves that hold released records only; a search
//! gives up after 32 such leaves.

use alloc::vec::Vec;

use iova::{Arena, OutOfMemory};

const BITS: u32 = 6;
const FAN_OUT: usize = 1 << BITS;
const ROOT: u32 = 0;
/// Leaves without a live record that a search passes, in either direction.
const LEAVES: u32 = 32;
/// No node.
const NONE: u32 = u32::MAX;

/// Which records a search looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All that are on the books.
    Present,
    /// The live ones.
    Live,
}

/// Which way a search looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Towards {
    Lower,
    Higher,
}

impl Towards {
    /// The positions from `digit` on in this direction, itself included.
    const fn from(self, digit: u32) -> u64 {
        match self {
            Self::Lower => u64::MAX >> (63 - digit),
            Self::Higher => u64::MAX << digit,
        }
    }

    /// The positions behind `digit` in this direction.
    const fn beyond(self, digit: u32) -> u64 {
        self.from(digit) & !(1 << digit)
    }

    /// The first of some positions in this direction.
    const fn nearest(self, positions: u64) -> u32 {
        match self {
            Self::Lower => 63 - (positions | 1).leading_zeros(),
            Self::Higher => (positions | 1 << 63).trailing_zeros(),
        }
    }
}

/// 64 positions of one level.
#[derive(Clone, Debug)]
struct Node {
    present: u64,
    children: [u32; FAN_OUT],
    /// The node above, or the next vacant one.
    parent: u32,
    /// Its position there.
    position: u32,
}

impl Node {
    const BLANK: Self = Self { present: 0, children: [0; FAN_OUT], parent: NONE, position: 0 };

    fn child(&self, position: u32) -> u32 {
        self.children[position as usize % FAN_OUT]
    }
}

/// The leaf that a record hangs on; stays the same until the record is removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf(u32);

impl Leaf {
    /// No leaf.
    pub(crate) const NONE: Self = Self(NONE);
}

/// Record numbers by the first page of their records.
#[derive(Debug)]
pub(crate) struct PageIndex {
    nodes: Arena<Node>,
    /// Of each leaf, the positions of live records; apart from the rest, since map and unmap touch nothing else.
    live: Vec<u64>,
    /// Nodes given out so far, vacant ones included.
    used: u32,
    first_vacant: u32,
    vacant: u32,
    height: u32,
}

impl PageIndex {
    /// An empty index for page numbers below `pages`.
    pub(crate) fn new(pages: u64) -> Result<Self, OutOfMemory> {
        let height = (u64::BITS - pages.saturating_sub(1).leading_zeros()).div_ceil(BITS).max(1);
        let mut nodes = Arena::new(Node::BLANK);
        nodes.reserve(ROOT + 1)?;
        let mut this =
            Self { nodes, live: Vec::new(), used: ROOT + 1, first_vacant: NONE, vacant: 0, height };
        this.reserve_live(1)?;
        Ok(this)
    }

    /// Makes sure that the next [`insert`](Self::insert) succeeds.
    ///
    /// # Errors
    /// [`OutOfMemory`]; no record is affected.
    pub(crate) fn reserve(&mut self) -> Result<(), OutOfMemory> {
        let fresh = self.height.saturating_sub(self.vacant);
        let needed = self.used.checked_add(fresh).ok_or(OutOfMemory)?;
        self.nodes.reserve(needed)?;
        self.reserve_live(needed as usize)
    }

    fn reserve_live(&mut self, leaves: usize) -> Result<(), OutOfMemory> {
        let missing = leaves.saturating_sub(self.live.len());
        self.live.try_reserve(missing).map_err(|_| OutOfMemory)?;
        self.live.resize(self.live.len() + missing, 0);
        Ok(())
    }

    /// Enters a record as released.
    ///
    /// # Errors
    /// [`OutOfMemory`]; the index is unchanged.
    pub(crate) fn insert(&mut self, page: u64, record: u32) -> Result<Leaf, OutOfMemory> {
        self.reserve()?;
        let mut node = ROOT;
        for level in (1..self.height).rev() {
            let position = digit(page, level);
            node = if self.nodes[node].present >> position & 1 == 1 {
                self.nodes[node].child(position)
            } else {
                let child = self.add_node(node, position);
                self.set_child(node, position, child);
                child
            };
        }
        self.set_child(node, digit(page, 0), record);
        Ok(Leaf(node))
    }

    /// Removes the record that starts at `page`.
    pub(crate) fn remove(&mut self, leaf: Leaf, page: u64) {
        self.mark_released(leaf, page);
        let mut node = leaf.0;
        let mut position = digit(page, 0);
        loop {
            let this = &mut self.nodes[node];
            this.present &= !(1 << position);
            if this.present != 0 || node == ROOT {
                return;
            }
            let parent = this.parent;
            position = this.position;
            this.parent = self.first_vacant;
            self.first_vacant = node;
            self.vacant += 1;
            node = parent;
        }
    }

    /// Marks the record that starts at `page` live.
    #[inline]
    pub(crate) fn mark_live(&mut self, leaf: Leaf, page: u64) {
        if let Some(live) = self.live.get_mut(leaf.0 as usize) {
            *live |= 1 << digit(page, 0);
        }
    }

    /// Marks the record that starts at `page` released.
    #[inline]
    pub(crate) fn mark_released(&mut self, leaf: Leaf, page: u64) {
        if let Some(live) = self.live.get_mut(leaf.0 as usize) {
            *live &= !(1 << digit(page, 0));
        }
    }

    /// The record that starts at `page` or nearest below; of the live ones only if it is not too far.
    pub(crate) fn floor(&self, page: u64, which: Which) -> Option<u32> {
        let last = 1_u64.checked_shl(BITS * self.height).map_or(u64::MAX, |pages| pages - 1);
        self.search(page.min(last), which, Towards::Lower)
    }

    /// The record that starts at `page` or nearest above; of the live ones only if it is not too far.
    pub(crate) fn ceiling(&self, page: u64, which: Which) -> Option<u32> {
        match page.checked_shr(BITS * self.height) {
            None | Some(0) => self.search(page, which, Towards::Higher),
            Some(_) => None,
        }
    }

    fn search(&self, page: u64, which: Which, towards: Towards) -> Option<u32> {
        let mut number = ROOT;
        let mut node = &self.nodes[ROOT];
        let mut level = self.height - 1;
        // Down along the page's own digits, as far as there are nodes.
        while level > 0 && node.present >> digit(page, level) & 1 == 1 {
            number = node.child(digit(page, level));
            node = &self.nodes[number];
            level -= 1;
        }
        let own = digit(page, level);
        let mut positions = if level == 0 { towards.from(own) } else { towards.beyond(own) };
        let mut leaves = 0;
        loop {
            let worth_looking_at = match which {
                Which::Live if level == 0 => self.live.get(number as usize).copied().unwrap_or(0),
                _ => node.present,
            };
            let found = worth_looking_at & positions;
            if found == 0 {
                // Up, to the next position in this direction.
                if node.parent == NONE || leaves > LEAVES {
                    return None;
                }
                positions = towards.beyond(node.position);
                number = node.parent;
                node = &self.nodes[number];
                level += 1;
                continue;
            }
            let nearest = node.child(towards.nearest(found));
            if level == 0 {
                return Some(nearest);
            }
            // Down, to the nearest of all positions there.
            number = nearest;
            node = &self.nodes[number];
            positions = u64::MAX;
            level -= 1;
            leaves += u32::from(level == 0);
        }
    }

    fn set_child(&mut self, node: u32, position: u32, child: u32) {
        let node = &mut self.nodes[node];
        node.present |= 1 << position;
        node.children[position as usize % FAN_OUT] = child;
    }

    /// Takes a node that there is room for.
    fn add_node(&mut self, parent: u32, position: u32) -> u32 {
        let mut number = self.first_vacant;
        if number == NONE {
            number = self.used;
            self.used += 1;
        } else {
            self.first_vacant = self.nodes[number].parent;
            self.vacant -= 1;
        }
        self.nodes[number] = Node { parent, position, ..Node::BLANK };
        number
    }
}

/// The position of a page in a node of this level.
const fn digit(page: u64, level: u32) -> u32 {
    (page >> (BITS * level)) as u32 & (FAN_OUT as u32 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Remove(usize),
        Live(usize),
        Released(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let page = prop_oneof![0..200_u64, 0..5_000_000_u64];
        prop::collection::vec(
            prop_oneof![
                3 => page.prop_map(Step::Insert),
                1 => any::<usize>().prop_map(Step::Remove),
                2 => any::<usize>().prop_map(Step::Live),
                1 => any::<usize>().prop_map(Step::Released),
            ],
            1..120,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Agrees with a sorted map, and gives every node back.
        #[test]
        fn searches_agree_with_a_plain_map(steps in steps(), probes in prop::collection::vec(0..6_000_000_u64, 20)) {
            let mut index = PageIndex::new(5_000_000).unwrap();
            let mut model: BTreeMap<u64, (u32, Leaf, bool)> = BTreeMap::new();
            for (number, step) in (7..).zip(&steps) {
                let chosen = |n: usize| model.keys().nth(n % model.len().max(1)).copied();
                match step {
                    Step::Insert(page) if !model.contains_key(page) => {
                        let leaf = index.insert(*page, number).unwrap();
                        model.insert(*page, (number, leaf, false));
                    }
                    Step::Insert(_) => {}
                    Step::Remove(n) => if let Some(page) = chosen(*n) {
                        let (_, leaf, _) = model.remove(&page).unwrap();
                        index.remove(leaf, page);
                    },
                    Step::Live(n) => if let Some(page) = chosen(*n) {
                        let entry = model.get_mut(&page).unwrap();
                        entry.2 = true;
                        index.mark_live(entry.1, page);
                    },
                    Step::Released(n) => if let Some(page) = chosen(*n) {
                        let entry = model.get_mut(&page).unwrap();
                        entry.2 = false;
                        index.mark_released(entry.1, page);
                    },
                }
            }
            for page in probes.into_iter().chain(model.keys().flat_map(|p| [p.saturating_sub(1), *p, p + 1])) {
                for which in [Which::Present, Which::Live] {
                    let counts = |entry: &(u32, Leaf, bool)| which == Which::Present || entry.2;
                    let below = model.range(..=page).rev().find(|(_, entry)| counts(entry));
                    let above = model.range(page..).find(|(_, entry)| counts(entry));
                    // At most 120 records: a live one may be out of sight, but never another is found.
                    for (found, expected) in [(index.floor(page, which), below), (index.ceiling(page, which), above)] {
                        let expected = expected.map(|(_, entry)| entry.0);
                        let out_of_sight = which == Which::Live && found.is_none() && model.len() > LEAVES as usize;
                        prop_assert!(found == expected || out_of_sight);
                    }
                }
            }
            for (page, (_, leaf, _)) in model {
                index.remove(leaf, page);
            }
            prop_assert_eq!(index.vacant + 1, index.used);
        }
    }

    #[test]
    fn a_search_for_live_records_ends_after_so_many_leaves() {
        let mut index = PageIndex::new(1 << 36).unwrap();
        let first = index.insert(0, 0).unwrap();
        index.mark_live(first, 0);
        let released = u64::from(LEAVES);
        for leaf in 1..=released + 1 {
            index.insert(leaf * 64, leaf as u32).unwrap();
        }
        assert_eq!(index.floor(released * 64, Which::Live), Some(0));
        assert_eq!(index.floor((released + 2) * 64, Which::Live), None);
        assert_eq!(index.floor((released + 2) * 64, Which::Present), Some(LEAVES + 1));
    }

    #[test]
    fn the_largest_window_has_its_ends() {
        let mut index = PageIndex::new(1 << 52).unwrap();
        let last = (1 << 52) - 1;
        let leaf = index.insert(last, 1).unwrap();
        assert_eq!(index.ceiling(0, Which::Present), Some(1));
        assert_eq!(index.floor(u64::MAX, Which::Present), Some(1));
        assert_eq!(index.floor(last - 1, Which::Present), None);
        assert_eq!(index.ceiling(0, Which::Live), None);
        index.remove(leaf, last);
        assert_eq!(index.ceiling(0, Which::Present), None);
    }
}
