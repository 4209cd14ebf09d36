//! The addresses that a bridge passes down.

use dma_types::{Bdf, PhysAddr};

use super::range::AddressRange;
use crate::class::HeaderType;
use crate::config::{Command, ConfigSpace, register};
use crate::function::Function;

/// Bridge: base and limit of the window for memory, 16 bits each, bits 15:4 are address bits 31:20.
const MEMORY_BASE: u16 = 0x20;
/// Bridge: the same for prefetchable memory; bits 3:0 are 1 if the upper halves below count.
const PREFETCHABLE_BASE: u16 = 0x24;
/// Bridge: upper 32 bits of the prefetchable base, then of the limit.
const PREFETCHABLE_UPPER: u16 = 0x28;

/// Reads what a bridge that decodes passes down (PCI-to-PCI Bridge "Memory Base Register and Memory Limit Register").
/// Windows that meet count as one.
pub(super) fn read(config: &impl ConfigSpace, bridge: &Function) -> [Option<AddressRange>; 2] {
    let command = Command::from_bits_retain(config.read16(bridge.bdf, register::COMMAND));
    if bridge.header.layout() != HeaderType::PCI_BRIDGE || !command.contains(Command::MEMORY_SPACE) {
        return [None, None];
    }
    match [memory(config, bridge.bdf), prefetchable(config, bridge.bdf)] {
        [Some(one), Some(other)] if one.meets(other) => {
            [AddressRange::new(one.first().min(other.first()), one.last().max(other.last())), None]
        }
        apart => apart,
    }
}

fn memory(config: &impl ConfigSpace, bridge: Bdf) -> Option<AddressRange> {
    let [base, limit] = halves(config.read32(bridge, MEMORY_BASE));
    window(base, limit, 0, 0)
}

fn prefetchable(config: &impl ConfigSpace, bridge: Bdf) -> Option<AddressRange> {
    let [base, limit] = halves(config.read32(bridge, PREFETCHABLE_BASE));
    let upper = |half: u16, offset| match half & 0xf {
        1 => config.read32(bridge, PREFETCHABLE_UPPER + offset),
        _ => 0,
    };
    window(base, limit, upper(base, 0), upper(limit, 4))
}

const fn halves(register: u32) -> [u16; 2] {
    [register as u16, (register >> 16) as u16]
}

/// A window from base and limit; a limit below the base closes it, and so does the state after a reset.
fn window(base: u16, limit: u16, base_upper: u32, limit_upper: u32) -> Option<AddressRange> {
    let address = |low: u16, upper: u32| u64::from(upper) << 32 | u64::from(low & 0xfff0) << 16;
    let (first, last) = (address(base, base_upper), address(limit, limit_upper) | 0xf_ffff);
    let is_programmed = address(limit, limit_upper) != 0;
    is_programmed.then(|| AddressRange::new(PhysAddr::new(first), PhysAddr::new(last)))?
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::testing::{FakeSpace, bdf};

    fn windows(space: &FakeSpace) -> Vec<(u64, u64)> {
        let topology = space.enumerate();
        let found = read(space, topology.get(bdf("00:1c.0")).unwrap());
        found.iter().flatten().map(|window| (window.first().as_u64(), window.last().as_u64())).collect()
    }

    #[test]
    fn bridges_pass_two_windows_down_while_they_decode() {
        let space = FakeSpace::new().root_port("00:1c.0", 1, 1).with("00:1c.0", |f| {
            f.set16(0x20, 0xfe80).set16(0x22, 0xfe90).set16(0x24, 0x0001).set16(0x26, 0x0ff1);
            f.set32(0x28, 0x10).set32(0x2c, 0x10)
        });
        assert_eq!(windows(&space), []);
        let decoding = space.with("00:1c.0", |f| f.set16(4, 2));
        let expected = [(0xfe80_0000, 0xfe9f_ffff), (0x10_0000_0000, 0x10_0fff_ffff)];
        assert_eq!(windows(&decoding), expected);
        let closed = decoding.with("00:1c.0", |f| f.set16(0x20, 0xfff0).set16(0x22, 0).set16(0x26, 1));
        assert_eq!(windows(&closed), [(0x10_0000_0000, 0x10_000f_ffff)]);
    }

    #[test]
    fn windows_that_meet_are_one_and_those_after_a_reset_none() {
        let space = FakeSpace::new().root_port("00:1c.0", 1, 1).with("00:1c.0", |f| f.set16(4, 2));
        assert_eq!(windows(&space), []);
        let meeting = space.with("00:1c.0", |f| {
            f.set16(0x20, 0xe000).set16(0x22, 0xe0f0).set16(0x24, 0xe0f0).set16(0x26, 0xe1f0)
        });
        assert_eq!(windows(&meeting), [(0xe000_0000, 0xe1ff_ffff)]);
    }
}
