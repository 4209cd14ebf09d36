//! Tests of enumeration on built and on random topologies.

use super::*;
use crate::function::{BridgeKind, Kind};
use crate::testing::{FakeSpace, RawSpace, bdf, check};
use proptest::prelude::*;
use std::string::{String, ToString};
use std::vec::Vec;

fn places(topology: &Topology) -> Vec<String> {
    topology.functions().iter().map(|function| function.bdf.source.to_string()).collect()
}

#[test]
fn functions_follow_only_where_the_header_says_so() {
    let space = FakeSpace::new()
        .endpoint("00:1f.0", 0x8086, 0x2918)
        .multi_function("00:1f.0")
        .endpoint("00:1f.2", 0x8086, 0x2922)
        .endpoint("00:03.0", 0x1234, 0x11e8)
        .endpoint("00:03.1", 0x1234, 0x11e8)
        .endpoint("00:05.3", 0x1234, 0x11e8);
    let topology = space.enumerate();
    assert_eq!(places(&topology), ["00:03.0", "00:1f.0", "00:1f.2"]);
    assert_eq!(topology.findings(), []);
    assert!(space.writes().is_empty(), "enumeration only reads");
}

#[test]
fn a_function_is_read_in_full() {
    let topology = FakeSpace::new()
        .express_endpoint("01:00.0", 0x8086, 0x10d3)
        .root_port("00:1c.0", 1, 2)
        .with("01:00.0", |f| {
            f.set16(0x04, 0x0006)
                .set32(0x08, 0x0200_0003)
                .set16(0x2c, 0x8086)
                .set16(0x2e, 0xa01f)
                .set8(0x41, 0xa0)
                .set16(0xa0, 0x0005)
                .set32(0x100, 0x0001_000f)
        })
        .enumerate();
    let card = topology.get(bdf("01:00.0")).unwrap();
    assert_eq!((card.vendor, card.device, card.revision), (0x8086, 0x10d3, 3));
    assert_eq!((card.class.base, card.subsystem), (2, Some((0x8086, 0xa01f))));
    assert_eq!((card.parent, card.kind, card.ats), (Some(bdf("00:1c.0")), Kind::Endpoint, Some(0x100)));
    assert!(card.bus_master_at_boot && card.msi.is_some() && card.express.is_some() && card.acs.is_none());
    let port = topology.get(bdf("00:1c.0")).unwrap();
    assert_eq!(port.bridge_kind(), Some(BridgeKind::RootPort));
    assert!(port.is_bridge() && !port.bus_master_at_boot);
}

#[test]
fn further_root_buses_are_found_without_a_bridge() {
    let topology = FakeSpace::new()
        .endpoint("00:00.0", 0x8086, 0x29c0)
        .root_port("40:00.0", 0x41, 0x42)
        .endpoint("41:00.0", 0x1b36, 0x10)
        .endpoint("40:01.0", 0x1234, 0x11e8)
        .enumerate();
    assert_eq!(places(&topology), ["00:00.0", "40:00.0", "40:01.0", "41:00.0"]);
    assert_eq!(topology.get(bdf("40:01.0")).unwrap().parent, None);
    assert_eq!(topology.get(bdf("41:00.0")).unwrap().parent, Some(bdf("40:00.0")));
    assert_eq!(topology.findings(), []);
}

#[test]
fn segments_are_apart_and_ranges_are_kept() {
    let space = FakeSpace::new()
        .endpoint("0000:00:01.0", 1, 1)
        .endpoint("0001:00:02.0", 1, 1)
        .endpoint("0001:80:02.0", 1, 1)
        .endpoint("0001:90:02.0", 1, 1);
    let range = |segment, first, last| BusRange { segment: Segment(segment), first, last };
    let topology =
        enumerate(&space, &[range(1, 0, 0x0f), range(0, 0, 0xff), range(1, 0x80, 0x8f), range(2, 9, 1)]);
    let found: Vec<_> = topology.functions().iter().map(|function| function.bdf).collect();
    assert_eq!(found, ["0000:00:01.0", "0001:00:02.0", "0001:80:02.0"].map(bdf));
}

#[test]
fn absurd_bus_numbers_are_found_and_not_followed() {
    let topology = FakeSpace::new()
        .root_port("00:01.0", 0, 0)
        .root_port("00:02.0", 1, 3)
        .root_port("00:03.0", 1, 1)
        .root_port("00:04.0", 5, 4)
        .endpoint("03:00.0", 0x8086, 1)
        .enumerate();
    let conflict = |at: &str, secondary, subordinate| BusFinding::RangeConflict {
        bridge: bdf(at),
        secondary,
        subordinate,
    };
    assert_eq!(
        topology.findings(),
        [
            BusFinding::UnconfiguredBridge { bridge: bdf("00:01.0") },
            conflict("00:02.0", 1, 3),
            conflict("00:03.0", 1, 1),
            conflict("00:04.0", 5, 4),
        ]
    );
    assert_eq!(topology.get(bdf("03:00.0")).unwrap().parent, None);
    let looping = FakeSpace::new()
        .conventional_bridge("00:02.0", 1, 3)
        .conventional_bridge("01:00.0", 1, 3)
        .enumerate();
    assert_eq!(looping.findings(), [BusFinding::BusLoop { bridge: bdf("01:00.0"), secondary: 1 }]);
    let beyond = enumerate(
        &FakeSpace::new().root_port("00:02.0", 0x10, 0x10),
        &[BusRange { segment: Segment(0), first: 0, last: 0x0f }],
    );
    assert_eq!(beyond.findings(), [BusFinding::BusUnavailable { bridge: bdf("00:02.0"), secondary: 0x10 }]);
}

#[test]
fn ari_lets_a_device_have_functions_everywhere() {
    let space = |control_2| {
        FakeSpace::new()
            .root_port("00:1c.0", 1, 1)
            .with("00:1c.0", |f| f.set16(0x68, control_2))
            .express_endpoint("01:00.0", 0x8086, 1)
            .express_endpoint("01:01.3", 0x8086, 1)
    };
    assert_eq!(places(&space(0).enumerate()), ["00:1c.0", "01:00.0"]);
    assert_eq!(places(&space(0x20).enumerate()), ["00:1c.0", "01:00.0", "01:01.3"]);
}

#[test]
fn enumeration_stops_at_its_limit() {
    /// A space where every register of every function reads the same.
    struct Everywhere(u32);
    impl ConfigSpace for Everywhere {
        fn read8(&self, _: Bdf, _: u16) -> u8 {
            self.0 as u8
        }
        fn read16(&self, _: Bdf, _: u16) -> u16 {
            self.0 as u16
        }
        fn read32(&self, _: Bdf, _: u16) -> u32 {
            self.0
        }
        fn write16(&self, _: Bdf, _: u16, _: u16) {}
        fn write32(&self, _: Bdf, _: u16, _: u32) {}
    }
    let whole = BusRange { segment: Segment(0), first: 0, last: 255 };
    for pattern in [0, 0x8181_8181, 0x1010_1010, 0x4141_4141] {
        let topology = enumerate(&Everywhere(pattern), &[whole]);
        assert_eq!(topology.functions().len(), MAX_FUNCTIONS);
        let stops = |finding: &&BusFinding| matches!(finding, BusFinding::TooManyFunctions { .. });
        assert_eq!(topology.findings().iter().filter(stops).count(), 1);
        assert_eq!(
            topology.groups().all().iter().map(|group| group.members.len()).sum::<usize>(),
            MAX_FUNCTIONS
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_registers_never_break_it(
        functions in prop::collection::vec(
            (0_u16..0x0480, 0_u8..3, any::<[u8; 3]>(), prop::collection::vec((0_usize..0x200, any::<u8>()), 0..40)),
            0..40,
        )
    ) {
        let mut space = FakeSpace::new();
        for (source, layout, buses, bytes) in functions {
            let at = Bdf::new(Segment(0), SourceId::from_bits(source)).to_string();
            space = space.endpoint(&at, 0x8086, 1).with(&at, |f| {
                for (offset, byte) in bytes {
                    f.set8(offset, byte);
                }
                f.set16(0, 0x8086).set8(0x0e, layout | 0x80).set8(0x18, buses[0]);
                f.set8(0x19, buses[1] % 8).set8(0x1a, buses[2] % 8)
            });
        }
        let mut topology = space.enumerate();
        topology.enable_acs(&space);
        check(&topology);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn whatever_bytes_answer_ranges_nest_and_ids_are_proven(
        mut records in prop::collection::vec((any::<[u8; 12]>(), 0_u8..8, 0_u8..4), 0..60)
    ) {
        // Few buses and devices, so that claims meet.
        let near = records.iter_mut().flat_map(|(bytes, bus, device)| {
            bytes[1] = *bus;
            bytes[2] = *device << 3 | bytes[2] & 1;
            bytes[4] &= 0x0f;
            bytes[5] &= 0x0f;
            *bytes
        });
        RawSpace::new(&near.collect::<Vec<_>>()).check();
    }

    #[test]
    fn bytes_anywhere_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        RawSpace::new(&bytes).check();
    }
}

#[test]
fn findings_that_cost_something_are_told_from_those_that_do_not() {
    let (bridge, function, at) = (bdf("00:01.0"), bdf("00:02.0"), bdf("00:03.0"));
    let table = [
        (BusFinding::UnconfiguredBridge { bridge }, false),
        (BusFinding::BrokenCapabilities { function, pointer: 4 }, false),
        (BusFinding::BusLoop { bridge, secondary: 0 }, true),
        (BusFinding::BusUnavailable { bridge, secondary: 9 }, true),
        (BusFinding::RangeConflict { bridge, secondary: 1, subordinate: 2 }, true),
        (BusFinding::MisplacedBridge { bridge }, true),
        (BusFinding::Impostor { bridge }, true),
        (BusFinding::UnclearBridge { bridge }, true),
        (BusFinding::HiddenBus { bridge, bus: 7 }, true),
        (BusFinding::TooManyFunctions { at }, true),
    ];
    for (finding, shortfall) in table {
        assert_eq!(finding.is_shortfall(), shortfall, "{finding}");
    }
}
