//! Base address registers, PCI "Base Addresses".

use crate::class::HeaderType;
use crate::config::{Command, ConfigSpace, register, update_command};
use dma_types::{Bdf, PhysAddr};

/// What one base address register asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Not implemented, or the upper half of the register before it.
    Absent,
    /// A window of memory.
    Memory {
        /// Where firmware put it; zero where it did not.
        address: PhysAddr,
        /// Bytes, a power of two.
        size: u64,
        /// How far up it can be moved.
        width: BarWidth,
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// A window of ports.
    Io {
        /// First port.
        port: u32,
        /// Ports, a power of two.
        size: u32,
    },
}

/// Bits of a memory window's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarWidth {
    /// Below 4 GiB.
    Bits32,
    /// Anywhere; takes two registers.
    Bits64,
}

/// Sizes the windows of a function and leaves its registers as they were.
///
/// While it runs the function decodes nothing, so nobody may use the function meanwhile, and the screen and
/// the console must not depend on it.
pub fn bars(config: &impl ConfigSpace, function: Bdf, header: HeaderType) -> [Bar; 6] {
    let decode = Command::IO_SPACE.union(Command::MEMORY_SPACE);
    let before = Command::from_bits_retain(config.read16(function, register::COMMAND)).intersection(decode);
    update_command(config, function, Command::empty(), decode);
    let mut bars = [Bar::Absent; 6];
    let mut registers = (register::BAR0..).step_by(4).take(header.bar_count());
    let mut slots = bars.iter_mut();
    while let (Some(offset), Some(slot)) = (registers.next(), slots.next()) {
        let low = probe(config, function, offset);
        *slot = match low.value & 7 {
            0b100 => {
                let Some(upper) = registers.next() else { break };
                slots.next();
                memory_64(low, probe(config, function, upper))
            }
            kind if kind & 1 == 0 => memory_32(low),
            _ => io(low),
        };
    }
    update_command(config, function, before, Command::empty());
    bars
}

/// A register's value, and which of its bits can be set.
#[derive(Clone, Copy)]
struct Probe {
    value: u32,
    mask: u32,
}

fn probe(config: &impl ConfigSpace, function: Bdf, offset: u16) -> Probe {
    let value = config.read32(function, offset);
    config.write32(function, offset, u32::MAX);
    let mask = config.read32(function, offset);
    config.write32(function, offset, value);
    Probe { value, mask }
}

/// The size that a mask of settable address bits tells: its lowest bit. `None` if no bit is settable.
fn size(mask: u64) -> Option<u64> {
    (mask != 0).then(|| 1 << mask.trailing_zeros())
}

fn memory_64(low: Probe, high: Probe) -> Bar {
    let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low & !0xf);
    size(join(low.mask, high.mask)).map_or(Bar::Absent, |size| Bar::Memory {
        address: PhysAddr::new(join(low.value, high.value)),
        size,
        width: BarWidth::Bits64,
        prefetchable: low.value & 8 != 0,
    })
}

fn memory_32(low: Probe) -> Bar {
    size(u64::from(low.mask & !0xf)).map_or(Bar::Absent, |size| Bar::Memory {
        address: PhysAddr::new(u64::from(low.value & !0xf)),
        size,
        width: BarWidth::Bits32,
        prefetchable: low.value & 8 != 0,
    })
}

fn io(low: Probe) -> Bar {
    let mask = low.mask & !3;
    if mask == 0 {
        return Bar::Absent;
    }
    Bar::Io { port: low.value & !3, size: 1 << mask.trailing_zeros() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};

    #[test]
    fn every_kind_of_window_is_sized_and_put_back() {
        let at = bdf("00:05.0");
        let space = FakeSpace::new().endpoint("00:05.0", 0x8086, 1).with("00:05.0", |f| {
            f.bar(0, 0xfea0_0000, 0xffff_0000)
                .bar(1, 0xc001, 0xffff_ffe1)
                .bar(2, 0x0000_000c, 0xf000_000c)
                .bar(3, 0x0000_0080, 0xffff_ffff)
                .set16(0x04, 0x0407)
        });
        let found = bars(&space, at, HeaderType(0));
        let memory = |address, size, width, prefetchable| Bar::Memory {
            address: PhysAddr::new(address),
            size,
            width,
            prefetchable,
        };
        assert_eq!(found[0], memory(0xfea0_0000, 0x1_0000, BarWidth::Bits32, false));
        assert_eq!(found[1], Bar::Io { port: 0xc000, size: 32 });
        assert_eq!(found[2], memory(0x80_0000_0000, 0x1000_0000, BarWidth::Bits64, true));
        assert_eq!(found[3..], [Bar::Absent; 3]);
        assert_eq!(space.read32(at, 0x10), 0xfea0_0000);
        assert_eq!(space.read32(at, 0x1c), 0x80);
        assert_eq!(space.read16(at, 0x04), 0x0407);
        let decoding = space
            .writes()
            .iter()
            .filter(|write| write.offset == 0x04)
            .map(|write| write.value & 3)
            .collect::<std::vec::Vec<_>>();
        assert_eq!(decoding, [0, 3], "decoding is off while sizing");
        assert!(space.writes().iter().all(|write| write.offset != 0x06));
    }

    #[test]
    fn a_64_bit_window_without_its_upper_half_is_absent() {
        let space =
            FakeSpace::new().endpoint("00:05.0", 0x8086, 1).with("00:05.0", |f| f.bar(5, 0x4, 0xffff_f004));
        assert_eq!(bars(&space, bdf("00:05.0"), HeaderType(0)), [Bar::Absent; 6]);
    }
}
