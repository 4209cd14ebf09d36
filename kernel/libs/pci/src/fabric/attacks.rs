//! Devices that call themselves bridges, to be put into the group of those that they name.

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
    for (first, last) in [(0x41, 0x41), (0x41, 0xff)] {
        let lying = second_root().conventional_bridge("00:05.0", first, last);
        assert_gains_nothing(&lying, "00:05.0", "41:00.0");
        let as_port = second_root().root_port("00:05.0", first, last);
        assert_gains_nothing(&as_port, "00:05.0", "41:00.0");
    }
}
