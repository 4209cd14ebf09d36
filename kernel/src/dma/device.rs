//! A claimed device: its driver's only way to an address space.

use alloc::vec::Vec;

use ::iommu::group::{self, Heir};
use coverage::Shortfall;
use diagnosis::{Label, Site};
use dma_types::{Direction, INTERRUPT_RANGE, Iova, PhysAddr};
use report::DeviceState;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::batch::{Batch, RefusedBatch};
use super::books;
use super::group::Group;
use super::lease::{Lease, Lent};
use super::mapping::{DirectionType, Refused};
use super::verifier::Culprit;
use super::{Buffer, DmaError, Domain, Mapping, Shared, hold_firmware_regions, quarantine, verifier};
use crate::devices::{Admission, DeviceRecord, presence};
use crate::iommu::{self, regions};
use crate::memory::arc::Arc;
use crate::protection;
use crate::sync::InterruptsOff;

/// A device that a driver has claimed.
///
/// Holding one proves that the device's unit enforces and that its requester ids lead to a domain of its
/// group alone, or, while it is quarantined, to nothing.
pub struct Device {
    record: &'static DeviceRecord,
    group: Arc<Group>,
}

impl Device {
    /// Claims a device for a driver: gives it a domain, then bus mastering.
    ///
    /// `highest` is the highest address that it can send.
    ///
    /// # Errors
    /// If no unit covers it or the unit does not enforce, if it is a bridge, not believed or claimed already, if one that
    /// shares an id with it is cut off, or if the unit or memory refuses. Bus mastering is off then.
    #[track_caller]
    pub fn claim(
        record: &'static DeviceRecord,
        driver: &'static str,
        highest: Iova,
    ) -> Result<Self, DmaError> {
        iommu::enforcement::demand();
        if let Some(refusal) = &record.pci.refused {
            return Err(DmaError::NotBelieved { device: record.bdf, refusal });
        }
        if !iommu::unit_of(record).is_some_and(iommu::Unit::is_enforcing) {
            return Err(DmaError::State { device: record.bdf, state: record.state() });
        }
        let attempt = quarantine::begin_entry(record)?;
        if record.admission == Admission::Barred {
            return Err(DmaError::External { device: record.bdf });
        }
        presence::confirm(record)?;
        let site = Site::caller();
        let group = Group::of(record, highest, site)?;
        record.set_reach(highest);
        record.set_driver(driver);
        // From here on, dropping it takes back whatever was done.
        let device = Self { record, group };
        device.group.suit(record, site)?;
        group::enter(&device.group.at(site), attempt)?;
        Ok(device)
    }

    /// Gives the device up: bus mastering goes off, what it has begun is waited for, its ids lead nowhere, or
    /// to firmware's regions where such name it. A domain without members goes with its last buffer.
    ///
    /// # Errors
    /// If the unit did not confirm. The device is blocked all the same, and what it may still reach is never
    /// used again.
    #[track_caller]
    pub fn release(self) -> Result<(), DmaError> {
        let site = Site::caller();
        verifier::check(Culprit::of(self.record), site, || {
            verifier::check_release(self.record, &self.domain())
        });
        self.let_go(site)
    }

    /// What [`release`](Self::release) says, once.
    fn let_go(&self, site: Site) -> Result<(), DmaError> {
        let record = self.record;
        if record.driver().is_none() {
            return Ok(());
        }
        let heir = if regions::names(record.bdf) { Heir::Firmware } else { Heir::Nobody };
        let left = group::give_up(&self.group.at(site), record, heir);
        self.group.dissolve();
        left?;
        if heir == Heir::Firmware && record.state() == DeviceState::Blocked {
            hold_firmware_regions(record)
                .inspect_err(|_| protection::give_up(Shortfall::RegionLost { device: record.bdf }))?;
        }
        Ok(())
    }

    /// Gives a buffer to the device, in one direction.
    ///
    /// # Errors
    /// If the device is cut off, or there is no room or no memory; the buffer comes back.
    #[track_caller]
    #[inline(always)]
    pub fn map<D: DirectionType, B: Buffer>(
        &self,
        buffer: B,
        label: &'static str,
    ) -> Result<Mapping<D, B>, Refused<B>> {
        Mapping::new(self, buffer, label, self.record.trust)
    }

    /// Gives many buffers to the device, in one direction, to be taken back together.
    ///
    /// # Errors
    /// If the device is cut off, or there is no room or no memory; the buffers come back.
    #[track_caller]
    pub fn map_batch<D: DirectionType, B: Buffer>(
        &self,
        buffers: Vec<B>,
        label: &'static str,
    ) -> Result<Batch<D, B>, RefusedBatch<B>> {
        Batch::new(self, buffers, label, self.record.trust)
    }

    /// Lends memory to the device.
    ///
    /// # Errors
    /// If the device is cut off, or there is no room or no memory.
    pub(super) fn lend(
        &self,
        (memory, bytes): (PhysAddr, u64),
        direction: Direction,
        label: Label,
        site: Site,
    ) -> Result<Lease, DmaError> {
        if !self.is_open() {
            return Err(self.not_open());
        }
        let off = InterruptsOff::new();
        let domain = self.group.domain_within(&off);
        let mut books = domain.books_within(&off);
        let lent = Lent { memory, bytes, direction, label, site };
        match books.map_fast(lent, books::now) {
            Ok(range) => {
                drop(books);
                Ok(Lease { domain, range })
            }
            Err(progress) => {
                // A copy for this case alone, so that the common one keeps its own in registers.
                let lent = Lent { memory, bytes, direction, label, site };
                let range = books.map_slow(progress, &lent, &off);
                drop(books);
                Ok(Lease { domain, range: range? })
            }
        }
    }

    /// The domain to map into.
    ///
    /// # Errors
    /// If the device is cut off.
    pub(super) fn open_domain(&self) -> Result<Arc<Domain>, DmaError> {
        if self.is_open() { Ok(self.domain()) } else { Err(self.not_open()) }
    }

    #[cold]
    fn not_open(&self) -> DmaError {
        DmaError::State { device: self.record.bdf, state: self.record.state() }
    }

    /// Makes an array of `count` zeroed elements that the driver and the device use at the same time.
    ///
    /// # Errors
    /// If the device is cut off, or there is no room or no memory.
    #[track_caller]
    pub fn share<T: FromBytes + IntoBytes + Immutable, D: DirectionType>(
        &self,
        count: usize,
        label: &'static str,
    ) -> Result<Shared<T, D>, DmaError> {
        Shared::new(self, count, label)
    }

    /// Lets the device use addresses up to `highest`: its group moves to a new domain with such a window, if
    /// nothing is mapped in the one that it has.
    ///
    /// # Errors
    /// As for [`Group::move_to_new_domain`].
    pub(super) fn widen(&self, highest: Iova, site: Site) -> Result<(), DmaError> {
        if highest <= self.record.reach() {
            return Ok(());
        }
        self.record.set_reach(highest);
        if self.group.is_idle() { self.group.move_to_new_domain(site) } else { Ok(()) }
    }

    /// Moves the device and its group to a new, empty domain.
    ///
    /// # Errors
    /// As for [`Group::move_to_new_domain`].
    #[track_caller]
    pub fn change_domain(&self) -> Result<(), DmaError> {
        self.group.move_to_new_domain(Site::caller())
    }

    /// Tells whether the device can be given memory now.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        self.record.is_open()
    }

    /// Tells whether the device can send an address, wherever that leads.
    pub fn sends(&self, iova: Iova) -> bool {
        iova <= self.record.reach()
    }

    /// Tells whether the device can send an address and its unit looks it up in the tables.
    pub fn reaches(&self, iova: Iova) -> bool {
        let width = self.domain().space().unit().width();
        self.sends(iova) && iova.as_u64() >> width == 0 && !INTERRUPT_RANGE.contains(&iova.as_u64())
    }

    /// Tells whether the page around an address is mapped for the device, in whatever direction.
    pub fn is_live(&self, iova: Iova) -> bool {
        self.domain().space().translate(iova).is_some()
    }

    /// The kernel's record of it.
    pub(super) fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    /// The domain that it works in.
    pub(crate) fn domain(&self) -> Arc<Domain> {
        self.group.domain()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // The caller of a drop is the compiler's own glue, so this line itself is the site.
        if let Err(error) = self.let_go(Site::caller()) {
            log::error!("{} is given up, but: {error}", self.record);
        }
    }
}
