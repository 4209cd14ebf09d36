//! Intel's table in the terms of a [`Description`].

use alloc::vec::Vec;

use acpi_tables::{Dmar, DmarFlags, Drhd, Rmrr, ScopeKind, Scopes};

use crate::description::{
    Controller, ControllerScope, Description, DeviceScope, Platform, Reach, Remainder, ReservedRegion,
    UnitDescription,
};

impl<'t> From<&Dmar<'t>> for Description<'t> {
    /// Takes what of the table can be read; what cannot, [`Dmar::damage`] tells.
    fn from(dmar: &Dmar<'t>) -> Self {
        let flags = dmar.flags();
        Self {
            units: dmar.drhds().map(|drhd| unit(&drhd)).collect(),
            regions: dmar.rmrrs().map(|rmrr| region(&rmrr)).collect(),
            platform: Platform {
                address_bits: dmar.host_address_width(),
                remaps_interrupts: flags.contains(DmarFlags::INTR_REMAP),
                opts_out_of_x2apic: flags.contains(DmarFlags::X2APIC_OPT_OUT),
                kept_dma_out: flags.contains(DmarFlags::DMA_CTRL_PLATFORM_OPT_IN),
            },
        }
    }
}

fn unit<'t>(drhd: &Drhd<'t>) -> UnitDescription<'t> {
    UnitDescription {
        described: drhd.offset..drhd.offset.saturating_add(usize::from(drhd.length)),
        segment: drhd.segment,
        base: drhd.register_base,
        window_bytes: drhd.window_bytes(),
        scopes: scopes(drhd.scopes()),
        controllers: controllers(drhd.scopes()),
        remainder: if drhd.include_pci_all() { Remainder::Served } else { Remainder::NotServed },
    }
}

fn region<'t>(rmrr: &Rmrr<'t>) -> ReservedRegion<'t> {
    let Rmrr { offset, segment, base, limit, .. } = *rmrr;
    ReservedRegion { offset, segment, base, limit, scopes: scopes(rmrr.scopes()) }
}

/// The scopes that name PCI functions; devices of the namespace without an id of their own make no DMA here.
fn scopes(all: Scopes<'_>) -> Vec<DeviceScope<'_>> {
    let named = all.flatten().filter_map(|scope| {
        let reach = match scope.kind {
            ScopeKind::ENDPOINT => Reach::Function,
            ScopeKind::SUB_HIERARCHY => Reach::Hierarchy,
            _ => return None,
        };
        Some(DeviceScope { offset: scope.offset, reach, start_bus: scope.start_bus, hops: scope.hops() })
    });
    named.collect()
}

/// The scopes that name interrupt controllers.
fn controllers(all: Scopes<'_>) -> Vec<ControllerScope<'_>> {
    let named = all.flatten().filter_map(|scope| {
        let controller = match scope.kind {
            ScopeKind::IOAPIC => Controller::IoApic(scope.enumeration_id),
            ScopeKind::HPET => Controller::Hpet(scope.enumeration_id),
            _ => return None,
        };
        Some(ControllerScope { controller, start_bus: scope.start_bus, hops: scope.hops() })
    });
    named.collect()
}
