//! What a unit does while its fault interrupt is held back: it holds one record, merges what comes from the
//! same requester, drops what comes from others, and tells once it may.

use alloc::vec::Vec;
use core::time::Duration;

use diagnosis::Completeness;
use dma_types::{Access, Iova};
use vtd::spec::fault_event::FaultStatus;

use super::{
    ANSWER, Failure, Machine, NO_DEVICE, Seen, UNKNOWN_MACHINE, first_fault, obedient_devices, report,
    unmapped_page, wait_for_fault, work_as_before,
};
use crate::attack::{Notice, announce, land};
use crate::devices::Overreach;
use crate::dma::PageBuffer;
use crate::iommu::{self, Unit};
use crate::platform::clock::{self, Deadline};
use crate::selftest::{skip, transfer};
use crate::{faults, journal};

/// Time in which an interrupt would have come.
const SETTLE: Duration = Duration::from_millis(20);

/// What the pages hold that devices are told to write to.
const FILL: u8 = 0x96;

pub(super) fn run(machine: &Machine) {
    let all: Vec<_> = obedient_devices().collect();
    for (name, needed, test) in TESTS {
        let Some(devices) = all.get(..needed) else {
            skip(name, NO_DEVICE);
            continue;
        };
        match on_one_unit(devices) {
            _ if matches!(machine, Machine::Unknown) => skip(name, UNKNOWN_MACHINE),
            Some(unit) => {
                let outcome = test(unit, devices).map_err(|failure| ("while held back", failure));
                let after = work_as_before(devices).map_err(|failure| ("after all", failure));
                report(name, &outcome.and(after));
            }
            None => skip(name, "the devices here are not on one unit with a single fault record"),
        }
    }
}

/// A test of a unit with so many devices on it.
type Test = fn(&'static Unit, &[&'static dyn Overreach]) -> Result<(), Failure>;

/// Name, devices needed, and the test; the last one leaves all counts lower bounds.
const TESTS: [(&str, usize, Test); 3] =
    [("fault-while-masked", 1, told_once), ("merged", 1, merged), ("overflow", 2, overflow)];

/// The unit of all these devices, if it has one fault record and each device an id of its own.
fn on_one_unit(devices: &[&'static dyn Overreach]) -> Option<&'static Unit> {
    let unit = iommu::unit_of(devices.first()?.record())?;
    let mut rest = devices.iter().skip(1).map(|device| device.record());
    let first = devices.first()?.record();
    let fits = rest.all(|other| other.unit == first.unit && other.requester != first.requester);
    (fits && unit.facts?.capabilities.fault_records() == 1).then_some(unit)
}

/// A page that a device must not reach, and the device.
struct Aim {
    device: &'static dyn Overreach,
    page: PageBuffer,
    iova: Iova,
}

impl Aim {
    fn of(device: &'static dyn Overreach) -> Result<Self, Failure> {
        let (mut page, iova) = unmapped_page(device)?;
        page.bytes_mut().fill(FILL);
        Ok(Self { device, page, iova })
    }

    /// Lets the device write there.
    fn strike(&self) -> Result<(), Failure> {
        transfer(self.device, Access::Write, self.iova).map_err(Failure::Transfer)
    }

    /// Compares a fault with what this one must be.
    fn check(&self, note: Seen) -> Result<(), Failure> {
        let right = note.reason.0 == 0x5
            && note.requester == self.device.record().requester
            && note.access == Access::Write
            && note.address == Some(self.iova.page());
        if right { Ok(()) } else { Err(Failure::OtherFault(note)) }
    }
}

/// What was counted before.
struct Counts {
    records: u64,
    interrupts: u64,
}

impl Counts {
    fn now() -> Self {
        Self { records: journal::faults(), interrupts: journal::fault_interrupts().0 }
    }

    /// Checks that so many were added since.
    fn have_grown_by(&self, records: u64, interrupts: u64) -> Result<(), Failure> {
        let now = Self::now();
        let check = |what, before, expected, now| match now - before {
            found if found == expected => Ok(()),
            found => Err(Failure::Count { what, expected, found }),
        };
        check("records", self.records, records, now.records)?;
        check("fault interrupts", self.interrupts, interrupts, now.interrupts)
    }
}

/// Lets the devices strike in turn while the fault interrupt is held back, then lets it pass: of all, only the
/// first strike's fault must be told, once, and as a lower bound.
///
/// `status` is what the unit must say of itself meanwhile.
fn strike_held_back(unit: &'static Unit, aims: &[Aim], status: FaultStatus) -> Result<(), Failure> {
    let announced: Vec<_> = aims
        .iter()
        .filter_map(|aim| announce(aim.device.record(), Access::Write, aim.iova, Notice::Announced))
        .collect();
    let outcome =
        if announced.len() == aims.len() { told(unit, aims, status) } else { Err(Failure::TooManyAttacks) };
    for flight in announced {
        land(flight);
    }
    outcome?;
    let untouched = |aim: &Aim| aim.page.bytes().iter().all(|byte| *byte == FILL);
    if aims.iter().all(untouched) { Ok(()) } else { Err(Failure::Reached) }
}

fn told(unit: &'static Unit, aims: &[Aim], status: FaultStatus) -> Result<(), Failure> {
    let (first, others) = aims.split_first().ok_or(Failure::NoFault)?;
    let held = hold_back(unit)?;
    let (since, counts) = (clock::now_ns(), Counts::now());
    aims.iter().try_for_each(Aim::strike)?;
    clock::sleep(SETTLE);
    counts.have_grown_by(0, 0)?;
    if held.status().conditions() != status {
        return Err(Failure::Status(held.status()));
    }
    held.let_go();
    let note = wait_for_fault(first.device, since)?;
    first.check(note)?;
    clock::sleep(SETTLE);
    counts.have_grown_by(1, 1)?;
    let other = others.iter().filter(|aim| aim.device.record().bdf != first.device.record().bdf);
    if let Some(note) = other.filter_map(|aim| first_fault(aim.device, since)).next() {
        return Err(Failure::OtherFault(note));
    }
    match note.completeness {
        Completeness::AtLeast => Ok(()),
        Completeness::Exact => Err(Failure::CalledExact),
    }
}

/// Holds the fault interrupt back, once there is time for faults again.
fn hold_back(unit: &'static Unit) -> Result<HeldBack, Failure> {
    let mut held = None;
    clock::wait_until(Deadline::after(ANSWER), || {
        held = HeldBack::new(unit);
        held.is_some()
    });
    held.ok_or(Failure::NotHeldBack)
}

/// One fault, which must be told once.
fn told_once(unit: &'static Unit, devices: &[&'static dyn Overreach]) -> Result<(), Failure> {
    strike_held_back(unit, &aims(devices.iter())?, FaultStatus::PENDING)
}

/// Two faults of one device: the unit merges the second into the first without a trace.
fn merged(unit: &'static Unit, devices: &[&'static dyn Overreach]) -> Result<(), Failure> {
    strike_held_back(unit, &aims(devices.iter().chain(devices))?, FaultStatus::PENDING)
}

/// A fault of each of two devices: the unit drops the second, and says so.
fn overflow(unit: &'static Unit, devices: &[&'static dyn Overreach]) -> Result<(), Failure> {
    strike_held_back(unit, &aims(devices.iter())?, FaultStatus::PENDING | FaultStatus::OVERFLOW)
}

fn aims<'d>(devices: impl Iterator<Item = &'d &'static dyn Overreach>) -> Result<Vec<Aim>, Failure> {
    devices.map(|device| Aim::of(*device)).collect()
}

/// The fault interrupt of a unit, held back until this is dropped.
#[must_use = "dropping it lets the interrupt pass again"]
struct HeldBack {
    unit: &'static Unit,
}

impl HeldBack {
    /// Holds it back. `None` while it is held back already, for want of time to answer faults.
    fn new(unit: &'static Unit) -> Option<Self> {
        let port = unit.faults.as_ref().filter(|_| !faults::is_masking())?;
        port.mask_fault_event();
        Some(Self { unit })
    }

    /// What the unit has to say meanwhile.
    fn status(&self) -> FaultStatus {
        self.unit.faults.as_ref().map_or(FaultStatus::empty(), vtd::FaultPort::status)
    }

    /// Lets the interrupt pass again, and leaves it to the interrupt to find what waits.
    fn let_go(self) {
        self.unmask();
        core::mem::forget(self);
    }

    fn unmask(&self) {
        faults::note_held_back();
        if let Some(port) = &self.unit.faults {
            // What came while it was held back raises the interrupt now.
            let _standing = port.unmask_fault_event();
        }
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        self.unmask();
        faults::poll();
    }
}
