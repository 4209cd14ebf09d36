//! Where an address lies beside a mapping.

use dma_types::{Iova, PAGE_SIZE};

use crate::Mapping;

/// Where an address lies beside a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// On one of its pages.
    Inside,
    /// So many pages behind its last page; 1 is the first page behind.
    Behind(u64),
    /// So many pages in front of its first page; 1 is the page directly in front.
    Before(u64),
}

impl Position {
    /// Where the page around `address` lies beside a mapping.
    pub(crate) const fn of(address: Iova, mapping: &Mapping) -> Self {
        let page = address.as_u64() / PAGE_SIZE;
        if page < mapping.first_page() {
            Self::Before(mapping.first_page() - page)
        } else if page >= mapping.end_page() {
            Self::Behind(page - mapping.end_page() + 1)
        } else {
            Self::Inside
        }
    }

    /// Pages between the address and the nearest page of the mapping; 0 if inside.
    pub const fn pages(self) -> u64 {
        match self {
            Self::Inside => 0,
            Self::Behind(pages) | Self::Before(pages) => pages,
        }
    }
}
