//! Which register windows drivers may have: what this machine's platform is, and the decision made with it.

use coverage::Plan;
use dma_types::PhysAddr;
use pci::{AddressRange, Claims, EcamWindow, Owner, Topology};

use super::virtio;
use crate::arch::cpu;
use crate::iommu;
use crate::memory::{map, mmio};
use crate::platform::pci::config;

/// Decides which register windows exist, and refuses the functions that lie about theirs.
///
/// To be called once, after enumeration, before firmware's regions are honoured and before any driver looks at a
/// device; nobody may use a function meanwhile. `ecam` is what the firmware's table says of configuration space.
///
/// Gives what is no device's.
pub fn check(topology: &mut Topology, plan: Option<&Plan>, ecam: &[EcamWindow]) -> &'static Claims {
    let claims = platform(plan, ecam);
    topology.check_windows(config(), &claims);
    virtio::find_structures(topology);
    mmio::keep_from_devices(claims)
}

/// What is no device's on this machine.
fn platform(plan: Option<&Plan>, ecam: &[EcamWindow]) -> Claims {
    let mut claims = Claims::of_machine(cpu::physical_address_bits());
    claims.add_configuration(ecam);
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

/// Bytes of a unit's registers: what the table says, or more where the unit itself says so.
fn bytes_of(unit: &coverage::Unit) -> u64 {
    let answered = unit.problem.is_none().then(|| iommu::register_bytes(unit).ok()).flatten();
    unit.window_bytes.max(answered.map_or(0, |bytes| bytes as u64))
}
