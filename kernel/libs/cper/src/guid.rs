//! Names of kinds of records and sections.

use core::fmt;

/// A GUID as it stands in a record: the first three groups little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// "Notification Type": a unit that remaps DMA reported a fault.
    pub const DMAR_NOTIFICATION: Self =
        Self::new(0x667d_d791, 0xc6b3, 0x4c27, [0x8a, 0x6b, 0x0f, 0x8e, 0x72, 0x2d, 0xeb, 0x41]);
    /// "DMAr Generic Error Section".
    pub const DMAR_GENERIC: Self =
        Self::new(0x5b51_fef7, 0xc79d, 0x4434, [0x8f, 0x1b, 0xaa, 0x62, 0xde, 0x3e, 0x2c, 0x64]);
    /// "Intel VT for Directed I/O specific DMAr Error Section".
    pub const VTD_DMAR: Self =
        Self::new(0x7176_1d37, 0x32b2, 0x45cd, [0xa7, 0xd0, 0xb0, 0xfe, 0xdd, 0x93, 0xe8, 0xcf]);

    /// Puts a GUID together from its groups as they are written.
    pub const fn new(a: u32, b: u16, c: u16, d: [u8; 8]) -> Self {
        let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
        let [d0, d1, d2, d3, d4, d5, d6, d7] = d;
        Self([a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, d2, d3, d4, d5, d6, d7])
    }

    /// Takes the bytes as they stand in a record.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in a record.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, node @ ..] = self.0;
        let a = u32::from_le_bytes([a0, a1, a2, a3]);
        let (b, c) = (u16::from_le_bytes([b0, b1]), u16::from_le_bytes([c0, c1]));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d0:02x}{d1:02x}-")?;
        node.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn guids_are_written_as_the_specification_writes_them() {
        assert_eq!(Guid::DMAR_NOTIFICATION.to_string(), "667dd791-c6b3-4c27-8a6b-0f8e722deb41");
        assert_eq!(Guid::DMAR_GENERIC.to_string(), "5b51fef7-c79d-4434-8f1b-aa62de3e2c64");
        assert_eq!(Guid::VTD_DMAR.to_string(), "71761d37-32b2-45cd-a7d0-b0fedd93e8cf");
        assert_eq!(Guid::DMAR_GENERIC.to_bytes()[..8], [0xf7, 0xfe, 0x51, 0x5b, 0x9d, 0xc7, 0x34, 0x44]);
    }
}
