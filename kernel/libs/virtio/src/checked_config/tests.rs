//! What a reader finds here, by the register accesses that readers make.

use super::*;
use std::vec::Vec;

const COMMON: Region = Region { bar: 4, offset: 0, length: 0x1000 };
const NOTIFY: Region = Region { bar: 2, offset: 0x3000, length: 0x1000 };
const STATUS: Region = Region { bar: 4, offset: 0x1000, length: 4 };

const WINDOWS: [Window; 2] = [
    Window { bar: 4, address: 0xffff_9000_0001_0000, bytes: 0x4000 },
    Window { bar: 2, address: 0xffff_9000_0002_0000, bytes: 0x5000 },
];

fn layout() -> Layout {
    Layout { common: COMMON, notify: NOTIFY, notify_multiplier: 4, interrupt_status: STATUS, device: None }
}

fn checked() -> CheckedConfig {
    CheckedConfig::new((0x1af4, 0x1042), &layout(), &WINDOWS).unwrap()
}

/// Address and size of a window, as software finds them.
fn size(config: &mut CheckedConfig, register: u8) -> (u64, u64) {
    let [low, high] = [0x10 + 4 * register, 0x14 + 4 * register];
    let join = |config: &CheckedConfig| {
        u64::from(config.read_word(high)) << 32 | u64::from(config.read_word(low) & !0xf)
    };
    let address = join(config);
    config.write_word(low, u32::MAX);
    config.write_word(high, u32::MAX);
    let size = (!join(config)).wrapping_add(1);
    config.write_word(low, address as u32);
    config.write_word(high, (address >> 32) as u32);
    assert_eq!(join(config), address, "put back");
    (address, size)
}

#[test]
fn the_windows_are_sized_as_they_are_mapped() {
    let mut config = checked();
    assert_eq!(config.read_word(0), 0x1042_1af4);
    assert_eq!(size(&mut config, 0), (0xffff_9000_0001_0000, 0x4000));
    assert_eq!(size(&mut config, 2), (0xffff_9000_0002_0000, 0x8000));
    assert_eq!((config.read_word(0x20), config.read_word(0x24)), (0, 0), "no third window");
}

#[test]
fn the_list_names_every_structure_once() {
    let config = checked();
    assert_ne!(config.read_word(4) & 1 << 20, 0);
    let mut at = config.read_word(0x34) as u8;
    let mut found = Vec::new();
    while at != 0 {
        let head = config.read_word(at);
        assert_eq!(head & 0xff, 9);
        let [bar, offset, length] = [4, 8, 12].map(|field| config.read_word(at + field));
        found.push((head >> 24, bar, offset, length));
        at = (head >> 8) as u8;
    }
    assert_eq!(found, [(1, 0, 0, 0x1000), (2, 2, 0x3000, 0x1000), (3, 0, 0x1000, 4)]);
}

#[test]
fn a_structure_outside_of_its_window_is_refused() {
    let refused = |notify: Region| {
        let layout = Layout { notify, ..layout() };
        CheckedConfig::new((0x1af4, 0x1042), &layout, &WINDOWS).err()
    };
    for notify in [
        Region { offset: 0x4001, ..NOTIFY },
        Region { length: 0x2001, ..NOTIFY },
        Region { offset: u32::MAX, length: u32::MAX, ..NOTIFY },
        Region { bar: 0, ..NOTIFY },
    ] {
        assert_eq!(refused(notify), Some(CheckError::Outside(notify)));
    }
    assert_eq!(refused(Region { offset: 0x4000, ..NOTIFY }), None, "up to the last byte");
}

#[test]
fn windows_that_cannot_be_told_are_refused() {
    let window = WINDOWS[0];
    let odd = Window { address: 0x1008, ..window };
    assert_eq!(CheckedConfig::new((0, 0), &layout(), &[odd]).err(), Some(CheckError::Alignment(odd)));
    assert_eq!(CheckedConfig::new((0, 0), &layout(), &[window; 4]).err(), Some(CheckError::Windows));
}

#[test]
fn every_register_can_be_read_and_written() {
    let mut config = checked();
    for offset in (0..=0xfc).step_by(4) {
        config.write_word(offset, u32::MAX);
        config.read_word(offset);
    }
}
