//! One fault: diagnosed, decided about, told, answered.

use diagnosis::{Fault, Reason, Timestamp, Verdict, diagnose};
use dma_types::{Access, Bdf, Iova};
use exceptions::CpuState;
use fault_response::{ExpectationId, Judged, Pacing, Tell};
use report::{Action, Event};
use spin::Once;

use super::drain::Captured;
use super::lines::Told;
use super::recent::{self, FaultNote};
use super::world::{Held, KernelWorld};
use super::{accounts, containment, cper, later, lines};
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

/// The fault that a record tells of.
pub(super) fn fault_of(captured: &Captured, unit: &Unit) -> Fault {
    let record = &captured.record;
    Fault {
        requester: Bdf::new(unit.segment, record.source()),
        address: record.page(),
        access: record.access(),
        reason: Reason(record.reason().0),
        at: Timestamp::from_nanos(captured.at),
    }
}

/// Takes one fault from its record to its answer. Does not return if the policy says to stop.
pub(super) fn handle(captured: &Captured, frame: Option<&TrapFrame>) {
    let Some(unit) = iommu::units().get(captured.unit) else { return };

    // Diagnose, while the books of the requester's domain are locked.
    let fault = fault_of(captured, unit);
    let held = Held::of(fault.requester);
    let world = KernelWorld::new(&held, Some(unit));
    let diagnosis = diagnose(&fault, &world);
    let judged_at = clock::now_ns();
    let suspect = world.suspect(&diagnosis);
    let expected = accounts::note_verdict(&fault, |bdf| diagnosis.verdict_on(bdf));

    // Decide.
    if expected.is_none() {
        journal::note_failure();
    }
    let one_at_a_time =
        diagnosis.candidates.total() == 1 && suspect.is_some_and(devices::requests_one_by_one);
    let judged = Judged {
        fault,
        verdict: diagnosis.verdict,
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
    // The books are free again before a device is cut off: that is entered in them.
    drop(world);
    drop(held);

    // Act.
    containment::carry_out(response.measure);

    // Report; for a stop that comes first, and the sender has lost bus mastering already.
    recent::note(FaultNote {
        number: 0,
        at: captured.at,
        judged_at,
        requester: fault.requester,
        bdf: suspect.map(|record| record.bdf),
        access: fault.access,
        address: fault.address,
        reason: fault.reason,
        verdict: judged.verdict,
        action: response.action,
        completeness: response.completeness,
        unit: cper::evidence(captured, unit, walk.as_ref()),
    });
    if let Tell::Others { holder, count } = response.tell {
        lines::others(holder, count);
    }
    if let Some((told, line)) = told {
        let lists = told.lists();
        let event = told.event(&lists, &line, response.action);
        journal::emit(&Event::Fault(event.clone()));
        later::keep_up();
        told.log(response.action);
        if response.action == Action::Bugcheck {
            stop(event, suspect, frame, expected.map(|(id, _)| id));
        }
    }
}

/// Ends the kernel.
fn stop(
    fault: report::Fault<'_>,
    suspect: Option<&'static DeviceRecord>,
    frame: Option<&TrapFrame>,
    expectation: Option<ExpectationId>,
) {
    let object = suspect.map_or(0, DeviceRecord::object);
    let cpu = frame.map_or_else(cpu::state_without_frame, cpu::state);
    if let Some(stop) = STOP.get() {
        stop(&Violation { fault, object, cpu, expectation });
    }
}
