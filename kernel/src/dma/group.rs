//! A group of devices and the domain that it works in now.

use alloc::sync::Arc;
use alloc::vec::Vec;

use diagnosis::Site;
use dma_types::Iova;
use pci::control::BusMaster;
use report::DeviceState;

use super::domain::Membership;
use super::{DmaError, Domain};
use crate::arch::interrupts::IrqLock;
use crate::devices::{self, DeviceRecord, Role};
use crate::iommu::{self, AddressSpace, IommuError, Unit};
use crate::platform::pci as bus;

/// Devices that must share a domain, and that domain.
pub(super) struct Group {
    id: u32,
    unit: &'static Unit,
    domain: IrqLock<Arc<Domain>>,
}

/// Every group that has a domain. A group keeps it for good, but may change it for another.
static GROUPS: IrqLock<Vec<Arc<Group>>> = IrqLock::new(Vec::new());

impl Group {
    /// The group with that number, if it has a domain. Allocates nothing.
    pub(super) fn find(id: u32) -> Option<Arc<Self>> {
        GROUPS.lock().iter().find(|group| group.id == id).cloned()
    }

    /// The group of a device, with a domain for addresses up to `highest` if it had none.
    ///
    /// # Errors
    /// If no unit covers the device, or the unit or memory refuses.
    pub(super) fn of(record: &DeviceRecord, highest: Iova, site: Site) -> Result<Arc<Self>, DmaError> {
        if let Some(group) = Self::find(record.group) {
            return Ok(group);
        }
        let state = DmaError::State { device: record.bdf, state: record.state() };
        let unit = iommu::unit_of(record).ok_or(state)?;
        let domain = Domain::new(unit, record.group, highest, site)?;
        let group = Arc::new(Self { id: record.group, unit, domain: IrqLock::new(domain) });
        GROUPS.lock().push(group.clone());
        Ok(group)
    }

    /// The domain that it works in.
    pub(super) fn domain(&self) -> Arc<Domain> {
        self.domain.lock().clone()
    }

    /// Leads the ids of a member into the domain, then lets it master the bus: always if it has a driver,
    /// otherwise, for firmware's regions, if firmware had it on.
    pub(super) fn join(&self, member: &DeviceRecord, site: Site) -> Result<(), DmaError> {
        let domain = self.domain();
        for source in &member.aliases {
            // Ids that members share lead there already.
            if AddressSpace::domain_of(self.unit, *source) != Some(domain.space().id()) {
                domain.space().attach(*source)?;
            }
        }
        domain.note(Membership::Attached, site);
        if member.driver().is_some() || member.bus_master_at_boot {
            bus::set_bus_master(member.bdf, BusMaster::On);
        }
        Ok(())
    }

    /// Moves the whole group to a new, empty domain. Mappings in the old one end with their owners; the
    /// devices have lost them when this returns.
    ///
    /// The window is as narrow as the narrowest member's addresses, also of one that is cut off now.
    ///
    /// # Errors
    /// If the unit or memory refuses. The members are blocked then.
    pub(super) fn move_to_new_domain(&self, site: Site) -> Result<(), DmaError> {
        let open = |member: &&DeviceRecord| {
            matches!(member.state(), DeviceState::Assigned | DeviceState::FirmwareRegion)
        };
        let working = || self.members().filter(open);
        let driven = self.members().filter(|member| member.driver().is_some());
        let highest = driven.map(|member| member.reach()).min().unwrap_or(Iova::new(u64::MAX));
        let new = Domain::new(self.unit, self.id, highest, site)?;
        for member in working() {
            bus::set_bus_master(member.bdf, BusMaster::Off);
        }
        for member in working() {
            self.leave(member)?;
        }
        let old = core::mem::replace(&mut *self.domain.lock(), new);
        old.note(Membership::CutOff, site);
        // Outside of the lock: the last owner of a domain gives its tables back.
        drop(old);
        for member in working() {
            self.join(member, site)?;
        }
        Ok(())
    }

    /// Blocks the ids of a member. All are tried, whatever the first error.
    pub(super) fn leave(&self, member: &DeviceRecord) -> Result<(), IommuError> {
        let block = |source: &dma_types::SourceId| AddressSpace::block(self.unit, *source);
        member.aliases.iter().map(block).fold(Ok(()), Result::and)
    }

    /// The group's functions that make requests of their own.
    pub(super) fn members(&self) -> impl Iterator<Item = &'static DeviceRecord> {
        let id = self.id;
        devices::all().iter().filter(move |record| record.group == id && record.role == Role::Endpoint)
    }
}
