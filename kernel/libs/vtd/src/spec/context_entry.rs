//! The context entry: which domain a requester belongs to (VT-d "Context Entry").
//!
//! ```text
//!  127                                88 87      72 71  70  67 66 64
//! +-------------------------------------+----------+---+------+-----+
//! |              reserved               | domain id| 0 | ign. |  AW |
//! +-------------------------------------+----------+---+------+-----+
//!  63                                 12 11         4 3    2   1   0
//! +-------------------------------------+------------+------+-----+---+
//! |     second-stage table, 63:12       |  reserved  |  TT  | FPD | P |
//! +-------------------------------------+------------+------+-----+---+
//! ```

use dma_types::{DomainId, PhysAddr};

use super::second_stage::TableLevels;

const PRESENT: u64 = 1;
const FAULT_PROCESSING_DISABLE: u64 = 1 << 1;
const TRANSLATION_TYPE_SHIFT: u32 = 2;
const TRANSLATION_TYPE_MASK: u64 = 3;
const TABLE: u64 = !0xfff;
/// In the high word.
const ADDRESS_WIDTH_MASK: u64 = 7;
/// In the high word.
const DOMAIN_SHIFT: u32 = 8;

/// How a present entry treats requests: the TT field, as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TranslationType(pub u8);

impl TranslationType {
    /// Untranslated requests go through the second-stage tables; all others are blocked.
    pub const SECOND_STAGE: Self = Self(0);
    /// The same, and the device may keep translations of its own.
    pub const DEVICE_TLB: Self = Self(1);
    /// Untranslated requests pass with their address unchanged.
    pub const PASS_THROUGH: Self = Self(2);
}

/// One of the 256 entries of a context table; its index is device and function.
///
/// Two words: the high one is written first, so that the store that sets P completes the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C, align(16))]
pub struct ContextEntry {
    low: u64,
    high: u64,
}

const _: () = assert!(size_of::<ContextEntry>() == ContextEntry::BYTES as usize);

impl ContextEntry {
    /// Bytes of an entry.
    pub const BYTES: u64 = 16;

    /// An entry that blocks its requester with reason 2, and says nothing else.
    pub const BLOCKING: Self = Self { low: 0, high: 0 };

    /// An entry that puts its requester into a domain. Faults are never suppressed: FPD stays 0.
    pub const fn second_stage(domain: DomainId, table: PhysAddr, levels: TableLevels) -> Self {
        Self {
            low: table.as_u64() & TABLE | PRESENT,
            high: (domain.0 as u64) << DOMAIN_SHIFT | levels.address_width_code() as u64,
        }
    }

    /// An entry that lets its requester's requests pass with their address unchanged. Domain and depth, the deepest
    /// that the unit walks, are named all the same.
    pub const fn pass_through(domain: DomainId, levels: TableLevels) -> Self {
        let through = (TranslationType::PASS_THROUGH.0 as u64) << TRANSLATION_TYPE_SHIFT;
        let Self { low, high } = Self::second_stage(domain, PhysAddr::new(0), levels);
        Self { low: low | through, high }
    }

    /// The entry without P, which blocks its requester. What else it says the hardware ignores, but for FPD: it
    /// tells software what the unit may still remember.
    pub const fn without_present(self) -> Self {
        Self { low: self.low & !(PRESENT | FAULT_PROCESSING_DISABLE), high: self.high }
    }

    /// Takes an entry as it stands in memory.
    pub const fn from_words(low: u64, high: u64) -> Self {
        Self { low, high }
    }

    /// The lower 64 bits: present, translation type, table pointer.
    pub const fn low(self) -> u64 {
        self.low
    }

    /// The upper 64 bits: address width, domain id.
    pub const fn high(self) -> u64 {
        self.high
    }

    /// P: without it every request is blocked with reason 2.
    pub const fn is_present(self) -> bool {
        self.low & PRESENT != 0
    }

    /// FPD: with it the hardware blocks without a word.
    pub const fn suppresses_faults(self) -> bool {
        self.low & FAULT_PROCESSING_DISABLE != 0
    }

    /// The field TT: which requests it translates, and how.
    pub const fn translation_type(self) -> TranslationType {
        TranslationType((self.low >> TRANSLATION_TYPE_SHIFT & TRANSLATION_TYPE_MASK) as u8)
    }

    /// The page of the top-level second-stage table.
    pub const fn table(self) -> PhysAddr {
        PhysAddr::new(self.low & TABLE)
    }

    /// The field AW as it stands: how many levels the tables have.
    pub const fn address_width_code(self) -> u8 {
        (self.high & ADDRESS_WIDTH_MASK) as u8
    }

    /// The depth that AW names, or `None` for a reserved value.
    pub const fn levels(self) -> Option<TableLevels> {
        TableLevels::from_address_width_code(self.address_width_code())
    }

    /// DID: the tag of everything cached for the requester.
    pub const fn domain(self) -> DomainId {
        DomainId((self.high >> DOMAIN_SHIFT) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_entry_is_put_together_as_worked_out_by_hand() {
        let entry =
            ContextEntry::second_stage(DomainId(0xabcd), PhysAddr::new(0x7_6543_2000), TableLevels::Four);
        assert_eq!(entry.low(), 0x7_6543_2001);
        assert_eq!(entry.high(), 0x00ab_cd02);
        assert!(entry.is_present() && !entry.suppresses_faults());
        assert_eq!(entry.translation_type(), TranslationType::SECOND_STAGE);
        assert_eq!(entry.table(), PhysAddr::new(0x7_6543_2000));
        assert_eq!(entry.levels(), Some(TableLevels::Four));
        assert_eq!(entry.domain(), DomainId(0xabcd));
    }

    #[test]
    fn a_pass_through_entry_names_domain_and_depth() {
        let entry = ContextEntry::pass_through(DomainId(0xabcd), TableLevels::Four);
        assert_eq!((entry.low(), entry.high()), (0b1001, 0x00ab_cd02));
        assert_eq!(entry.translation_type(), TranslationType::PASS_THROUGH);
    }

    #[test]
    fn a_foreign_entry_reads_as_it_stands() {
        let entry = ContextEntry::from_words(0x1000 | 0b1010, 0xffff_ffff_ff12_3480 | 7);
        assert!(!entry.is_present() && entry.suppresses_faults());
        assert_eq!(entry.translation_type(), TranslationType::PASS_THROUGH);
        assert_eq!((entry.address_width_code(), entry.levels()), (7, None));
        assert_eq!(entry.domain(), DomainId(0x1234));
        assert!(!ContextEntry::BLOCKING.is_present());
    }
}
