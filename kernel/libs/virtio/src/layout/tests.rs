//! Capabilities as QEMU has them, and as a hostile device could.

use super::*;
use pci::testing::{FakeFunction, FakeSpace, bdf};

const AT: &str = "00:07.0";

/// Writes a capability; `next` is 0 for the last one.
fn capability(f: &mut FakeFunction, at: usize, next: u8, kind: u8, (bar, offset, length): (u8, u32, u32)) {
    f.set8(at, 9).set8(at + 1, next).set8(at + 2, 20).set8(at + 3, kind).set8(at + 4, bar);
    f.set32(at + 8, offset).set32(at + 12, length).set32(at + 16, 4);
}

/// A device as QEMU 10 lays it out.
fn device() -> FakeSpace {
    FakeSpace::new().endpoint(AT, 0x1af4, 0x1042).with(AT, |f| {
        f.set16(0x06, 0x10).set8(0x34, 0x40);
        capability(f, 0x40, 0x54, 1, (4, 0, 0x1000));
        capability(f, 0x54, 0x68, 3, (4, 0x1000, 0x1000));
        capability(f, 0x68, 0x7c, 4, (4, 0x2000, 0x1000));
        capability(f, 0x7c, 0, 2, (4, 0x3000, 0x1000));
        f
    })
}

fn find(space: &FakeSpace) -> Result<Layout, LayoutError> {
    Layout::find(space, space.enumerate().get(bdf(AT)).unwrap())
}

#[test]
fn the_structures_of_a_device_are_found() {
    let layout = find(&device()).unwrap();
    let region = |offset| Region { bar: 4, offset, length: 0x1000 };
    assert_eq!(layout.common, region(0));
    assert_eq!((layout.notify, layout.notify_multiplier), (region(0x3000), 4));
    assert_eq!(layout.interrupt_status, region(0x1000));
    assert_eq!(layout.device, Some(region(0x2000)));
    assert_eq!((layout.bytes_of(4), layout.bytes_of(0)), (0x4000, 0));
}

#[test]
fn a_device_without_the_structures_is_legacy() {
    let space = FakeSpace::new().endpoint(AT, 0x1af4, 0x1001);
    assert_eq!(find(&space), Err(LayoutError::Legacy));
    let silent = device().with(AT, |f| f.set8(0x7c + 3, 9));
    assert_eq!(find(&silent), Err(LayoutError::Notifications));
    let pinless = device().with(AT, |f| f.set8(0x54 + 3, 9));
    assert_eq!(find(&pinless), Err(LayoutError::InterruptStatus));
}

#[test]
fn what_cannot_be_used_is_passed_over() {
    for (offset, value) in [(0x40 + 4, 6), (0x40 + 4, 0xff), (0x40 + 2, 15), (0x40 + 2, 0xff)] {
        let space = device().with(AT, |f| f.set8(offset, value));
        assert_eq!(find(&space), Err(LayoutError::Legacy), "{offset:#x} = {value:#x}");
    }
    let odd = device().with(AT, |f| f.set32(0x7c + 16, 3));
    assert_eq!(find(&odd), Err(LayoutError::Notifications));
    let short = device().with(AT, |f| f.set8(0x7c + 2, 16));
    assert_eq!(find(&short), Err(LayoutError::Notifications));
}

#[test]
fn the_first_of_a_kind_counts_and_a_loop_ends() {
    let twice = device().with(AT, |f| {
        f.set8(0x7c + 1, 0x90);
        capability(f, 0x90, 0x40, 1, (0, 0x8000, 0x10));
        f
    });
    assert_eq!(find(&twice), find(&device()));
}

#[test]
fn the_end_of_a_region_never_wraps() {
    let region = Region { bar: 0, offset: u32::MAX, length: u32::MAX };
    assert_eq!(region.end(), 0x1_ffff_fffe);
}

#[test]
fn other_functions_of_the_vendor_are_no_virtio_devices() {
    let is = |device| {
        let space = FakeSpace::new().endpoint(AT, 0x1af4, device);
        is_virtio(space.enumerate().get(bdf(AT)).unwrap())
    };
    assert!(is(0x1000) && is(0x1041) && is(0x107f));
    assert!(!is(0x1110), "shared memory between guests");
}

#[test]
fn a_structure_lies_in_a_window_that_is_believed() {
    let check = |change: &dyn Fn(&mut FakeFunction)| {
        let space = device().with(AT, |f| {
            f.bar(4, 0xfe80_0000, 0xffff_c000).set16(4, 2);
            change(f);
            f
        });
        let mut topology = space.enumerate();
        topology.check_windows(&space, &pci::Claims::of_machine(40));
        let function = topology.get(bdf(AT)).unwrap();
        Layout::find(&space, function).unwrap().check(function)
    };
    assert_eq!(check(&|_| {}), Ok(()), "up to the last byte");
    for (offset, value) in
        [(0x40 + 8, 0x3001), (0x54 + 12, 0x3001), (0x68 + 8, 0x4000), (0x7c + 12, u32::MAX)]
    {
        let found = check(&|f| {
            f.set32(offset, value);
        });
        assert!(matches!(found, Err(Refusal::Structure { register: 4, .. })), "{offset:#x}: {found:?}");
    }
    // Without an address nothing is reached, and nothing is a lie.
    let unplaced = check(&|f| {
        f.bar(4, 0, 0xffff_c000).set32(0x40 + 8, 0x4000);
    });
    assert_eq!(unplaced, Ok(()));
}
