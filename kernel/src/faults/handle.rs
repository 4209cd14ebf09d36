//! One fault: diagnosed, decided about, told, answered.

use diagnosis::{Fault, Line, Reason, Timestamp, Verdict, diagnose};
use dma_types::{Access, Bdf, Iova};
use exceptions::CpuState;
use fault_response::{Answer, ExpectationId, Judged, Pacing, Response, Tell};
use report::{Action, Event};
use spin::Once;
use vtd::spec::fault_reason::FaultReason;
use vtd::tables::RequestWalk;

use super::drain::Captured;
use super::lines::Told;
use super::recent::{self, FaultNote};
use super::world::{Held, KernelWorld};
use super::{accounts, containment, cper, interrupt, lines};
use crate::arch::{TrapFrame, cpu};
use crate::devices::{self, DeviceRecord};
use crate::iommu::{self, Unit};
use crate::journal;
use crate::platform::clock;

/// A fault that the policy stops the kernel for; it has been reported.
pub struct Violation<'a> {
    /// The fault, as the report has it.
    pub fault: report::Fault<'a>,
    /// The address of the device's record; zero for a requester that nobody knows.
    pub object: u64,
    /// The interrupted state.
    pub cpu: CpuState,
    /// Who expected it.
    pub expectation: Option<ExpectationId>,
}

/// What ends the kernel after a violation. It must not return, and may find any lock held.
pub type StopHook = fn(&Violation<'_>) -> !;

static STOP: Once<StopHook> = Once::new();

/// Says what ends the kernel, once; to be called before the units are taken.
pub fn set_stop_hook(hook: StopHook) {
    STOP.call_once(|| hook);
}

/// The verdict that a request would get if it was this device's.
pub fn predict(record: &DeviceRecord, iova: Iova, access: Access) -> Verdict {
    let held = Held::of(record.requester);
    let unit = iommu::unit_of(record);
    let world = KernelWorld::new(&held, unit);
    let beyond = unit.is_some_and(|unit| iova.as_u64() >> unit.width() != 0);
    let reason = match access {
        _ if beyond => FaultReason::BEYOND_WIDTH,
        Access::Write => FaultReason::NO_WRITE_PERMISSION,
        _ => FaultReason::NO_READ_PERMISSION,
    };
    let fault = fault(record.requester, Some(iova.page()), access, reason, clock::now_ns());
    diagnose(&fault, &world).verdict_on(record.bdf)
}

/// The fault that a record tells of.
pub(super) fn fault_of(captured: &Captured, unit: &Unit) -> Fault {
    let record = &captured.record;
    let requester = Bdf::new(unit.segment, record.source());
    let interrupt = record.interrupt_index();
    Fault { interrupt, ..fault(requester, record.page(), record.access(), record.reason(), captured.at) }
}

/// What a unit recorded, in terms that fit every family of units.
fn fault(requester: Bdf, address: Option<Iova>, access: Access, reason: FaultReason, at_ns: u64) -> Fault {
    let (kind, meaning, at) = (reason.kind(), meaning(reason), Timestamp::from_nanos(at_ns));
    Fault { requester, address, interrupt: None, access, reason: Reason(reason.0), kind, meaning, at }
}

/// What a unit's reason means, as a clause.
pub(super) fn meaning(reason: FaultReason) -> &'static str {
    reason.meaning().unwrap_or("the unit gave a reason that is not known here")
}

/// Takes one fault from its record to its answer. Does not return if the policy says to stop.
pub(super) fn handle(captured: &Captured, frame: Option<&TrapFrame>) {
    let Some(unit) = iommu::units().get(captured.unit) else { return };
    let found = diagnose_and_decide(captured, unit);
    containment::carry_out(found.response.measure);
    recent::note(note_of(captured, unit, &found));
    report(&found);
    if found.response.action == Action::Bugcheck {
        stop(&found, frame);
    }
}

/// What was found out about a fault, and decided: a copy, for which nothing is locked.
struct Found {
    judged: Judged<&'static DeviceRecord>,
    judged_at: u64,
    expectation: Option<ExpectationId>,
    response: Response<&'static DeviceRecord>,
    walk: Option<RequestWalk>,
    /// Where there is a line to tell.
    told: Option<(Told, Line<Answer>)>,
}

/// Finds out why a request was blocked, and decides what to do about it, while the books of the requester's domain are
/// locked.
fn diagnose_and_decide(captured: &Captured, unit: &'static Unit) -> Found {
    let fault = fault_of(captured, unit);
    let held = Held::of(fault.requester);
    let world = KernelWorld::new(&held, Some(unit));
    let diagnosis = diagnose(&fault, &world);
    let judged_at = clock::now_ns();

    let suspect = world.suspect(&diagnosis);
    let expected = accounts::note_verdict(&fault, |bdf| diagnosis.verdict_on(bdf));
    let alone = diagnosis.candidates.total() == 1;
    let one_at_a_time = alone && suspect.is_some_and(devices::requests_one_by_one);
    let judged = Judged {
        fault,
        verdict: diagnosis.verdict,
        interrupt: diagnosis.interrupt.map(|interrupt| interrupt.in_short()),
        suspect: suspect.map(|record| (record, record.bdf)),
        policy: accounts::policy_for(suspect),
        notice: expected.map(|(_, notice)| notice),
        arrival: captured.arrival,
        pacing: if one_at_a_time { Pacing::OneAtATime } else { Pacing::Any },
    };
    let response = accounts::with(|accounts| accounts.respond(&judged));
    let walk = world.walked();
    let told = match response.tell {
        Tell::Line { line, .. } => Some((Told::of(&diagnosis, captured.unit, suspect, walk), line)),
        Tell::Nothing | Tell::Others { .. } => None,
    };
    Found { judged, judged_at, expectation: expected.map(|(id, _)| id), response, walk, told }
}

/// What the console shows of it later.
fn note_of(captured: &Captured, unit: &Unit, found: &Found) -> FaultNote {
    let Found { judged: Judged { fault, verdict, interrupt, suspect, .. }, response, .. } = found;
    FaultNote {
        number: 0,
        at: captured.at,
        judged_at: found.judged_at,
        requester: fault.requester,
        bdf: suspect.map(|(_, bdf)| bdf),
        access: fault.access,
        address: fault.address,
        reason: fault.reason,
        verdict: *verdict,
        interrupt: *interrupt,
        action: response.action,
        completeness: response.completeness,
        unit: cper::evidence(captured, unit, found.walk.as_ref()),
    }
}

/// Reports it, as far as it is told now.
fn report(found: &Found) {
    if found.judged.notice.is_none() {
        journal::note_failure();
    }
    if let Tell::Others { holder, count } = found.response.tell {
        lines::others(holder, count);
    }
    if let Some((told, line)) = &found.told {
        let action = found.response.action;
        journal::emit(&Event::Fault(told.event(&told.lists(), line, action)));
        interrupt::keep_up();
        told.log(action);
    }
}

/// Ends the kernel, over a fault that was reported.
fn stop(found: &Found, frame: Option<&TrapFrame>) {
    let (Some(stop), Some((told, line))) = (STOP.get(), &found.told) else { return };
    stop(&Violation {
        fault: told.event(&told.lists(), line, found.response.action),
        object: found.judged.suspect.map_or(0, |(record, _)| record.object()),
        cpu: frame.map_or_else(cpu::state_without_frame, cpu::state),
        expectation: found.expectation,
    });
}
