//! Tables of interrupt messages, and what a device says after it was asked.

use super::*;
use crate::config::ConfigSpace;

/// A device with MSI-X as an NVMe controller has it: 65 vectors, window of 16 KiB.
fn with_vectors(table: u32, pending: u32) -> FakeSpace {
    machine().with(ON_ROOT, |f| {
        f.bar(0, 0xfe80_0000, 0xffff_c000).bar(1, 0xc001, 0xffff_ffe1).set16(6, 0x10).set8(0x34, 0x40);
        f.set16(0x40, 0x11).set16(0x42, 64).set32(0x44, table).set32(0x48, pending)
    })
}

#[test]
fn a_table_lies_in_a_window_of_its_function() {
    for (table, pending) in [
        (0x2000, 0x3000),
        (0, 0x410),
        (0x410, 0),
        // Up to the last byte.
        (0x4000 - 65 * 16, 0),
        (0, 0x4000 - 16),
    ] {
        let topology = check(&with_vectors(table, pending));
        let function = topology.get(bdf(ON_ROOT)).unwrap();
        assert_eq!(function.refused, None, "{table:#x} {pending:#x}");
        let found = function.windows.vectors().unwrap();
        assert_eq!((found.window.start().as_u64(), found.offset), (0xfe80_0000, table));
    }
}

#[test]
fn a_table_anywhere_else_is_a_lie() {
    for (table, pending) in [
        // Behind the window's end.
        (0x4000 - 64 * 16, 0),
        (0xffff_fff8, 0),
        (0, 0x3ff8),
        // In a window of ports, in the upper half of nothing, in none, in registers that do not exist.
        (0x2001, 0x3000),
        (0x2000, 0x3001),
        (0x2002, 0x3000),
        (0x2005, 0x3000),
        (0x2006, 0x3000),
        (0x2007, 0x3000),
        (0x2000, 0x3007),
        // Over one another.
        (0x2000, 0x2000),
        (0x2000, 0x2408),
        (0x2008, 0x2000),
    ] {
        let topology = check(&with_vectors(table, pending));
        let function = topology.get(bdf(ON_ROOT)).unwrap();
        assert!(matches!(function.refused, Some(Refusal::Vectors { .. })), "{table:#x} {pending:#x}");
        assert_eq!((function.windows.vectors(), function.windows.all().count()), (None, 0));
        assert_eq!(refusal(&topology, NEIGHBOUR), None);
    }
}

/// The attack that switched a remapping unit off: a window over its registers, and the table in it.
#[test]
fn a_table_over_the_registers_of_a_unit_is_never_found() {
    let space = with_vectors(0x2000, 0x3000).with(ON_ROOT, |f| f.set32(0x44, 0x14));
    let lie = space.clone().with(ON_ROOT, |f| bar(f, 4, 0xc000_0000, !0xfff));
    let topology = check(&lie);
    assert!(matches!(refusal(&topology, ON_ROOT), Some(Refusal::Window { register: 4, .. })));
    assert_eq!(topology.get(bdf(ON_ROOT)).unwrap().windows.vectors(), None);
    let honest = check(&space.with(ON_ROOT, |f| bar(f, 4, 0xd000_0000, !0xfff)));
    let table = honest.get(bdf(ON_ROOT)).unwrap().windows.vectors().unwrap();
    assert_eq!((table.window.start().as_u64(), table.offset), (0xd000_0000, 0x10));
}

#[test]
fn a_table_in_a_window_without_an_address_is_not_used_and_no_lie() {
    let space = with_vectors(0x2000, 0x0004).with(ON_ROOT, |f| bar(f, 4, 0, !0xfff));
    let topology = check(&space);
    let function = topology.get(bdf(ON_ROOT)).unwrap();
    assert_eq!((function.refused, function.windows.vectors()), (None, None));
    assert!(function.windows.of_register(0).is_some());
}

/// Once asked, a function is not asked again, whatever it says then.
#[test]
fn what_a_device_says_later_counts_for_nothing() {
    let space = with_vectors(0x2000, 0x3000);
    let topology = check(&space);
    let function = topology.get(bdf(ON_ROOT)).unwrap().clone();
    let changed = space
        .with(ON_ROOT, |f| f.bar(0, 0xfed9_0000, !0xfff).set32(0x44, 0x14).set32(0x48, 0x6).set8(0x34, 0x80));
    let settings = crate::reset::Settings::read(&changed, &function);
    settings.restore(&changed, bdf(ON_ROOT));
    assert_eq!(changed.read32(bdf(ON_ROOT), 0x10) & 0xffff_f000, 0xfe80_0000, "as it was checked");
    assert_eq!(function.windows.vectors().map(|table| table.offset), Some(0x2000));
}
