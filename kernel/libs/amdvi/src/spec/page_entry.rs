//! Page tables of the first version: their depth and their entries (AMD I/O Virtualization "I/O Page Tables for Host
//! Translations").
//!
//! ```text
//!  63  62  61  60  59 58   52 51                       12 11   9 8 7  6 5 4  1  0
//! +---+---+---+---+--+-------+---------------------------+------+---+---+----+---+
//! | 0 | W | R | FC| U|   0   |      address, 51:12       | next |ign|D A|ign.| P |
//! +---+---+---+---+--+-------+---------------------------+------+---+---+----+---+
//! ```
//!
//! `next` is the level of the table that the entry leads to; 0 and 7 end the walk. With P clear the hardware looks at no
//! other bit.

use dma_types::{Permissions, PhysAddr};

const PRESENT: u64 = 1;
const NEXT_SHIFT: u32 = 9;
const COHERENT: u64 = 1 << 60;
const READ: u64 = 1 << 61;
const WRITE: u64 = 1 << 62;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// How deep a page table is; one level translates 9 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableLevels {
    /// Three levels of tables, for addresses of 39 bits.
    Three,
    /// Four levels of tables, for addresses of 48 bits.
    Four,
    /// Five levels of tables, for addresses of 57 bits.
    Five,
    /// Six levels of tables, for addresses of 64 bits.
    Six,
}

impl TableLevels {
    /// The number of levels, which is what a device entry's Mode field holds.
    pub const fn count(self) -> u8 {
        match self {
            Self::Three => 3,
            Self::Four => 4,
            Self::Five => 5,
            Self::Six => 6,
        }
    }

    /// Bits of address that such a table translates.
    pub const fn width(self) -> u8 {
        match self {
            Self::Three => 39,
            Self::Four => 48,
            Self::Five => 57,
            Self::Six => 64,
        }
    }
}

/// One of the 512 entries of a table of any level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct PageEntry(u64);

impl PageEntry {
    /// Bytes of an entry.
    pub const BYTES: u64 = 8;

    /// An entry that blocks.
    pub const EMPTY: Self = Self(0);

    /// The bit of every entry that permits anything.
    pub const PRESENT: u64 = PRESENT;

    /// An entry that refers to a table of the level `next`. It permits everything; the last level decides.
    pub const fn table(table: PhysAddr, next: u8) -> Self {
        Self(table.as_u64() & ADDRESS | (next as u64 & 0b111) << NEXT_SHIFT | READ | WRITE | PRESENT)
    }

    /// An entry that ends a walk, for as many bytes as its level has for each entry. The request is made to see the
    /// processors' caches.
    pub const fn leaf(address: PhysAddr, permissions: Permissions) -> Self {
        // IR and IW stand side by side, as in the vocabulary.
        let permitted = (permissions.bits() as u64) << 61;
        Self(address.as_u64() & ADDRESS | COHERENT | permitted | PRESENT)
    }

    /// Takes an entry as it stands in memory.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The entry as it stands in memory.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// P: the entry counts at all.
    pub const fn is_present(self) -> bool {
        self.0 & PRESENT != 0
    }

    /// The level of the table that it leads to; 0 and 7 end the walk.
    pub const fn next_level(self) -> u8 {
        (self.0 >> NEXT_SHIFT & 0b111) as u8
    }

    /// Tells whether the walk ends here.
    pub const fn is_leaf(self) -> bool {
        matches!(self.next_level(), 0 | 7)
    }

    /// What the entry permits, or `None` if nothing.
    pub const fn permissions(self) -> Option<Permissions> {
        match (self.0 & (PRESENT | READ) == PRESENT | READ, self.0 & (PRESENT | WRITE) == PRESENT | WRITE) {
            (true, true) => Some(Permissions::READ_WRITE),
            (true, false) => Some(Permissions::READ),
            (false, true) => Some(Permissions::WRITE),
            (false, false) => None,
        }
    }

    /// The next table, or the memory that the entry stands for.
    pub const fn address(self) -> PhysAddr {
        PhysAddr::new(self.0 & ADDRESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_put_together_as_worked_out_by_hand() {
        let table = PageEntry::table(PhysAddr::new(0xabc_d000), 3);
        assert_eq!(table.bits(), 0x6000_0000_0abc_d601);
        assert_eq!((table.next_level(), table.is_leaf()), (3, false));
        let page = PageEntry::leaf(PhysAddr::new(0x1_2345_6000), Permissions::READ);
        assert_eq!(page.bits(), 0x3000_0001_2345_6001);
        assert!(page.is_leaf());
        assert_eq!(
            PageEntry::leaf(PhysAddr::new(0x20_0000), Permissions::WRITE).bits(),
            0x5000_0000_0020_0001
        );
    }

    #[test]
    fn without_its_first_bit_an_entry_permits_nothing() {
        assert_eq!(PageEntry::from_bits(!1).permissions(), None);
        assert_eq!(PageEntry::from_bits(1).permissions(), None);
        let both = PageEntry::leaf(PhysAddr::new(0), Permissions::READ_WRITE);
        assert_eq!(both.permissions(), Some(Permissions::READ_WRITE));
    }

    #[test]
    fn depths_and_widths_agree() {
        for levels in [TableLevels::Three, TableLevels::Four, TableLevels::Five] {
            assert_eq!(levels.width(), 12 + 9 * levels.count());
        }
        assert_eq!(TableLevels::Six.width(), 64);
    }
}
