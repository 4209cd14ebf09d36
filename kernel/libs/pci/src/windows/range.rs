//! A stretch of physical addresses.

use core::fmt;

use dma_types::{PAGE_SIZE, PhysAddr};

/// Addresses from a first to a last one, both included: never empty, and its end is always an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: PhysAddr,
    last: PhysAddr,
}

impl AddressRange {
    /// The addresses between two, both included; `None` if the last comes before the first.
    pub fn new(first: PhysAddr, last: PhysAddr) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// `bytes` from an address on; `None` if there are none, or not all have an address.
    pub fn with_length(first: PhysAddr, bytes: u64) -> Option<Self> {
        Some(Self { first, last: first.checked_add(bytes.checked_sub(1)?)? })
    }

    /// The lowest address of the range.
    pub const fn first(self) -> PhysAddr {
        self.first
    }

    /// The highest address of the range, which belongs to it.
    pub const fn last(self) -> PhysAddr {
        self.last
    }

    /// Tells whether the two have an address in common.
    pub fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Tells whether all of `other` lies within.
    pub fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// The whole pages that the addresses lie in.
    pub const fn pages(self) -> Self {
        Self { first: self.first.page(), last: PhysAddr::new(self.last.as_u64() | (PAGE_SIZE - 1)) }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> AddressRange {
        AddressRange::new(PhysAddr::new(first), PhysAddr::new(last)).unwrap()
    }

    #[test]
    fn a_range_is_never_empty_and_ends_at_an_address() {
        let with_length = |first, bytes| AddressRange::with_length(PhysAddr::new(first), bytes);
        assert_eq!(with_length(u64::MAX, 1), Some(range(u64::MAX, u64::MAX)));
        assert_eq!(with_length(0x1000, 0x1000), Some(range(0x1000, 0x1fff)));
        assert_eq!((with_length(u64::MAX, 2), with_length(0, 0)), (None, None));
        assert_eq!(AddressRange::new(PhysAddr::new(1), PhysAddr::new(0)), None);
    }

    #[test]
    fn meeting_and_containing_count_both_ends() {
        let here = range(0x1000, 0x1fff);
        for (first, last, meets, contained) in [
            (0, 0xfff, false, false),
            (0, 0x1000, true, false),
            (0x1000, 0x1fff, true, true),
            (0x1fff, 0x1fff, true, true),
            (0x1fff, 0x2000, true, false),
            (0x2000, u64::MAX, false, false),
            (0, u64::MAX, true, false),
        ] {
            let other = range(first, last);
            assert_eq!((here.meets(other), other.meets(here)), (meets, meets), "{other}");
            assert_eq!(here.contains(other), contained, "{other}");
        }
        assert_eq!(range(0x1ff0, 0x2000).pages(), range(0x1000, 0x2fff));
        assert_eq!(range(u64::MAX, u64::MAX).pages().last(), PhysAddr::new(u64::MAX));
    }
}
