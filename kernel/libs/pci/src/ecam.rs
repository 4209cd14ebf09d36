//! Configuration space in memory, PCIe "PCI Express Enhanced Configuration Access Mechanism (ECAM)".

use crate::enumerate::BusRange;
use core::fmt;
use dma_types::{Bdf, PhysAddr};

/// Bytes of one bus: 32 devices of 8 functions of 4 KiB.
pub const BUS_BYTES: u64 = 1 << 20;

/// Where the configuration space of some buses of a segment lies.
///
/// Holding one proves that the range does not wrap and that its address is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcamWindow {
    buses: BusRange,
    base: PhysAddr,
}

/// Why a window that firmware names cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EcamError {
    /// The last bus comes before the first.
    Reversed {
        /// The range of buses that firmware gave.
        buses: BusRange,
    },
    /// The address is zero, not a multiple of 1 MiB, or too high for the processor.
    Base {
        /// Where bus 0 would be.
        base: PhysAddr,
    },
}

impl fmt::Display for EcamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reversed { buses } => {
                write!(
                    f,
                    "configuration window of buses {:02x} to {:02x} is reversed",
                    buses.first, buses.last
                )
            }
            Self::Base { base } => write!(f, "configuration window at impossible address {base}"),
        }
    }
}

impl core::error::Error for EcamError {}

impl EcamWindow {
    /// Takes what the MCFG table says: `base` is where bus 0 would be, even if the range starts later
    /// (PCI Firmware "MCFG Table Description"). `address_bits` is the processor's physical width.
    ///
    /// # Errors
    /// If the range is reversed or the address impossible.
    pub fn new(buses: BusRange, base: PhysAddr, address_bits: u8) -> Result<Self, EcamError> {
        if buses.first > buses.last {
            return Err(EcamError::Reversed { buses });
        }
        let impossible = EcamError::Base { base };
        let end = base.checked_add((u64::from(buses.last) + 1) * BUS_BYTES).ok_or(impossible)?;
        let fits = (end.as_u64() - 1) >> address_bits.min(63) == 0;
        if base.as_u64() == 0 || !base.is_aligned(BUS_BYTES) || !fits {
            return Err(impossible);
        }
        Ok(Self { buses, base })
    }

    /// The buses whose functions are reached here.
    pub const fn buses(&self) -> BusRange {
        self.buses
    }

    /// Where the first bus of the range lies.
    pub const fn start(&self) -> PhysAddr {
        PhysAddr::new(self.base.as_u64() + self.buses.first as u64 * BUS_BYTES)
    }

    /// Bytes from there to the end of the last bus.
    pub const fn len(&self) -> u64 {
        (self.buses.last as u64 - self.buses.first as u64 + 1) * BUS_BYTES
    }

    /// A window holds at least one bus.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// How far from [`EcamWindow::start`] a function's register lies; `None` if the function is not reached
    /// here, or the offset is beyond its 4 KiB.
    pub fn offset_of(&self, function: Bdf, offset: u16) -> Option<u64> {
        let bus = function.source.bus();
        let reached = function.segment == self.buses.segment
            && (self.buses.first..=self.buses.last).contains(&bus)
            && offset < 0x1000;
        let within_bus = u64::from(function.source.devfn()) << 12 | u64::from(offset);
        reached.then(|| u64::from(bus - self.buses.first) * BUS_BYTES + within_bus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dma_types::Segment;

    fn buses(first: u8, last: u8) -> BusRange {
        BusRange { segment: Segment(1), first, last }
    }

    fn bdf(text: &str) -> Bdf {
        text.parse().unwrap()
    }

    #[test]
    fn registers_lie_by_bus_device_and_function() {
        let window = EcamWindow::new(buses(0x40, 0x4f), PhysAddr::new(0xb000_0000), 39).unwrap();
        assert_eq!(window.start(), PhysAddr::new(0xb400_0000));
        assert_eq!(window.len(), 0x100_0000);
        assert_eq!(window.offset_of(bdf("0001:41:03.1"), 0x104), Some(0x11_9104));
        assert_eq!(window.offset_of(bdf("0001:4f:1f.7"), 0xfff), Some(0xff_ffff));
        for (function, offset) in
            [("0001:41:03.1", 0x1000), ("0001:3f:00.0", 0), ("0001:50:00.0", 0), ("0000:40:00.0", 0)]
        {
            assert_eq!(window.offset_of(bdf(function), offset), None);
        }
    }

    #[test]
    fn impossible_windows_are_refused() {
        let base = |base| EcamWindow::new(buses(0, 255), PhysAddr::new(base), 39).map(|_| ());
        assert_eq!((base(0xb000_0000), base(0x7f_f000_0000)), (Ok(()), Ok(())));
        for impossible in [0, 0xb000_1000, 0x80_0000_0000, 0x7f_f010_0000, !0xf_ffff] {
            assert_eq!(base(impossible), Err(EcamError::Base { base: PhysAddr::new(impossible) }));
        }
        let reversed = buses(9, 8);
        let refused = EcamWindow::new(reversed, PhysAddr::new(0xb000_0000), 39);
        assert_eq!(refused, Err(EcamError::Reversed { buses: reversed }));
    }
}
