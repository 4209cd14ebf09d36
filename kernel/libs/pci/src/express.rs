//! The PCI Express capability, PCIe "PCI Express Capability Structure".

use crate::config::ConfigSpace;
use dma_types::Bdf;

/// Flags: version 3:0, port type 7:4, slot 8.
const FLAGS: u16 = 0x02;
/// Device capabilities: phantom functions 4:3, function-level reset 28.
const DEVICE_CAPABILITIES: u16 = 0x04;
/// Device control: phantom functions enable 9, no snoop enable 11, initiate function-level reset 15.
pub(crate) const DEVICE_CONTROL: u16 = 0x08;
/// Device status; its error bits clear where a 1 is written.
pub(crate) const DEVICE_STATUS: u16 = 0x0a;
/// Link capabilities.
pub(crate) const LINK_CAPABILITIES: u16 = 0x0c;
/// Link status.
pub(crate) const LINK_STATUS: u16 = 0x12;
/// Slot capabilities: hot-plug capable 6.
const SLOT_CAPABILITIES: u16 = 0x14;
/// Slot status.
pub(crate) const SLOT_STATUS: u16 = 0x1a;
/// Device control 2, from version 2 on: ARI forwarding 5.
const DEVICE_CONTROL_2: u16 = 0x28;

/// Device control: requests may ask not to be snooped.
pub(crate) const NO_SNOOP_ENABLE: u16 = 1 << 11;
/// Device control: start a function-level reset; always reads as 0.
pub(crate) const INITIATE_RESET: u16 = 1 << 15;
/// Device status: requests of the function are not completed yet; read-only.
pub(crate) const TRANSACTIONS_PENDING: u16 = 1 << 5;

/// Device/port type; an open set of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortType(pub u8);

impl PortType {
    /// An endpoint on PCI Express.
    pub const ENDPOINT: Self = Self(0x0);
    /// Endpoint that still uses legacy features.
    pub const LEGACY_ENDPOINT: Self = Self(0x1);
    /// A port of the root complex, with a link below it.
    pub const ROOT_PORT: Self = Self(0x4);
    /// Upstream port of a switch.
    pub const UPSTREAM: Self = Self(0x5);
    /// Downstream port of a switch.
    pub const DOWNSTREAM: Self = Self(0x6);
    /// Bridge from PCI Express down to PCI or PCI-X.
    pub const EXPRESS_TO_PCI: Self = Self(0x7);
    /// Bridge from PCI or PCI-X down to PCI Express.
    pub const PCI_TO_EXPRESS: Self = Self(0x8);
    /// Endpoint within the root complex.
    pub const INTEGRATED_ENDPOINT: Self = Self(0x9);
    /// Event collector of the root complex.
    pub const EVENT_COLLECTOR: Self = Self(0xa);
}

/// What the capability says, read once at enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpressCapability {
    /// Where it stands in configuration space.
    pub offset: u16,
    /// What kind of port.
    pub port: PortType,
    /// How many of the upper bits of the function number may be used for phantom functions: 0 to 3.
    pub phantom_bits: u8,
    /// Phantom functions are switched on: requests may carry unimplemented function numbers.
    pub phantom_enabled: bool,
    /// The function can be reset alone.
    pub function_level_reset: bool,
    /// The port's slot takes devices while the machine runs.
    pub hot_plug: bool,
    /// The port routes all 256 function numbers to the one device below it.
    pub ari_forwarding: bool,
}

impl ExpressCapability {
    /// Reads the capability that stands at `offset`.
    pub(crate) fn read(config: &impl ConfigSpace, function: Bdf, offset: u16) -> Self {
        let flags = config.read16(function, offset + FLAGS);
        let capabilities = config.read32(function, offset + DEVICE_CAPABILITIES);
        let control = config.read16(function, offset + DEVICE_CONTROL);
        let has_slot = flags & 1 << 8 != 0;
        let has_control_2 = flags & 0xf >= 2;
        Self {
            offset,
            port: PortType((flags >> 4 & 0xf) as u8),
            phantom_bits: (capabilities >> 3 & 3) as u8,
            phantom_enabled: control & 1 << 9 != 0,
            function_level_reset: capabilities & 1 << 28 != 0,
            hot_plug: has_slot && config.read32(function, offset + SLOT_CAPABILITIES) & 1 << 6 != 0,
            ari_forwarding: has_control_2 && config.read16(function, offset + DEVICE_CONTROL_2) & 1 << 5 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};

    #[test]
    fn fields_come_from_their_places() {
        let space = FakeSpace::new().endpoint("00:1c.0", 0x1b36, 0xc).with("00:1c.0", |f| {
            f.set16(0x42, 0x0142)
                .set32(0x44, 0x1000_0010)
                .set16(0x48, 0x0200)
                .set32(0x54, 0x40)
                .set16(0x68, 0x20)
        });
        let express = ExpressCapability::read(&space, bdf("00:1c.0"), 0x40);
        assert_eq!(
            express,
            ExpressCapability {
                offset: 0x40,
                port: PortType::ROOT_PORT,
                phantom_bits: 2,
                phantom_enabled: true,
                function_level_reset: true,
                hot_plug: true,
                ari_forwarding: true,
            }
        );
        let version_1 = space.with("00:1c.0", |f| f.set16(0x42, 0x0041));
        let express = ExpressCapability::read(&version_1, bdf("00:1c.0"), 0x40);
        assert!(!express.hot_plug && !express.ari_forwarding);
    }
}
