//! Machines and tables that fit, and some that do not.

use std::vec;
use std::vec::Vec;

use acpi_tables::testing::{DmarBuilder, ScopeSpec};
use acpi_tables::{Dmar, DrhdFlags, ScopeKind};
use dma_types::{PhysAddr, Segment, SourceId};
use pci::Topology;
use pci::testing::{FakeSpace, bdf};

mod judged;
mod regions;

use crate::{Controller, Description, Obstacle, Plan, Region, TableFinding, UnitProblem};

const REST: DrhdFlags = DrhdFlags::INCLUDE_PCI_ALL;
const NONE: DrhdFlags = DrhdFlags::empty();
const SEGMENT: Segment = Segment(0);
const WIDTH: u8 = 39;

fn base(index: u64) -> PhysAddr {
    PhysAddr::new(0xfed9_0000 + index * 0x1000)
}

/// An edu on the root bus, another below a root port and a conventional bridge.
fn machine() -> Topology {
    FakeSpace::new()
        .endpoint("00:03.0", 0x1234, 0x11e8)
        .root_port("00:1c.0", 1, 3)
        .express_to_pci_bridge("01:00.0", 2, 2)
        .endpoint("02:05.0", 0x1234, 0x11e8)
        .enumerate()
}

fn plan(table: DmarBuilder, topology: &Topology) -> Plan {
    let table = table.build();
    Plan::new(&Description::from(&Dmar::parse(&table).unwrap()), topology, WIDTH)
}

/// The unit of a function.
fn unit_of(plan: &Plan, topology: &Topology, function: &str) -> Option<usize> {
    plan.unit_of[topology.index_of(bdf(function)).unwrap()]
}

#[test]
fn the_unit_for_the_rest_comes_last_wherever_it_stands() {
    let topology = machine();
    let table = DmarBuilder::new().drhd(REST, SEGMENT, base(0), &[]).drhd(
        NONE,
        SEGMENT,
        base(1),
        &[ScopeSpec::endpoint(0, 3, 0)],
    );
    let plan = plan(table, &topology);
    assert_eq!(unit_of(&plan, &topology, "00:03.0"), Some(1));
    assert_eq!(unit_of(&plan, &topology, "02:05.0"), Some(0));
    assert_eq!(plan.findings, []);
}

#[test]
fn the_nearest_name_counts() {
    let topology = machine();
    let path = ScopeSpec::endpoint(0, 0x1c, 0).then(0, 0).then(5, 0);
    for (scopes, expected) in
        [(vec![ScopeSpec::bridge(0, 0x1c, 0).then(0, 0)], Some(1)), (vec![path], Some(1)), (vec![], Some(0))]
    {
        let table = DmarBuilder::new()
            .drhd(NONE, SEGMENT, base(0), &[ScopeSpec::bridge(0, 0x1c, 0), ScopeSpec::endpoint(0, 3, 0)])
            .drhd(NONE, SEGMENT, base(1), &scopes);
        let plan = plan(table, &topology);
        assert_eq!(unit_of(&plan, &topology, "02:05.0"), expected, "{scopes:?}");
        assert_eq!(unit_of(&plan, &topology, "00:1c.0"), Some(0));
        assert_eq!(plan.findings, []);
    }
}

#[test]
fn what_no_unit_covers_stays_uncovered() {
    let topology = machine();
    let table = DmarBuilder::new().drhd(NONE, SEGMENT, base(0), &[ScopeSpec::bridge(0, 0x1c, 0)]).drhd(
        REST,
        Segment(1),
        base(1),
        &[],
    );
    let plan = plan(table, &topology);
    assert_eq!(unit_of(&plan, &topology, "00:03.0"), None);
    assert_eq!(plan.findings, [TableFinding::Uncovered { device: bdf("00:03.0") }]);
}

#[test]
fn scopes_that_lie_are_noted_and_do_no_harm() {
    let topology = machine();
    let scopes = [
        ScopeSpec::endpoint(0, 9, 0),
        ScopeSpec::endpoint(0, 0x1c, 0),
        ScopeSpec::endpoint(7, 40, 9),
        ScopeSpec::endpoint(0, 3, 0).without_path(),
    ];
    let table = DmarBuilder::new()
        .drhd(NONE, SEGMENT, base(0), &scopes)
        .drhd(NONE, SEGMENT, base(1), &[ScopeSpec::bridge(0, 0x1c, 0)])
        .drhd(REST, SEGMENT, base(2), &[])
        .drhd(REST, SEGMENT, base(3), &[]);
    let plan = plan(table, &topology);
    let kinds: Vec<_> = plan.findings.iter().map(std::mem::discriminant).collect();
    let nowhere = TableFinding::NoSuchDevice { offset: 0, segment: SEGMENT, start_bus: 0 };
    let other = TableFinding::OtherKind { offset: 0, device: bdf("00:1c.0") };
    let twice = TableFinding::NamedTwice { offset: 0, device: bdf("00:1c.0") };
    let rest = TableFinding::IncludeAllTwice { offset: 0, segment: SEGMENT };
    assert_eq!(
        kinds,
        [nowhere, other, nowhere, nowhere, twice, rest].map(|finding| std::mem::discriminant(&finding))
    );
    assert_eq!(unit_of(&plan, &topology, "00:1c.0"), Some(0));
    assert_eq!(unit_of(&plan, &topology, "02:05.0"), Some(1), "below a bridge that another unit names");
    assert_eq!(unit_of(&plan, &topology, "00:03.0"), Some(2));
}

#[test]
fn bases_that_cannot_be_are_not_touched() {
    let topology = machine();
    let table = DmarBuilder::new()
        .drhd(NONE, SEGMENT, PhysAddr::new(0), &[])
        .drhd(NONE, SEGMENT, PhysAddr::new(0xfed9_0800), &[])
        .drhd(NONE, SEGMENT, PhysAddr::new(1 << WIDTH), &[])
        .drhd(NONE, SEGMENT, PhysAddr::new(u64::MAX - 0xfff), &[])
        .drhd(NONE, SEGMENT, PhysAddr::new((1 << WIDTH) - 0x1000), &[])
        .drhd(NONE, SEGMENT, PhysAddr::new((1 << WIDTH) - 0x1000), &[]);
    let problems: Vec<_> = plan(table, &topology).units.iter().map(|unit| unit.problem).collect();
    assert_eq!(
        problems,
        [
            Some(UnitProblem::NoBase),
            Some(UnitProblem::Unaligned),
            Some(UnitProblem::BeyondWidth { width: WIDTH }),
            Some(UnitProblem::BeyondWidth { width: WIDTH }),
            None,
            Some(UnitProblem::Shared { with: 4 }),
        ]
    );
}

#[test]
fn registers_end_where_those_of_the_next_unit_begin() {
    let table =
        (0..3).fold(DmarBuilder::new(), |table, index| table.drhd(NONE, SEGMENT, base(2 * index), &[]));
    let plan = plan(table, &machine());
    for (from, pages, expected) in
        [(0, 2, None), (0, 3, Some(1)), (2, 2, None), (2, 3, Some(2)), (4, 5, None)]
    {
        assert_eq!(plan.unit_within(base(from), pages * 0x1000), expected, "{pages} pages of {from}");
    }
}

#[test]
fn regions_belong_to_exactly_the_functions_named() {
    let topology = machine();
    let at = PhysAddr::new;
    let edu = [ScopeSpec::endpoint(0, 3, 0)];
    let table = DmarBuilder::new()
        .drhd(REST, SEGMENT, base(0), &[])
        .rmrr(SEGMENT, at(0x7000_0000), at(0x7000_1fff), &edu)
        .rmrr(SEGMENT, at(0x7000_1000), at(0x7000_0fff), &edu)
        .rmrr(SEGMENT, at(0x7000_1000), at(0x7000_0000), &edu)
        .rmrr(SEGMENT, at(0x7000_0010), at(0x7000_1fff), &edu)
        .rmrr(SEGMENT, at(0x7000_0000), at(0x7000_0ffe), &edu)
        .rmrr(SEGMENT, at(0), at(u64::MAX), &edu);
    let plan = plan(table, &topology);
    let functions = vec![topology.index_of(bdf("00:03.0")).unwrap()];
    let [Region { pages, functions: named, .. }] = plan.regions.as_slice() else { panic!("{plan:?}") };
    assert_eq!((pages.start(), pages.bytes(), named), (at(0x7000_0000), 0x2000, &functions));
    let [bad @ .., last] = plan.findings.as_slice() else { panic!("{plan:?}") };
    assert!(bad.len() == 4 && bad.iter().all(|finding| matches!(finding, TableFinding::BadRegion { .. })));
    // All 2^64 addresses are whole pages, and have no end.
    assert!(matches!(last, TableFinding::RegionBeyondWidth { .. }));
    assert!(plan.findings.iter().all(|finding| finding.shortfall().is_some()));
}

#[test]
fn every_finding_says_what_it_means_and_what_helps() {
    let (offset, device) = (0x30, bdf("00:03.0"));
    let all = [
        TableFinding::NoSuchDevice { offset, segment: SEGMENT, start_bus: 0 },
        TableFinding::OtherKind { offset, device },
        TableFinding::NamedTwice { offset, device },
        TableFinding::IncludeAllTwice { offset, segment: SEGMENT },
        TableFinding::BadRegion { offset, base: base(0), limit: base(0) },
        TableFinding::RegionBeyondWidth { offset, base: base(0), limit: base(0), width: WIDTH },
        TableFinding::RegionRefused { offset, base: base(0), over: Obstacle::Kernel },
        TableFinding::RegionOfBridge { offset, base: base(0), device },
        TableFinding::Uncovered { device },
        TableFinding::RegionNotReserved { offset, base: base(0), free: 0x1000 },
        TableFinding::UnitSilent { offset, base: base(0) },
        TableFinding::NoInterruptRemapping { offset, base: base(0) },
        TableFinding::Narrow { offset, platform: 48, unit: 39 },
    ];
    let mut ids: Vec<_> = all.iter().map(|finding| finding.rule().id).collect();
    for finding in all {
        let rule = finding.rule();
        assert!(rule.meaning.ends_with('.') && rule.remedy.ends_with('.'), "{}", rule.id);
        assert_eq!(finding.offset(), (rule.id != "device-uncovered").then_some(offset), "{}", rule.id);
        assert!(!std::format!("{finding}").is_empty());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
}

/// The ids that interrupt controllers send under: of buses that no function is on, and behind bridges.
#[test]
fn interrupt_controllers_send_under_the_ids_of_their_scopes() {
    let kind = |kind, number, bus, device, function| ScopeSpec::new(kind, bus, device, function).id(number);
    let scopes = [
        // As QEMU has it.
        kind(ScopeKind::IOAPIC, 0, 0xff, 0, 0),
        kind(ScopeKind::IOAPIC, 2, 0xf0, 31, 7),
        kind(ScopeKind::HPET, 0, 0, 15, 0),
        // Behind the root port, and where there is none.
        kind(ScopeKind::IOAPIC, 3, 0, 0x1c, 0).then(4, 1),
        kind(ScopeKind::IOAPIC, 4, 0, 0x1b, 0).then(4, 1),
        kind(ScopeKind::HPET, 5, 0, 32, 0),
        kind(ScopeKind::HPET, 6, 0, 0, 0).without_path(),
    ];
    let table = DmarBuilder::new().drhd(NONE, SEGMENT, base(0), &scopes).drhd(REST, SEGMENT, base(1), &[]);
    let plan = plan(table, &machine());
    let sources: Vec<_> =
        plan.units[0].controllers.iter().map(|source| (source.controller, source.id)).collect();
    let id = |bits| Some(SourceId::from_bits(bits));
    assert_eq!(
        sources,
        [
            (Controller::IoApic(0), id(0xff00)),
            (Controller::IoApic(2), id(0xf0ff)),
            (Controller::Hpet(0), id(0x0078)),
            (Controller::IoApic(3), id(0x0121)),
            (Controller::IoApic(4), None),
            (Controller::Hpet(5), None),
            (Controller::Hpet(6), None),
        ]
    );
    assert_eq!(plan.units[1].controllers, []);
    // They are no devices: nothing is said of paths that lead to none.
    assert_eq!(plan.findings, []);
}
