//! Which register windows drivers may have: what this machine's platform is, and the decision made with it.

use coverage::Plan;
use dma_types::PhysAddr;
use interrupts::{hpet, io_apic};
use pci::{AddressRange, Claims, Owner, Topology};

use super::virtio;
use crate::arch::cpu;
use crate::iommu;
use crate::memory::{map, mmio};
use crate::platform::acpi::{AcpiTables, InterruptTables};
use crate::platform::pci::config;

/// Decides which register windows exist, and refuses the functions that lie about theirs.
///
/// To be called once, after enumeration, before firmware's regions are honoured and before any driver looks at a
/// device; nobody may use a function meanwhile. `tables` are the firmware's.
///
/// Gives what is no device's.
pub fn check(topology: &mut Topology, plan: Option<&Plan>, tables: Option<&AcpiTables>) -> &'static Claims {
    let claims = platform(plan, tables);
    topology.check_windows(config(), &claims);
    virtio::find_structures(topology);
    mmio::keep_from_devices(claims)
}

/// What is no device's on this machine.
fn platform(plan: Option<&Plan>, tables: Option<&AcpiTables>) -> Claims {
    let mut claims = Claims::of_machine(cpu::physical_address_bits());
    if let Some(tables) = tables {
        claims.add_configuration(&tables.ecam);
        add_interrupt_sources(&mut claims, &tables.interrupts);
    }
    for (unit, index) in plan.map_or(&[][..], |plan| &plan.units).iter().zip(0..) {
        claims.add(AddressRange::with_length(unit.base, bytes_of(unit)), Owner::Unit { index });
    }
    for region in plan.map_or(&[][..], |plan| &plan.regions) {
        let owner = Owner::Region { offset: region.offset };
        claims.add(region.pages.range(), owner);
    }
    let mut from = PhysAddr::new(0);
    while let Some(span) = map::next_ram(from) {
        claims.add(AddressRange::with_length(span.start(), span.length()), Owner::Memory);
        from = span.end();
    }
    claims
}

/// Adds what interrupts, whether or not the tables are believed: nobody's registers lie there then.
fn add_interrupt_sources(claims: &mut Claims, tables: &InterruptTables) {
    let range = |at, bytes: usize| AddressRange::with_length(at, bytes as u64);
    for entry in &tables.io_apics {
        claims.add(range(entry.address, io_apic::REGISTER_BYTES), Owner::IoApic { id: entry.id });
    }
    for at in &tables.hpets {
        claims.add(range(*at, hpet::REGISTER_BYTES), Owner::EventTimer);
    }
}

/// Bytes of a unit's registers: what the table says, or more where the unit itself says so.
fn bytes_of(unit: &coverage::Unit) -> u64 {
    let answered = unit.problem.is_none().then(|| iommu::register_bytes(unit).ok()).flatten();
    unit.window_bytes.max(answered.map_or(0, |bytes| bytes as u64))
}
