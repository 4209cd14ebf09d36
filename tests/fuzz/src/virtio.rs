//! Any bytes as what a virtio device says of itself in configuration space.

use pci::testing::{FakeSpace, bdf};
use virtio::{CheckedConfig, Layout, Window, is_virtio};

use crate::Bytes;
use crate::machine;

const AT: &str = "00:07.0";
/// Base address registers of a function.
const BARS: usize = 6;
/// Where the first capability stands, and where those of the vendor end.
const CAPABILITIES: usize = 0x40;
const END: usize = 0x100;

/// Whoever reads the checked configuration is led to nothing but windows that are believed and mapped.
pub fn check(bytes: &[u8]) {
    let space = space(&mut Bytes::new(bytes));
    let mut topology = space.enumerate();
    topology.check_windows(&space, &machine::claims());
    let function = topology.get(bdf(AT)).expect("the one function");
    assert!(is_virtio(function));
    let Ok(layout) = Layout::find(&space, function) else { return };
    if function.refused.is_some() || layout.check(function).is_err() {
        return;
    }
    // As a driver maps them: of each window as much as the structures need.
    let windows = (0..).take(BARS).filter_map(|bar| {
        let bytes = Some(layout.bytes_of(bar)).filter(|bytes| *bytes > 0)?;
        let window = function.windows.of_register(bar)?;
        assert!(bytes <= window.bytes(), "{layout:x?}");
        Some(Window { bar, address: window.start().as_u64(), bytes })
    });
    let windows: Vec<Window> = windows.collect();
    if let Ok(mut config) = CheckedConfig::new((function.vendor, function.device), &layout, &windows) {
        walk(&mut config, &windows);
    }
}

/// A device: capabilities one after the other, then bytes set anywhere in them.
fn space(bytes: &mut Bytes<'_>) -> FakeSpace {
    FakeSpace::new().endpoint(AT, 0x1af4, 0x1042).with(AT, |f| {
        f.set16(4, 2).set16(6, 0x10).set8(0x34, CAPABILITIES as u8);
        for bar in 0..BARS {
            let [kind, size] = bytes.array();
            let mask = u32::MAX << (4 + size % 28);
            let address = 0xd000_0000 + ((bar as u32) << 24);
            match kind % 4 {
                0 => {}
                1 => _ = f.bar(bar, address & mask | 4, mask | 4),
                2 => _ = f.upper_bar(bar, u32::MAX),
                _ => _ = f.bar(bar, address & mask, mask),
            }
        }
        let mut at = CAPABILITIES;
        while at + 20 <= END && bytes.byte() != 0 {
            let [kind, bar, place, length, multiplier] = bytes.array();
            f.set8(at, 9).set8(at + 1, (at + 20) as u8).set8(at + 2, 20).set8(at + 3, kind % 6);
            f.set8(at + 4, bar % 8)
                .set32(at + 8, u32::from(place) << 8)
                .set32(at + 12, u32::from(length) << 4);
            f.set32(at + 16, multiplier.into());
            at += 20;
        }
        while !bytes.is_empty() {
            let [at, value] = bytes.array();
            f.set8(CAPABILITIES + usize::from(at) % (END - CAPABILITIES), value);
        }
        f
    })
}

/// Reads the configuration as drivers do.
fn walk(config: &mut CheckedConfig, windows: &[Window]) {
    let mut at = config.read_word(0x34) as u8;
    let mut kinds = Vec::new();
    while at != 0 {
        assert!(at >= 0x40 && kinds.len() < 4, "the list ends");
        let [head, register, offset, length] = [0, 4, 8, 12].map(|field| config.read_word(at + field));
        assert_eq!(head & 0xff, 9);
        let address = address_of(config, register as u8);
        let window =
            windows.iter().find(|window| window.address == address).expect("a window that is mapped");
        assert!(u64::from(offset) + u64::from(length) <= window.bytes, "{window:x?}");
        kinds.push(head >> 24);
        at = (head >> 8) as u8;
    }
    assert!(kinds == [1, 2, 3] || kinds == [1, 2, 3, 4], "{kinds:?}");
}

/// The address in a base address register and the next, which are sized and put back.
fn address_of(config: &mut CheckedConfig, register: u8) -> u64 {
    let registers = [0x10 + 4 * register, 0x14 + 4 * register];
    let before = registers.map(|register| config.read_word(register));
    registers.iter().for_each(|register| config.write_word(*register, u32::MAX));
    registers.iter().zip(before).for_each(|(register, value)| config.write_word(*register, value));
    let [low, high] = registers.map(|register| config.read_word(register));
    assert_eq!([low, high], before);
    u64::from(high) << 32 | u64::from(low & !0xf)
}
