//! A group of devices and the domain that it works in now.

use alloc::vec::Vec;

use ::iommu::Voided;
use diagnosis::Site;
use dma_types::{Iova, SourceId};
use pci::control::{BusMaster, Transactions};
use report::DeviceState;

use super::books::Membership;
use super::{DmaError, Domain, quarantine};
use crate::devices::{self, Attempt, DeviceRecord, Role};
use crate::iommu::{self, IommuError, Unit};
use crate::memory::arc::Arc;
use crate::platform::pci as bus;
use crate::sync::{InterruptsOff, IrqLock, rank};

/// Devices that must share a domain, and that domain.
pub(super) struct Group {
    id: u32,
    unit: &'static Unit,
    domain: IrqLock<Arc<Domain>, rank::Group>,
}

/// Every group that has a domain. A group keeps it for good, but may change it for another.
static GROUPS: IrqLock<Vec<Arc<Group>>, rank::Groups> = IrqLock::new(Vec::new());

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
        let group = Arc::try_new(Self { id: record.group, unit, domain: IrqLock::new(domain) })?;
        let mut groups = GROUPS.lock();
        groups.try_reserve(1)?;
        groups.push(group.clone());
        Ok(group)
    }

    /// Gives up a group, and its domain with the last buffer in it, unless a member works there or may come
    /// back to it.
    pub(super) fn dissolve(&self) {
        let stays = |member: &DeviceRecord| {
            let holds = matches!(member.state(), DeviceState::FirmwareRegion | DeviceState::Quarantined);
            member.driver().is_some() || holds
        };
        if self.members().any(stays) {
            return;
        }
        let mut groups = GROUPS.lock();
        let place = groups.iter().position(|group| group.id == self.id);
        let dissolved = place.map(|place| groups.swap_remove(place));
        // Outside of the lock: the last owner of a domain gives its tables back.
        drop(groups);
        if let Some(group) = dissolved {
            group.domain().retire();
        }
    }

    /// Makes sure that a newcomer can send every address that the domain hands out.
    ///
    /// # Errors
    /// If it cannot, and a member has buffers in the domain, so that it must stay; nothing has changed then.
    pub(super) fn suit(&self, newcomer: &DeviceRecord, site: Site) -> Result<(), DmaError> {
        let highest = newcomer.reach();
        let end = self.domain().lock_books().book().window().end;
        if iova::window_for(highest, self.unit.width()).end >= end {
            return Ok(());
        }
        if !self.is_idle() {
            return Err(DmaError::NoCommonWindow { device: newcomer.bdf, highest });
        }
        self.move_to_new_domain(site)
    }

    /// Tells whether nothing but firmware's regions is mapped for the group.
    pub(super) fn is_idle(&self) -> bool {
        self.domain().lock_books().book().live_mappings() == 0
    }

    /// The domain that it works in.
    pub(super) fn domain(&self) -> Arc<Domain> {
        self.domain_within(&InterruptsOff::new())
    }

    /// The domain that it works in, asked for where interrupts are off already.
    #[inline]
    pub(super) fn domain_within(&self, off: &InterruptsOff) -> Arc<Domain> {
        self.domain.lock_within(off).clone()
    }

    /// Leads the ids of a member into the domain, then lets it master the bus: always if it has a driver,
    /// otherwise, for firmware's regions, if firmware had it on. The member works when this returns.
    ///
    /// # Errors
    /// If the unit or memory refuses, or the member was cut off meanwhile. Some of its ids may lead into the domain and it
    /// may master the bus: the caller takes both back.
    pub(super) fn enter(&self, attempt: Attempt, site: Site) -> Result<(), DmaError> {
        if !self.unit.is_enforcing() {
            return Err(IommuError::NotEnforcing { unit: self.unit.index }.into());
        }
        let (member, domain) = (attempt.record(), self.domain());
        for source in &member.aliases {
            // Ids that members share lead there already.
            domain.space().attach(*source)?;
        }
        domain.note(Membership::Attached, site);
        let masters = member.driver().is_some() || member.bus_master_at_boot;
        if masters {
            if !self.unit.forces_snooping() {
                bus::forbid_no_snoop(&member.pci);
            }
            bus::set_bus_master(member.bdf, BusMaster::On);
        }
        attempt.finish().map_err(|Voided| DmaError::CutOff { device: member.bdf })?;
        if masters {
            // The bridges above pass on requests again, one that was closed for a storm too.
            for port in devices::above(member) {
                port.life_events().open_for(member.life_events());
                port.report_change();
            }
        }
        Ok(())
    }

    /// Moves the whole group to a new, empty domain. Mappings in the old one end with their owners; the
    /// devices have lost them when this returns.
    ///
    /// The window is as narrow as the narrowest member's addresses, also of one that is cut off now. A member that is
    /// being let in is blocked, and enters the new domain with the rest of its own steps.
    ///
    /// # Errors
    /// If there is no other domain to be had; nothing has changed then. If the unit or memory refuses later, or a member
    /// was cut off meanwhile, every member that is not in the new domain is cut off.
    pub(super) fn move_to_new_domain(&self, site: Site) -> Result<(), DmaError> {
        let driven = self.members().filter(|member| member.driver().is_some());
        let highest = driven.map(|member| member.reach()).min().unwrap_or(Iova::new(u64::MAX));
        let new = Domain::new(self.unit, self.id, highest, site)?;
        let mut moving = Vec::new();
        moving.try_reserve(self.members().count())?;
        moving.extend(self.members().filter_map(|member| member.begin_move().ok()));
        let moved = self.exchange_domain(new, moving, site);
        if moved.is_err() {
            for member in self.members().filter(|member| member.state() == DeviceState::Quarantined) {
                // The first error counts; one that is not confirmed stands in the member's entries.
                let _ = quarantine::contain(member);
            }
        }
        moved
    }

    /// Blocks every member at work, and lets those that move into the new domain.
    fn exchange_domain(&self, new: Arc<Domain>, moving: Vec<Attempt>, site: Site) -> Result<(), DmaError> {
        let working = || self.members().filter(|member| member.life().works());
        for member in working() {
            bus::set_bus_master(member.bdf, BusMaster::Off);
        }
        for member in working() {
            self.block_ids(member, |_| true)?;
        }
        let old = core::mem::replace(&mut *self.domain.lock(), new);
        old.note(Membership::CutOff, site);
        old.note(Membership::Forgotten, site);
        old.retire();
        // Outside of the lock: the last owner of a domain gives its tables back.
        drop(old);
        moving.into_iter().try_for_each(|attempt| self.enter(attempt, site))
    }

    /// Takes a member out of the domain: its bus mastering goes off, what it has begun ends, its ids lead
    /// nowhere. An id that another member works with stays.
    ///
    /// # Errors
    /// If the unit did not confirm. The member may still reach the domain then, so that it ends only once the unit
    /// has.
    pub(super) fn leave(&self, member: &DeviceRecord, site: Site) -> Result<(), IommuError> {
        bus::set_bus_master(member.bdf, BusMaster::Off);
        if bus::drain(&member.pci) == Transactions::Pending {
            log::warn!("{member} does not complete its requests; its unit blocks what they still ask for");
        }
        let needed = |source: SourceId| {
            let others = self.members().filter(|other| other.bdf != member.bdf && other.life().works());
            others.flat_map(|other| &other.aliases).any(|id| *id == source)
        };
        let left = self.block_ids(member, |source| !needed(source));
        let domain = self.domain();
        domain.note(Membership::CutOff, site);
        if left.is_ok() {
            domain.note(Membership::Forgotten, site);
        }
        left
    }

    /// Blocks those ids of a member. All are tried, whatever the first error.
    fn block_ids(&self, member: &DeviceRecord, which: impl Fn(SourceId) -> bool) -> Result<(), IommuError> {
        self.unit.block(member.aliases.iter().copied().filter(|source| which(*source)))
    }

    /// The group's functions that make requests of their own.
    pub(super) fn members(&self) -> impl Iterator<Item = &'static DeviceRecord> {
        let id = self.id;
        devices::all().iter().filter(move |record| record.group == id && record.role == Role::Endpoint)
    }
}
