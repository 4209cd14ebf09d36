//! Registers of the invalidation queue (VT-d "Invalidation Queue Address Register" and its neighbours).

use dma_types::{PhysAddr, SourceId};
use mmio_regs::register_value;

/// VT-d "Invalidation Queue Address Register": one page of 16-byte descriptors, size and width fields zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueAddress(pub u64);

impl QueueAddress {
    /// A queue of one page with 16-byte descriptors.
    pub const fn one_page(page: PhysAddr) -> Self {
        Self(page.page().as_u64())
    }

    /// Where the queue starts.
    pub const fn base(self) -> PhysAddr {
        PhysAddr::new(self.0).page()
    }

    /// QS: the queue has 2^size pages.
    pub const fn size(self) -> u8 {
        self.0 as u8 & 0b111
    }

    /// DW: descriptors have 32 bytes.
    pub const fn wide_descriptors(self) -> bool {
        self.0 & 1 << 11 != 0
    }
}

/// VT-d "Invalidation Queue Head Register" and "Invalidation Queue Tail Register", for 16-byte descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePosition(pub u64);

impl QueuePosition {
    /// The position of a descriptor.
    pub const fn at(index: usize) -> Self {
        Self((index as u64) << 4)
    }

    /// Which descriptor: bits 18:4.
    pub const fn index(self) -> usize {
        (self.0 >> 4) as usize & 0x7fff
    }
}

/// VT-d "Invalidation Queue Error Record Register"; not every unit fills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueErrorRecord(pub u64);

impl QueueErrorRecord {
    /// IQEI: why the queue stopped, 0 if the unit does not say.
    pub const fn cause(self) -> u8 {
        self.0 as u8 & 0xf
    }

    /// ITESID: the device that did not answer.
    pub const fn silent_device(self) -> SourceId {
        SourceId::from_bits((self.0 >> 32) as u16)
    }

    /// ICESID: the device that answered wrongly.
    pub const fn wrong_device(self) -> SourceId {
        SourceId::from_bits((self.0 >> 48) as u16)
    }
}

register_value!(fields QueueAddress: u64);
register_value!(fields QueuePosition: u64);
register_value!(fields QueueErrorRecord: u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_addresses_split() {
        assert_eq!(QueuePosition::at(3).0, 0x30);
        assert_eq!(QueuePosition(0xff0).index(), 255);
        let address = QueueAddress(0x0012_3803);
        assert_eq!((address.base(), address.size()), (PhysAddr::new(0x0012_3000), 3));
        assert!(address.wide_descriptors());
        assert!(!QueueAddress::one_page(PhysAddr::new(0x5000)).wide_descriptors());
    }

    #[test]
    fn an_error_record_names_both_devices() {
        let record = QueueErrorRecord(0x0118_0320_0000_0004);
        assert_eq!(record.cause(), 4);
        assert_eq!(record.silent_device(), SourceId::from_bits(0x0320));
        assert_eq!(record.wrong_device(), SourceId::from_bits(0x0118));
    }
}
