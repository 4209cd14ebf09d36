//! Whether what the kernel believes is what the hardware and the tables say.

use diagnosis::Backing;
use dma_types::PAGE_SIZE;
use report::DeviceState;

use super::check;
use crate::devices::{self, DeviceRecord, Role};
use crate::dma;
use crate::iommu;
use crate::memory::map;
use crate::platform::pci as bus;

/// Checks the invariants of isolation that can be read off at any time.
pub(super) fn run() {
    check("units-enforce", units_enforce());
    check("bus-mastering", bus_mastering());
    check("domains-apart", domains_apart());
    check("kernel-unmapped", kernel_unmapped());
    check("entries-live", entries_live());
}

fn units_enforce() -> Result<(), &'static str> {
    let lapsed = iommu::units().iter().any(|unit| unit.was_taken() && !unit.is_enforcing());
    if lapsed { Err("a unit no longer enforces our tables") } else { Ok(()) }
}

/// An endpoint masters the bus only if its unit enforces and its ids lead to a domain.
fn bus_mastering() -> Result<(), &'static str> {
    let free_without_domain = |record: &DeviceRecord| {
        let open = matches!(record.state(), DeviceState::Assigned | DeviceState::FirmwareRegion);
        record.role == Role::Endpoint && bus::masters(record.bdf) && !(open && leads_somewhere(record))
    };
    if devices::all().iter().any(free_without_domain) {
        return Err("a device masters the bus without a domain");
    }
    Ok(())
}

fn leads_somewhere(record: &DeviceRecord) -> bool {
    iommu::unit_of(record)
        .is_some_and(|unit| unit.is_enforcing() && unit.domain_of(record.requester.source).is_some())
}

/// Ids of different groups never lead to one domain.
fn domains_apart() -> Result<(), &'static str> {
    let entry = |record: &DeviceRecord| {
        let unit = iommu::unit_of(record)?;
        Some((unit.index, unit.domain_of(record.requester.source)?))
    };
    for one in devices::all() {
        let Some(domain) = entry(one) else { continue };
        let shared = |other: &&DeviceRecord| other.group != one.group && entry(other) == Some(domain);
        if devices::all().iter().find(shared).is_some() {
            return Err("two groups share a domain");
        }
    }
    Ok(())
}

/// Every entry of a device's ids leads to the domain that its group works in now, or to nothing.
fn entries_live() -> Result<(), &'static str> {
    for record in devices::all() {
        let Some(unit) = iommu::unit_of(record) else { continue };
        let living = dma::domain_of(record).map(|domain| domain.space().id());
        let strays = record.aliases.iter().any(|source| {
            let entry = unit.domain_of(*source);
            entry.is_some() && entry != living
        });
        if strays {
            return Err("an id leads to a domain that its group does not work in");
        }
    }
    Ok(())
}

/// No mapping reaches the kernel or its tables.
fn kernel_unmapped() -> Result<(), &'static str> {
    let mut result = Ok(());
    dma::domains(|domain| {
        let books = domain.lock_books();
        let reaches = |backing: &Backing| {
            let (start, bytes) = (backing.first_page(), backing.pages() * PAGE_SIZE);
            map::is_kernel(start, bytes) || map::touches_acpi(start, bytes)
        };
        if books.book().live().any(|owner| reaches(&owner.mapping.backing)) {
            result = Err("a mapping reaches memory of the kernel");
        }
    });
    result
}
