//! Base address registers, PCI "Base Addresses".

use crate::class::HeaderType;
use crate::config::{Command, ConfigSpace, register, update_command};
use crate::control::MemoryDecode;
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
        /// The first I/O port that it claims.
        port: u32,
        /// Ports, a power of two.
        size: u32,
    },
    /// The bits that can be set are no address of any window.
    Contradictory {
        /// The bits that could be written, as read back.
        mask: u64,
    },
}

/// Bits of a memory window's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarWidth {
    /// A register of 32 bits: the window lies below 4 GiB.
    Bits32,
    /// Anywhere; takes two registers.
    Bits64,
}

/// What the base address registers of a function say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bars {
    /// The registers as they were found.
    pub(crate) registers: [u32; 6],
    /// What they ask for.
    pub(crate) bars: [Bar; 6],
    /// Whether the function answered memory accesses.
    pub(crate) decode: MemoryDecode,
}

/// Reads and sizes the windows of a function, and leaves its registers as they were.
///
/// While it runs the function decodes nothing, so nobody may use the function meanwhile, and the screen and
/// the console must not depend on it.
pub(crate) fn read(config: &impl ConfigSpace, function: Bdf, header: HeaderType) -> Bars {
    let decode = Command::IO_SPACE.union(Command::MEMORY_SPACE);
    let before = Command::from_bits_retain(config.read16(function, register::COMMAND)).intersection(decode);
    update_command(config, function, Command::empty(), decode);
    let mut probes = [Probe::NOTHING; 6];
    for (found, offset) in probes.iter_mut().zip((register::BAR0..).step_by(4)).take(header.bar_count()) {
        *found = probe(config, function, offset);
    }
    update_command(config, function, before, Command::empty());
    let answers = before.contains(Command::MEMORY_SPACE);
    Bars {
        registers: probes.map(|probe| probe.value),
        bars: meaning(probes),
        decode: if answers { MemoryDecode::On } else { MemoryDecode::Off },
    }
}

/// What the registers mean, some of which are the upper halves of those before.
fn meaning(probes: [Probe; 6]) -> [Bar; 6] {
    let mut bars = [Bar::Absent; 6];
    let mut probes = probes.into_iter();
    let mut slots = bars.iter_mut();
    while let (Some(low), Some(slot)) = (probes.next(), slots.next()) {
        *slot = match low.value & 7 {
            0b100 => {
                let Some(high) = probes.next() else { break };
                slots.next();
                memory_64(low, high)
            }
            kind if kind & 1 == 0 => memory_32(low),
            _ => io(low),
        };
    }
    bars
}

/// A register's value, and which of its bits can be set.
#[derive(Clone, Copy)]
struct Probe {
    value: u32,
    mask: u32,
}

impl Probe {
    const NOTHING: Self = Self { value: 0, mask: 0 };
}

fn probe(config: &impl ConfigSpace, function: Bdf, offset: u16) -> Probe {
    let value = config.read32(function, offset);
    config.write32(function, offset, u32::MAX);
    let mask = config.read32(function, offset);
    config.write32(function, offset, value);
    Probe { value, mask }
}

/// The window of an address and the mask of its bits that can be set: the lowest tells the size, and those above
/// follow it without a gap (PCI "Base Addresses"). Of the highest ones some may be missing.
fn memory(address: u64, mask: u64, width: BarWidth, low: Probe) -> Bar {
    if mask == 0 {
        return Bar::Absent;
    }
    let has_gap = mask >> mask.trailing_zeros() & (mask >> mask.trailing_zeros()).wrapping_add(1) != 0;
    if has_gap {
        return Bar::Contradictory { mask };
    }
    Bar::Memory {
        address: PhysAddr::new(address),
        size: 1 << mask.trailing_zeros(),
        width,
        prefetchable: low.value & 8 != 0,
    }
}

fn memory_64(low: Probe, high: Probe) -> Bar {
    let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low & !0xf);
    memory(join(low.value, high.value), join(low.mask, high.mask), BarWidth::Bits64, low)
}

fn memory_32(low: Probe) -> Bar {
    memory(u64::from(low.value & !0xf), u64::from(low.mask & !0xf), BarWidth::Bits32, low)
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
        let Bars { bars: found, decode, registers } = read(&space, at, HeaderType(0));
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
        assert_eq!(decode, MemoryDecode::On);
        assert_eq!(registers, [0xfea0_0000, 0xc001, 0xc, 0x80, 0, 0]);
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
        assert_eq!(read(&space, bdf("00:05.0"), HeaderType(0)).bars, [Bar::Absent; 6]);
    }

    #[test]
    fn a_mask_with_a_gap_is_no_window() {
        for (value, mask, expected) in [
            (0x0, 0xfff0_f000, Some(0xfff0_f000)),
            (0x0, 0x0ff0_0000, None),
            (0x4, 0xffff_0004, None),
            (0x4, 0xfeff_0004, Some(0x7f_feff_0000)),
        ] {
            let at = "00:05.0";
            let space = FakeSpace::new()
                .endpoint(at, 0x8086, 1)
                .with(at, |f| f.bar(0, value, mask).bar(1, 0, if value == 4 { 0x7f } else { 0 }));
            let found = read(&space, bdf(at), HeaderType(0)).bars[0];
            let gap = if let Bar::Contradictory { mask } = found { Some(mask) } else { None };
            assert_eq!(gap, expected, "{mask:#x}: {found:?}");
        }
    }
}
