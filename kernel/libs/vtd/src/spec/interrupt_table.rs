//! Where the table of interrupt entries lies (VT-d "Interrupt Remapping Table Address Register").

use dma_types::PhysAddr;
use mmio_regs::register_value;

use super::interrupt_entry::DestinationMode;

/// EIME: entries name processors by 32 bits.
const EXTENDED_MODE: u64 = 1 << 11;
/// S: the table has 2^(S+1) entries.
const SIZE: u64 = 0xf;

/// VT-d "Interrupt Remapping Table Address Register".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptTableAddress(pub u64);

impl InterruptTableAddress {
    /// A table of 2^`order` entries, 1 to 16, from the start of a page.
    pub const fn new(table: PhysAddr, order: u8, mode: DestinationMode) -> Self {
        let mode = match mode {
            DestinationMode::XApic => 0,
            DestinationMode::X2Apic => EXTENDED_MODE,
        };
        Self(table.page().as_u64() | mode | (order.saturating_sub(1) as u64 & SIZE))
    }

    /// Where the table lies, bits 63:12.
    pub const fn table(self) -> PhysAddr {
        PhysAddr::new(self.0).page()
    }

    /// How many entries it has, 2 to 65,536.
    pub const fn entries(self) -> u32 {
        1 << ((self.0 & SIZE) + 1)
    }

    /// How its entries name processors.
    pub const fn mode(self) -> DestinationMode {
        if self.0 & EXTENDED_MODE == 0 { DestinationMode::XApic } else { DestinationMode::X2Apic }
    }
}

register_value!(fields InterruptTableAddress: u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_pointer_splits() {
        let register = InterruptTableAddress::new(PhysAddr::new(0x1234_5000), 8, DestinationMode::X2Apic);
        assert_eq!(register.0, 0x1234_5807);
        assert_eq!((register.table(), register.entries()), (PhysAddr::new(0x1234_5000), 256));
        assert_eq!(register.mode(), DestinationMode::X2Apic);
        assert_eq!(InterruptTableAddress(0x70f).entries(), 65_536);
        assert_eq!(InterruptTableAddress(0x70f).mode(), DestinationMode::XApic);
        assert_eq!(InterruptTableAddress::new(PhysAddr::new(0x1000), 16, DestinationMode::XApic).0, 0x100f);
    }
}
