//! Indices in a row, as a function with several messages needs them.

use dma_types::InterruptIndex;

/// 2^order indices that start at a multiple of their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexBlock {
    first: InterruptIndex,
    order: u8,
}

impl IndexBlock {
    /// The largest order: the indices of the largest table.
    pub const MAX_ORDER: u8 = 15;

    /// 2^`order` indices from `first`, unless that is no multiple of their number or they are more than exist.
    pub const fn new(first: InterruptIndex, order: u8) -> Option<Self> {
        if order > Self::MAX_ORDER || first.0 & ((1 << order) - 1) != 0 {
            return None;
        }
        Some(Self { first, order })
    }

    /// One index.
    pub const fn single(index: InterruptIndex) -> Self {
        Self { first: index, order: 0 }
    }

    /// The first index.
    pub const fn first(self) -> InterruptIndex {
        self.first
    }

    /// Power of two of indices.
    pub const fn order(self) -> u8 {
        self.order
    }

    /// How many indices.
    pub const fn count(self) -> usize {
        1 << self.order
    }

    /// The indices, in ascending order.
    pub fn indices(self) -> impl Iterator<Item = InterruptIndex> {
        // The last one is at most 65,535: the first is a multiple of their number.
        (0..=u16::MAX).take(self.count()).map(move |number| InterruptIndex(self.first.0 | number))
    }
}
