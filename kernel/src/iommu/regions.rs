//! Memory that firmware reserves for devices (RMRR).
//!
//! `coverage` says which are granted: in which nothing of the kernel lies, and no registers but the only device's. Their RAM
//! leaves the frame allocator, and exactly the devices that the table names get them, at their own addresses.

use alloc::vec::Vec;

use ::frames::Span;
use coverage::{Grants, Ground, Pages, Plan, Region, TableFinding};
use dma_types::Bdf;
use pci::Claims;
use spin::Once;

use crate::memory::{frames, map};
use crate::platform::acpi::AcpiTables;
use crate::{devices, protection};

static GRANTS: Once<Grants> = Once::new();

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
    let (grants, findings) =
        plan.grant_regions(&ground, |pages| frames::reserve(pages.start(), pages.bytes()));
    plan.findings.iter().chain(&findings).filter_map(TableFinding::shortfall).for_each(protection::give_up);
    GRANTS.call_once(|| grants);
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
    let is_member = move |bdf| devices::find(bdf).is_some_and(|record| record.group == group);
    GRANTS.get().into_iter().flat_map(move |grants| grants.of_group(is_member))
}

/// Tells whether a granted region names a device. Allocates nothing.
pub fn names(device: Bdf) -> bool {
    GRANTS.get().is_some_and(|grants| grants.names(device))
}

/// The devices that granted regions name, each once.
pub fn devices() -> Vec<Bdf> {
    GRANTS.get().map(Grants::devices).unwrap_or_default()
}
