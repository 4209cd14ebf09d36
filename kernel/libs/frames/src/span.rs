//! Ranges of physical addresses.

use core::fmt;
use dma_types::{PAGE_SIZE, PhysAddr};

/// A range of physical addresses; the end is exclusive and never below the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// The range `[start, end)`; empty where the end lies below the start.
    pub const fn new(start: PhysAddr, end: PhysAddr) -> Self {
        let (start, end) = (start.as_u64(), end.as_u64());
        Self { start, end: if end < start { start } else { end } }
    }

    /// The range of `length` bytes, cut off at the end of the number range.
    pub const fn with_length(start: PhysAddr, length: u64) -> Self {
        Self { start: start.as_u64(), end: start.as_u64().saturating_add(length) }
    }

    /// First address.
    pub const fn start(self) -> PhysAddr {
        PhysAddr::new(self.start)
    }

    /// First address behind it.
    pub const fn end(self) -> PhysAddr {
        PhysAddr::new(self.end)
    }

    /// Bytes.
    pub const fn length(self) -> u64 {
        self.end - self.start
    }

    /// Tells whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Tells whether the whole of `other` lies in it.
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// What lies in both.
    pub fn intersection(self, other: Self) -> Self {
        let start = self.start.max(other.start);
        Self { start, end: self.end.min(other.end).max(start) }
    }

    /// The smallest range of whole pages around it, cut off at the last whole page.
    pub const fn outer_pages(self) -> Self {
        let end = match self.end.checked_next_multiple_of(PAGE_SIZE) {
            Some(end) => end,
            None => !(PAGE_SIZE - 1),
        };
        Self::new(self.start().page(), PhysAddr::new(end))
    }

    /// The largest range of whole pages within it; may be empty.
    pub const fn inner_pages(self) -> Self {
        match self.start.checked_next_multiple_of(PAGE_SIZE) {
            Some(start) => Self::new(PhysAddr::new(start), self.end().page()),
            None => Self { start: self.end, end: self.end },
        }
    }

    /// Splits it into the part below `address` and the rest.
    pub fn split_at(self, address: PhysAddr) -> (Self, Self) {
        let middle = address.as_u64().clamp(self.start, self.end);
        (Self { start: self.start, end: middle }, Self { start: middle, end: self.end })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64) -> Span {
        Span::new(PhysAddr::new(start), PhysAddr::new(end))
    }

    #[test]
    fn ranges_never_run_backwards() {
        assert!(span(5, 3).is_empty());
        assert_eq!(Span::with_length(PhysAddr::new(u64::MAX - 1), 10).length(), 1);
        assert!(span(0, 10).intersection(span(20, 30)).is_empty());
    }

    #[test]
    fn pages_around_and_within() {
        assert_eq!(span(0x1001, 0x2fff).outer_pages(), span(0x1000, 0x3000));
        assert_eq!(span(0x1001, 0x3fff).inner_pages(), span(0x2000, 0x3000));
        assert!(span(0x1001, 0x1fff).inner_pages().is_empty());
        assert_eq!(span(0, u64::MAX).outer_pages(), span(0, u64::MAX - 0xfff));
        assert!(span(u64::MAX - 1, u64::MAX).inner_pages().is_empty());
    }

    #[test]
    fn splits_stay_within() {
        assert_eq!(span(10, 20).split_at(PhysAddr::new(15)), (span(10, 15), span(15, 20)));
        assert_eq!(span(10, 20).split_at(PhysAddr::new(5)), (span(10, 10), span(10, 20)));
        assert_eq!(span(10, 20).split_at(PhysAddr::new(25)), (span(10, 20), span(20, 20)));
    }
}
