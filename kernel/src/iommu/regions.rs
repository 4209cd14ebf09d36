//! Memory that firmware reserves for devices (RMRR).
//!
//! A region is honoured only if nothing of the kernel lies in it. Then its RAM leaves the frame allocator,
//! and exactly the devices that the table names get it, at its own address.

use alloc::vec::Vec;

use ::frames::Span;
use coverage::{Finding, Plan, Region, Shortfall};
use dma_types::{Bdf, PhysAddr};
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

/// Takes the regions' RAM out of the frame allocator. To be called once, before tables and buffers are made.
///
/// A region in which memory of the kernel lies is refused: its devices stay blocked.
///
/// Gives what there is to say about them besides.
pub fn set_aside(plan: &Plan, topology: &pci::Topology, tables: Option<&AcpiTables>) -> Vec<Finding> {
    for finding in &plan.findings {
        if let Finding::BadRegion { offset, base, .. } = *finding {
            protection::give_up(Shortfall::RegionRefused { offset, base });
        }
    }
    let (mut honoured, mut findings) = (Vec::new(), Vec::new());
    for region in &plan.regions {
        let span = Span::with_length(region.base, region.bytes);
        let holds_tables = tables.is_some_and(|tables| {
            let lies_in = |(start, length): &(PhysAddr, u64)| {
                !Span::with_length(*start, *length).intersection(span).is_empty()
            };
            tables.spans.iter().any(lies_in)
        });
        if holds_tables
            || map::is_kernel(region.base, region.bytes)
            || map::touches_acpi(region.base, region.bytes)
        {
            log::error!(
                "firmware region {} to {:#x} covers memory of the kernel or of ACPI: not mapped, its devices stay \
                 blocked",
                region.base,
                region.base.as_u64() + (region.bytes - 1)
            );
            protection::give_up(Shortfall::RegionRefused { offset: region.offset, base: region.base });
            continue;
        }
        let free = frames::reserve(region.base, region.bytes);
        if free > 0 {
            findings.push(Finding::RegionNotReserved { offset: region.offset, base: region.base, free });
        }
        let named = region.functions.iter().filter_map(|index| topology.functions().get(*index));
        let devices = named.map(|function| function.bdf).collect();
        honoured.push(Honoured { region: region.clone(), devices });
    }
    REGIONS.call_once(|| honoured);
    findings
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
