//! What a unit can do (AMD I/O Virtualization "IOMMU Extended Feature Register").

use mmio_regs::register_value;

use super::page_entry::TableLevels;

/// The extended feature register. Firmware's table holds a copy of it; neither is believed where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(pub u64);

impl Features {
    /// XTSup: interrupt entries can name processors by 32 bits.
    pub const fn x2apic(self) -> bool {
        self.bit(2)
    }

    /// IASup: one command has everything forgotten.
    pub const fn invalidate_all(self) -> bool {
        self.bit(6)
    }

    /// GASup: interrupt entries can have 128 bits.
    pub const fn wide_interrupt_entries(self) -> bool {
        self.bit(7)
    }

    /// HATS: the deepest page table that the unit walks; `None` for the reserved value.
    pub const fn deepest(self) -> Option<TableLevels> {
        match self.0 >> 10 & 0b11 {
            0 => Some(TableLevels::Four),
            1 => Some(TableLevels::Five),
            2 => Some(TableLevels::Six),
            _ => None,
        }
    }

    /// What both say.
    pub const fn agreed(self, other: Self) -> Self {
        let depth = 0b11 << 10;
        let (one, two) = (self.0 & depth, other.0 & depth);
        let agreed_depth = if one < two { one } else { two };
        Self(self.0 & other.0 & !depth | agreed_depth)
    }

    const fn bit(self, bit: u32) -> bool {
        self.0 >> bit & 1 != 0
    }
}

register_value!(fields Features: u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulators_word_is_read_as_it_means_it() {
        // QEMU 11.1 with xtsup.
        let features = Features(0x29d7);
        assert_eq!(features.deepest(), Some(TableLevels::Six));
        assert!(features.invalidate_all() && features.wide_interrupt_entries() && features.x2apic());
        assert!(!Features(0x29d3).x2apic());
    }

    #[test]
    fn two_words_that_differ_promise_only_what_both_do() {
        let agreed = Features(0x29d7).agreed(Features(0x0440 | 0x4));
        assert_eq!((agreed.deepest(), agreed.x2apic()), (Some(TableLevels::Five), true));
        assert!(agreed.invalidate_all() && !agreed.wide_interrupt_entries());
        assert_eq!(Features(0xc00).deepest(), None);
    }
}
