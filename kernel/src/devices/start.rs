//! From what enumeration found to records, and from records to drivers.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use coverage::{Plan, Shortfall};
use dma_types::{Bdf, Iova};
use options::{ExternalDevices, Options};
use pci::{AddressRange, Groups, Names, Tie, Topology};
use report::DeviceState;

use super::{
    Admission, DRIVERS, DeviceRecord, Driver, Facts, Function, KINDS, Kind, RECORDS, Role, Settling, Trust,
    presence, virtio,
};
use crate::iommu::{self, regions};
use crate::platform::clock::{self, Deadline};
use crate::{dma, protection};

/// Makes the record of every function and publishes them. Without a table no unit covers anything.
pub fn enumerate(topology: &Topology, plan: Option<&Plan>, options: &Options<'_>) {
    let groups = topology.groups();
    tell_of_the_fabric(topology);
    let (ties, tied) = topology.ties();
    let tied: &'static [Tie] = tied.leak();
    let untied: &'static Tie = Box::leak(Box::default());
    warn_of_strangers(topology, options);
    let mut names = Names::new();
    let record = |(index, function): (usize, &pci::Function)| {
        let segment = function.bdf.segment;
        DeviceRecord::new(Facts {
            bdf: function.bdf,
            id: (function.vendor, function.device),
            class: pci::names::class(function.class)
                .unwrap_or_else(|| alloc::format!("class {}", function.class)),
            name: names.describe(function),
            role: if function.is_bridge() { Role::Bridge } else { Role::Endpoint },
            unit: plan.and_then(|plan| plan.unit_of.get(index).copied().flatten()),
            group: groups.of(function.bdf).map_or(u32::MAX, |group| group.0),
            requester: Bdf::new(segment, topology.requester(function)),
            aliases: topology.aliases(function),
            turned: topology.turned(function).map(as_requested).collect(),
            tie: ties.get(index).and_then(|number| tied.get(*number)).unwrap_or(untied),
            path: virtio::path_of(function),
            bus_master_at_boot: function.bus_master_at_boot,
            trust: trust(topology, &groups, function, options),
            admission: admission(topology, function, options),
            pci: function.clone(),
        })
    };
    RECORDS.call_once(|| topology.functions().iter().enumerate().map(record).collect());
}

/// Findings and refusals of one kind that are told one by one; a device may cause thousands.
const MOST_TOLD: usize = 32;

/// Says what the buses came to, and gives up what is not believed of them.
fn tell_of_the_fabric(topology: &Topology) {
    let (grave, harmless): (Vec<&pci::BusFinding>, Vec<&pci::BusFinding>) =
        topology.findings().iter().partition(|finding| finding.is_shortfall());
    harmless.into_iter().take(MOST_TOLD).for_each(|finding| log::warn!("{finding}"));
    grave.into_iter().take(MOST_TOLD).for_each(|finding| protection::give_up(Shortfall::Fabric(*finding)));
    let refused =
        || topology.functions().iter().filter_map(|function| Some((function.bdf, function.refused?)));
    for (device, refusal) in refused().take(MOST_TOLD) {
        log::error!("{device} stays blocked: {refusal}");
        protection::give_up(Shortfall::DeviceRefused { device });
    }
    let more = refused().count().saturating_sub(MOST_TOLD);
    if more > 0 {
        log::error!("{more} more functions stay blocked; `devices` lists them with the reason");
    }
    for port in topology.ports_without_source_validation().take(MOST_TOLD) {
        log::warn!("{}: {}", port.bdf, pci::acs::NO_SOURCE_VALIDATION);
    }
}

/// The same numbers in a request.
fn as_requested(range: AddressRange) -> Range<Iova> {
    Iova::new(range.first().as_u64())..Iova::new(range.last().as_u64().saturating_add(1))
}

/// Trusts a device only with all endpoints of its group: they share its domain, so they see what it sees.
fn trust(topology: &Topology, groups: &Groups, function: &pci::Function, options: &Options<'_>) -> Trust {
    let members = groups.of(function.bdf).map_or(&[][..], |group| groups.members(group));
    let endpoint = |bdf: &&Bdf| topology.get(**bdf).is_some_and(|member| !member.is_bridge());
    let others_are_named = members.iter().filter(endpoint).all(|member| options.trust.contains(*member));
    match options.trust.contains(function.bdf) {
        true if others_are_named => Trust::Trusted,
        true => {
            log::warn!(
                "{} is not trusted: it shares its domain with devices that `trust` does not name",
                function.bdf
            );
            Trust::Untrusted
        }
        false => Trust::Untrusted,
    }
}

/// Bars what stands below a port that leads outside, and such a port itself.
fn admission(topology: &Topology, function: &pci::Function, options: &Options<'_>) -> Admission {
    let leads_outside = |bridge: &pci::Function| options.external_port.contains(bridge.bdf);
    let external = leads_outside(function) || topology.ancestors(function).any(leads_outside);
    match options.external {
        ExternalDevices::Deny if external => Admission::Barred,
        ExternalDevices::Deny | ExternalDevices::Allow => Admission::Admitted,
    }
}

/// An option that names nothing protects nothing, which its user should hear.
fn warn_of_strangers(topology: &Topology, options: &Options<'_>) {
    let named = options.trust.iter().chain(options.external_port.iter());
    named
        .filter(|bdf| topology.get(*bdf).is_none())
        .for_each(|bdf| log::warn!("an option names {bdf}, which is not there"));
}

/// Gives the devices that firmware's regions name what they name, and no more.
///
/// A display keeps bus mastering only by such a region, like every other device.
pub fn give_firmware_regions() {
    for bdf in regions::devices() {
        let Some(record) = super::find(bdf) else { continue };
        let enforced = iommu::unit_of(record).is_some_and(iommu::Unit::is_enforcing);
        let admitted = record.admission == Admission::Admitted && record.pci.refused.is_none();
        if !enforced || !admitted || record.role == Role::Bridge || record.state() != DeviceState::Blocked {
            continue;
        }
        if let Err(error) = dma::hold_firmware_regions(record) {
            log::error!("{record}: firmware's regions cannot be mapped, the device stays blocked: {error}");
            protection::give_up(Shortfall::RegionLost { device: bdf });
        }
    }
}

/// How often drivers are asked whether they have settled.
const TICK: Duration = Duration::from_millis(1);

/// Longest time for the drivers of a kind to settle.
const SETTLE: Duration = Duration::from_secs(15);

/// Starts a driver for every device that has one.
pub fn start_drivers() {
    let mut started = Vec::new();
    for kind in KINDS {
        let first = started.len();
        for record in super::all().iter().filter(|record| (kind.serves)(&record.pci)) {
            started.extend(start(kind, record));
        }
        settle(started.get(first..).unwrap_or_default());
    }
    DRIVERS.call_once(|| started);
}

fn start(kind: &Kind, record: &'static DeviceRecord) -> Option<&'static dyn Driver> {
    if let Some(refusal) = record.pci.refused {
        log::warn!("{record} gets no driver: {refusal}");
        return None;
    }
    if let Err(error) = presence::confirm(record) {
        log::warn!("{record} has no driver: {error}");
        return None;
    }
    if record.admission == Admission::Barred {
        log::warn!("{record} is external and stays blocked; the option external=allow lets it in");
        return None;
    }
    let started = (kind.start)(&Function::new(record));
    // Whatever the driver did for its device, no unit may have suffered from it.
    iommu::enforcement::demand();
    match started {
        Ok(driver) => Some(Box::leak(driver)),
        Err(error) => {
            log::warn!("{record} has no driver, {} did not start: {error}", kind.name);
            None
        }
    }
}

/// Lets drivers finish their start side by side.
fn settle(drivers: &[&dyn Driver]) {
    let deadline = Deadline::after(SETTLE);
    let mut going: Vec<_> = drivers.to_vec();
    loop {
        going.retain(|driver| driver.settle() == Settling::Going);
        if going.is_empty() {
            return;
        }
        if deadline.expired() {
            going.iter().for_each(|driver| log::warn!("{} did not settle in time", driver.record()));
            return;
        }
        clock::sleep(TICK);
    }
}
