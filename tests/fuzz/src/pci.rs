//! Any bytes as configuration space.

use std::collections::BTreeSet;

use pci::control::BusMaster;
use pci::{AddressRange, Claims, Function, Owner, Passage, Topology, testing};

use crate::Bytes;
use crate::machine::{self, Machine};

/// Bytes of a vector in a table of interrupt messages.
const VECTOR: u64 = 16;

/// Bus ranges nest, nobody has the id of another among his own, each function is in one group, and every window that
/// is believed is its function's alone.
pub fn check(bytes: &[u8]) {
    let machine = Machine::new(&mut Bytes::new(bytes));
    machine.check_raw();
    let mut topology = machine.enumerate();
    testing::check(&topology);
    topology.enable_acs(&machine);
    testing::check(&topology);
    let claims = machine::claims();
    topology.check_windows(&machine, &claims);
    check_windows(&topology, &claims);
    check_passage(&topology);
}

/// Checks what is believed of windows.
pub(crate) fn check_windows(topology: &Topology, claims: &Claims) {
    for function in topology.functions() {
        let windows = &function.windows;
        assert!(function.refused.is_none() || windows.all().count() == 0, "{function:?}");
        for window in windows.all() {
            let range = window.range();
            assert!(window.bytes().is_power_of_two() && window.start().is_aligned(window.bytes()));
            for claim in claims.iter().filter(|claim| claim.range.meets(range)) {
                let is_itself = claim.owner == Owner::Chipset && function.class.is_platform();
                assert!(is_itself, "{} has {range}, of {}", function.bdf, claim.owner);
            }
            check_above(topology, function, range);
            check_others(topology, function, range);
        }
        if let Some(table) = windows.vectors() {
            let vectors = function.msix.map_or(0, |msix| u64::from(msix.vectors));
            assert!(function.refused.is_none() && windows.all().any(|window| window == table.window));
            assert!(vectors > 0 && u64::from(table.offset) + vectors * VECTOR <= table.window.bytes());
        }
    }
}

/// Every bridge above is believed and passes the range down.
fn check_above(topology: &Topology, function: &Function, range: AddressRange) {
    for bridge in topology.ancestors(function) {
        let passes = bridge.windows.forwarded().any(|passed| passed.contains(range));
        assert!(passes && bridge.refused.is_none(), "{} has {range} below {}", function.bdf, bridge.bdf);
    }
}

/// Nobody else has any of the range, nor of its pages, and no bridge passes it down to others.
fn check_others(topology: &Topology, function: &Function, range: AddressRange) {
    for other in topology.functions() {
        let is_above = topology.ancestors(function).any(|bridge| bridge.bdf == other.bdf);
        let turns = !is_above && other.windows.forwarded().any(|passed| passed.meets(range));
        let has = other.bdf != function.bdf
            && other.windows.all().any(|window| window.range().pages().meets(range.pages()));
        assert!(!turns && !has, "{} has {range}, so has {}", function.bdf, other.bdf);
    }
}

/// A bridge is open exactly while something below it that is believed masters the bus.
fn check_passage(topology: &Topology) {
    let passage = Passage::new(topology);
    let mut open = BTreeSet::new();
    let believed = |function: &&Function| {
        let mut way = topology.ancestors(function);
        !function.is_bridge() && function.refused.is_none() && way.all(|bridge| bridge.refused.is_none())
    };
    let mut users: Vec<&Function> = Vec::new();
    for to in [BusMaster::On, BusMaster::Off] {
        for function in topology.functions() {
            passage.note(function.bdf, to, |bridge, to| {
                let changed = if to == BusMaster::On { open.insert(bridge) } else { open.remove(&bridge) };
                assert!(changed, "{bridge} is told {to:?} twice");
            });
            match to {
                BusMaster::On => users.extend(Some(function).filter(believed)),
                BusMaster::Off => users.retain(|user| user.bdf != function.bdf),
            }
            let above = users.iter().flat_map(|user| topology.ancestors(user));
            assert_eq!(open, above.map(|bridge| bridge.bdf).collect());
        }
    }
}
