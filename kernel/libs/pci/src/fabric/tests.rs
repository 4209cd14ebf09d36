//! Tests of what is believed of bridges.

use super::*;
use crate::testing::{FakeSpace, bdf};
use crate::topology::Topology;
use std::string::{String, ToString};
use std::vec::Vec;

/// Places, each with the bridge above or `-`, and `!` behind what is refused.
fn tree(topology: &Topology) -> Vec<String> {
    let line = |function: &Function| {
        let parent = function.parent.map_or("-".to_string(), |parent| parent.source.to_string());
        let refused = if function.refused.is_some() { "!" } else { "" };
        std::format!("{} {parent}{refused}", function.bdf.source)
    };
    topology.functions().iter().map(line).collect()
}

/// A board with everything that emulated and real ones have: root ports, a switch, bridges from PCIe to PCI with and
/// without their capability, one on the root bus, and a second root bus.
fn board() -> FakeSpace {
    FakeSpace::new()
        .endpoint("00:00.0", 0x8086, 0x29c0)
        .root_port("00:01.0", 1, 5)
        .upstream_port("01:00.0", 2, 4)
        .downstream_port("02:00.0", 3, 3)
        .downstream_port("02:01.0", 4, 4)
        .express_endpoint("03:00.0", 0x1b36, 0x10)
        .root_port("00:02.0", 6, 8)
        .express_to_pci_bridge("06:00.0", 7, 8)
        .endpoint("07:05.0", 0x1234, 0x11e8)
        .conventional_bridge("07:06.0", 8, 8)
        .endpoint("08:01.0", 0x1234, 0x11e8)
        .conventional_bridge("00:1e.0", 9, 9)
        .endpoint("09:03.0", 0x1234, 0x11e8)
        .root_port("00:03.0", 0x0a, 0x0b)
        .conventional_bridge("0a:00.0", 0x0b, 0x0b)
        .with("0a:00.0", |f| f.set16(0, 0x1b21).set16(2, 0x1080))
        .endpoint("0b:02.0", 0x1234, 0x11e8)
        .root_port("00:04.0", 0, 0)
        .endpoint("40:00.0", 0x1234, 0x11e8)
        .root_port("40:01.0", 0x41, 0x41)
        .express_endpoint("41:00.0", 0x1b36, 0x10)
}

#[test]
fn an_honest_board_is_believed_in_full() {
    let topology = board().enumerate();
    assert!(topology.functions().iter().all(|function| function.refused.is_none()), "{:?}", tree(&topology));
    assert_eq!(topology.findings(), [BusFinding::UnconfiguredBridge { bridge: bdf("00:04.0") }]);
    let parent = |at: &str| topology.get(bdf(at)).unwrap().parent.map(|parent| parent.source.to_string());
    for (at, above) in
        [("03:00.0", "02:00.0"), ("08:01.0", "07:06.0"), ("0b:02.0", "0a:00.0"), ("41:00.0", "40:01.0")]
    {
        assert_eq!(parent(at).as_deref(), Some(above), "{at}");
    }
    assert_eq!(parent("40:00.0"), None);
    assert_eq!(topology.below(bdf("00:01.0")).len(), 4);
    assert_eq!(topology.below(bdf("00:04.0")).len(), 0);
}

#[test]
fn of_two_bridges_that_claim_one_bus_neither_is_believed() {
    let space = FakeSpace::new()
        .root_port("00:01.0", 1, 2)
        .express_endpoint("01:00.0", 0x8086, 1)
        .root_port("00:02.0", 2, 3)
        .express_endpoint("02:00.0", 0x8086, 1)
        .express_endpoint("03:00.0", 0x8086, 1)
        .root_port("00:03.0", 4, 4)
        .express_endpoint("04:00.0", 0x8086, 1);
    let topology = space.enumerate();
    let expected = [
        "00:01.0 -!",
        "00:02.0 -!",
        "00:03.0 -",
        "01:00.0 -!",
        "02:00.0 -!",
        "03:00.0 -!",
        "04:00.0 00:03.0",
    ];
    assert_eq!(tree(&topology), expected);
    assert!(topology.findings().iter().all(|finding| matches!(finding, BusFinding::RangeConflict { .. })));
    assert_eq!(topology.findings().len(), 2);
    assert_eq!(topology.groups().all().len(), 6, "only the honest pair shares a group");
}

#[test]
fn what_answers_where_no_bridge_leads_is_refused() {
    let space = FakeSpace::new()
        .root_port("00:01.0", 1, 3)
        .express_endpoint("01:00.0", 0x8086, 1)
        .root_port("03:00.0", 0x20, 0x40)
        .endpoint("40:00.0", 0x8086, 1);
    let topology = space.enumerate();
    assert_eq!(tree(&topology), ["00:01.0 -", "01:00.0 00:01.0", "03:00.0 00:01.0!", "40:00.0 -"]);
    let bridge = bdf("00:01.0");
    assert_eq!(topology.get(bdf("03:00.0")).unwrap().refused, Some(Refusal::HiddenBus { bridge }));
    assert_eq!(topology.findings(), [BusFinding::HiddenBus { bridge, bus: 3 }]);
}

#[test]
fn bridges_stand_only_where_the_fabric_has_room_for_their_kind() {
    let believed = |space: FakeSpace, at: &str| space.enumerate().get(bdf(at)).unwrap().is_bridge();
    let root = FakeSpace::new();
    assert!(believed(root.clone().root_port("00:02.0", 2, 3), "00:02.0"));
    assert!(believed(root.clone().express_to_pci_bridge("00:02.0", 2, 3), "00:02.0"));
    assert!(believed(root.clone().conventional_bridge("00:02.0", 2, 3), "00:02.0"));
    assert!(!believed(root.clone().upstream_port("00:02.0", 2, 3), "00:02.0"));
    assert!(!believed(root.clone().downstream_port("00:02.0", 2, 3), "00:02.0"));
    let link = root.clone().root_port("00:01.0", 1, 9);
    assert!(believed(link.clone().upstream_port("01:00.0", 2, 3), "01:00.0"));
    assert!(believed(link.clone().express_to_pci_bridge("01:00.0", 2, 3), "01:00.0"));
    assert!(!believed(link.clone().conventional_bridge("01:00.0", 2, 3), "01:00.0"));
    assert!(!believed(link.clone().root_port("01:00.0", 2, 3), "01:00.0"));
    assert!(!believed(link.clone().downstream_port("01:00.0", 2, 3), "01:00.0"));
    let switch = link.clone().upstream_port("01:00.0", 2, 9);
    assert!(believed(switch.clone().downstream_port("02:00.0", 3, 3), "02:00.0"));
    assert!(!believed(switch.clone().upstream_port("02:00.0", 3, 3), "02:00.0"));
    assert!(!believed(switch.express_to_pci_bridge("02:00.0", 3, 3), "02:00.0"));
    let pci = link.express_to_pci_bridge("01:00.0", 2, 9);
    assert!(believed(pci.clone().conventional_bridge("02:01.0", 3, 3), "02:01.0"));
    assert!(believed(pci.clone().pci_to_express_bridge("02:01.0", 3, 3), "02:01.0"));
    assert!(!believed(pci.clone().root_port("02:01.0", 3, 3), "02:01.0"));
    assert!(!believed(pci.express_to_pci_bridge("02:01.0", 3, 3), "02:01.0"));
    let endpoint =
        root.express_endpoint("00:02.0", 0x8086, 1).with("00:02.0", |f| f.set8(0x0e, 1).set16(0x19, 0x0302));
    assert!(!believed(endpoint, "00:02.0"), "an endpoint by its own capability");
}
