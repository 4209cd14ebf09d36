//! Regions that firmware lies about, and what is granted of the others.
//!
//! | what | where |
//! | --- | --- |
//! | remapping unit | 0xc000_0000, two pages |
//! | configuration space | 0xb000_0000, 256 MiB |
//! | I/O APIC, event timer | 0xc200_0000 and 0xc300_0000, a page each |
//! | kernel, ACPI | 0x100_0000 and 0x200_0000, 1 MiB each |
//! | root port 00:1c.0 | passes 0xe000_0000 to 0xe07f_ffff down to bus 1 |
//! | 00:03.0, 01:00.0 | registers at 0xfea0_0000 and 0xe010_0000, 1 MiB each |

use dma_types::{Bdf, Iova, PAGE_SIZE};
use pci::{AddressRange, BusRange, Claims, EcamWindow, Owner};
use proptest::prelude::*;

use super::*;
use crate::{Description, Grants, Ground, Pages, union};

const UNIT: u64 = 0xc000_0000;

fn buses() -> FakeSpace {
    FakeSpace::new()
        .endpoint("00:03.0", 0x1234, 0x11e8)
        .with("00:03.0", |f| f.bar(0, 0xfea0_0000, 0xfff0_0000).set16(4, 2))
        .root_port("00:1c.0", 1, 1)
        .with("00:1c.0", |f| f.set16(0x20, 0xe000).set16(0x22, 0xe070).set16(0x24, 0xfff1).set16(4, 2))
        .express_endpoint("01:00.0", 0x1234, 0x11e8)
        .with("01:00.0", |f| f.bar(0, 0xe010_0000, 0xfff0_0000).set16(4, 2))
        .endpoint("00:04.0", 0x1234, 0x11e8)
}

fn claims() -> Claims {
    let mut claims = Claims::of_machine(WIDTH);
    claims.add(AddressRange::with_length(PhysAddr::new(UNIT), 0x2000), Owner::Unit { index: 0 });
    claims.add(AddressRange::with_length(PhysAddr::new(0), 0x8000_0000), Owner::Memory);
    claims.add(AddressRange::with_length(PhysAddr::new(0xc200_0000), 0x20), Owner::IoApic { id: 9 });
    claims.add(AddressRange::with_length(PhysAddr::new(0xc300_0000), 0x400), Owner::EventTimer);
    let window = BusRange { segment: SEGMENT, first: 0, last: 255 };
    claims.add_configuration(&[EcamWindow::new(window, PhysAddr::new(0xb000_0000), WIDTH).unwrap()]);
    claims
}

/// The machine with its windows checked, with regions where the table says.
fn checked(plan: impl Fn(&Topology) -> Plan) -> (Topology, Claims, Plan) {
    let (space, mut claims) = (buses(), claims());
    let mut topology = space.enumerate();
    let plan = plan(&topology);
    for region in &plan.regions {
        claims.add(region.pages.range(), Owner::Region { offset: region.offset });
    }
    topology.check_windows(&space, &claims);
    (topology, claims, plan)
}

fn lies_in(first: u64) -> impl Fn(Pages) -> bool {
    move |pages| pages.start().as_u64() < first + 0x10_0000 && first < pages.iovas().end.as_u64()
}

fn obstacle_of(region: &Region, topology: &Topology, claims: &Claims) -> Option<Obstacle> {
    let (is_kernel, is_acpi) = (&lies_in(0x100_0000), &lies_in(0x200_0000));
    region.obstacle(&Ground { claims, topology, is_kernel, is_acpi })
}

/// What keeps a region from the devices that it names.
fn obstacle(base: u64, bytes: u64, devices: &[ScopeSpec]) -> Option<Obstacle> {
    let (base, limit) = (PhysAddr::new(base), PhysAddr::new(base + bytes - 1));
    let table =
        || DmarBuilder::new().drhd(REST, SEGMENT, base_of_unit(), &[]).rmrr(SEGMENT, base, limit, devices);
    let (topology, claims, plan) = checked(|topology| plan(table(), topology));
    let [region] = plan.regions.as_slice() else { panic!("{plan:?}") };
    obstacle_of(region, &topology, &claims)
}

fn base_of_unit() -> PhysAddr {
    PhysAddr::new(UNIT)
}

fn edu() -> [ScopeSpec; 1] {
    [ScopeSpec::endpoint(0, 4, 0)]
}

/// Below the root port.
fn below() -> ScopeSpec {
    ScopeSpec::endpoint(0, 0x1c, 0).then(0, 0)
}

#[test]
fn regions_in_plain_memory_are_granted() {
    for (base, bytes) in [(0x7000_0000, 0x1000), (0xe_0000, 0x2_0000), (0, 0x1000), (0xff_f000, 0x1000)] {
        assert_eq!(obstacle(base, bytes, &edu()), None, "{base:#x}");
    }
}

#[test]
fn regions_over_registers_and_the_kernel_are_refused() {
    let platform = |owner| Some(Obstacle::Platform(owner));
    for (base, bytes, expected) in [
        (UNIT, 0x1000, platform(Owner::Unit { index: 0 })),
        // The unit's second page, which a table that tells no size keeps quiet about.
        (UNIT + 0x1000, 0x1000, platform(Owner::Unit { index: 0 })),
        (0xb000_0000, 0x1000_0000, platform(Owner::Configuration)),
        (0xbfff_f000, 0x1000, platform(Owner::Configuration)),
        // Where tables name them, and not only where they usually are.
        (0xc200_0000, 0x1000, platform(Owner::IoApic { id: 9 })),
        (0xc1ff_0000, 0x10_0000, platform(Owner::IoApic { id: 9 })),
        (0xc300_0000, 0x1000, platform(Owner::EventTimer)),
        (0xfec0_0000, 0x1000, platform(Owner::Chipset)),
        (0xfed0_0000, 0x1000, platform(Owner::Chipset)),
        (0xfee0_0000, 0x1000, platform(Owner::Chipset)),
        (0xfeff_f000, 0x1000, platform(Owner::Chipset)),
        (0x1f_f000, 0x100_0000, Some(Obstacle::Kernel)),
        (0x20f_f000, 0x1000, Some(Obstacle::Acpi)),
        // All at once.
        (0, 1 << WIDTH, Some(Obstacle::Kernel)),
        (0xc000_2000, 0x1000, None),
    ] {
        assert_eq!(obstacle(base, bytes, &edu()), expected, "{base:#x}");
    }
}

#[test]
fn regions_over_other_devices_are_refused() {
    let function = |at| Some(Obstacle::Function(bdf(at)));
    let named = |scopes: &[ScopeSpec]| scopes.to_vec();
    let (owner, both) =
        (named(&[ScopeSpec::endpoint(0, 3, 0)]), named(&[ScopeSpec::endpoint(0, 3, 0), below()]));
    for (base, devices, expected) in [
        (0xfea0_0000, named(&edu()), function("00:03.0")),
        (0xfeaf_f000, named(&edu()), function("00:03.0")),
        (0xfea0_0000, owner, None),
        (0xfea0_0000, both, function("00:03.0")),
        (0xfea0_0000, named(&[]), function("00:03.0")),
        (0xfeb0_0000, named(&edu()), None),
        // What the root port passes down is its device's, and nobody's beside it.
        (0xe000_0000, named(&[below()]), None),
        (0xe010_0000, named(&[below()]), None),
        (0xe000_0000, named(&[below(), edu()[0].clone()]), function("00:1c.0")),
        (0xe07f_f000, named(&edu()), function("00:1c.0")),
        (0xe080_0000, named(&edu()), None),
    ] {
        assert_eq!(obstacle(base, 0x1000, &devices), expected, "{base:#x} for {devices:?}");
    }
}

/// The table's region and its findings.
fn region(base: u64, limit: u64, width: u8, devices: &[ScopeSpec]) -> (Vec<Region>, Vec<TableFinding>) {
    let table = DmarBuilder::new().drhd(REST, SEGMENT, base_of_unit(), &[]);
    let table = table.rmrr(SEGMENT, PhysAddr::new(base), PhysAddr::new(limit), devices).build();
    let plan = Plan::new(&Description::from(&Dmar::parse(&table).unwrap()), &buses().enumerate(), width);
    (plan.regions, plan.findings)
}

#[test]
fn a_region_has_an_end_within_the_processors_addresses() {
    for (base, limit, width) in [
        (u64::MAX - 0xfff, u64::MAX, 64),
        (0, u64::MAX, 64),
        (1 << 63, (1 << 63) + 0xfff, 64),
        (1 << 40, (1 << 52) - 1, 40),
        (1 << 32, (1 << 47) - 1, 40),
        (1 << 39, (1 << 39) + 0xfff, 39),
        (1 << 52, (1 << 52) + 0xfff, 64),
    ] {
        let (regions, findings) = region(base, limit, width, &edu());
        assert_eq!(regions, [], "{base:#x}");
        let [finding @ TableFinding::RegionBeyondWidth { .. }] = findings.as_slice() else {
            panic!("{findings:?}")
        };
        assert!(finding.shortfall().is_some());
    }
    for (base, limit, width) in [((1 << 39) - 0x1000, (1 << 39) - 1, 39), (0, (1 << 52) - 1, 64)] {
        let (regions, findings) = region(base, limit, width, &edu());
        let [region] = regions.as_slice() else { panic!("{findings:?}") };
        assert_eq!(region.pages.iovas(), Iova::new(base)..Iova::new(limit + 1));
    }
}

#[test]
fn a_bridge_stands_for_what_is_below_it_where_the_table_says_so() {
    let names = |scope: ScopeSpec| {
        let (regions, findings) = region(0x7000_0000, 0x7000_0fff, WIDTH, &[scope]);
        let topology = buses().enumerate();
        let functions: Vec<Bdf> =
            regions[0].functions.iter().map(|index| topology.functions()[*index].bdf).collect();
        (functions, findings.iter().filter_map(TableFinding::shortfall).count())
    };
    assert_eq!(names(below()), (vec![bdf("01:00.0")], 0));
    assert_eq!(names(ScopeSpec::bridge(0, 0x1c, 0)), (vec![bdf("01:00.0")], 0));
    assert_eq!(names(ScopeSpec::endpoint(0, 0x1c, 0)), (vec![], 1), "given to nobody, and said");
    assert_eq!(names(ScopeSpec::endpoint(0, 9, 0)), (vec![], 0), "a device that can be left out");
}

/// Pages from a first one on, for the union.
fn pages(first: u64, count: u64) -> Pages {
    let (base, limit) = (first * PAGE_SIZE, (first + count) * PAGE_SIZE - 1);
    let (regions, _) = region(base, limit, WIDTH, &edu());
    regions[0].pages
}

#[test]
fn regions_that_overlap_become_one() {
    let all = [pages(8, 2), pages(1, 1), pages(1, 2), pages(1, 1), pages(9, 4), pages(20, 1), pages(13, 2)];
    let expected = [pages(1, 2), pages(8, 7), pages(20, 1)];
    assert_eq!(union(all.into_iter()).collect::<Vec<_>>(), expected);
    assert_eq!(union([].into_iter()).count(), 0);
}

proptest! {
    #[test]
    fn a_union_has_each_page_once(given in prop::collection::vec((0_u64..40, 1_u64..8), 0..12)) {
        let regions: Vec<_> = given.iter().map(|(first, count)| pages(*first, *count)).collect();
        let merged: Vec<_> = union(regions.iter().copied()).collect();
        let holds = |all: &[Pages], page: u64| {
            all.iter().filter(|pages| pages.iovas().contains(&Iova::new(page * PAGE_SIZE))).count()
        };
        for page in 0..64 {
            prop_assert_eq!(holds(&merged, page), usize::from(holds(&regions, page) > 0));
        }
        prop_assert!(merged.windows(2).all(|two| two[0].iovas().end < two[1].iovas().start));
    }

    /// Whatever the table says: every region has an end, and what is granted meets nothing that it must not.
    #[test]
    fn no_table_gets_registers_granted(bytes in table_bytes()) {
        let Ok(dmar) = Dmar::parse(&bytes) else { return Ok(()) };
        let (topology, claims, plan) = checked(|topology| Plan::new(&Description::from(&dmar), topology, WIDTH));
        for region in &plan.regions {
            let pages = region.pages;
            prop_assert!(pages.iovas().start < pages.iovas().end && pages.iovas().end <= Iova::new(1 << WIDTH));
            prop_assert!(pages.bytes() >= PAGE_SIZE && pages.bytes().is_multiple_of(PAGE_SIZE));
            if obstacle_of(region, &topology, &claims).is_some() {
                continue;
            }
            for (first, last) in [(UNIT, UNIT + 0x1fff), (0xb000_0000, 0xbfff_ffff), (0xfec0_0000, 0xfeff_ffff)] {
                let forbidden = AddressRange::new(PhysAddr::new(first), PhysAddr::new(last)).unwrap();
                prop_assert!(!pages.range().unwrap().meets(forbidden), "{region:x?}");
            }
        }
    }
}

/// An address where something is, or just beside it.
fn place() -> impl Strategy<Value = u64> {
    let marks =
        [0, UNIT, 0xb000_0000, 0xc000_0000, 0xfea0_0000, 0xfec0_0000, 0xff00_0000, 1 << WIDTH, u64::MAX];
    (prop::sample::select(marks.to_vec()), -3_i64..4, 0_u64..8).prop_map(|(mark, pages, odd)| {
        mark.wrapping_add_signed(pages * 4096) & if odd == 0 { u64::MAX } else { !0xfff }
    })
}

/// A table with regions at places that matter, some bytes of it changed.
fn table_bytes() -> impl Strategy<Value = Vec<u8>> {
    let scopes = prop::sample::select(vec![
        ScopeSpec::endpoint(0, 3, 0),
        ScopeSpec::endpoint(0, 4, 0),
        ScopeSpec::endpoint(0, 0x1c, 0),
        ScopeSpec::bridge(0, 0x1c, 0),
        below(),
    ]);
    let regions = prop::collection::vec((place(), place(), prop::collection::vec(scopes, 0..3)), 0..5);
    let damage = prop::collection::vec((48_usize..200, any::<u8>()), 0..3);
    (regions, damage).prop_map(|(regions, damage)| {
        let table = DmarBuilder::new().drhd(REST, SEGMENT, base_of_unit(), &[]);
        let add = |table: DmarBuilder, (base, limit, scopes): (u64, u64, Vec<ScopeSpec>)| {
            table.rmrr(SEGMENT, PhysAddr::new(base), PhysAddr::new(limit | 0xfff), &scopes)
        };
        let mut bytes = regions.into_iter().fold(table, add).build();
        for (at, value) in damage {
            bytes.get_mut(at).into_iter().for_each(|byte| *byte = value);
        }
        bytes
    })
}

/// Two regions, of which one meets registers of another device.
fn granted(free: u64) -> (Grants, Vec<TableFinding>, Vec<Pages>) {
    let ram = |number: u64| (PhysAddr::new(0x7000_0000 + number), PhysAddr::new(0x7000_0fff + number));
    let table = || {
        let mut table = DmarBuilder::new().drhd(REST, SEGMENT, base_of_unit(), &[]);
        for ((base, limit), devices) in [
            (ram(0), [ScopeSpec::endpoint(0, 4, 0), ScopeSpec::endpoint(0, 3, 0)]),
            (
                (PhysAddr::new(0xfea0_0000), PhysAddr::new(0xfea0_0fff)),
                [below(), ScopeSpec::endpoint(0, 4, 0)],
            ),
            (ram(0x2000), [ScopeSpec::endpoint(0, 4, 0), ScopeSpec::endpoint(0, 4, 0)]),
        ] {
            table = table.rmrr(SEGMENT, base, limit, &devices);
        }
        table
    };
    let (topology, claims, plan) = checked(|topology| plan(table(), topology));
    let (is_kernel, is_acpi) = (&lies_in(0x100_0000), &lies_in(0x200_0000));
    let ground = Ground { claims: &claims, topology: &topology, is_kernel, is_acpi };
    let mut reserved = Vec::new();
    let (grants, findings) = plan.grant_regions(&ground, |pages| {
        reserved.push(pages);
        free
    });
    (grants, findings, reserved)
}

#[test]
fn who_is_named_by_granted_regions_gets_those_and_no_other() {
    let (grants, findings, reserved) = granted(0);
    let starts = |pages: &[Pages]| pages.iter().map(|pages| pages.start().as_u64()).collect::<Vec<_>>();
    assert_eq!(starts(&reserved), [0x7000_0000, 0x7000_2000], "what is refused keeps its memory");
    assert!(matches!(findings[..], [TableFinding::RegionRefused { over: Obstacle::Function(_), .. }]));
    assert_eq!(grants.devices(), [bdf("00:03.0"), bdf("00:04.0")]);
    assert!(grants.names(bdf("00:03.0")) && !grants.names(bdf("01:00.0")));
    let of = |device: &str| {
        let device = bdf(device);
        let regions = grants.of_group(move |other| other == device);
        regions.map(|region| region.pages.start().as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(of("00:04.0"), [0x7000_0000, 0x7000_2000]);
    assert_eq!(of("00:03.0"), [0x7000_0000]);
    assert_eq!(of("01:00.0"), [0; 0]);
}

#[test]
fn a_region_in_memory_that_is_called_free_is_granted_and_told() {
    let (grants, findings, _) = granted(0x1000);
    assert_eq!(grants.devices().len(), 2);
    let not_reserved =
        |finding: &&TableFinding| matches!(finding, TableFinding::RegionNotReserved { free: 0x1000, .. });
    assert_eq!(findings.iter().filter(not_reserved).count(), 2);
}
