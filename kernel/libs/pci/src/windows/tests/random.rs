//! Whatever functions say: what is believed satisfies every rule.

use proptest::prelude::*;

use super::*;
use crate::refusal::Conflict;
use std::vec::Vec;

/// Addresses near what matters, and anywhere.
fn address() -> impl Strategy<Value = u64> {
    let near = prop::sample::select(std::vec![
        0_u64,
        0x8000_0000,
        0xb000_0000,
        0xc000_0000,
        0xc100_0000,
        0xd000_0000,
        0xe000_0000,
        0xe010_0000,
        0xe080_0000,
        0xfe80_0000,
        0xfea0_0000,
        0xfec0_0000,
        0xfed9_0000,
        1 << 32,
        0x80_0000_0000,
        1 << 40,
        1 << 63,
    ]);
    let offset =
        prop_oneof![Just(0), (0..64_u64).prop_map(|pages| pages << 12), any::<u16>().prop_map(u64::from)];
    prop_oneof![
        4 => (near, offset).prop_map(|(near, offset)| near.wrapping_add(offset)),
        1 => any::<u64>(),
    ]
}

/// A register pair: value, and which bits of it can be set.
fn register() -> impl Strategy<Value = (u64, u64)> {
    let kind = prop::sample::select(std::vec![0_u64, 1, 4, 8, 0xc]);
    let mask = prop_oneof![
        5 => (4..24_u32).prop_map(|bits| !((1_u64 << bits) - 1)),
        1 => any::<u64>(),
        1 => Just(0),
    ];
    (address(), kind, mask).prop_map(|(address, kind, mask)| (address & !0xf | kind, mask & !0xf | kind))
}

#[derive(Clone, Debug)]
struct Said {
    registers: Vec<(u64, u64)>,
    command: u16,
    vectors: Option<(u16, u32, u32)>,
}

fn said() -> impl Strategy<Value = Said> {
    let place = (0..0x4000_u32, 0..8_u32).prop_map(|(offset, bar)| offset & !7 | bar);
    let vectors = proptest::option::of((any::<u16>(), place.clone(), place));
    let registers = proptest::collection::vec(register(), 3);
    (registers, 0..4_u16, vectors).prop_map(|(registers, command, vectors)| Said {
        registers,
        command,
        vectors,
    })
}

fn says(space: FakeSpace, at: &str, said: &Said) -> FakeSpace {
    space.with(at, |f| {
        for (index, (value, mask)) in said.registers.iter().enumerate() {
            bar(f, 2 * index, *value, *mask);
        }
        if let Some((count, table, pending)) = said.vectors {
            f.set16(6, 0x10).set8(0x34, 0x80).set16(0x80, 0x11).set16(0x82, count);
            f.set32(0x84, table).set32(0x88, pending);
        }
        f.set16(4, said.command)
    })
}

proptest! {
    #[test]
    fn what_is_believed_satisfies_every_rule(
        one in said(), two in said(), three in said(), base in any::<u16>(), limit in any::<u16>(),
    ) {
        let space = machine().endpoint("01:01.0", 0x1234, 0x11e8);
        let space = [(ON_ROOT, &one), (BELOW, &two), ("01:01.0", &three)]
            .into_iter()
            .fold(space, |space, (at, said)| says(space, at, said))
            .root_port("00:1d.0", 2, 2)
            .with("00:1d.0", |f| f.set16(0x20, base).set16(0x22, limit).set16(0x24, 0xfff0).set16(4, 2));
        let topology = check(&space);
        let claims = claims();
        let functions = topology.functions();
        let windows: Vec<_> =
            functions.iter().flat_map(|f| f.windows.all().map(move |window| (f, window))).collect();
        for (place, (function, window)) in windows.iter().enumerate() {
            prop_assert_eq!(function.refused, None);
            prop_assert!(window.bytes().is_power_of_two() && window.start().is_aligned(window.bytes()));
            prop_assert!(!claims.iter().any(|claim| claim.range.meets(window.range())), "{window:?}");
            for bridge in topology.ancestors(function) {
                let passes = bridge.windows.forwarded().any(|range| range.contains(window.range()));
                prop_assert!(passes, "{window:?} below {}", bridge.bdf);
            }
            for (other, neighbour) in windows.iter().skip(place + 1) {
                prop_assert!(!window.range().meets(neighbour.range()), "{window:?} {neighbour:?}");
                let in_one_page = window.range().pages().meets(neighbour.range().pages());
                prop_assert!(!in_one_page || function.bdf == other.bdf, "{window:?} {neighbour:?}");
            }
            for bridge in functions.iter().filter(|other| other.parent == function.parent) {
                prop_assert!(!bridge.windows.forwarded().any(|range| range.meets(window.range())));
            }
        }
        for function in functions {
            if let (Some(table), Some(msix)) = (function.windows.vectors(), function.msix) {
                let end = u64::from(table.offset) + 16 * u64::from(msix.vectors);
                prop_assert!(end <= table.window.bytes());
                prop_assert!(function.windows.all().any(|window| window == table.window));
            }
        }
        // Only somebody in the same place takes the neighbour's window.
        let neighbour = topology.get(bdf(NEIGHBOUR)).unwrap();
        let shared = |refusal| matches!(refusal, Refusal::Window { conflict: Conflict::Shared { .. }, .. });
        prop_assert!(neighbour.refused.is_none_or(shared), "{:?}", neighbour.refused);
    }
}
