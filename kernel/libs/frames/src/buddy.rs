//! Buddy allocation of frames: free blocks of a power of two of frames, aligned to their size.
//!
//! A free block is one bit in the set of its order, so nothing is kept in the frames themselves: what a
//! device may have written there before it was stopped cannot mislead the allocator.

use crate::bit_tree::BitTree;
use core::ops::Range;
use dma_types::PAGE_SIZE;

/// How many orders there are: blocks of 4 KiB to 1 GiB.
const ORDERS: usize = Order::MAX.0 as usize + 1;

/// The size of a block: 2^order frames of 4 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order(u8);

impl Order {
    /// One frame.
    pub const FRAME: Self = Self(0);
    /// The largest block: 1 GiB.
    pub const MAX: Self = Self(18);

    /// The block of 2^`exponent` frames; `None` above [`Self::MAX`].
    pub const fn new(exponent: u8) -> Option<Self> {
        if exponent <= Self::MAX.0 { Some(Self(exponent)) } else { None }
    }

    /// The order of the two halves of a block; `None` for a single frame.
    pub const fn half(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(exponent) => Some(Self(exponent)),
            None => None,
        }
    }

    /// The smallest block that holds so many bytes; `None` if no block does.
    pub const fn for_bytes(bytes: u64) -> Option<Self> {
        let frames = bytes.div_ceil(PAGE_SIZE);
        let mut order = 0;
        while order <= Self::MAX.0 {
            if 1 << order >= frames {
                return Some(Self(order));
            }
            order += 1;
        }
        None
    }

    /// Frames of a block.
    pub const fn frames(self) -> usize {
        1 << self.0
    }

    /// Bytes of a block.
    pub const fn bytes(self) -> u64 {
        // At most the largest order: nothing is shifted out.
        PAGE_SIZE.wrapping_shl(self.0 as u32)
    }
}

/// The free blocks among the frames below a limit.
#[derive(Debug)]
pub(crate) struct Buddy<'a> {
    /// Indexed by order; members are block numbers, that is, frame number divided by the block's frames.
    free: [BitTree<'a>; ORDERS],
    free_frames: usize,
    limit: usize,
}

impl<'a> Buddy<'a> {
    /// Words of memory needed for the frames below `limit`.
    pub const fn words_needed(limit: usize) -> usize {
        let mut total = 0;
        let mut order = 0;
        while order < ORDERS {
            total += BitTree::words_needed(limit >> order);
            order += 1;
        }
        total
    }

    /// Starts with no frame free, in zeroed memory; `None` if it does not suffice.
    pub fn new(limit: usize, memory: &mut &'a mut [u64]) -> Option<Self> {
        let mut free = [const { None }; ORDERS];
        for (order, tree) in free.iter_mut().enumerate() {
            *tree = Some(BitTree::new(limit >> order, memory)?);
        }
        Some(Self { free: free.map(Option::unwrap_or_default), free_frames: 0, limit })
    }

    /// Frames that are free.
    pub const fn free_frames(&self) -> usize {
        self.free_frames
    }

    /// Takes the lowest block of the smallest size that fits, and gives back what is too much of it.
    pub fn allocate(&mut self, order: Order) -> Option<usize> {
        let wanted = usize::from(order.0);
        let (found, block) =
            self.free.iter().enumerate().skip(wanted).find_map(|(o, tree)| Some((o, tree.next_from(0)?)))?;
        self.set_free(found, block, State::Taken);
        let first = block << found;
        for smaller in wanted..found {
            // The upper half of the block twice as large.
            self.set_free(smaller, (first >> smaller) + 1, State::Free);
        }
        self.free_frames -= order.frames();
        Some(first)
    }

    /// Frees the frames of a range, none of which may be free already. Frames beyond the limit are left out.
    pub fn add(&mut self, range: Range<usize>) {
        let range = self.clip(range);
        self.free_frames += range.len();
        let mut first = range.start;
        while first < range.end {
            let order = largest_block(first, range.end);
            self.join(first, order);
            first += 1 << order;
        }
    }

    /// Takes out whatever is free within a range, and names each stretch that was.
    pub fn remove(&mut self, range: Range<usize>, mut taken: impl FnMut(Range<usize>)) {
        let range = self.clip(range);
        for order in 0..ORDERS {
            let mut from = range.start >> order;
            while let Some(block) = self.free.get(order).and_then(|tree| tree.next_from(from)) {
                let frames = block << order..(block + 1) << order;
                if frames.start >= range.end {
                    break;
                }
                self.set_free(order, block, State::Taken);
                self.free_frames -= frames.len();
                let within = frames.start.max(range.start)..frames.end.min(range.end);
                // What sticks out of the range goes back in smaller blocks, which are outside of it.
                self.add(frames.start..within.start);
                self.add(within.end..frames.end);
                taken(within);
                from = block + 1;
            }
        }
    }

    /// Adds a block, joined with its buddy as long as that is free too.
    fn join(&mut self, first: usize, order: usize) {
        let mut order = order;
        while order + 1 < ORDERS {
            let buddy = first_of(first, order) ^ 1;
            if !self.free.get(order).is_some_and(|tree| tree.contains(buddy)) {
                break;
            }
            self.set_free(order, buddy, State::Taken);
            order += 1;
        }
        self.set_free(order, first_of(first, order), State::Free);
    }

    fn set_free(&mut self, order: usize, block: usize, state: State) {
        if let Some(tree) = self.free.get_mut(order) {
            match state {
                State::Free => tree.insert(block),
                State::Taken => tree.remove(block),
            }
        }
    }

    fn clip(&self, range: Range<usize>) -> Range<usize> {
        range.start.min(self.limit)..range.end.min(self.limit)
    }
}

#[derive(Clone, Copy)]
enum State {
    Free,
    Taken,
}

/// The number of the block of this order around a frame.
const fn first_of(frame: usize, order: usize) -> usize {
    frame >> order
}

/// The largest order of a block that starts at `first` and ends by `end`, which lies above it.
fn largest_block(first: usize, end: usize) -> usize {
    let by_alignment = first.trailing_zeros() as usize;
    let by_length = (end - first).ilog2() as usize;
    by_alignment.min(by_length).min(ORDERS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec;
    use std::vec::Vec;

    const LIMIT: usize = 5000;

    #[test]
    fn orders_follow_sizes() {
        assert_eq!(Order::for_bytes(0), Some(Order::FRAME));
        assert_eq!(Order::for_bytes(4096), Some(Order::FRAME));
        assert_eq!(Order::for_bytes(4097), Some(Order(1)));
        assert_eq!(Order::for_bytes(2 << 20), Some(Order(9)));
        assert_eq!(Order::for_bytes(1 << 30), Some(Order::MAX));
        assert_eq!(Order::for_bytes((1 << 30) + 1), None);
        assert_eq!(Order::for_bytes(u64::MAX), None);
        assert_eq!((Order::new(18), Order::new(19)), (Some(Order::MAX), None));
        assert_eq!((Order(9).half(), Order::FRAME.half()), (Some(Order(8)), None));
        assert_eq!((Order(3).frames(), Order(3).bytes()), (8, 32768));
    }

    #[test]
    fn a_large_stretch_is_a_few_blocks_and_comes_back_whole() {
        let limit = 3 << 18;
        let mut words = vec![0; Buddy::words_needed(limit)];
        let mut buddy = Buddy::new(limit, &mut &mut words[..]).expect("memory suffices");
        buddy.add(1..limit);
        let frame = buddy.allocate(Order::FRAME);
        assert_eq!(frame, Some(1));
        assert_eq!(buddy.allocate(Order::MAX), Some(1 << 18));
        assert_eq!(buddy.allocate(Order::MAX), Some(2 << 18));
        assert_eq!(buddy.allocate(Order::MAX), None);
        buddy.add(1 << 18..2 << 18);
        buddy.add(0..2);
        assert_eq!(buddy.allocate(Order::MAX), Some(0));
        assert_eq!(buddy.free_frames(), 1 << 18);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Allocate(u8),
        FreeOne(usize),
        Remove(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u8..6).prop_map(Step::Allocate),
            3 => any::<usize>().prop_map(Step::FreeOne),
            1 => (0..LIMIT, 0_usize..300).prop_map(|(start, length)| Step::Remove(start, start + length)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_frame_is_ever_given_twice_or_lost(start in 0_usize..300, steps in prop::collection::vec(step(), 1..200)) {
            let mut words = vec![0; Buddy::words_needed(LIMIT)];
            let mut buddy = Buddy::new(LIMIT, &mut &mut words[..]).expect("memory suffices");
            buddy.add(start..LIMIT + 10);
            let mut free: BTreeSet<usize> = (start..LIMIT).collect();
            let mut held: Vec<(usize, Order)> = Vec::new();
            for step in steps {
                match step {
                    Step::Allocate(order) => {
                        let order = Order(order);
                        if let Some(first) = buddy.allocate(order) {
                            prop_assert_eq!(first % order.frames(), 0);
                            for frame in first..first + order.frames() {
                                prop_assert!(free.remove(&frame), "frame {} was not free", frame);
                            }
                            held.push((first, order));
                        } else {
                            let fits = |first: &usize| (*first..first + order.frames()).all(|f| free.contains(&f));
                            prop_assert!(!free.iter().filter(|f| **f % order.frames() == 0).any(fits));
                        }
                    }
                    Step::FreeOne(which) if !held.is_empty() => {
                        let (first, order) = held.swap_remove(which % held.len());
                        buddy.add(first..first + order.frames());
                        free.extend(first..first + order.frames());
                    }
                    Step::FreeOne(_) => {}
                    Step::Remove(start, end) => {
                        let mut gone: Vec<usize> = Vec::new();
                        buddy.remove(start..end, |stretch| gone.extend(stretch));
                        gone.sort_unstable();
                        prop_assert_eq!(&gone, &free.range(start..end).copied().collect::<Vec<_>>());
                        free.retain(|frame| !(start..end).contains(frame));
                    }
                }
                prop_assert_eq!(buddy.free_frames(), free.len());
            }
        }
    }
}
