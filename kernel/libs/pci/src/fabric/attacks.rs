//! Devices that call themselves bridges, to be put into the group of those that they name.

use crate::config::ConfigSpace;
use crate::function::Function;
use crate::testing::{FakeSpace, bdf};
use crate::topology::Topology;

/// The controls that keep functions apart at a port.
const PORT: u16 = 0x5f;

fn machine(space: &FakeSpace) -> Topology {
    let mut topology = space.enumerate();
    topology.enable_acs(space);
    topology
}

fn get<'a>(topology: &'a Topology, at: &str) -> &'a Function {
    topology.get(bdf(at)).expect("it was found")
}

/// The liar shares neither group nor id with the victim, and only the liar is refused.
#[track_caller]
fn assert_gains_nothing(space: &FakeSpace, liar: &str, victim: &str) {
    let topology = machine(space);
    let groups = topology.groups();
    let (liar, victim) = (get(&topology, liar), get(&topology, victim));
    assert!(liar.refused.is_some() && !liar.is_bridge(), "{liar:?}");
    assert_ne!(groups.of(liar.bdf), groups.of(victim.bdf));
    assert!(!topology.aliases(victim).contains(&liar.bdf.source));
    assert_eq!(topology.requester(victim), victim.bdf.source);
    assert_eq!(topology.aliases(liar), [liar.bdf.source]);
    assert_eq!(topology.below(liar.bdf).len(), 0);
    assert_eq!(victim.refused, None, "the victim keeps what it has");
}

/// A disk below a port of a second root bus.
fn second_root() -> FakeSpace {
    FakeSpace::new()
        .root_port("40:00.0", 0x41, 0x41)
        .acs("40:00.0", PORT)
        .express_endpoint("41:00.0", 0x1b36, 0x10)
}

#[test]
fn a_device_below_a_port_cannot_claim_buses_of_another_root() {
    let space = second_root().root_port("00:0a.0", 1, 1).acs("00:0a.0", PORT);
    for (first, last) in [(0x40, 0x41), (0x41, 0x41), (0x41, 0xff), (2, 0xff)] {
        let lying = space.clone().conventional_bridge("01:00.0", first, last);
        assert_gains_nothing(&lying, "01:00.0", "41:00.0");
        let as_switch = space.clone().upstream_port("01:00.0", first, last);
        assert_gains_nothing(&as_switch, "01:00.0", "41:00.0");
    }
}

#[test]
fn a_device_below_a_port_cannot_claim_the_buses_of_a_switch() {
    let space = FakeSpace::new()
        .root_port("00:0a.0", 2, 4)
        .acs("00:0a.0", PORT)
        .upstream_port("02:00.0", 3, 4)
        .downstream_port("03:00.0", 4, 4)
        .acs("03:00.0", PORT)
        .express_endpoint("04:00.0", 0x1b36, 0x10)
        .root_port("00:0b.0", 1, 1)
        .acs("00:0b.0", PORT);
    for (first, last) in [(3, 4), (4, 4), (2, 4)] {
        let lying = space.clone().conventional_bridge("01:00.0", first, last);
        assert_gains_nothing(&lying, "01:00.0", "04:00.0");
    }
}

#[test]
fn a_function_of_a_root_bus_cannot_claim_buses_of_another_root() {
    for (first, last) in [(0x41, 0x41), (0x41, 0xff), (0x40, 0x40), (0x40, 0xff), (1, 0xff)] {
        let lying = second_root().impostor("00:05.0", first, last);
        assert_gains_nothing(&lying, "00:05.0", "41:00.0");
    }
}

#[test]
fn a_function_of_a_root_bus_cannot_claim_a_second_root_bus_itself() {
    let space = FakeSpace::new().endpoint("40:03.0", 0x1234, 0x11e8);
    for (first, last) in [(0x40, 0x40), (0x40, 0xff), (1, 0x40)] {
        assert_gains_nothing(&space.clone().impostor("00:05.0", first, last), "00:05.0", "40:03.0");
    }
    // A port without ACS shares its domain with what stands below and beside it.
    let beside =
        space.impostor("00:05.0", 0x40, 0x40).multi_function("00:05.0").endpoint("00:05.1", 0x1234, 0x11e8);
    let beside =
        beside.with("00:05.0", |f| f.set16(6, 0x10).set8(0x34, 0x40).set16(0x40, 0x0010).set16(0x42, 0x42));
    assert_gains_nothing(&beside, "00:05.0", "40:03.0");
    let honest =
        FakeSpace::new().conventional_bridge("00:05.0", 0x40, 0x40).endpoint("40:03.0", 0x1234, 0x11e8);
    let topology = honest.enumerate();
    assert_eq!(
        topology.requester(get(&topology, "40:03.0")),
        bdf("00:05.0").source,
        "a real bridge is believed"
    );
    assert_eq!(honest.read32(bdf("00:05.0"), 0x18), 0x0040_4000, "and open again");
}

#[test]
fn a_function_that_does_not_let_itself_be_asked_is_not_believed() {
    let space = FakeSpace::new()
        .endpoint("40:03.0", 0x1234, 0x11e8)
        .impostor("00:05.0", 0x40, 0x40)
        .with("00:05.0", |f| f.read_only16(0x18, 0).read_only16(0x1a, 0));
    let topology = machine(&space);
    let (liar, named) = (get(&topology, "00:05.0"), get(&topology, "40:03.0"));
    assert!(liar.refused.is_some() && named.refused.is_some(), "a real bridge may have such registers");
    assert_eq!(topology.aliases(named), [named.bdf.source]);
    assert_ne!(topology.groups().of(liar.bdf), topology.groups().of(named.bdf));
}

#[test]
fn a_function_of_a_root_bus_takes_no_buses_from_real_ports() {
    for (first, last) in [(1, 1), (2, 4), (1, 0xff)] {
        let space = FakeSpace::new()
            .root_port("00:0a.0", 2, 4)
            .upstream_port("02:00.0", 3, 4)
            .downstream_port("03:00.0", 4, 4)
            .express_endpoint("04:00.0", 0x1b36, 0x10)
            .root_port("00:0b.0", 1, 1)
            .express_endpoint("01:00.0", 0x1b36, 0x10)
            .impostor("00:05.0", first, last);
        assert_gains_nothing(&space, "00:05.0", "04:00.0");
        assert_gains_nothing(&space, "00:05.0", "01:00.0");
    }
}
