//! Cutting page ranges into what one page invalidation covers: naturally aligned powers of two.

use dma_types::{Iova, PAGE_SIZE};

const PAGE_SHIFT: u32 = PAGE_SIZE.trailing_zeros();

/// 2^order pages that start at a multiple of their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageBlock {
    start: Iova,
    order: u8,
}

impl PageBlock {
    /// The page around an address.
    pub const fn page(address: Iova) -> Self {
        Self { start: address.page(), order: 0 }
    }

    /// 2^`order` pages from `start`, unless that is no multiple of their size or they are more than exist.
    pub const fn new(start: Iova, order: u8) -> Option<Self> {
        if order as u32 >= u64::BITS - PAGE_SHIFT || !start.is_aligned(PAGE_SIZE << order) {
            return None;
        }
        Some(Self { start, order })
    }

    /// The first page of the block.
    pub const fn start(self) -> Iova {
        self.start
    }

    /// Power of two of pages.
    pub const fn order(self) -> u8 {
        self.order
    }
}

/// The blocks that make up a range of pages exactly, in ascending order, each as large as it can be.
#[derive(Clone, Debug)]
pub struct Blocks {
    next_page: u64,
    pages_left: u64,
    max_order: u8,
}

impl Blocks {
    /// Cuts `pages` pages from the one around `start`, into blocks of at most 2^`max_order`.
    ///
    /// Pages beyond the end of the number range are left out.
    pub const fn new(start: Iova, pages: u64, max_order: u8) -> Self {
        let next_page = start.as_u64() >> PAGE_SHIFT;
        let exist = (1 << (u64::BITS - PAGE_SHIFT)) - next_page;
        let pages_left = if pages < exist { pages } else { exist };
        Self { next_page, pages_left, max_order }
    }
}

impl Iterator for Blocks {
    type Item = PageBlock;

    fn next(&mut self) -> Option<PageBlock> {
        let fits = self.pages_left.checked_ilog2()?;
        // At most 51: a range starts below 2^52 pages or, at page 0, is cut by what is left.
        let order = fits.min(self.next_page.trailing_zeros()).min(u32::from(self.max_order)).min(51);
        let start = Iova::new(self.next_page << PAGE_SHIFT);
        self.next_page += 1 << order;
        self.pages_left -= 1 << order;
        Some(PageBlock { start, order: order as u8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn cut(start: u64, pages: u64, max_order: u8) -> Vec<(u64, u8)> {
        Blocks::new(Iova::new(start), pages, max_order)
            .map(|block| (block.start().as_u64(), block.order()))
            .collect()
    }

    #[test]
    fn ranges_are_cut_at_their_alignment() {
        assert_eq!(cut(0x1000, 1, 18), [(0x1000, 0)]);
        assert_eq!(cut(0x1000, 6, 18), [(0x1000, 0), (0x2000, 1), (0x4000, 1), (0x6000, 0)]);
        assert_eq!(cut(0, 8, 2), [(0, 2), (0x4000, 2)]);
        assert_eq!(cut(0x1234, 0, 18), []);
        assert_eq!(cut(u64::MAX, 5, 18), [(!0xfff, 0)]);
        assert_eq!(cut(0, u64::MAX, 63).len(), 2);
    }

    #[test]
    fn blocks_are_aligned_or_refused() {
        assert!(PageBlock::new(Iova::new(0x2000), 1).is_some());
        assert!(PageBlock::new(Iova::new(0x1000), 1).is_none());
        assert!(PageBlock::new(Iova::new(0x1001), 0).is_none());
        assert!(PageBlock::new(Iova::new(0), 52).is_none());
        assert_eq!(PageBlock::page(Iova::new(0x1fff)).start(), Iova::new(0x1000));
    }

    proptest! {
        #[test]
        fn blocks_cover_the_range_once_and_nothing_else(
            page in 0u64..1 << 40, pages in 0u64..10_000, max_order in 0u8..=20,
        ) {
            let mut next = page;
            for block in Blocks::new(Iova::new(page << 12), pages, max_order) {
                prop_assert!(block.order() <= max_order);
                prop_assert_eq!(Some(block), PageBlock::new(block.start(), block.order()));
                prop_assert_eq!(block.start().as_u64() >> 12, next);
                next += 1 << block.order();
            }
            prop_assert_eq!(next, page + pages);
        }
    }
}
