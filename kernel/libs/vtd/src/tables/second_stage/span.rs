//! A range of device addresses, and its pieces at a level.

use dma_types::{Iova, PAGE_SIZE};

use super::level::Level;

/// Whole pages of device addresses, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: Iova,
    pub(super) bytes: u64,
}

impl Span {
    /// A range, if it consists of whole pages and is not empty.
    pub(super) const fn new(start: Iova, bytes: u64) -> Option<Self> {
        if bytes == 0 || (start.as_u64() | bytes) & (PAGE_SIZE - 1) != 0 {
            return None;
        }
        Some(Self { start, bytes })
    }

    /// The first address beyond it, or the number range's last.
    pub(super) const fn end(self) -> u64 {
        self.start.as_u64().saturating_add(self.bytes)
    }

    /// An address of its last page.
    pub(super) const fn last(self) -> Iova {
        Iova::new(self.end() - 1)
    }

    /// Tells whether it has pages and one table of the level has entries for all of them.
    #[inline]
    pub(super) const fn within_one_table(self, level: Level) -> bool {
        let beyond_first = self.bytes.wrapping_sub(1);
        let last = self.start.as_u64().wrapping_add(beyond_first);
        beyond_first < level.table_bytes() && (self.start.as_u64() ^ last) < level.table_bytes()
    }

    /// The parts that belong to one entry of the level each, in order.
    pub(super) fn pieces(self, level: Level) -> impl Iterator<Item = Self> {
        let size = level.entry_bytes();
        let mut start = self.start.as_u64();
        let mut left = self.bytes;
        core::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let bytes = left.min(size - (start & (size - 1)));
            let piece = Self { start: Iova::new(start), bytes };
            start = start.wrapping_add(bytes);
            left -= bytes;
            Some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn span(start: u64, bytes: u64) -> Span {
        Span::new(Iova::new(start), bytes).unwrap()
    }

    #[test]
    fn a_span_is_cut_at_entry_boundaries() {
        let pieces: Vec<_> = span(0x1f_f000, 0x40_2000).pieces(Level::LARGE_PAGES).collect();
        assert_eq!(
            pieces,
            vec![
                span(0x1f_f000, 0x1000),
                span(0x20_0000, 0x20_0000),
                span(0x40_0000, 0x20_0000),
                span(0x60_0000, 0x1000),
            ]
        );
        assert!(span(0x20_0000, 0x20_0000).within_one_table(Level::PAGES));
        assert!(!span(0x1f_f000, 0x2000).within_one_table(Level::PAGES));
        assert!(span(0x1f_f000, 0x2000).within_one_table(Level::LARGE_PAGES));
    }

    #[test]
    fn spans_are_whole_pages() {
        assert_eq!(Span::new(Iova::new(0), 0), None);
        assert_eq!(Span::new(Iova::new(0x800), 0x1000), None);
        assert_eq!(Span::new(Iova::new(0x1000), 0x800), None);
        assert_eq!(span(0xffff_ffff_ffff_f000, 0x1000).end(), u64::MAX);
    }
}
