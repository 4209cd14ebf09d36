//! A descriptor that the unit cannot use, in the middle of its invalidation queue (VT-d "Queued Invalidation
//! Errors").

use diagnosis::Verdict;
use dma_types::Access;
use vtd::spec::fault_event::FaultStatus;

use super::{
    ANSWER, Failure, Machine, NO_DEVICE, UNKNOWN_MACHINE, obedient_devices, report, wait_for_fault,
    work_as_before,
};
use crate::attack::{Notice, announce, land};
use crate::devices::Overreach;
use crate::dma::{FromDevice, Mapping, PageBuffer, inspect};
use crate::iommu::{self, Unit};
use crate::platform::clock::{self, Deadline};
use crate::selftest::misprogram::{UNKNOWN_DESCRIPTOR, queue_errors, stop_queue};
use crate::selftest::{skip, transfer};
use crate::sync::InterruptsOff;

const NAME: &str = "queue-error-iqe";

/// What a page holds before the device writes to it.
const FILL: u8 = 0x3a;

pub(super) fn run(machine: &Machine) {
    if matches!(machine, Machine::Unknown) {
        return skip(NAME, UNKNOWN_MACHINE);
    }
    let Some(device) = obedient_devices().next() else { return skip(NAME, NO_DEVICE) };
    let Some(unit) = iommu::unit_of(device.record()) else { return skip(NAME, "no unit covers the device") };
    if !matches!(unit.facts, Some(facts) if facts.extended.queued_invalidation()) {
        return skip(NAME, "the unit has no invalidation queue");
    }
    let outcome = found_by_the_interrupt(unit)
        .map_err(|failure| ("found by the interrupt", failure))
        .and_then(|()| found_by_unmap(unit, device).map_err(|failure| ("found by an unmap", failure)));
    let after = work_as_before(&[device]).map_err(|failure| ("after all", failure));
    report(NAME, &outcome.and(after));
}

/// With nobody waiting, the fault interrupt gets the queue going again.
fn found_by_the_interrupt(unit: &Unit) -> Result<(), Failure> {
    let (before, _) = queue_errors(unit);
    stop_queue(unit)?;
    clock::wait_until(Deadline::after(ANSWER), || queue_errors(unit).0 != before);
    recovered(unit, before)
}

/// With a device's warm translation to be forgotten behind the bad descriptor: unmapping finds the queue
/// stopped, and its success must be a true one.
fn found_by_unmap(unit: &Unit, device: &'static dyn Overreach) -> Result<(), Failure> {
    let page = PageBuffer::new(0).map_err(|_| Failure::NoMemory)?;
    let mut mapping: Mapping<FromDevice> =
        device.dma().map(page, "queue error test").map_err(|_| Failure::NoMemory)?;
    let iova = mapping.iova();
    inspect::fill(&mut mapping, FILL);
    transfer(device, Access::Write, iova).map_err(Failure::Transfer)?;
    inspect::fill(&mut mapping, FILL);

    let flight = announce(device.record(), Access::Write, iova, Notice::Announced);
    let flight = flight.ok_or(Failure::TooManyAttacks)?;
    let since = clock::now_ns();
    let (before, _) = queue_errors(unit);
    let unmapped = {
        // Until it is known whether the success was true, the fault interrupt must not make it so.
        let _off = InterruptsOff::new();
        stop_queue(unit).map(|()| (mapping.unmap(), recovered(unit, before)))
    };
    let struck = transfer(device, Access::Write, iova)
        .map_err(Failure::Transfer)
        .and_then(|()| wait_for_fault(device, since));
    land(flight);
    let (page, recovered) = unmapped?;
    let page = page.map_err(|_| Failure::NotRecovered)?;
    recovered?;
    if page.bytes().iter().any(|byte| *byte != FILL) {
        return Err(Failure::Reached);
    }
    match struck? {
        note if note.verdict == Verdict::Stale && note.address == Some(iova.page()) => Ok(()),
        note => Err(Failure::OtherFault(note)),
    }
}

/// Checks that the queue was recovered once more, from the descriptor that was put there, and stands no longer.
fn recovered(unit: &Unit, before: u32) -> Result<(), Failure> {
    let (count, last) = queue_errors(unit);
    let from_it = last.is_some_and(|error| {
        error.status.contains(FaultStatus::QUEUE_ERROR) && error.descriptor == Some(UNKNOWN_DESCRIPTOR)
    });
    let stands = unit.faults.as_ref().is_some_and(|port| port.status().intersects(FaultStatus::QUEUE_ERRORS));
    if count == before.wrapping_add(1) && from_it && !stands { Ok(()) } else { Err(Failure::NotRecovered) }
}
