//! Equal parts of one page, for buffers that are shorter than it.
//!
//! Which parts are in use is kept outside of the page: a device that is let into the page finds nothing of the
//! kernel's there, and what it writes cannot mislead the allocator.

use core::fmt;

use dma_types::PAGE_SIZE;

/// The exponents of the smallest and the largest part: 64 bytes to half a page.
const EXPONENTS: core::ops::RangeInclusive<u8> = 6..=11;

/// The size of a part: a power of two from 64 bytes to half a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartSize(u8);

impl PartSize {
    /// How many sizes there are.
    pub const COUNT: usize = (*EXPONENTS.end() - *EXPONENTS.start()) as usize + 1;

    /// The smallest part that holds so many bytes; `None` if only a whole page does.
    pub fn for_bytes(bytes: usize) -> Option<Self> {
        EXPONENTS.map(Self).find(|size| size.bytes() >= bytes)
    }

    /// Bytes of a part.
    pub const fn bytes(self) -> usize {
        1 << self.0
    }

    /// Its place among the sizes, from 0.
    pub const fn index(self) -> usize {
        self.0.saturating_sub(*EXPONENTS.start()) as usize
    }

    /// The parts of a page, a bit each.
    fn all(self) -> u64 {
        let parts = PAGE_SIZE >> self.0;
        u64::MAX >> u64::from(u64::BITS).saturating_sub(parts)
    }
}

/// The parts of one page: which are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    size: PartSize,
    used: u64,
}

impl Parts {
    /// A page with none in use.
    pub const fn new(size: PartSize) -> Self {
        Self { size, used: 0 }
    }

    /// Takes the lowest free part; gives its offset in the page.
    pub fn take(&mut self) -> Option<usize> {
        let free = !self.used & self.size.all();
        let part = (free != 0).then(|| free.trailing_zeros())?;
        self.used |= 1 << part;
        Some((part as usize).saturating_mul(self.size.bytes()))
    }

    /// Gives the part at an offset back.
    ///
    /// # Errors
    /// If no part in use starts there; nothing has changed then.
    pub fn give_back(&mut self, offset: usize) -> Result<(), NoSuchPart> {
        let part = (offset.is_multiple_of(self.size.bytes())).then(|| offset / self.size.bytes());
        let bit = part.and_then(|part| 1_u64.checked_shl(u32::try_from(part).ok()?));
        match bit {
            Some(bit) if self.used & bit != 0 => {
                self.used &= !bit;
                Ok(())
            }
            _ => Err(NoSuchPart { offset }),
        }
    }

    /// Tells whether none is in use.
    pub const fn is_unused(&self) -> bool {
        self.used == 0
    }
}

/// A part that was given back twice, or never taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchPart {
    /// Where it would start in its page.
    pub offset: usize,
}

impl fmt::Display for NoSuchPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no part in use starts at {:#x} of its page", self.offset)
    }
}

impl core::error::Error for NoSuchPart {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_buffer_gets_the_smallest_part_that_holds_it() {
        for (bytes, part) in [(1, 64), (64, 64), (65, 128), (1500, 2048), (2048, 2048)] {
            assert_eq!(PartSize::for_bytes(bytes).map(PartSize::bytes), Some(part));
        }
        assert_eq!(PartSize::for_bytes(2049), None);
        assert_eq!(PartSize::for_bytes(2048).map(PartSize::index), Some(PartSize::COUNT - 1));
    }

    #[test]
    fn every_part_is_given_once_and_never_beyond_the_page() {
        for bytes in [64, 128, 256, 512, 1024, 2048] {
            let mut parts = Parts::new(PartSize::for_bytes(bytes).unwrap());
            let taken: Vec<_> = core::iter::from_fn(|| parts.take()).collect();
            assert_eq!(taken, (0..4096).step_by(bytes).collect::<Vec<_>>());
            assert_eq!(parts.give_back(bytes), Ok(()));
            assert_eq!(parts.give_back(bytes), Err(NoSuchPart { offset: bytes }));
            assert_eq!(parts.take(), Some(bytes));
        }
    }

    #[test]
    fn only_what_is_in_use_comes_back() {
        let mut parts = Parts::new(PartSize::for_bytes(2048).unwrap());
        assert!(parts.is_unused());
        for offset in [0, 1, 2048, 4096, usize::MAX] {
            assert_eq!(parts.give_back(offset), Err(NoSuchPart { offset }));
        }
        assert_eq!(parts.take(), Some(0));
        assert!(!parts.is_unused());
        assert_eq!(parts.give_back(0), Ok(()));
        assert!(parts.is_unused());
    }
}
