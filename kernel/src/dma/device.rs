//! A claimed device: its driver's only way to an address space.

use alloc::sync::Arc;
use alloc::vec::Vec;

use diagnosis::Site;
use dma_types::Iova;
use pci::control::BusMaster;
use report::DeviceState;

use super::domain::{self, Membership};
use super::mapping::DirectionType;
use super::{DmaError, Domain, Mapping, PageBuffer};
use crate::arch::interrupts::IrqLock;
use crate::devices::{self, DeviceRecord, Role};
use crate::iommu::{self, AddressSpace, IommuError, Unit};
use crate::platform::pci as bus;

/// A device that a driver has claimed.
///
/// Holding one proves that the device's unit enforces and that its requester ids lead to a domain of its
/// group alone, or, while it is quarantined, to nothing.
pub struct Device {
    record: &'static DeviceRecord,
    highest: Iova,
    domain: IrqLock<Arc<Domain>>,
}

/// Domains of devices that have firmware regions but no driver: they last for good.
static HELD: IrqLock<Vec<Arc<Domain>>> = IrqLock::new(Vec::new());

impl Device {
    /// Claims a device for a driver: gives it a domain, then bus mastering.
    ///
    /// `highest` is the highest address that it can send.
    ///
    /// # Errors
    /// If no unit covers it or the unit does not enforce, if it is a bridge or claimed already, or if the
    /// unit or memory refuses. Bus mastering is off then.
    #[track_caller]
    pub fn claim(
        record: &'static DeviceRecord,
        driver: &'static str,
        highest: Iova,
    ) -> Result<Self, DmaError> {
        let free = matches!(record.state(), DeviceState::Blocked | DeviceState::FirmwareRegion);
        let unit = iommu::unit_of(record);
        let (Some(unit), true) = (unit, free && record.role == Role::Endpoint) else {
            return Err(DmaError::State { device: record.bdf, state: record.state() });
        };
        let site = Site::caller();
        let domain = match domain::of_group(record.group) {
            Some(domain) => domain,
            None => Domain::new(unit, record.group, highest)?,
        };
        join(record, unit, &domain, site)?;
        record.set_driver(driver, DeviceState::Assigned);
        Ok(Self { record, highest, domain: IrqLock::new(domain) })
    }

    /// Gives a buffer to the device, in one direction.
    ///
    /// # Errors
    /// If the device is cut off, or there is no room or no memory.
    #[track_caller]
    pub fn map<D: DirectionType>(
        &self,
        buffer: PageBuffer,
        label: &'static str,
    ) -> Result<Mapping<D>, DmaError> {
        if !self.is_open() {
            return Err(DmaError::State { device: self.record.bdf, state: self.record.state() });
        }
        Mapping::new(self.domain(), buffer, label)
    }

    /// Lets the device use addresses up to `highest`: moves it to a new domain with such a window.
    pub(super) fn widen(&mut self, highest: Iova, site: Site) -> Result<(), DmaError> {
        if highest <= self.highest {
            return Ok(());
        }
        self.highest = highest;
        self.move_to_new_domain(site)
    }

    /// Moves the device to a new, empty domain. Its old mappings end with their owners; the device has
    /// lost them when this returns.
    ///
    /// # Errors
    /// If it is not alone in its domain; nothing has changed then. If the unit or memory refuses; the device
    /// is blocked then.
    #[track_caller]
    pub fn change_domain(&self) -> Result<(), DmaError> {
        self.move_to_new_domain(Site::caller())
    }

    fn move_to_new_domain(&self, site: Site) -> Result<(), DmaError> {
        self.require_alone()?;
        let old = self.domain();
        let unit = old.space().unit();
        let new = Domain::new(unit, self.record.group, self.highest)?;
        bus::set_bus_master(self.record.bdf, BusMaster::Off);
        leave(self.record, unit)?;
        old.note(Membership::CutOff, site);
        join(self.record, unit, &new, site)?;
        *self.domain.lock() = new;
        Ok(())
    }

    /// Tells whether no other device in use works in the same domain.
    pub fn is_alone(&self) -> bool {
        let mut others = devices::all()
            .iter()
            .filter(|other| other.group == self.record.group && other.bdf != self.record.bdf);
        others.all(|other| other.driver().is_none() && other.state() == DeviceState::Blocked)
    }

    /// Members of a group share one domain, so none of them moves by itself.
    pub(super) fn require_alone(&self) -> Result<(), DmaError> {
        if self.is_alone() { Ok(()) } else { Err(DmaError::Shared { device: self.record.bdf }) }
    }

    /// Tells whether the device can be given memory now.
    pub fn is_open(&self) -> bool {
        self.record.state() == DeviceState::Assigned
    }

    /// Tells whether the device can send an address, wherever that leads.
    pub fn sends(&self, iova: Iova) -> bool {
        iova <= self.highest
    }

    /// Tells whether the device can send an address and its unit looks it up in the tables.
    pub fn reaches(&self, iova: Iova) -> bool {
        let width = self.domain().space().unit().width();
        self.sends(iova) && iova.as_u64() >> width == 0 && !INTERRUPTS.contains(&iova.as_u64())
    }

    /// Tells whether the page around an address is mapped for the device, in whatever direction.
    pub fn is_live(&self, iova: Iova) -> bool {
        self.domain().space().translate(iova).is_some()
    }

    /// The domain that it works in.
    pub(crate) fn domain(&self) -> Arc<Domain> {
        self.domain.lock().clone()
    }
}

/// Addresses at which writes are interrupts.
const INTERRUPTS: core::ops::Range<u64> = 0xfee0_0000..0xfef0_0000;

/// Leads the ids of a device into a domain, then lets it master the bus.
fn join(record: &DeviceRecord, unit: &Unit, domain: &Arc<Domain>, site: Site) -> Result<(), DmaError> {
    for source in &record.aliases {
        // Ids that a group shares lead there already.
        if AddressSpace::domain_of(unit, *source) != Some(domain.space().id()) {
            domain.space().attach(*source)?;
        }
    }
    domain.note(Membership::Attached, site);
    bus::set_bus_master(record.bdf, BusMaster::On);
    Ok(())
}

/// Blocks the ids of a device. All are tried, whatever the first error.
fn leave(record: &DeviceRecord, unit: &Unit) -> Result<(), IommuError> {
    record.aliases.iter().map(|source| AddressSpace::block(unit, *source)).fold(Ok(()), Result::and)
}

/// Cuts a device off: bus mastering first, then its ids. Others of its group that share an id with it lose
/// it too, and are cut off with it.
///
/// Called by the fault handler, with interrupts off. Allocates nothing.
///
/// # Errors
/// If the unit did not confirm that it forgot the entries; bus mastering is off all the same.
#[track_caller]
pub fn contain(record: &'static DeviceRecord) -> Result<(), IommuError> {
    let site = Site::caller();
    let sharing = devices::all().iter().filter(|other| shares_an_id(record, other));
    for member in sharing.clone() {
        if member.role == Role::Endpoint {
            bus::set_bus_master(member.bdf, BusMaster::Off);
        }
    }
    let mut result = Ok(());
    if let Some(unit) = iommu::unit_of(record) {
        result = leave(record, unit);
    }
    if let Some(domain) = domain::of_group(record.group) {
        domain.note(Membership::CutOff, site);
    }
    for member in sharing {
        if matches!(member.state(), DeviceState::Assigned | DeviceState::FirmwareRegion) {
            member.set_state(DeviceState::Quarantined);
        }
    }
    result
}

fn shares_an_id(one: &DeviceRecord, other: &DeviceRecord) -> bool {
    one.bdf.segment == other.bdf.segment && one.aliases.iter().any(|id| other.aliases.contains(id))
}

/// Lets a quarantined device, and those cut off with it, work again.
///
/// # Errors
/// If it is not quarantined, or the unit refuses; it is still quarantined then.
#[track_caller]
pub fn release(record: &'static DeviceRecord) -> Result<(), DmaError> {
    let site = Site::caller();
    let refused = DmaError::State { device: record.bdf, state: record.state() };
    let (Some(unit), Some(domain), DeviceState::Quarantined) =
        (iommu::unit_of(record), domain::of_group(record.group), record.state())
    else {
        return Err(refused);
    };
    for member in devices::all().iter().filter(|other| shares_an_id(record, other)) {
        if member.state() != DeviceState::Quarantined {
            continue;
        }
        join(member, unit, &domain, site)?;
        let state = match member.driver() {
            Some(_) => DeviceState::Assigned,
            None => DeviceState::FirmwareRegion,
        };
        member.set_state(state);
    }
    Ok(())
}

/// Gives a device without a driver the firmware regions that name it, and bus mastering if firmware had it
/// on.
///
/// # Errors
/// If the unit or memory refuses; the device stays blocked then.
#[track_caller]
pub fn hold_firmware_regions(record: &'static DeviceRecord) -> Result<(), DmaError> {
    let site = Site::caller();
    let Some(unit) = iommu::unit_of(record) else {
        return Err(DmaError::State { device: record.bdf, state: record.state() });
    };
    let domain = match domain::of_group(record.group) {
        Some(domain) => domain,
        None => Domain::new(unit, record.group, Iova::new(u64::MAX))?,
    };
    join(record, unit, &domain, site)?;
    if !record.bus_master_at_boot {
        bus::set_bus_master(record.bdf, BusMaster::Off);
    }
    record.set_state(DeviceState::FirmwareRegion);
    HELD.lock().push(domain);
    Ok(())
}
