//! Memory that firmware reserves for devices (RMRR).
//!
//! A region is honoured only if nothing of the kernel lies in it, and no registers but its only device's. Then its RAM
//! leaves the frame allocator, and exactly the devices that the table names get it, at its own address.

use alloc::vec::Vec;

use ::frames::Span;
use coverage::{Ground, Pages, Plan, Region, TableFinding};
use dma_types::Bdf;
use pci::Claims;
use spin::Once;

use crate::memory::{frames, map};
use crate::platform::acpi::AcpiTables;
use crate::{devices, protection};

/// A region that is honoured, with the devices that the table names.
struct Honoured {
    region: Region,
    devices: Vec<Bdf>,
}

static REGIONS: Once<Vec<Honoured>> = Once::new();

/// Takes the regions' RAM out of the frame allocator. To be called once, before tables and buffers are made, and when
/// `topology` has its windows checked; `claims` is what is no device's.
///
/// A region that lies over registers, or in which memory of the kernel lies, is refused: its devices stay blocked.
///
/// Gives what there is to say about them besides.
pub fn set_aside(
    plan: &Plan,
    topology: &pci::Topology,
    claims: &Claims,
    tables: Option<&AcpiTables>,
) -> Vec<TableFinding> {
    let is_kernel = |pages: Pages| map::is_kernel(pages.start(), pages.bytes());
    let is_acpi =
        |pages: Pages| holds_tables(tables, pages) || map::touches_acpi(pages.start(), pages.bytes());
    let ground = Ground { claims, topology, is_kernel: &is_kernel, is_acpi: &is_acpi };
    let (mut honoured, mut findings) = (Vec::new(), Vec::new());
    for region in &plan.regions {
        let Region { offset, pages, .. } = *region;
        if let Some(over) = region.obstacle(&ground) {
            findings.push(TableFinding::RegionRefused { offset, base: pages.start(), over });
            continue;
        }
        let free = frames::reserve(pages.start(), pages.bytes());
        if free > 0 {
            findings.push(TableFinding::RegionNotReserved { offset, base: pages.start(), free });
        }
        let named = region.functions.iter().filter_map(|index| topology.functions().get(*index));
        let devices = named.map(|function| function.bdf).collect();
        honoured.push(Honoured { region: region.clone(), devices });
    }
    plan.findings.iter().chain(&findings).filter_map(TableFinding::shortfall).for_each(protection::give_up);
    REGIONS.call_once(|| honoured);
    findings
}

/// Tells whether one of the firmware's tables lies in these pages.
fn holds_tables(tables: Option<&AcpiTables>, pages: Pages) -> bool {
    let span = Span::with_length(pages.start(), pages.bytes());
    tables.is_some_and(|tables| {
        let mut spans = tables.spans.iter();
        spans.any(|(start, length)| !Span::with_length(*start, *length).intersection(span).is_empty())
    })
}

/// The regions of a group's members.
pub fn of_group(group: u32) -> impl Iterator<Item = &'static Region> + Clone {
    let honoured = REGIONS.get().map_or(&[][..], Vec::as_slice);
    let names_group = move |entry: &&Honoured| {
        entry.devices.iter().any(|bdf| devices::find(*bdf).is_some_and(|record| record.group == group))
    };
    honoured.iter().filter(names_group).map(|entry| &entry.region)
}

/// Tells whether an honoured region names a device. Allocates nothing.
pub fn names(device: Bdf) -> bool {
    REGIONS.get().into_iter().flatten().any(|entry| entry.devices.contains(&device))
}

/// The devices that honoured regions name, each once.
pub fn devices() -> Vec<Bdf> {
    let all = REGIONS.get().into_iter().flatten().flat_map(|entry| entry.devices.iter().copied());
    let mut devices: Vec<_> = all.collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}
