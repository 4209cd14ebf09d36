//! Cutting devices off, letting them work again, and devices that have firmware's regions and no driver.

use alloc::vec::Vec;
use core::ptr;

use ::iommu::Refusal;
use diagnosis::Site;
use dma_types::Iova;
use pci::control::BusMaster;
use report::DeviceState;

use super::books::Membership;
use super::group::Group;
use super::{DmaError, Domain};
use crate::devices::{self, Attempt, DeviceRecord, Role};
use crate::iommu::{self, IommuError};
use crate::memory::arc::Arc;
use crate::platform::pci as bus;

/// Takes bus mastering from a device, and from all that are tied to it by the ids that they share: nothing is requested
/// any more, and what its unit holds for them is still as it was.
pub fn silence(record: &'static DeviceRecord) {
    for member in tied_to(record).filter(|member| member.role == Role::Endpoint) {
        bus::set_bus_master(member.bdf, BusMaster::Off);
    }
}

/// Condemns a device, with all that are tied to it, to be cut off: whoever is letting one of them in finds that void, and
/// nobody begins to. [`contain`] follows, and [`end_condemned`] once for each call.
pub fn condemn(record: &'static DeviceRecord) {
    tied_to(record).for_each(|member| member.life_events().condemn());
}

/// The condemned are cut off, and may be released.
pub fn end_condemned(record: &'static DeviceRecord) {
    tied_to(record).for_each(|member| member.life_events().end_cut_off());
}

/// Cuts a device off with all that are tied to it: bus mastering first, then every id that any of them may carry.
///
/// Called by the fault path and by interrupts too. Allocates nothing.
///
/// # Errors
/// If the unit did not confirm that it forgot the entries; bus mastering is off all the same.
#[track_caller]
pub fn contain(record: &'static DeviceRecord) -> Result<(), IommuError> {
    let site = Site::caller();
    for member in tied_to(record) {
        member.life_events().begin_cut_off();
    }
    silence(record);
    let result = match iommu::unit_of(record).filter(|unit| unit.was_taken()) {
        Some(unit) => unit.block(record.tie.ids.iter().copied()),
        // Without a unit that was taken, its bus mastering was never on.
        None => Ok(()),
    };
    if let Some(group) = Group::find(record.group) {
        let domain = group.domain();
        domain.note(Membership::CutOff, site);
        if result.is_ok() {
            domain.note(Membership::Forgotten, site);
        }
    }
    for member in tied_to(record) {
        member.life_events().end_cut_off();
        member.report_change();
    }
    result
}

/// The device and those cut off with it, as far as they still are.
pub fn cut_off_with(record: &'static DeviceRecord) -> impl Iterator<Item = &'static DeviceRecord> {
    tied_to(record).filter(|member| member.state() == DeviceState::Quarantined)
}

/// The device and all that share an id with it, directly or through others.
fn tied_to(record: &'static DeviceRecord) -> impl Iterator<Item = &'static DeviceRecord> {
    let known = devices::all().iter().chain(devices::presence::newcomers());
    known.filter(|other| ptr::eq(other.tie, record.tie))
}

/// Begins to let a device in that does not work: to a driver, or to firmware's regions.
///
/// # Errors
/// If its state does not allow that, or a device is cut off that shares an id with it: the entries are the same, so that
/// one would come in as well. One that is cut off from now on makes the attempt void.
pub(super) fn begin_entry(record: &'static DeviceRecord) -> Result<Attempt, DmaError> {
    let attempt = record.begin_entry().map_err(|refusal| refused(record, refusal))?;
    match cut_off_with(record).next() {
        Some(with) => Err(DmaError::CutOffTogether { device: record.bdf, with: with.bdf }),
        None => Ok(attempt),
    }
}

/// Lets a quarantined device, and those cut off with it, work again.
///
/// # Errors
/// If it is not quarantined; nothing has changed then. If it has left, the unit refuses, or it was cut off meanwhile: all of
/// them are quarantined then.
#[track_caller]
pub fn release(record: &'static DeviceRecord) -> Result<(), DmaError> {
    let site = Site::caller();
    let quarantined = record.state() == DeviceState::Quarantined;
    let group = Group::find(record.group).filter(|_| quarantined);
    let group = group.ok_or(DmaError::NotQuarantined { device: record.bdf, state: record.state() })?;
    let released = release_together(record, &group, site);
    if released.is_err() {
        // Some may have come in; the first error counts.
        let _ = contain(record);
    }
    released
}

/// Lets all in that were cut off together, once none of them refuses.
fn release_together(record: &'static DeviceRecord, group: &Group, site: Site) -> Result<(), DmaError> {
    let mut attempts = Vec::new();
    attempts.try_reserve(cut_off_with(record).count())?;
    for member in cut_off_with(record) {
        attempts.push(member.begin_release().map_err(|refusal| refused(member, refusal))?);
    }
    for attempt in attempts {
        group.enter(attempt, site)?;
    }
    Ok(())
}

/// Enters every device that may work into its domain again, after its unit was given new tables. All are tried.
///
/// # Errors
/// The first, if a unit or memory refuses; the devices that it concerns are cut off.
#[track_caller]
pub fn rejoin() -> Result<(), DmaError> {
    let site = Site::caller();
    let mut result = Ok(());
    for record in devices::all() {
        let Some(group) = Group::find(record.group) else { continue };
        let Ok(attempt) = record.begin_move() else { continue };
        let joined = group.enter(attempt, site);
        if joined.is_err() {
            let _ = contain(record);
        }
        result = result.and(joined);
    }
    result
}

/// Why a device is not let in.
pub fn refused(record: &DeviceRecord, refusal: Refusal) -> DmaError {
    match refusal {
        Refusal::Left => DmaError::Gone { device: record.bdf },
        Refusal::Busy | Refusal::State(_) => DmaError::State { device: record.bdf, state: record.state() },
    }
}

/// The domain that a device's group works in, if it has one.
pub fn domain_of(record: &DeviceRecord) -> Option<Arc<Domain>> {
    Some(Group::find(record.group)?.domain())
}

/// Gives a device without a driver the firmware regions that name it, and bus mastering if firmware had it
/// on.
///
/// # Errors
/// If the unit or memory refuses; the device stays blocked then, or quarantined, if it was cut off meanwhile.
#[track_caller]
pub fn hold_firmware_regions(record: &'static DeviceRecord) -> Result<(), DmaError> {
    let site = Site::caller();
    let attempt = begin_entry(record)?;
    let group = Group::of(record, Iova::new(u64::MAX), site)?;
    let entered = group.enter(attempt, site);
    if entered.is_err() {
        // What was given so far; the first error counts.
        let _ = group.leave(record, site);
        group.dissolve();
    }
    entered
}
