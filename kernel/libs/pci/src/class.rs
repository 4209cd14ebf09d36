//! Class code and header type.

use core::fmt;

/// What a function says it is, PCI Code and ID Assignment "Class Codes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassCode {
    /// Base class, for example 0x02: network.
    pub base: u8,
    /// Sub-class within it, for example 0x00: Ethernet.
    pub sub: u8,
    /// The programming interface, as the class defines it.
    pub interface: u8,
}

impl ClassCode {
    /// Splits the doubleword that holds the class above the revision.
    pub const fn from_register(value: u32) -> Self {
        let [_, interface, sub, base] = value.to_le_bytes();
        Self { base, sub, interface }
    }

    /// Tells whether the processor reaches memory or legacy devices through it.
    pub const fn is_host_or_isa_bridge(self) -> bool {
        self.base == 0x06 && matches!(self.sub, 0x00 | 0x01)
    }

    /// Tells whether it is a part of the platform that some chipsets show as a function: an interrupt controller, a
    /// timer or a remapping unit.
    pub const fn is_platform(self) -> bool {
        self.base == 0x08 && matches!(self.sub, 0x00 | 0x03 | 0x06)
    }

    /// Tells whether it is a display controller.
    pub const fn is_display(self) -> bool {
        self.base == 0x03
    }

    /// Tells whether it is a USB controller.
    pub const fn is_usb(self) -> bool {
        self.base == 0x0c && self.sub == 0x03
    }
}

impl fmt::Display for ClassCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}", self.base, self.sub, self.interface)
    }
}

/// Layout of the header and whether other functions may follow; an open set of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderType(pub u8);

impl HeaderType {
    /// Layout of everything that is no bridge.
    pub const ENDPOINT: u8 = 0;
    /// Layout of a PCI-to-PCI bridge, PCIe ports included.
    pub const PCI_BRIDGE: u8 = 1;
    /// Layout of a CardBus bridge.
    pub const CARDBUS_BRIDGE: u8 = 2;

    /// The layout of the header, without the bit for several functions.
    pub const fn layout(self) -> u8 {
        self.0 & 0x7f
    }

    /// Tells whether it says that other functions stand below.
    pub const fn is_bridge(self) -> bool {
        matches!(self.layout(), Self::PCI_BRIDGE | Self::CARDBUS_BRIDGE)
    }

    /// Tells whether functions 1 to 7 may exist beside function 0.
    pub const fn is_multi_function(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// How many base address registers the layout has.
    pub const fn bar_count(self) -> usize {
        match self.layout() {
            Self::ENDPOINT => 6,
            Self::PCI_BRIDGE => 2,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_and_header_split_as_the_hardware_writes_them() {
        let class = ClassCode::from_register(0x0108_0203);
        assert_eq!(class, ClassCode { base: 1, sub: 8, interface: 2 });
        assert!(!class.is_display() && ClassCode::from_register(0x0300_0000).is_display());
        assert_eq!(std::format!("{class}"), "010802");
        let host = ClassCode::from_register(0x0600_0000);
        let timer = ClassCode::from_register(0x0803_0000);
        assert!(host.is_host_or_isa_bridge() && !host.is_platform());
        assert!(timer.is_platform() && !timer.is_host_or_isa_bridge());
        assert!(!class.is_platform() && !ClassCode::from_register(0x0604_0000).is_host_or_isa_bridge());
        let header = HeaderType(0x81);
        assert!(header.is_multi_function());
        assert_eq!((header.layout(), header.bar_count()), (1, 2));
        assert_eq!(HeaderType(0x7f).bar_count(), 0);
    }
}
