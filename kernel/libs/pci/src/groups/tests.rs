//! Tests of the rules, on the machines they were written for.

use crate::testing::{FakeSpace, bdf};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// The controls that QEMU's ports and most real ones offer.
const PORT: u16 = 0x5f;
/// Request and completion redirection.
const FUNCTION: u16 = 0x0c;

/// The groups after ACS went on, as lists of places.
fn groups(space: &FakeSpace) -> Vec<Vec<String>> {
    let mut topology = space.enumerate();
    topology.enable_acs(space);
    let groups = topology.groups();
    for (index, group) in groups.all().iter().enumerate() {
        assert_eq!(usize::try_from(group.id.0).unwrap(), index);
        assert!(group.members.iter().all(|&member| groups.of(member) == Some(group.id)));
    }
    groups.all().iter().map(|group| group.members.iter().map(|at| at.source.to_string()).collect()).collect()
}

#[test]
fn single_functions_of_the_root_complex_stand_alone() {
    let space = FakeSpace::new()
        .endpoint("00:00.0", 0x8086, 0x29c0)
        .endpoint("00:03.0", 0x1234, 0x11e8)
        .endpoint("00:04.0", 0x1234, 0x11e8)
        .endpoint("00:1f.0", 0x8086, 0x2918)
        .multi_function("00:1f.0")
        .endpoint("00:1f.2", 0x8086, 0x2922);
    assert_eq!(
        groups(&space),
        [vec!["00:00.0"], vec!["00:03.0"], vec!["00:04.0"], vec!["00:1f.0", "00:1f.2"]]
    );
}

#[test]
fn everything_below_a_conventional_bridge_is_one_group_with_it() {
    let space = FakeSpace::new()
        .root_port("00:1c.0", 1, 2)
        .acs("00:1c.0", PORT)
        .express_to_pci_bridge("01:00.0", 2, 2)
        .endpoint("02:05.0", 0x1234, 0x11e8)
        .endpoint("02:06.0", 0x1234, 0x11e8)
        .endpoint("00:03.0", 0x1234, 0x11e8);
    assert_eq!(groups(&space), [vec!["00:03.0"], vec!["00:1c.0"], vec!["01:00.0", "02:05.0", "02:06.0"]]);
}

#[test]
fn a_root_port_without_acs_joins_what_stands_below_it() {
    let space = |acs| {
        FakeSpace::new()
            .root_port("00:1c.0", 1, 1)
            .acs("00:1c.0", acs)
            .express_endpoint("01:00.0", 0x1b36, 0x10)
            .root_port("00:1d.0", 2, 2)
            .acs("00:1d.0", PORT)
            .express_endpoint("02:00.0", 0x1b36, 0x10)
    };
    let apart = [vec!["00:1c.0"], vec!["00:1d.0"], vec!["01:00.0"], vec!["02:00.0"]];
    assert_eq!(groups(&space(PORT)), apart);
    assert_eq!(groups(&space(0x01)), apart, "a root port need not offer what it does not do");
    let without = space(PORT).with("00:1c.0", |f| f.set32(0x100, 0));
    assert_eq!(groups(&without), [vec!["00:1c.0", "01:00.0"], vec!["00:1d.0"], vec!["02:00.0"]]);
    let stuck = space(PORT).with("00:1c.0", |f| f.read_only16(0x106, 0));
    assert_eq!(groups(&stuck), [vec!["00:1c.0", "01:00.0"], vec!["00:1d.0"], vec!["02:00.0"]]);
}

#[test]
fn functions_of_one_root_port_device_are_joined_with_their_subtrees() {
    let space = |second| {
        FakeSpace::new()
            .root_port("00:1c.0", 1, 1)
            .multi_function("00:1c.0")
            .acs("00:1c.0", PORT)
            .root_port("00:1c.1", 2, 2)
            .acs("00:1c.1", second)
            .express_endpoint("01:00.0", 0x1b36, 0x10)
            .express_endpoint("02:00.0", 0x1b36, 0x10)
    };
    assert_eq!(groups(&space(PORT)).len(), 4);
    let without = space(PORT).with("00:1c.1", |f| f.set32(0x100, 0));
    assert_eq!(groups(&without), [vec!["00:1c.0", "00:1c.1", "01:00.0", "02:00.0"]]);
}

#[test]
fn one_open_port_opens_the_switch() {
    let space = |second| {
        FakeSpace::new()
            .root_port("00:1c.0", 1, 4)
            .acs("00:1c.0", PORT)
            .upstream_port("01:00.0", 2, 4)
            .downstream_port("02:00.0", 3, 3)
            .acs("02:00.0", PORT)
            .downstream_port("02:01.0", 4, 4)
            .acs("02:01.0", second)
            .express_endpoint("03:00.0", 0x1b36, 0x10)
            .express_endpoint("04:00.0", 0x1b36, 0x10)
    };
    assert_eq!(groups(&space(PORT)).len(), 6);
    let open = [vec!["00:1c.0"], vec!["01:00.0", "02:00.0", "02:01.0", "03:00.0", "04:00.0"]];
    assert_eq!(groups(&space(0x01)), open, "a downstream port needs the whole set");
    let above = space(PORT).with("00:1c.0", |f| f.set32(0x100, 0));
    assert_eq!(groups(&above).len(), 1);
}

#[test]
fn functions_of_a_card_are_apart_only_with_acs() {
    let space = || {
        FakeSpace::new()
            .root_port("00:1c.0", 1, 1)
            .acs("00:1c.0", PORT)
            .express_endpoint("01:00.0", 0x8086, 0x1521)
            .multi_function("01:00.0")
            .express_endpoint("01:00.1", 0x8086, 0x1521)
    };
    assert_eq!(groups(&space()), [vec!["00:1c.0"], vec!["01:00.0", "01:00.1"]]);
    assert_eq!(groups(&space().acs("01:00.0", FUNCTION)).len(), 2, "one function without is enough");
    assert_eq!(groups(&space().acs("01:00.0", FUNCTION).acs("01:00.1", FUNCTION)).len(), 3);
    assert_eq!(groups(&space().acs("01:00.0", 0).acs("01:00.1", 0)).len(), 3, "no peer traffic at all");
}

#[test]
fn different_device_numbers_on_a_link_are_still_one_device() {
    let space = FakeSpace::new()
        .root_port("00:1c.0", 1, 1)
        .acs("00:1c.0", PORT)
        .express_endpoint("01:00.0", 0x8086, 0x1521)
        .express_endpoint("01:02.0", 0x8086, 0x1521);
    assert_eq!(groups(&space), [vec!["00:1c.0"], vec!["01:00.0", "01:02.0"]]);
}

#[test]
fn segments_never_share() {
    let space = FakeSpace::new()
        .conventional_bridge("0000:00:1e.0", 1, 1)
        .endpoint("0000:01:00.0", 1, 1)
        .endpoint("0001:00:1e.0", 1, 1)
        .endpoint("0001:01:00.0", 1, 1);
    let groups = space.enumerate().groups();
    assert_eq!(groups.all().len(), 3);
    assert_eq!(groups.of(bdf("0000:01:00.0")), groups.of(bdf("0000:00:1e.0")));
    assert_ne!(groups.of(bdf("0001:01:00.0")), groups.of(bdf("0001:00:1e.0")));
    assert_eq!(groups.of(bdf("0002:00:00.0")), None);
}

/// A chain of bridges as deep as buses allow, each bus full, in the order that costs most.
#[test]
fn the_work_grows_hardly_faster_than_the_functions() {
    let chain = |depth: u8, devices: u8| {
        let mut space = FakeSpace::new();
        for bus in 0..depth {
            let bridge = std::format!("{bus:02x}:00.0");
            space = space.conventional_bridge(&bridge, bus + 1, depth);
            for device in 1..devices {
                space = space.endpoint(&std::format!("{bus:02x}:{device:02x}.0"), 0x8086, 1);
            }
        }
        let topology = space.enumerate();
        let (groups, steps) = topology.groups_and_steps();
        assert_eq!(groups.all().len(), usize::from(devices), "the root bus apart");
        (topology.functions().len(), steps)
    };
    let (few, many) = (chain(16, 16), chain(254, 16));
    assert_eq!((few.0, many.0), (256, 4064));
    for (functions, steps) in [few, many] {
        assert!(steps <= 4 * functions, "{steps} steps for {functions} functions");
    }
}
