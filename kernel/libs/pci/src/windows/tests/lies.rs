//! Each way in which a window can be wrong, with what is right beside it.

use super::*;
use crate::config::ConfigSpace;
use crate::refusal::Conflict;

/// What a device puts into a register, and what it is refused for.
struct Lie {
    at: &'static str,
    value: u64,
    mask: u64,
    expected: fn(&Refusal) -> bool,
}

fn claimed(refusal: &Refusal) -> Option<Owner> {
    match refusal {
        Refusal::Window { conflict: Conflict::Claimed(claim), .. } => Some(claim.owner),
        _ => None,
    }
}

/// The mask of a window of so many bytes.
const fn mask(bytes: u64) -> u64 {
    !(bytes - 1)
}

macro_rules! over {
    ($owner:pat) => {
        |refusal| matches!(claimed(refusal), Some($owner))
    };
}

const LIES: &[Lie] = &[
    // Over the platform.
    Lie { at: ON_ROOT, value: 0xc000_0000, mask: mask(0x1000), expected: over!(UNIT) },
    Lie { at: ON_ROOT, value: 0xc000_1ff0, mask: mask(0x10), expected: over!(UNIT) },
    Lie { at: ON_ROOT, value: 0xc000_0000, mask: mask(0x10_0000), expected: over!(UNIT) },
    Lie { at: BELOW, value: 0xc000_0000, mask: mask(0x1000), expected: over!(UNIT) },
    Lie { at: ON_ROOT, value: 0xc200_0000, mask: mask(0x10), expected: over!(IO_APIC) },
    Lie { at: ON_ROOT, value: 0xc200_0800, mask: mask(0x800), expected: over!(IO_APIC) },
    Lie { at: BELOW, value: 0xc200_0000, mask: mask(0x1000), expected: over!(IO_APIC) },
    Lie { at: ON_ROOT, value: 0xc300_0000, mask: mask(0x10_0000), expected: over!(Owner::EventTimer) },
    Lie { at: ON_ROOT, value: 0xfed9_0000, mask: mask(0x1000), expected: over!(Owner::Chipset) },
    Lie { at: ON_ROOT, value: 0xb00f_8000, mask: mask(0x1000), expected: over!(Owner::Configuration) },
    Lie { at: ON_ROOT, value: 0xfee0_0000, mask: mask(0x1000), expected: over!(Owner::Chipset) },
    Lie { at: ON_ROOT, value: 0xfec0_0000, mask: mask(0x1000), expected: over!(Owner::Chipset) },
    Lie { at: ON_ROOT, value: 0xfed0_0000, mask: mask(0x400), expected: over!(Owner::Chipset) },
    Lie { at: ON_ROOT, value: 0xfed4_0000, mask: mask(0x1000), expected: over!(Owner::Chipset) },
    Lie { at: ON_ROOT, value: 0xfff0_0000, mask: mask(0x1000), expected: over!(Owner::Chipset) },
    Lie { at: ON_ROOT, value: 0xfe00_0000, mask: mask(0x200_0000), expected: over!(Owner::Chipset) },
    Lie { at: ON_ROOT, value: 0xa_0000, mask: mask(0x1000), expected: over!(Owner::Legacy) },
    Lie { at: ON_ROOT, value: 0xc100_8000, mask: mask(0x1000), expected: over!(REGION) },
    Lie { at: ON_ROOT, value: 0x4000_0000, mask: mask(0x1000), expected: over!(Owner::Memory) },
    Lie { at: ON_ROOT, value: 0x1_3fff_f004, mask: mask(0x1000) | 4, expected: over!(Owner::Memory) },
    Lie { at: ON_ROOT, value: 0x100_0000_0004, mask: mask(0x1000) | 4, expected: over!(Owner::Unreachable) },
    // Not of any window's shape.
    Lie { at: ON_ROOT, value: 0xd000_0000, mask: 0xfff0_f000, expected: has_a_gap },
    // Somewhere else than the bridges say.
    Lie { at: BELOW, value: 0xd000_0000, mask: mask(0x1000), expected: is_not_passed_down },
    Lie { at: BELOW, value: 0xe07f_0000, mask: mask(0x1_0000), expected: |_| false },
    Lie { at: BELOW, value: 0xe080_0000, mask: mask(0x1000), expected: is_not_passed_down },
    Lie { at: BELOW, value: 0xe000_0000, mask: mask(0x100_0000), expected: is_not_passed_down },
    Lie { at: BELOW, value: 0xfea0_0000, mask: mask(0x1000), expected: is_not_passed_down },
    Lie { at: BELOW, value: 0x80_3fff_f004, mask: mask(0x1000) | 4, expected: |_| false },
    Lie { at: BELOW, value: 0x80_4000_0004, mask: mask(0x1000) | 4, expected: is_not_passed_down },
    // Over a bridge's window, from beside it.
    Lie { at: ON_ROOT, value: 0xe010_0000, mask: mask(0x1000), expected: is_shared },
];

fn has_a_gap(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Mask { register: 2, .. })
}

fn is_not_passed_down(refusal: &Refusal) -> bool {
    let bridge = bdf("00:1c.0");
    matches!(refusal, Refusal::Window { conflict: Conflict::NotForwarded { bridge: by }, .. } if *by == bridge)
}

fn is_shared(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Window { conflict: Conflict::Shared { .. }, .. })
}

/// The windows of everybody but `liar`.
fn others_are_whole(topology: &Topology, liar: &str) -> bool {
    let honest = [
        (NEIGHBOUR, (0xfea0_0000, 0x10_0000)),
        (ON_ROOT, (0xfe80_0000, 0x1000)),
        (BELOW, (0xe010_0000, 0x1000)),
    ];
    honest
        .iter()
        .filter(|(at, _)| *at != liar)
        .all(|(at, own)| refusal(topology, at).is_none() && window(topology, at, 0) == Some(*own))
}

#[test]
fn an_honest_machine_keeps_every_window() {
    let topology = check(&machine());
    assert!(others_are_whole(&topology, ""));
    let port = topology.get(bdf("00:1c.0")).unwrap();
    assert_eq!((port.refused, port.windows.forwarded().count()), (None, 2));
}

#[test]
fn a_window_that_lies_costs_its_function_alone() {
    for (number, Lie { at, value, mask, expected }) in LIES.iter().enumerate() {
        let space = machine().with(at, |f| bar(f, 2, *value, *mask));
        let topology = check(&space);
        let found = refusal(&topology, at);
        assert!(others_are_whole(&topology, at), "{number}: {value:#x} costs others their windows");
        let fits = matches!(*value, 0xe07f_0000 | 0x80_3fff_f004);
        if fits {
            assert_eq!((found, window(&topology, at, 2).is_some()), (None, true), "{number}: {value:#x}");
            continue;
        }
        assert!(found.as_ref().is_some_and(expected), "{number}: {value:#x} of mask {mask:#x}: {found:?}");
        let liar = topology.get(bdf(at)).unwrap();
        assert_eq!(liar.windows.all().count(), 0, "none of its windows can be used");
        // What firmware left of the registers is there still.
        assert_eq!(space.read32(bdf(at), 0x18), *value as u32);
    }
}

/// The twin of every lie: where nothing answers, nothing is claimed.
#[test]
fn what_was_left_in_a_register_is_no_lie_while_nothing_decodes() {
    for Lie { at, value, mask, .. } in LIES {
        let space = machine().with(at, |f| bar(f, 2, *value, *mask).set16(4, 0));
        let topology = check(&space);
        let misshapen =
            matches!(refusal(&topology, at), Some(Refusal::Mask { .. } | Refusal::Alignment { .. }));
        assert!(misshapen || refusal(&topology, at).is_none(), "{value:#x}");
        let fits = matches!(*value, 0xe07f_0000 | 0x80_3fff_f004);
        assert_eq!(window(&topology, at, 2).is_some(), fits, "{value:#x}");
        assert_eq!(window(&topology, at, 0).is_some(), !misshapen, "{value:#x}: firmware may decode nothing");
    }
}

#[test]
fn an_address_that_was_never_given_is_no_lie() {
    for at in [ON_ROOT, BELOW] {
        let topology = check(&machine().with(at, |f| bar(f, 2, 4, !0xfff | 4)));
        assert!(others_are_whole(&topology, ""));
        assert_eq!(window(&topology, at, 2), None);
    }
}

#[test]
fn of_two_in_one_place_neither_is_believed() {
    let topology = check(&machine().with(ON_ROOT, |f| bar(f, 2, 0xfea8_0000, !0xfff)));
    for (at, with) in [(ON_ROOT, NEIGHBOUR), (NEIGHBOUR, ON_ROOT)] {
        let conflict = match refusal(&topology, at) {
            Some(Refusal::Window { conflict, .. }) => conflict,
            other => panic!("{at}: {other:?}"),
        };
        assert_eq!(conflict, Conflict::Shared { with: bdf(with) });
        assert_eq!(window(&topology, at, 0), None);
    }
    assert_eq!(refusal(&topology, BELOW), None);
}

#[test]
fn two_windows_of_one_function_in_one_place_are_a_lie() {
    let topology = check(&machine().with(ON_ROOT, |f| bar(f, 2, 0xfe80_0000, !0xfff)));
    assert!(refusal(&topology, ON_ROOT).as_ref().is_some_and(is_shared));
    assert!(others_are_whole(&topology, ON_ROOT));
}

#[test]
fn a_device_that_is_wrong_elsewhere_takes_nothing_from_its_neighbour() {
    let topology =
        check(&machine().with(ON_ROOT, |f| bar(bar(f, 2, 0xfea8_0000, !0xfff), 3, 0xfed9_0000, !0xfff)));
    assert!(refusal(&topology, ON_ROOT).as_ref().and_then(claimed).is_some());
    assert!(others_are_whole(&topology, ON_ROOT));
}

#[test]
fn windows_in_one_page_are_given_to_nobody_and_are_no_lie() {
    let space = machine()
        .with(ON_ROOT, |f| bar(f, 2, 0xfe70_0400, !0x3ff))
        .with(NEIGHBOUR, |f| bar(f, 2, 0xfe70_0800, !0x3ff));
    let topology = check(&space);
    assert!(others_are_whole(&topology, ""));
    assert_eq!((window(&topology, ON_ROOT, 2), window(&topology, NEIGHBOUR, 2)), (None, None));
    let apart = check(&space.with(NEIGHBOUR, |f| bar(f, 2, 0xfe70_1000, !0x3ff)));
    assert_eq!(window(&apart, ON_ROOT, 2), Some((0xfe70_0400, 0x400)));
    assert_eq!(window(&apart, NEIGHBOUR, 2), Some((0xfe70_1000, 0x400)));
}

/// Chipsets show their I/O APICs and their HPET as functions.
#[test]
fn the_platform_itself_may_lie_where_it_is() {
    let ioapic = |class| {
        let space = machine().with(ON_ROOT, |f| f.set32(8, class).bar(0, 0xfec0_0000, !0xfff));
        check(&space)
    };
    let topology = ioapic(0x0800_2000);
    assert_eq!((refusal(&topology, ON_ROOT), window(&topology, ON_ROOT, 0)), (None, None));
    assert!(refusal(&ioapic(0x0880_0000), ON_ROOT).is_some());
}

#[test]
fn host_and_isa_bridges_are_never_sized() {
    for class in [0x0600_0000, 0x0601_0000] {
        let space = machine().with(ON_ROOT, |f| f.set32(8, class).bar(0, 0xfec0_0000, !0xfff));
        let topology = check(&space);
        assert_eq!((refusal(&topology, ON_ROOT), window(&topology, ON_ROOT, 0)), (None, None));
        let written = space.writes().iter().filter(|write| write.offset == 0x10).count();
        // The neighbour, the device below the port, and the port itself.
        assert_eq!(written, 3 * 2);
    }
}

#[test]
fn what_is_refused_already_is_not_asked() {
    let space = machine();
    let mut topology = space.enumerate();
    topology.refuse(bdf(ON_ROOT), Refusal::Bridge { bridge: bdf("00:1c.0") });
    topology.check_windows(&space, &claims());
    assert_eq!(window(&topology, ON_ROOT, 0), None);
    assert!(others_are_whole(&topology, ON_ROOT));
    let commands = space.writes().iter().filter(|write| write.offset == 4).count();
    assert_eq!(commands, 3 * 2, "the neighbour, the device below the port, and the port itself");
}

#[test]
fn a_bridge_that_lies_loses_what_is_below_it() {
    for (base, limit, expected) in [
        // Over another port's.
        (0xe010, 0xe010, true),
        // Over configuration space, memory, a unit.
        (0xb000, 0xb000, true),
        (0x0010, 0x0010, true),
        (0xc000, 0xc000, true),
        // Nothing, which is no lie.
        (0xfff0, 0x0000, false),
        (0xd000, 0xd000, false),
    ] {
        let second = machine()
            .root_port("00:1d.0", 2, 2)
            .with("00:1d.0", |f| f.set16(0x20, base).set16(0x22, limit).set16(0x24, 0xfff0).set16(4, 2))
            .endpoint("02:00.0", 0x1234, 0x11e8)
            .with("02:00.0", |f| bar(f, 0, u64::from(base) << 16, !0xfff).set16(4, 2));
        let topology = check(&second);
        let lies = matches!(refusal(&topology, "00:1d.0"), Some(Refusal::Forwarded { .. }));
        assert_eq!(lies, expected, "{base:#x}: {:?}", refusal(&topology, "00:1d.0"));
        assert_eq!(window(&topology, "02:00.0", 0).is_some(), base == 0xd000, "{base:#x}");
        // Which of two bridges is wrong cannot be told.
        assert_eq!(window(&topology, BELOW, 0).is_some(), base != 0xe010, "{base:#x}");
        assert_eq!(window(&topology, NEIGHBOUR, 0), Some((0xfea0_0000, 0x10_0000)));
    }
}

#[test]
fn bridges_nest_at_every_depth() {
    let below = |base: u16, limit: u16, window: u64| {
        let space = machine()
            .with("00:1c.0", |f| f.set8(0x1a, 3))
            .upstream_port("01:01.0", 2, 3)
            .with("01:01.0", |f| f.set16(0x20, 0xe020).set16(0x22, 0xe030).set16(0x24, 0xfff0).set16(4, 2))
            .downstream_port("02:00.0", 3, 3)
            .with("02:00.0", |f| f.set16(0x20, base).set16(0x22, limit).set16(0x24, 0xfff0).set16(4, 2))
            .endpoint("03:00.0", 0x1234, 0x11e8)
            .with("03:00.0", |f| bar(f, 0, window, !0xfff).set16(4, 2));
        let topology = check(&space);
        (refusal(&topology, "02:00.0").is_some(), refusal(&topology, "03:00.0").is_some())
    };
    assert_eq!(below(0xe020, 0xe020, 0xe020_0000), (false, false));
    assert_eq!(
        below(0xe020, 0xe020, 0xe030_0000),
        (false, true),
        "only the nearest bridge passes it not down"
    );
    assert_eq!(below(0xe040, 0xe040, 0xe040_0000), (true, true), "only the root port passes it down");
    assert_eq!(below(0xfff0, 0x0000, 0xe020_0000), (false, true), "closed");
}

/// No register has such an address: its bits below the window's size cannot be set.
#[test]
fn a_window_that_is_not_aligned_to_its_size_is_a_lie() {
    // Half the address space, from 2^63 + 0x10 on; a page from 0xd000_0010 on; 2 MiB from 0xd010_0000 on.
    for (values, masks) in [
        ([0x14, 0x8000_0000], [0x4, 0x8000_0000]),
        ([0xd000_0014, 0], [0xffff_f004, u32::MAX]),
        ([0xd010_0004, 0], [0xffe0_0004, u32::MAX]),
    ] {
        let lying = machine()
            .with(ON_ROOT, |f| f.answers(0x18, &[values[0], masks[0]]).answers(0x1c, &[values[1], masks[1]]));
        let topology = check(&lying);
        let refused = refusal(&topology, ON_ROOT);
        assert!(matches!(refused, Some(Refusal::Alignment { register: 2, .. })), "{values:x?}: {refused:?}");
        assert!(others_are_whole(&topology, ON_ROOT));
        assert!(topology.register_ranges().all(|(bdf, _)| bdf != crate::testing::bdf(ON_ROOT)));
    }
}

/// A device that says that it has half of all addresses takes none from anybody.
#[test]
fn only_bridges_above_turn_addresses_and_only_as_far_as_they_are_believed() {
    let port = [(0xe000_0000, 0xe07f_ffff), (0x80_0000_0000, 0x80_3fff_ffff)];
    let turned = |topology: &Topology, at: &str| {
        let found = topology.turned(topology.get(bdf(at)).unwrap());
        found.map(|range| (range.first().as_u64(), range.last().as_u64())).collect::<std::vec::Vec<_>>()
    };
    // Half of what the processor can form, in a window that breaks no rule.
    let half = machine().with(ON_ROOT, |f| bar(f, 2, 0x80_0000_0004 | 1 << 39, !0x7f_ffff_ffff | 4));
    let upper = check(&half.with("00:1c.0", |f| f.set16(0x24, 0xfff1)));
    assert_eq!(turned(&upper, NEIGHBOUR), []);
    assert_eq!(turned(&upper, BELOW), [port[0]]);
    // A port that passes everything above memory down, over the windows of another.
    let wide = machine().root_port("00:1d.0", 2, 2).with("00:1d.0", |f| {
        f.set16(0x20, 0xfff0)
            .set16(0x24, 0x0001)
            .set16(0x26, 0xfff1)
            .set32(0x28, 0x10)
            .set32(0x2c, 0x7f)
            .set16(4, 2)
    });
    let wide = wide.endpoint("02:00.0", 0x1234, 0x11e8);
    let topology = check(&wide);
    assert_eq!(turned(&topology, NEIGHBOUR), []);
    assert_eq!(turned(&topology, BELOW), port);
    assert_eq!(turned(&topology, "02:00.0"), [(0x10_0000_0000, 0x7f_ffff_ffff)]);
}
