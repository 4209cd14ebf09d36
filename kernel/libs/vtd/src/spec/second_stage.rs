//! Second-stage tables: their depth and their entries (VT-d "Second-Stage Paging Entries").
//!
//! ```text
//!  63  62 61      52 51                       12 11  10   8  7  6   2  1   0
//! +---+---+---------+---------------------------+---+------+---+-----+---+---+
//! |ign| 0 | ignored |      address, 51:12       |SNP| ign. |PS | ign.| W | R |
//! +---+---+---------+---------------------------+---+------+---+-----+---+---+
//! ```
//!
//! With R and W both 0 the hardware looks at no other bit: the entry blocks, with reason 5 or 6.

use dma_types::{PageSize, Permissions, PhysAddr};

const READ: u64 = 1;
const WRITE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const SNOOP: u64 = 1 << 11;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const SOFTWARE_SHIFT: u32 = 52;
const SOFTWARE_MASK: u64 = 0x3ff;

/// How deep a second-stage table is; one level translates 9 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableLevels {
    /// Three levels of tables, for addresses of 39 bits.
    Three,
    /// Four levels of tables, for addresses of 48 bits.
    Four,
    /// Five levels of tables, for addresses of 57 bits.
    Five,
}

impl TableLevels {
    /// The number of levels.
    pub const fn count(self) -> u8 {
        match self {
            Self::Three => 3,
            Self::Four => 4,
            Self::Five => 5,
        }
    }

    /// Bits of address that such a table translates.
    pub const fn width(self) -> u8 {
        match self {
            Self::Three => 39,
            Self::Four => 48,
            Self::Five => 57,
        }
    }

    /// The value of a context entry's AW field.
    pub const fn address_width_code(self) -> u8 {
        match self {
            Self::Three => 1,
            Self::Four => 2,
            Self::Five => 3,
        }
    }

    /// The depth that an AW field names; `None` for the reserved values.
    pub const fn from_address_width_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Three),
            2 => Some(Self::Four),
            3 => Some(Self::Five),
            _ => None,
        }
    }
}

/// Whether a device's requests see the processors' caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Snoop {
    /// As the request asks for.
    AsRequested,
    /// Always, even for requests that ask for none. Needs snoop control; the bit is reserved without.
    Forced,
}

/// One of the 512 entries of a table of any level.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct SecondStageEntry(u64);

const _: () = assert!(size_of::<SecondStageEntry>() == SecondStageEntry::BYTES as usize);

impl SecondStageEntry {
    /// Bytes of an entry.
    pub const BYTES: u64 = 8;

    /// The bits of which one is set in every entry that permits anything.
    pub const PRESENT: u64 = READ | WRITE;

    /// The bit that is set in every entry above 4 KiB that ends a walk.
    pub const LARGE: u64 = LARGE;

    /// An entry that blocks.
    pub const EMPTY: Self = Self(0);

    /// An entry that refers to the next lower table. It permits everything; the last level decides.
    pub const fn table(table: PhysAddr) -> Self {
        Self(table.as_u64() & ADDRESS | READ | WRITE)
    }

    /// An entry that ends a walk: `size` bytes at `address`, a multiple of the size.
    pub const fn leaf(address: PhysAddr, size: PageSize, permissions: Permissions, snoop: Snoop) -> Self {
        let address = address.as_u64() & ADDRESS & !(size.bytes() - 1);
        // R and W stand as in the vocabulary.
        let permitted = permissions.bits() as u64;
        let large = !matches!(size, PageSize::Size4K) as u64 * LARGE;
        let snoop = matches!(snoop, Snoop::Forced) as u64 * SNOOP;
        Self(address | snoop | large | permitted)
    }

    /// Takes an entry as it stands in memory.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The entry as it stands in memory.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Tells whether the entry permits anything at all.
    pub const fn is_present(self) -> bool {
        self.0 & Self::PRESENT != 0
    }

    /// What the entry permits, or `None` if nothing.
    pub const fn permissions(self) -> Option<Permissions> {
        match (self.0 & READ != 0, self.0 & WRITE != 0) {
            (true, true) => Some(Permissions::READ_WRITE),
            (true, false) => Some(Permissions::READ),
            (false, true) => Some(Permissions::WRITE),
            (false, false) => None,
        }
    }

    /// PS: at levels 2 and 3 the entry ends the walk; ignored at level 1, reserved above 3.
    pub const fn is_large(self) -> bool {
        self.0 & LARGE != 0
    }

    /// The bit SNP: whether the access snoops the processor's caches.
    pub const fn snoop(self) -> Snoop {
        if self.0 & SNOOP != 0 { Snoop::Forced } else { Snoop::AsRequested }
    }

    /// The next table, or the memory that the entry stands for.
    pub const fn address(self) -> PhysAddr {
        PhysAddr::new(self.0 & ADDRESS)
    }

    /// Bits 61:52, which every revision of the hardware ignores: software's own.
    pub const fn software(self) -> u16 {
        (self.0 >> SOFTWARE_SHIFT & SOFTWARE_MASK) as u16
    }

    /// The same entry with another value in bits 61:52; of `value` the low ten bits count.
    pub const fn with_software(self, value: u16) -> Self {
        let cleared = self.0 & !(SOFTWARE_MASK << SOFTWARE_SHIFT);
        Self(cleared | (value as u64 & SOFTWARE_MASK) << SOFTWARE_SHIFT)
    }

    /// The same entry with a larger value in bits 61:52; the sum must stay below 1024.
    pub const fn add_software(self, value: u16) -> Self {
        Self(self.0.wrapping_add((value as u64) << SOFTWARE_SHIFT))
    }

    /// The same entry with a smaller value in bits 61:52, which must hold at least as much.
    pub const fn sub_software(self, value: u16) -> Self {
        Self(self.0.wrapping_sub((value as u64) << SOFTWARE_SHIFT))
    }
}

impl core::fmt::Debug for SecondStageEntry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SecondStageEntry({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_put_together_as_worked_out_by_hand() {
        let table = SecondStageEntry::table(PhysAddr::new(0xabc_d000));
        assert_eq!(table.bits(), 0xabc_d003);

        let page = SecondStageEntry::leaf(
            PhysAddr::new(0x1_2345_6000),
            PageSize::Size4K,
            Permissions::READ,
            Snoop::Forced,
        );
        assert_eq!(page.bits(), 0x1_2345_6801);
        assert_eq!((page.snoop(), page.permissions()), (Snoop::Forced, Some(Permissions::READ)));

        let large = SecondStageEntry::leaf(
            PhysAddr::new(0x4020_0000),
            PageSize::Size2M,
            Permissions::WRITE,
            Snoop::AsRequested,
        );
        assert_eq!(large.bits(), 0x4020_0082);
        assert!(large.is_large());

        let huge = SecondStageEntry::leaf(
            PhysAddr::new(0xf_ffff_c000_0000),
            PageSize::Size1G,
            Permissions::READ_WRITE,
            Snoop::AsRequested,
        );
        assert_eq!(huge.bits(), 0xf_ffff_c000_0083);
        assert_eq!(huge.address(), PhysAddr::new(0xf_ffff_c000_0000));
    }

    #[test]
    fn an_entry_without_permission_is_not_present_whatever_else_it_holds() {
        let entry = SecondStageEntry::from_bits(!3);
        assert!(!entry.is_present());
        assert_eq!(entry.permissions(), None);
    }

    #[test]
    fn the_software_field_disturbs_nothing_else() {
        let entry = SecondStageEntry::table(PhysAddr::new(0xf_ffff_ffff_f000));
        let marked = entry.with_software(512);
        assert_eq!(marked.bits(), 0x200f_ffff_ffff_f003);
        assert_eq!((marked.software(), marked.address()), (512, entry.address()));
        assert_eq!(marked.with_software(0), entry);
        assert_eq!(entry.with_software(500).add_software(12), marked);
        assert_eq!(marked.sub_software(12), entry.with_software(500));
        assert_eq!(SecondStageEntry::from_bits(u64::MAX).with_software(0).bits(), 0xc00f_ffff_ffff_ffff);
    }

    #[test]
    fn depths_and_their_codes_agree() {
        for levels in [TableLevels::Three, TableLevels::Four, TableLevels::Five] {
            assert_eq!(levels.width(), 12 + 9 * levels.count());
            assert_eq!(TableLevels::from_address_width_code(levels.address_width_code()), Some(levels));
        }
        assert_eq!(TableLevels::from_address_width_code(0), None);
        assert_eq!(TableLevels::from_address_width_code(4), None);
    }
}
