//! Every PCI function that was found, and the drivers of some.
//!
//! A driver is a line in [`KINDS`] and a module here. It gets a [`Function`] to start on and gives a
//! [`Driver`]; as [`Disk`], [`Nic`] or [`Overreach`] the rest of the kernel uses it.

mod disk;
mod driver;
mod e1000e;
mod edu;
mod function;
mod member;
mod messages;
mod nic;
pub(crate) mod nvme;
mod overreach;
pub mod presence;
mod record;
mod start;
pub(crate) mod virtio;
mod windows;

use alloc::boxed::Box;
use alloc::vec::Vec;

use ::iommu::Voided;
use ::iommu::group::GroupError;
use dma_types::Bdf;
use pci::reset::Refused;
use report::DeviceState;
use spin::Once;

use crate::{dma, faults};

pub use disk::{Disk, DiskError, Namespace};
pub use driver::{Driver, Kind, Requests, Settling, StartError};
pub use function::{Function, ResetError};
pub use member::DeviceAttempt;
pub use messages::{Astray, Messages, arrived_from, take_messages};
pub use nic::{Link, Nic, NicError, Received};
pub use overreach::Overreach;
pub use presence::{above, below};
pub use record::{Admission, DeviceRecord, Facts, Path, Role, SELF_TEST, Trust};
pub use start::{enumerate, give_firmware_regions, start_drivers};
pub use windows::check as check_windows;

/// The drivers, in the order in which they start.
const KINDS: &[Kind] = &[edu::KIND, nvme::KIND, virtio::BLOCK, virtio::NETWORK, e1000e::KIND];

static RECORDS: Once<Vec<DeviceRecord>> = Once::new();
static DRIVERS: Once<Vec<&'static dyn Driver>> = Once::new();

/// Every function that was there at the start, by rising BDF.
pub fn all() -> &'static [DeviceRecord] {
    RECORDS.get().map_or(&[], Vec::as_slice)
}

/// The record of a function that was there at the start, whatever stands in its place now.
fn find_first(bdf: Bdf) -> Option<&'static DeviceRecord> {
    let all = all();
    all.get(all.binary_search_by_key(&bdf, |record| record.bdf).ok()?)
}

/// The record of a function: of the one that came last, where it was exchanged.
pub fn find(bdf: Bdf) -> Option<&'static DeviceRecord> {
    presence::newcomers().filter(|record| record.bdf == bdf).last().or_else(|| find_first(bdf))
}

/// The functions whose requests may carry this id, those that have left not among them. Allocates nothing.
pub fn behind(requester: Bdf) -> impl Iterator<Item = &'static DeviceRecord> {
    let carries = move |record: &&DeviceRecord| {
        record.bdf.segment == requester.segment && record.aliases.binary_search(&requester.source).is_ok()
    };
    presence::present().filter(carries)
}

/// Every driver at work.
pub fn drivers() -> impl Iterator<Item = &'static dyn Driver> {
    DRIVERS.get().into_iter().flatten().copied()
}

/// The devices that can be told to overreach.
pub fn capable() -> impl Iterator<Item = &'static dyn Overreach> {
    drivers().filter_map(Driver::overreach)
}

/// Tells whether a device is known to make one request at a time. Allocates nothing.
pub fn requests_one_by_one(record: &'static DeviceRecord) -> bool {
    let driver = drivers().find(|driver| core::ptr::eq(driver.record(), record));
    driver.is_some_and(|driver| driver.requests() == Requests::One)
}

/// Lets a quarantined device, and those cut off with it, work again; of a port that was closed, all that were cut off
/// below it.
///
/// # Errors
/// As for each of the devices. The port is open once one is in; the others are released by their own names then.
#[track_caller]
pub fn release(record: &'static DeviceRecord) -> Result<(), StartError> {
    if record.role == Role::Bridge && record.state() == DeviceState::Quarantined {
        let opening = DeviceAttempt::release(record)
            .map_err(|refusal| dma::DmaError::from(GroupError::Refused(record, refusal)))?;
        let members = below(record.bdf).filter(|member| member.role == Role::Endpoint);
        // Those that were cut off together come back together.
        for member in members.filter(|member| member.state() == DeviceState::Quarantined) {
            release_device(member)?;
        }
        return Ok(opening.finish().map_err(|Voided| dma::DmaError::CutOff { device: record.bdf })?);
    }
    release_device(record)
}

/// Lets a quarantined device, and those cut off with it, work again: each is reset while it can reach nothing, if
/// it offers that, and its driver starts it again once it has its domain back.
///
/// # Errors
/// If it is not quarantined, or the unit, memory or the device itself refuses; also if requests that it began before
/// it was cut off never end. Then all of them are quarantined, as before.
#[track_caller]
fn release_device(record: &'static DeviceRecord) -> Result<(), StartError> {
    // On the way some got their interrupts back.
    release_cut_off(record).inspect_err(|_| dma::cut_off_with(record).for_each(messages::withdraw))
}

fn release_cut_off(record: &'static DeviceRecord) -> Result<(), StartError> {
    tell_of_containment();
    dma::cut_off_with(record).try_for_each(presence::confirm)?;
    for member in dma::cut_off_with(record).filter(|member| member.driver().is_some()) {
        match reset(member) {
            Ok(()) => log::info!("{member} was reset alone (function-level reset)"),
            // Its driver resets it by its own means; its message may have been masked.
            Err(ResetError::Refused(Refused::NotOffered)) => messages::program_again(&Function::new(member))?,
            Err(error) => return Err(StartError::Device(Box::new(error))),
        }
    }
    // It starts anew.
    dma::cut_off_with(record).for_each(|member| faults::forget_storm(member.requester));
    dma::release(record)?;
    drivers().filter(|driver| driver.record().life_events().needs_restart()).try_for_each(restart)
}

/// Starts a device again that has its domain back. One that does not come up is cut off again, since nobody uses it.
fn restart(driver: &'static dyn Driver) -> Result<(), StartError> {
    driver.restart().inspect_err(|_| cut_off(driver.record()))
}

/// Cuts a device off that its driver cannot work with; `release` gives it another chance.
fn cut_off(record: &'static DeviceRecord) {
    if let Err(error) = dma::contain(record) {
        log::error!("{record}: its unit did not confirm that it is cut off: {error}");
    }
}

/// Resets a function alone that can reach nothing now; see [`Function`] for what it keeps.
///
/// # Errors
/// If it offers no such reset, does not answer afterwards, or what it began does not end.
pub fn reset(record: &'static DeviceRecord) -> Result<(), ResetError> {
    Function::new(record).reset()
}

/// Takes care of what has changed since the last call: drivers whose devices were cut off are told, and who came is
/// listed. Not to be called from interrupts.
pub fn look_around() {
    tell_of_containment();
    presence::welcome();
}

/// Tells drivers whose devices were cut off since the last call. Not to be called from interrupts.
pub fn tell_of_containment() {
    drivers().filter(|driver| driver.record().life_events().needs_telling()).for_each(Driver::cut_off);
}
