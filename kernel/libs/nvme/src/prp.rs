//! Physical region pages: how a buffer is described to a controller (Base "Physical Region Page Entry and List").
//!
//! ```text
//! one page:      PRP 1 = start                 PRP 2 = 0
//! two pages:     PRP 1 = start                 PRP 2 = second page
//! more:          PRP 1 = start                 PRP 2 = list: second page, third page, ...
//! more than a list page holds: its last entry is the address of the next list page
//! ```
//!
//! The addresses are those of the device's address space, in a row, so that a buffer needs no more than its
//! start and its length.

use core::fmt;

use dma_types::{Iova, PAGE_SIZE};

use crate::spec::command::DataPointer;

/// Entries of one page of a list.
const LIST_ENTRIES: u64 = PAGE_SIZE / 8;

/// A buffer that PRPs can describe. Holding one proves that it has bytes, begins at a multiple of four, and does
/// not pass the end of the address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prps {
    start: Iova,
    /// Pages touched after the first.
    further: u64,
}

/// Why a buffer cannot be described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrpError {
    /// It has no bytes.
    Empty,
    /// It does not begin at a multiple of four.
    Unaligned {
        /// Where it begins.
        start: Iova,
    },
    /// It passes the end of the address range.
    Overflow {
        /// Where it begins.
        start: Iova,
        /// Its bytes.
        bytes: u64,
    },
}

impl fmt::Display for PrpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a transfer needs at least one byte"),
            Self::Unaligned { start } => write!(f, "a buffer begins at a multiple of 4, not at {start}"),
            Self::Overflow { start, bytes } => {
                write!(f, "{bytes} bytes at {start} pass the end of the address range")
            }
        }
    }
}

impl core::error::Error for PrpError {}

impl Prps {
    /// Describes `bytes` from `start`.
    ///
    /// # Errors
    /// If there are none, they begin unaligned, or they pass the end of the address range.
    pub const fn new(start: Iova, bytes: u64) -> Result<Self, PrpError> {
        if bytes == 0 {
            return Err(PrpError::Empty);
        }
        if !start.is_aligned(4) {
            return Err(PrpError::Unaligned { start });
        }
        match start.checked_add(bytes - 1) {
            Some(last) => {
                let further = last.as_u64() / PAGE_SIZE - start.as_u64() / PAGE_SIZE;
                Ok(Self { start, further })
            }
            None => Err(PrpError::Overflow { start, bytes }),
        }
    }

    /// Entries of the list, pointers from one of its pages to the next among them; none for up to two pages.
    #[inline]
    pub const fn list_entries(self) -> u64 {
        if self.further < 2 {
            return 0;
        }
        // Every full page but the last gives one entry to the pointer.
        let links = (self.further - 2) / (LIST_ENTRIES - 1);
        self.further + links
    }

    /// Pages that the list needs.
    pub const fn list_pages(self) -> u64 {
        self.list_entries().div_ceil(LIST_ENTRIES)
    }

    /// The two entries of the command. `list` is where the list lies: at the start of a page, or anywhere if all of
    /// it lies within one page. It matters only if it has entries.
    pub const fn pointer(self, list: Iova) -> DataPointer {
        let second = match self.further {
            0 => 0,
            1 => self.page(1),
            _ => list.as_u64(),
        };
        DataPointer { first: self.start.as_u64(), second }
    }

    /// One entry of the list, counted from the first; they are written in a row from `list`.
    #[inline(always)]
    pub const fn list_entry(self, list: Iova, entry: u64) -> u64 {
        let per_page = LIST_ENTRIES - 1;
        let (page, place) = (entry / LIST_ENTRIES, entry % LIST_ENTRIES);
        if place == per_page && entry + 1 < self.list_entries() {
            list.as_u64().wrapping_add((page + 1) * PAGE_SIZE)
        } else {
            self.page(1 + page * per_page + place)
        }
    }

    /// The address of a page of the buffer, counted from the first.
    #[inline(always)]
    const fn page(self, number: u64) -> u64 {
        self.start.page().as_u64() + number * PAGE_SIZE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const LIST: Iova = Iova::new(0x70_0000);

    impl Prps {
        fn list(self, list: Iova) -> impl Iterator<Item = u64> {
            (0..self.list_entries()).map(move |entry| self.list_entry(list, entry))
        }
    }

    /// What a controller reads: the pieces of a buffer of so many bytes.
    fn pieces(prps: Prps, bytes: u64) -> Vec<(u64, u64)> {
        let list: Vec<u64> = prps.list(LIST).collect();
        let pointer = prps.pointer(LIST);
        let mut pieces = std::vec![(pointer.first, bytes.min(PAGE_SIZE - pointer.first % PAGE_SIZE))];
        let mut left = bytes - pieces[0].1;
        if left > 0 && left <= PAGE_SIZE {
            pieces.push((pointer.second, left));
            return pieces;
        }
        let mut at = pointer.second;
        while left > 0 {
            let entry = list[((at - LIST.as_u64()) / 8) as usize];
            // The last entry of a page is a pointer if more than one page of the buffer is left.
            if at % PAGE_SIZE == PAGE_SIZE - 8 && left > PAGE_SIZE {
                at = entry;
                continue;
            }
            pieces.push((entry, left.min(PAGE_SIZE)));
            left -= left.min(PAGE_SIZE);
            at += 8;
        }
        pieces
    }

    #[test]
    fn one_and_two_pages_need_no_list() {
        let one = Prps::new(Iova::new(0x1_0ffc), 4).unwrap();
        assert_eq!(one.pointer(LIST), DataPointer { first: 0x1_0ffc, second: 0 });
        let two = Prps::new(Iova::new(0x1_0ffc), 5).unwrap();
        assert_eq!(two.pointer(LIST), DataPointer { first: 0x1_0ffc, second: 0x1_1000 });
        assert_eq!((one.list_entries(), two.list_entries(), two.list_pages()), (0, 0, 0));
        let three = Prps::new(Iova::new(0x1_0ffc), 4 + PAGE_SIZE + 1).unwrap();
        assert_eq!(three.pointer(LIST), DataPointer { first: 0x1_0ffc, second: LIST.as_u64() });
        assert_eq!(three.list(LIST).collect::<Vec<_>>(), [0x1_1000, 0x1_2000]);
    }

    #[test]
    fn a_list_of_exactly_one_page_has_no_pointer() {
        let full = Prps::new(Iova::new(0), (LIST_ENTRIES + 1) * PAGE_SIZE).unwrap();
        assert_eq!((full.list_entries(), full.list_pages()), (LIST_ENTRIES, 1));
        assert_eq!(full.list(LIST).last(), Some(LIST_ENTRIES * PAGE_SIZE));
        let more = Prps::new(Iova::new(0), (LIST_ENTRIES + 1) * PAGE_SIZE + 1).unwrap();
        assert_eq!((more.list_entries(), more.list_pages()), (LIST_ENTRIES + 2, 2));
        assert_eq!(more.list(LIST).nth(511), Some(LIST.as_u64() + PAGE_SIZE));
    }

    #[test]
    fn what_cannot_be_described_is_refused() {
        let start = Iova::new(0x1002);
        assert_eq!(Prps::new(start, 4), Err(PrpError::Unaligned { start }));
        assert_eq!(Prps::new(Iova::new(0), 0), Err(PrpError::Empty));
        let start = Iova::new(u64::MAX - 3);
        assert_eq!(Prps::new(start, 5), Err(PrpError::Overflow { start, bytes: 5 }));
        assert!(Prps::new(start, 4).is_ok());
    }

    proptest! {
        #[test]
        fn a_controller_finds_every_byte_in_order(
            start in (0..0x1_0000_0000_u64).prop_map(|start| start * 4),
            bytes in 1..(3 * LIST_ENTRIES * PAGE_SIZE),
        ) {
            let prps = Prps::new(Iova::new(start), bytes).unwrap();
            let mut next = start;
            for (piece, length) in pieces(prps, bytes) {
                prop_assert_eq!(piece, next);
                next += length;
            }
            prop_assert_eq!(next, start + bytes);
        }
    }
}
