//! One fault: judged, counted, told, answered.

use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use diagnosis::{
    Cadence, Completeness, Fault, FaultKey, Holder, Line, Pace, Reason, Scope, Timestamp, Urgency, Verdict,
    Window, diagnose,
};
use dma_types::{Access, Bdf, Iova};
use options::Policy;
use report::Action;

use super::accounts::{self, Accounts, Answer};
use super::drain::{Arrival, Captured};
use super::recent::{self, FaultNote};
use super::telling::Found;
use super::world::{Held, KernelWorld};
use super::{cper, drain, telling};
use crate::arch::{TrapFrame, cpu};
use crate::devices::{self, DeviceRecord, Role};
use crate::iommu::{self, Unit};
use crate::platform::{clock, pci as bus};
use crate::probe::{self, Flight, Notice};
use crate::sync::{IrqLock, rank};
use crate::{bench, dma, journal, stop};

/// Requesters that are contained at the end of one window; the rest follows at the end of the next.
const MOST_AT_ONCE: usize = 8;

/// Those that have lost bus mastering and are cut off once every fault that they caused before is answered: the
/// verdict on those is by what held then.
static CONDEMNED: IrqLock<ArrayVec<&DeviceRecord, MOST_AT_ONCE>, rank::Condemned> =
    IrqLock::new(ArrayVec::new_const());

/// Whether a unit has dropped records: said once.
static DROPPED: AtomicBool = AtomicBool::new(false);

/// Answers every fault that waits, oldest first, and cuts off whom that costs its address space. Interrupts are off.
///
/// `frame` is the interrupted state, where an interrupt brought the faults. Does not return if the policy
/// says to stop.
pub fn answer_waiting(frame: Option<&TrapFrame>) {
    if drain::take_lost() {
        accounts::with(|accounts| accounts.ledger.note_dropped());
        if !DROPPED.swap(true, Ordering::Relaxed) {
            log::warn!("a unit dropped fault records; counts are lower bounds from here on");
        }
    }
    while let Some(captured) = drain::next() {
        answer(&captured, frame);
        drain::keep_up();
    }
    while let Some(record) = next_condemned() {
        cut_off(record);
    }
}

/// Takes note that a window of fault handling has ended. Those that kept the fault interrupt masked for many
/// in a row are contained, unless storms are nobody's business.
pub fn end_window(window: Window) {
    let mut stormy: ArrayVec<Holder, MOST_AT_ONCE> = ArrayVec::new();
    accounts::with(|Accounts { senders, storms, .. }| {
        stormy.extend(storms.end_window(window).map(|sender| senders.holder(sender)).take(MOST_AT_ONCE));
    });
    for holder in stormy {
        match holder {
            Holder::Id(id) => {
                for record in devices::behind(id).filter(|record| record.is_open()) {
                    log::warn!("{record} faults without end");
                    condemn(record);
                }
            }
            Holder::Port(bridge) => close(bridge),
            // Nothing is known that could be closed; what the units block stays blocked.
            Holder::Elsewhere => {}
        }
    }
}

/// Contains a device that sends messages without end, like one that faults without end. To be called with interrupts
/// off.
pub fn contain_sender(record: &'static DeviceRecord) {
    journal::note_failure();
    condemn(record);
    // It is cut off once the faults that wait are answered.
    drain::poll();
}

/// The verdict that a request would get if it was this device's.
pub fn predict(record: &DeviceRecord, iova: Iova, access: Access) -> Verdict {
    let held = Held::of(record.requester);
    let world = KernelWorld::new(&held, iommu::unit_of(record));
    let beyond = iommu::unit_of(record).is_some_and(|unit| iova.as_u64() >> unit.width() != 0);
    let reason = match access {
        _ if beyond => Reason(0x4),
        Access::Write => Reason(0x5),
        _ => Reason(0x6),
    };
    let at = Timestamp::from_nanos(clock::now_ns());
    let fault = Fault { requester: record.requester, address: Some(iova.page()), access, reason, at };
    diagnose(&fault, &world).verdict_on(record.bdf)
}

fn answer(captured: &Captured, frame: Option<&TrapFrame>) {
    let Some(unit) = iommu::units().get(captured.unit) else { return };
    let fault = fault_of(captured, unit);
    let held = Held::of(fault.requester);
    let world = KernelWorld::new(&held, Some(unit));
    let diagnosis = diagnose(&fault, &world);
    bench::note_verdict();
    let suspect = diagnosis.suspect.and_then(|candidate| devices::find(candidate.function.device.bdf));
    let page = fault.address.unwrap_or_default();
    let flight = probe::note_fault(fault.requester, page, fault.access, |bdf| diagnosis.verdict_on(bdf));
    let (action, measure) = choose(&fault, suspect, flight.as_ref());
    let walk = world.walked();
    let found = Found { unit: captured.unit, diagnosis: &diagnosis, suspect, walk: walk.as_ref() };
    let completeness = completeness(&found, captured.arrival);
    keep(captured, unit, &found, action, completeness);
    if let Some(line) = count(&found, action, completeness) {
        telling::fault(&found, &line, action, |event| {
            if action == Action::Bugcheck {
                let state = frame.map_or_else(cpu::state_without_frame, cpu::state);
                stop::violation(event, suspect.map_or(0, DeviceRecord::object), &state, flight.as_ref());
            }
        });
    }
    // The books are free again before the device is cut off: that is entered in them.
    drop(world);
    match measure {
        Measure::Nothing => {}
        Measure::Condemn(record) => condemn(record),
        Measure::Close(bridge) => close(bridge),
    }
}

/// Who is stopped for a fault.
enum Measure {
    /// Nobody.
    Nothing,
    /// A function.
    Condemn(&'static DeviceRecord),
    /// Everybody behind a port, since it cannot be told who of them it was.
    Close(Bdf),
}

fn fault_of(captured: &Captured, unit: &Unit) -> Fault {
    let record = &captured.record;
    Fault {
        requester: Bdf::new(unit.segment, record.source()),
        address: record.page(),
        access: record.access(),
        reason: Reason(record.reason().0),
        at: Timestamp::from_nanos(captured.at),
    }
}

/// Whether the record stands for one fault alone: a unit merges what the device requests while a record waits.
fn completeness(found: &Found<'_>, arrival: Arrival) -> Completeness {
    let Fault { requester, at, .. } = found.diagnosis.fault;
    let pace = accounts::with(|Accounts { senders, storms, .. }| storms.pace(senders.of(requester), at));
    let crowded = pace == Some(Pace::Crowded);
    let one_at_a_time =
        found.diagnosis.candidates.total() == 1 && found.suspect.is_some_and(devices::requests_one_by_one);
    match arrival {
        Arrival::Announced if one_at_a_time && !crowded => Completeness::Exact,
        Arrival::Announced | Arrival::Masked => Completeness::AtLeast,
    }
}

/// Keeps what the console shows of it later.
fn keep(captured: &Captured, unit: &Unit, found: &Found<'_>, action: Action, completeness: Completeness) {
    let fault = &found.diagnosis.fault;
    recent::note(FaultNote {
        number: 0,
        at: fault.at.as_nanos(),
        requester: fault.requester,
        bdf: found.suspect.map(|record| record.bdf),
        access: fault.access,
        address: fault.address,
        reason: fault.reason,
        verdict: found.diagnosis.verdict,
        action,
        completeness,
        unit: cper::evidence(captured, unit, found.walk),
    });
}

/// Counts it, and gives the line to tell now, if there is one. A stop shows its fault even if it is one of many.
fn count(found: &Found<'_>, action: Action, completeness: Completeness) -> Option<Line<Answer>> {
    let fault = &found.diagnosis.fault;
    let key = FaultKey {
        requester: fault.requester,
        bdf: found.suspect.map(|record| record.bdf),
        address: fault.address,
        access: fault.access,
        reason: fault.reason,
    };
    let answer = Answer { verdict: found.diagnosis.verdict, action };
    accounts::with(|Accounts { senders, ledger, .. }| {
        let sender = senders.of(fault.requester);
        let cadence = ledger.note(sender, key, completeness);
        ledger.set_answer(sender, &key, answer);
        match (cadence, senders.holder(sender)) {
            (Cadence::Report(line @ Line { scope: Scope::Key(_), .. }), _) => Some(line),
            _ if action == Action::Bugcheck => Some(telling::once(sender, key)),
            (
                Cadence::Report(Line { scope: Scope::FurtherKeys, count, .. }),
                holder @ (Holder::Port(_) | Holder::Elsewhere),
            ) => {
                telling::others(holder, count);
                None
            }
            (Cadence::Report(line), _) => Some(line),
            (Cadence::Silent, _) => None,
        }
    })?
}

/// What to do: an announced fault is nobody's violation; a storm is contained even where the policy only
/// logs. One of ids that no function carries costs the port that they came through.
fn choose(
    fault: &Fault,
    suspect: Option<&'static DeviceRecord>,
    flight: Option<&Flight>,
) -> (Action, Measure) {
    if flight.is_some_and(|flight| flight.notice == Notice::Announced) {
        return (Action::Expected, Measure::Nothing);
    }
    if flight.is_none() {
        journal::note_failure();
    }
    let urgency =
        accounts::with(|Accounts { senders, storms, .. }| storms.note(senders.of(fault.requester), fault.at));
    let storm = urgency == Some(Urgency::Contain);
    let port = if storm { accounts::port_above(fault.requester) } else { None };
    match (accounts::policy_for(suspect), suspect, port) {
        (Policy::Bugcheck, _, _) => (Action::Bugcheck, Measure::Nothing),
        (Policy::Contain | Policy::Log, _, Some(bridge)) => (Action::Contained, Measure::Close(bridge)),
        (Policy::Contain, Some(record), None) => (Action::Contained, Measure::Condemn(record)),
        (Policy::Log, Some(record), None) if storm => (Action::Contained, Measure::Condemn(record)),
        (Policy::Contain | Policy::Log, _, None) => (Action::Logged, Measure::Nothing),
    }
}

/// Closes a port: everybody below loses bus mastering, with them the port itself, and they are cut off as soon as no
/// fault waits. Does nothing, and says nothing, where it is closed for that already.
fn close(bridge: Bdf) {
    let Some(port) = devices::find(bridge).filter(|port| port.life_events().close()) else { return };
    log::warn!("requests with ids that no function carries come through {port} without end");
    port.report_change();
    let has_something = |record: &&DeviceRecord| {
        record.role == Role::Endpoint && (record.life().works() || record.life().in_attempt())
    };
    devices::below(bridge).filter(has_something).for_each(condemn);
    bus::close_bridge(bridge);
    log::warn!("{port} is closed; `release {bridge}` opens it again for the devices below");
}

/// Takes a device's bus mastering at once, and has it cut off as soon as no fault waits.
fn condemn(record: &'static DeviceRecord) {
    dma::silence(record);
    let mut condemned = CONDEMNED.lock();
    let known = condemned.iter().any(|other| other.bdf == record.bdf);
    if !known && condemned.try_push(record).is_err() {
        drop(condemned);
        cut_off(record);
    }
}

fn next_condemned() -> Option<&'static DeviceRecord> {
    CONDEMNED.lock().pop()
}

/// Cuts a device off, and says so if that changes anything: one that goes on faulting is told of by its faults.
fn cut_off(record: &'static DeviceRecord) {
    let before = record.state();
    let contained = dma::contain(record);
    if record.state() == before {
        return;
    }
    match contained {
        Ok(()) => log::warn!("{record} is quarantined; `release {}` lets it work again", record.bdf),
        Err(error) => log::error!("{record} has lost bus mastering, but its unit did not confirm: {error}"),
    }
}
