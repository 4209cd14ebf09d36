//! The memory addresses that a function answers or a bridge passes down.

use crate::bar::{Bar, bars};
use crate::class::HeaderType;
use crate::config::{Command, ConfigSpace, register};
use crate::function::Function;
use alloc::vec::Vec;
use core::ops::Range;
use dma_types::PhysAddr;

/// Bridge: base and limit of the window for memory, 16 bits each, bits 15:4 are address bits 31:20.
const MEMORY_BASE: u16 = 0x20;
/// Bridge: the same for prefetchable memory; bits 3:0 are 1 if the upper halves below count.
const PREFETCHABLE_BASE: u16 = 0x24;
/// Bridge: upper 32 bits of the prefetchable base, then of the limit.
const PREFETCHABLE_UPPER: u16 = 0x28;

/// The memory windows of a function: those of its base address registers as far as they have an address, and
/// what a bridge that decodes passes down (PCI-to-PCI Bridge "Memory Base Register and Memory Limit
/// Register").
///
/// Sizes the registers, with the consequences that [`bars`] tells.
pub fn memory_windows(config: &impl ConfigSpace, function: &Function) -> Vec<Range<PhysAddr>> {
    let own = bars(config, function.bdf, function.header).into_iter().filter_map(|bar| match bar {
        Bar::Memory { address, size, .. } if address.as_u64() != 0 => {
            Some(address..address.checked_add(size)?)
        }
        _ => None,
    });
    own.chain(forwarded(config, function).into_iter().flatten()).collect()
}

fn forwarded(config: &impl ConfigSpace, bridge: &Function) -> [Option<Range<PhysAddr>>; 2] {
    let command = Command::from_bits_retain(config.read16(bridge.bdf, register::COMMAND));
    if bridge.header.layout() != HeaderType::PCI_BRIDGE || !command.contains(Command::MEMORY_SPACE) {
        return [None, None];
    }
    let upper = |offset| match config.read16(bridge.bdf, PREFETCHABLE_BASE) & 0xf {
        1 => config.read32(bridge.bdf, PREFETCHABLE_UPPER + offset),
        _ => 0,
    };
    let low = |offset| config.read16(bridge.bdf, offset);
    [
        window(low(MEMORY_BASE), low(MEMORY_BASE + 2), 0, 0),
        window(low(PREFETCHABLE_BASE), low(PREFETCHABLE_BASE + 2), upper(0), upper(4)),
    ]
}

/// A window from base and limit; a limit below the base closes it.
fn window(base: u16, limit: u16, base_upper: u32, limit_upper: u32) -> Option<Range<PhysAddr>> {
    let address = |low: u16, upper: u32| u64::from(upper) << 32 | u64::from(low & 0xfff0) << 16;
    let start = PhysAddr::new(address(base, base_upper));
    let last = PhysAddr::new(address(limit, limit_upper));
    if last < start { None } else { Some(start..last.checked_add(1 << 20)?) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};

    fn windows(space: &FakeSpace, at: &str) -> Vec<(u64, u64)> {
        let topology = space.enumerate();
        let found = memory_windows(space, topology.get(bdf(at)).unwrap());
        found.into_iter().map(|window| (window.start.as_u64(), window.end.as_u64())).collect()
    }

    #[test]
    fn registers_without_an_address_are_left_out() {
        let space = FakeSpace::new().endpoint("00:03.0", 0x1234, 0x11e8).with("00:03.0", |f| {
            f.bar(0, 0xfea0_0000, 0xfff0_0000).bar(1, 0, 0xfff0_0000).bar(2, 0xc001, 0xffff_ffe1)
        });
        assert_eq!(windows(&space, "00:03.0"), [(0xfea0_0000, 0xfeb0_0000)]);
    }

    #[test]
    fn bridges_pass_two_windows_down_while_they_decode() {
        let space = FakeSpace::new().root_port("00:1c.0", 1, 1).with("00:1c.0", |f| {
            f.set16(0x20, 0xfe80).set16(0x22, 0xfe90).set16(0x24, 0x0001).set16(0x26, 0x0ff1);
            f.set32(0x28, 0x10).set32(0x2c, 0x10)
        });
        assert_eq!(windows(&space, "00:1c.0"), []);
        let decoding = space.with("00:1c.0", |f| f.set16(4, 2));
        let expected = [(0xfe80_0000, 0xfea0_0000), (0x10_0000_0000, 0x10_1000_0000)];
        assert_eq!(windows(&decoding, "00:1c.0"), expected);
        let closed = decoding.with("00:1c.0", |f| f.set16(0x20, 0xfff0).set16(0x22, 0).set16(0x26, 1));
        assert_eq!(windows(&closed, "00:1c.0"), [(0x10_0000_0000, 0x10_0010_0000)]);
    }
}
