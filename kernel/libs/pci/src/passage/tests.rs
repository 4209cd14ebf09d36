use super::*;
use crate::refusal::Refusal;
use crate::testing::{FakeSpace, bdf};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::vec::Vec;

/// Two ports; below the first a switch with two ports of its own and a device below each, below the second two
/// functions of one device; and a device on the root bus.
fn machine() -> Topology {
    FakeSpace::new()
        .endpoint("00:03.0", 0x1234, 0x11e8)
        .root_port("00:1c.0", 1, 4)
        .upstream_port("01:00.0", 2, 4)
        .downstream_port("02:00.0", 3, 3)
        .downstream_port("02:01.0", 4, 4)
        .express_endpoint("03:00.0", 0x1b36, 0x10)
        .express_endpoint("04:00.0", 0x1b36, 0x10)
        .root_port("00:1d.0", 5, 5)
        .express_endpoint("05:00.0", 0x8086, 1)
        .multi_function("05:00.0")
        .express_endpoint("05:00.1", 0x8086, 1)
        .enumerate()
}

/// The bridges that are open, as their switches were told.
struct Ports {
    passage: Passage,
    open: BTreeSet<Bdf>,
}

impl Ports {
    fn of(topology: &Topology) -> Self {
        Self { passage: Passage::new(topology), open: BTreeSet::new() }
    }

    fn note(&mut self, function: &str, to: BusMaster) {
        let open = &mut self.open;
        self.passage.note(bdf(function), to, |bridge, to| {
            let changed = match to {
                BusMaster::On => open.insert(bridge),
                BusMaster::Off => open.remove(&bridge),
            };
            assert!(changed, "{bridge} is told {to:?} twice");
        });
    }

    #[track_caller]
    fn assert_open(&self, bridges: &[&str]) {
        assert_eq!(self.open, bridges.iter().map(|text| bdf(text)).collect());
    }
}

#[test]
fn bridges_are_open_exactly_above_who_may() {
    let mut ports = Ports::of(&machine());
    ports.assert_open(&[]);
    ports.note("03:00.0", BusMaster::On);
    ports.assert_open(&["00:1c.0", "01:00.0", "02:00.0"]);
    ports.note("04:00.0", BusMaster::On);
    ports.note("03:00.0", BusMaster::Off);
    ports.assert_open(&["00:1c.0", "01:00.0", "02:01.0"]);
    ports.note("04:00.0", BusMaster::Off);
    ports.assert_open(&[]);
}

#[test]
fn a_port_closes_with_the_last_function_below_it() {
    let mut ports = Ports::of(&machine());
    ports.note("05:00.0", BusMaster::On);
    ports.note("05:00.1", BusMaster::On);
    ports.note("05:00.0", BusMaster::Off);
    ports.assert_open(&["00:1d.0"]);
    ports.note("05:00.1", BusMaster::Off);
    ports.assert_open(&[]);
}

#[test]
fn what_is_said_twice_counts_once() {
    let mut ports = Ports::of(&machine());
    ports.note("05:00.0", BusMaster::Off);
    ports.note("05:00.0", BusMaster::On);
    ports.note("05:00.0", BusMaster::On);
    ports.note("05:00.0", BusMaster::Off);
    ports.assert_open(&[]);
}

#[test]
fn a_root_bus_a_stranger_and_a_bridge_itself_open_nothing() {
    let mut ports = Ports::of(&machine());
    for function in ["00:03.0", "00:1c.0", "02:01.0", "07:00.0"] {
        ports.note(function, BusMaster::On);
    }
    ports.assert_open(&[]);
}

#[test]
fn who_is_not_believed_opens_nothing() {
    let mut topology = machine();
    let liar = bdf("02:01.0");
    for function in topology.functions_mut() {
        if function.bdf == liar || function.bdf == bdf("05:00.1") {
            function.refused = Some(Refusal::Bridge { bridge: liar });
        }
    }
    let mut ports = Ports::of(&topology);
    ports.note("04:00.0", BusMaster::On);
    ports.note("05:00.1", BusMaster::On);
    ports.assert_open(&[]);
    ports.note("03:00.0", BusMaster::On);
    ports.assert_open(&["00:1c.0", "01:00.0", "02:00.0"]);
}

proptest! {
    /// Against counting anew after each step.
    #[test]
    fn counting_on_agrees_with_counting_anew(steps in prop::collection::vec((0_usize..5, any::<bool>()), 0..60)) {
        const FUNCTIONS: [&str; 5] = ["00:03.0", "03:00.0", "04:00.0", "05:00.0", "05:00.1"];
        let topology = machine();
        let mut ports = Ports::of(&topology);
        let mut may = [false; 5];
        for (index, on) in steps {
            may[index] = on;
            ports.note(FUNCTIONS[index], if on { BusMaster::On } else { BusMaster::Off });
            let users = FUNCTIONS.iter().zip(may).filter(|(_, may)| *may);
            let users: Vec<_> = users.filter_map(|(text, _)| topology.get(bdf(text))).collect();
            let expected = users.into_iter().flat_map(|function| topology.ancestors(function));
            prop_assert_eq!(&ports.open, &expected.map(|bridge| bridge.bdf).collect());
        }
    }
}
