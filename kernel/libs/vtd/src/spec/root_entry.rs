//! The root entry: which context table serves a bus (VT-d "Root Entry").
//!
//! ```text
//!  127                                                           64
//! +----------------------------------------------------------------+
//! |                            reserved                            |
//! +----------------------------------------------------------------+
//!  63                                    12 11                  1  0
//! +----------------------------------------+---------------------+---+
//! |         context table, 63:12           |      reserved       | P |
//! +----------------------------------------+---------------------+---+
//! ```

use dma_types::PhysAddr;

const PRESENT: u64 = 1;
const CONTEXT_TABLE: u64 = !0xfff;

/// One of the 256 entries of the root table; its index is the bus number.
///
/// Two words, because the hardware fetches 16 bytes but software can store only 8 at once: everything
/// that matters is in the low one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C, align(16))]
pub struct RootEntry {
    low: u64,
    high: u64,
}

const _: () = assert!(size_of::<RootEntry>() == RootEntry::BYTES as usize);

impl RootEntry {
    /// Bytes of an entry.
    pub const BYTES: u64 = 16;

    /// An entry that refers to the context table in this page.
    pub const fn present(context_table: PhysAddr) -> Self {
        Self { low: context_table.as_u64() & CONTEXT_TABLE | PRESENT, high: 0 }
    }

    /// Takes an entry as it stands in memory.
    pub const fn from_words(low: u64, high: u64) -> Self {
        Self { low, high }
    }

    /// The lower 64 bits: present and the context table's address.
    pub const fn low(self) -> u64 {
        self.low
    }

    /// Bits 127:64, all reserved.
    pub const fn high(self) -> u64 {
        self.high
    }

    /// P: without it every request of the bus is blocked with reason 1.
    pub const fn is_present(self) -> bool {
        self.low & PRESENT != 0
    }

    /// The page of the bus's context table; means something only if present.
    pub const fn context_table(self) -> PhysAddr {
        PhysAddr::new(self.low & CONTEXT_TABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_present_entry_is_the_address_and_bit_0() {
        let entry = RootEntry::present(PhysAddr::new(0x1_2345_6000));
        assert_eq!((entry.low(), entry.high()), (0x1_2345_6001, 0));
        assert!(entry.is_present());
        assert_eq!(entry.context_table(), PhysAddr::new(0x1_2345_6000));
    }

    #[test]
    fn reserved_bits_are_kept_and_not_taken_for_an_address() {
        let entry = RootEntry::from_words(0x7ffe, 5);
        assert!(!entry.is_present());
        assert_eq!(entry.context_table(), PhysAddr::new(0x7000));
        assert_eq!((entry.low(), entry.high()), (0x7ffe, 5));
    }
}
