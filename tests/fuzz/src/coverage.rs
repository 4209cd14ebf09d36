//! Any table on any machine.

use acpi_tables::Dmar;
use acpi_tables::testing::seal;
use coverage::{Description, Ground, Pages, Plan};
use dma_types::{Iova, PAGE_SIZE, PhysAddr};
use pci::{AddressRange, Owner};

use crate::Bytes;
use crate::machine::{self, ADDRESS_BITS, Machine, UNIT};

/// Where the kernel and ACPI's tables lie, 1 MiB each.
const KERNEL: u64 = 0x100_0000;
const ACPI: u64 = 0x200_0000;
const MIB: u64 = 0x10_0000;
/// Fields in front of a table's structures.
const FIELDS: usize = 48;

/// Each function is served by one unit of its segment or by none, and what is granted of the reserved regions is
/// nobody else's.
pub fn check(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let machine = Machine::new(&mut bytes);
    let table = table(&bytes);
    let Ok(dmar) = Dmar::parse(&table) else { return };
    let mut topology = machine.enumerate();
    let plan = Plan::new(&Description::from(&dmar), &topology, ADDRESS_BITS);
    assert_eq!(plan.unit_of.len(), topology.functions().len());
    for (function, unit) in topology.functions().iter().zip(&plan.unit_of) {
        let segment = unit.map(|unit| plan.units[unit].segment);
        assert!(segment.is_none_or(|segment| segment == function.bdf.segment), "{function:?}");
    }
    let mut claims = machine::claims();
    for region in &plan.regions {
        claims.add(region.pages.range(), Owner::Region { offset: region.offset });
    }
    topology.check_windows(&machine, &claims);
    crate::pci::check_windows(&topology, &claims);
    let ground = Ground {
        claims: &claims,
        topology: &topology,
        is_kernel: &|pages| lies_in(pages, KERNEL),
        is_acpi: &|pages| lies_in(pages, ACPI),
    };
    for region in &plan.regions {
        let pages = region.pages;
        assert!(pages.bytes() >= PAGE_SIZE && pages.iovas().end <= Iova::new(1 << ADDRESS_BITS));
        assert!(region.functions.is_sorted() && region.functions.iter().all(|at| *at < plan.unit_of.len()));
        if region.obstacle(&ground).is_none() {
            check_granted(pages, &region.functions, &topology);
        }
    }
    check_union(&plan);
}

/// The rest of the bytes as a table's structures; header and checksum are right more often than not.
fn table(bytes: &Bytes<'_>) -> Vec<u8> {
    let mut table = acpi_tables::testing::DmarBuilder::new().build();
    table.truncate(FIELDS);
    table.extend(bytes.rest());
    seal(&mut table);
    table
}

fn lies_in(pages: Pages, first: u64) -> bool {
    pages.start().as_u64() < first + MIB && first < pages.iovas().end.as_u64()
}

/// Granted pages meet nothing that they must not.
fn check_granted(pages: Pages, owners: &[usize], topology: &pci::Topology) {
    let range = pages.range().expect("a region has an end");
    let forbidden = [
        (KERNEL, KERNEL + MIB - 1),
        (ACPI, ACPI + MIB - 1),
        (UNIT, UNIT + 0x1fff),
        (0xb000_0000, 0xbfff_ffff),
        (0xfec0_0000, 0xffff_ffff),
    ];
    for (first, last) in forbidden {
        let other = AddressRange::new(PhysAddr::new(first), PhysAddr::new(last)).expect("in this order");
        assert!(!range.meets(other), "{range} is granted");
    }
    for (index, function) in topology.functions().iter().enumerate() {
        let is_own = owners == [index];
        let meets = function.windows.all().any(|window| window.range().meets(range));
        assert!(is_own || !meets, "{range} is granted, of {}", function.bdf);
    }
}

/// Where regions become one, each page is there once, and none else.
fn check_union(plan: &Plan) {
    let all = plan.regions.iter().map(|region| region.pages);
    let merged: Vec<_> = coverage::union(all.clone()).collect();
    assert!(merged.windows(2).all(|two| two[0].iovas().end < two[1].iovas().start), "{merged:?}");
    let holds = |page: Iova| merged.iter().any(|pages| pages.iovas().contains(&page));
    for pages in all.clone() {
        let iovas = pages.iovas();
        assert!(holds(iovas.start) && holds(Iova::new(iovas.end.as_u64() - PAGE_SIZE)));
        let is_covered = |page: Iova| all.clone().any(|pages| pages.iovas().contains(&page));
        assert!(holds(iovas.end) == is_covered(iovas.end), "{iovas:?} of {merged:?}");
    }
}
