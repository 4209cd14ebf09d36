//! Cutting devices off, letting them work again, and devices that have firmware's regions and no driver.

use core::ptr;

use ::iommu::group::{self, Member, Tied};
use diagnosis::Site;
use dma_types::Iova;
use report::DeviceState;

use super::group::{Group, Noted};
use super::{DmaError, Domain};
use crate::devices::{self, DeviceAttempt, DeviceRecord};
use crate::iommu::{self, IommuError};
use crate::memory::arc::Arc;

/// Takes bus mastering from a device, and from all that are tied to it by the ids that they share: nothing is requested
/// any more, and what its unit holds for them is still as it was.
pub fn silence(record: &'static DeviceRecord) {
    tied_to(record).members.for_each(Member::stop_mastering);
}

/// Condemns a device, with all that are tied to it, to be cut off: whoever is letting one of them in finds that void, and
/// nobody begins to. [`contain`] follows, and [`end_condemned`] once for each call.
pub fn condemn(record: &'static DeviceRecord) {
    tied_to(record).members.for_each(|member| member.life_events().condemn());
}

/// The condemned are cut off, and may be released.
pub fn end_condemned(record: &'static DeviceRecord) {
    tied_to(record).members.for_each(|member| member.life_events().end_cut_off());
}

/// Cuts a device off with all that are tied to it: bus mastering first, then every id that any of them may carry, then
/// their interrupts.
///
/// Called by the fault path and by interrupts too. Allocates nothing.
///
/// # Errors
/// If the unit did not confirm that it forgot the entries; bus mastering is off all the same.
#[track_caller]
pub fn contain(record: &'static DeviceRecord) -> Result<(), IommuError> {
    let site = Site::caller();
    let unit = iommu::unit_of(record).filter(|unit| unit.was_taken());
    let domain = Group::find(record.group).map(|group| Noted { domain: group.domain(), site });
    group::cut_off(tied_to(record), domain.as_ref(), |ids| match unit {
        Some(unit) => unit.block(ids.iter().copied()),
        // Without a unit that was taken, its bus mastering was never on.
        None => Ok(()),
    })
}

/// The device and those cut off with it, as far as they still are.
pub fn cut_off_with(record: &'static DeviceRecord) -> impl Iterator<Item = &'static DeviceRecord> {
    tied_to(record).members.filter(|member| member.state() == DeviceState::Quarantined)
}

/// The device and all that share an id with it, directly or through others.
pub(super) fn tied_to(
    record: &'static DeviceRecord,
) -> Tied<'static, impl Iterator<Item = &'static DeviceRecord> + Clone> {
    let known = devices::all().iter().chain(devices::presence::newcomers());
    let members = known.filter(|other| ptr::eq(other.tie, record.tie));
    Tied { members, ids: &record.tie.ids }
}

/// [`group::begin_entry`]: begins to let a device in that does not work.
///
/// # Errors
/// As there.
pub(super) fn begin_entry(record: &'static DeviceRecord) -> Result<DeviceAttempt, DmaError> {
    Ok(group::begin_entry(record, tied_to(record).members)?)
}

/// Lets a quarantined device, and those cut off with it, work again.
///
/// # Errors
/// If it is not quarantined; nothing has changed then. If it has left, the unit refuses, or it was cut off meanwhile: all of
/// them are quarantined then.
#[track_caller]
pub fn release(record: &'static DeviceRecord) -> Result<(), DmaError> {
    let quarantined = record.state() == DeviceState::Quarantined;
    let group = Group::find(record.group).filter(|_| quarantined);
    let group = group.ok_or(DmaError::NotQuarantined { device: record.bdf, state: record.state() })?;
    Ok(group::release(&group.at(Site::caller()), record)?)
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
        result = result.and(group::rejoin(&group.at(site), record));
    }
    Ok(result?)
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
    let entered = group::enter_or_leave(&group.at(site), attempt);
    Ok(entered.inspect_err(|_| group.dissolve())?)
}
