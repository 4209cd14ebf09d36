//! The levels of a table and the arithmetic of their indices.

use dma_types::{Iova, PageSize};

use crate::spec::second_stage::TableLevels;

/// A level; 1 is the lowest, whose entries cover 4 KiB each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level(u8);

impl Level {
    /// Entries of a table, at every level.
    pub(super) const ENTRIES: u64 = 512;
    /// Entries cover 4 KiB each.
    pub(super) const PAGES: Self = Self(1);
    /// Entries cover 2 MiB each.
    pub(super) const LARGE_PAGES: Self = Self(2);

    /// The level of a number; none but 1 to 5 occur in a table.
    pub(super) const fn numbered(number: u8) -> Self {
        Self(number)
    }

    /// The level at which a walk starts.
    pub(super) const fn top(levels: TableLevels) -> Self {
        Self(levels.count())
    }

    /// Its number.
    pub(super) const fn number(self) -> u8 {
        self.0
    }

    /// The next lower one.
    pub(super) const fn below(self) -> Option<Self> {
        if self.0 > 1 { Some(Self(self.0 - 1)) } else { None }
    }

    /// The size that an entry here covers as a leaf, at the levels where one may end a walk.
    #[inline]
    pub(super) const fn page_size(self) -> Option<PageSize> {
        match self.0 {
            1 => Some(PageSize::Size4K),
            2 => Some(PageSize::Size2M),
            3 => Some(PageSize::Size1G),
            _ => None,
        }
    }

    /// Bits of address below this level's index.
    const fn shift(self) -> u32 {
        3 + 9 * self.0 as u32
    }

    /// Bytes that one entry covers.
    #[inline]
    pub(super) const fn entry_bytes(self) -> u64 {
        1 << self.shift()
    }

    /// Bytes that a whole table covers.
    #[inline]
    pub(super) const fn table_bytes(self) -> u64 {
        Self::ENTRIES << self.shift()
    }

    /// The number of entries that cover a length.
    #[inline]
    pub(super) const fn entries(self, bytes: u64) -> u64 {
        bytes >> self.shift()
    }

    /// The index of the entry for an address.
    #[inline]
    pub(super) const fn index(self, iova: Iova) -> u64 {
        self.entries(iova.as_u64()) & (Self::ENTRIES - 1)
    }

    /// The first address that the table for an address serves.
    #[inline]
    pub(super) const fn table_start(self, iova: Iova) -> Iova {
        Iova::new(iova.as_u64() & !(self.table_bytes() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_split_an_address_into_indices() {
        // Index 1, 2, 3, 4, 5 from the highest level down.
        let iova = Iova::new(1 << 48 | 2 << 39 | 3 << 30 | 4 << 21 | 5 << 12 | 0x678);
        let mut level = Some(Level::top(TableLevels::Five));
        for index in 1..=5 {
            let this = level.unwrap();
            assert_eq!(this.index(iova), index);
            level = this.below();
        }
        assert_eq!(level, None);
        assert_eq!(Level::PAGES.table_start(iova), Iova::new(1 << 48 | 2 << 39 | 3 << 30 | 4 << 21));
        assert_eq!(Level::LARGE_PAGES.table_start(iova), Iova::new(1 << 48 | 2 << 39 | 3 << 30));
    }

    #[test]
    fn leaf_sizes_agree_with_the_vocabulary() {
        for size in [PageSize::Size4K, PageSize::Size2M, PageSize::Size1G] {
            let level = Level(size.level());
            assert_eq!((level.page_size(), level.entry_bytes()), (Some(size), size.bytes()));
        }
        assert_eq!(Level(4).page_size(), None);
    }
}
