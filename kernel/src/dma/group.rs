//! A group of devices and the domain that it works in now.

use alloc::vec::Vec;

use ::iommu::group::{self, Membership, Tied};
use diagnosis::Site;
use dma_types::{Iova, SourceId};

use super::{DmaError, Domain, quarantine};
use crate::devices::{self, DeviceRecord, Role};
use crate::iommu::{self, IommuError, Unit};
use crate::memory::arc::Arc;
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
        if !group::is_deserted(self.members()) {
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

    /// The group's sequences, as of a call at `site`.
    pub(super) const fn at(&self, site: Site) -> At<'_> {
        At { group: self, site }
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
        let new = Noted { domain: Domain::new(self.unit, self.id, highest, site)?, site };
        Ok(group::move_to(&self.at(site), new)?)
    }

    /// The group's functions that make requests of their own.
    pub(super) fn members(&self) -> impl Iterator<Item = &'static DeviceRecord> {
        let id = self.id;
        devices::all().iter().filter(move |record| record.group == id && record.role == Role::Endpoint)
    }
}

/// A group whose sequences note where in the kernel they were asked for.
pub(super) struct At<'g> {
    group: &'g Group,
    site: Site,
}

/// A domain whose books note where in the kernel its devices were put in and taken out.
pub(super) struct Noted {
    /// The domain.
    pub(super) domain: Arc<Domain>,
    /// Where.
    pub(super) site: Site,
}

impl group::GroupDomain for Noted {
    type Error = IommuError;

    fn attach(&self, source: SourceId) -> Result<(), IommuError> {
        self.domain.space().attach(source)
    }

    fn note(&self, what: Membership) {
        self.domain.note(what, self.site);
    }
}

impl group::Group<'static> for At<'_> {
    type Member = DeviceRecord;
    type Domain = Noted;
    type Error = IommuError;

    fn members(&self) -> impl Iterator<Item = &'static DeviceRecord> {
        self.group.members()
    }

    fn tied(
        &self,
        member: &'static DeviceRecord,
    ) -> Tied<'static, impl Iterator<Item = &'static DeviceRecord> + Clone> {
        quarantine::tied_to(member)
    }

    fn demand_enforcing(&self) -> Result<(), IommuError> {
        let unit = self.group.unit;
        match () {
            () if !unit.is_enforcing() => Err(IommuError::NotEnforcing { unit: unit.index }),
            () if unit.interrupts.withholds_devices() => {
                Err(IommuError::InterruptsRequired { unit: unit.index })
            }
            () => Ok(()),
        }
    }

    fn domain(&self) -> Noted {
        Noted { domain: self.group.domain(), site: self.site }
    }

    fn exchange(&self, new: Noted) -> Noted {
        let old = core::mem::replace(&mut *self.group.domain.lock(), new.domain);
        old.retire();
        Noted { domain: old, site: self.site }
    }

    fn block(&self, ids: impl Iterator<Item = SourceId>) -> Result<(), IommuError> {
        self.group.unit.block(ids)
    }
}
