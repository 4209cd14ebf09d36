//! Where the device table and the rings lie, and how far they are (AMD I/O Virtualization "Device Table Base Address
//! Register", "Command Buffer Base Address Register", "Event Log Base Address Register").

use dma_types::PhysAddr;
use mmio_regs::register_value;

const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The device table base register: address in bits 51:12, pages beyond the first in bits 8:0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceTableBase(pub u64);

impl DeviceTableBase {
    /// A table of 2^`order` pages, at most 512, of which each holds 128 entries.
    pub const fn new(table: PhysAddr, order: u8) -> Self {
        let pages = (1_u64 << order) - 1;
        Self(table.as_u64() & ADDRESS | pages & 0x1ff)
    }

    /// Where the table begins.
    pub const fn address(self) -> PhysAddr {
        PhysAddr::new(self.0 & ADDRESS)
    }

    /// Pages of the table.
    pub const fn pages(self) -> u64 {
        (self.0 & 0x1ff) + 1
    }
}

/// The base register of a ring: address in bits 51:12, power of two of its entries in bits 59:56.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingBase(pub u64);

impl RingBase {
    /// A ring of one page: 256 entries of 16 bytes.
    pub const fn one_page(ring: PhysAddr) -> Self {
        Self(ring.as_u64() & ADDRESS | 8 << 56)
    }

    /// Where the ring begins.
    pub const fn address(self) -> PhysAddr {
        PhysAddr::new(self.0 & ADDRESS)
    }

    /// Entries of the ring; less than 256 is reserved.
    pub const fn entries(self) -> usize {
        1 << (self.0 >> 56 & 0xf)
    }
}

/// Bytes of an entry of either ring.
pub const ENTRY_BYTES: u64 = 16;

/// A head or tail register: bits 18:4 count bytes from the ring's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPosition(pub u64);

impl RingPosition {
    /// The position before an entry.
    pub const fn at(index: usize) -> Self {
        Self(index as u64 * ENTRY_BYTES)
    }

    /// The entry's number, as the register says; nobody has checked it against the ring.
    pub const fn index(self) -> usize {
        (self.0 >> 4 & 0x7fff) as usize
    }
}

register_value!(fields DeviceTableBase: u64);
register_value!(fields RingBase: u64);
register_value!(fields RingPosition: u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_put_together_as_worked_out_by_hand() {
        let table = DeviceTableBase::new(PhysAddr::new(0x1234_5000), 9);
        assert_eq!((table.0, table.pages()), (0x1234_51ff, 512));
        let ring = RingBase::one_page(PhysAddr::new(0x7000));
        assert_eq!(
            (ring.0, ring.entries(), ring.address()),
            (0x0800_0000_0000_7000, 256, PhysAddr::new(0x7000))
        );
        assert_eq!(RingPosition::at(255).0, 0xff0);
        assert_eq!(RingPosition(u64::MAX).index(), 0x7fff);
    }
}
