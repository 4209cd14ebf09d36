//! Ethernet addresses, and how the receive address registers hold one.

use core::fmt;
use mmio_regs::register_value;

/// An Ethernet address, first byte on the wire first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Tells whether it can be a station's own: neither a group's nor all zeros.
    pub const fn is_station(self) -> bool {
        let [a, b, c, d, e, f] = self.0;
        a & 1 == 0 && (a | b | c | d | e | f) != 0
    }

    /// As the receive address registers hold it.
    pub const fn from_registers(low: u32, high: ReceiveAddressHigh) -> Self {
        let [a, b, c, d] = low.to_le_bytes();
        let [e, f, _, _] = high.0.to_le_bytes();
        Self([a, b, c, d, e, f])
    }

    /// For the receive address registers, marked as in use.
    pub const fn into_registers(self) -> (u32, ReceiveAddressHigh) {
        let [a, b, c, d, e, f] = self.0;
        let high = u32::from_le_bytes([e, f, 0, 0]) | ReceiveAddressHigh::VALID;
        (u32::from_le_bytes([a, b, c, d]), ReceiveAddressHigh(high))
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// 82574 "Receive Address High".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveAddressHigh(pub u32);

impl ReceiveAddressHigh {
    /// AV: the entry is in use.
    const VALID: u32 = 1 << 31;
}

register_value!(fields ReceiveAddressHigh: u32);

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::{MacAddress, ReceiveAddressHigh};

    #[test]
    fn registers_hold_the_first_byte_lowest() {
        let address = MacAddress([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
        assert_eq!(address.into_registers(), (0x1200_5452, ReceiveAddressHigh(0x8000_5634)));
        assert_eq!(MacAddress::from_registers(0x1200_5452, ReceiveAddressHigh(0x8000_5634)), address);
        assert_eq!(address.to_string(), "52:54:00:12:34:56");
    }

    #[test]
    fn groups_and_nothing_are_no_station() {
        assert!(MacAddress([0x52, 0, 0, 0, 0, 0]).is_station());
        assert!(!MacAddress([0; 6]).is_station());
        assert!(!MacAddress([0xff; 6]).is_station());
        assert!(!MacAddress([0x01, 0, 0x5e, 0, 0, 1]).is_station());
    }
}
