//! From what enumeration found to records, and from records to drivers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use coverage::Plan;
use dma_types::Bdf;
use pci::control::{MemoryDecode, set_memory_decode};
use pci::{Bar, Function, Names, Topology};
use report::DeviceState;

use super::edu_probe::EduProbe;
use super::{CAPABLE, DeviceRecord, Facts, RECORDS, Role, edu};
use crate::dma::{self, DmaError};
use crate::iommu::{self, regions};
use crate::memory::mmio::Mmio;
use crate::platform::pci::config;

/// Makes the record of every function and publishes them. Without a table no unit covers anything.
pub fn enumerate(topology: &Topology, plan: Option<&Plan>) {
    let groups = topology.groups();
    let mut names = Names::new();
    let record = |(index, function): (usize, &Function)| {
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
            bus_master_at_boot: function.bus_master_at_boot,
        })
    };
    RECORDS.call_once(|| topology.functions().iter().enumerate().map(record).collect());
}

/// Gives the devices that firmware's regions name what they name, and no more.
///
/// A display keeps bus mastering only by such a region, like every other device.
pub fn give_firmware_regions() {
    for bdf in regions::devices() {
        let Some(record) = super::find(bdf) else { continue };
        let enforced = iommu::unit_of(record).is_some_and(iommu::Unit::is_enforcing);
        if !enforced || record.role == Role::Bridge || record.state() != DeviceState::Blocked {
            continue;
        }
        if let Err(error) = dma::hold_firmware_regions(record) {
            log::error!("{record}: firmware's regions cannot be mapped, the device stays blocked: {error}");
        }
    }
}

/// Starts a driver for every device that has one.
pub fn start_drivers(topology: &Topology) {
    let edus = topology.functions().iter().filter(|function| (function.vendor, function.device) == edu::ID);
    let mut started = Vec::new();
    for function in edus {
        match start_edu(function) {
            Ok(probe) => started.push(probe),
            Err(error) => log::warn!("{}: {error}", function.bdf),
        }
    }
    EduProbe::measure_reach(&started);
    CAPABLE.call_once(|| started.into_iter().map(|probe| Box::leak(Box::new(probe)) as _).collect());
}

fn start_edu(function: &Function) -> Result<EduProbe, StartError> {
    let record = super::find(function.bdf).ok_or(StartError::NotEnumerated)?;
    let bars = pci::bars(config(), function.bdf, function.header);
    let Bar::Memory { address, size, .. } = bars[0] else { return Err(StartError::NoWindow) };
    set_memory_decode(config(), function.bdf, MemoryDecode::On);
    let window = size.min(edu::WINDOW) as usize;
    let registers = Mmio::map(address, window).map_err(StartError::Window)?;
    let device = edu::Edu::new(registers).map_err(StartError::Device)?;
    EduProbe::claim(record, device).map_err(StartError::Claim)
}

/// Why a device has no driver although there is one for it.
enum StartError {
    NotEnumerated,
    NoWindow,
    Window(crate::memory::mmio::MmioError),
    Device(edu::EduError),
    Claim(DmaError),
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotEnumerated => f.write_str("the device has no record"),
            Self::NoWindow => f.write_str("the device has no register window"),
            Self::Window(error) => error.fmt(f),
            Self::Device(error) => error.fmt(f),
            Self::Claim(error) => write!(f, "the edu driver did not get the device: {error}"),
        }
    }
}
