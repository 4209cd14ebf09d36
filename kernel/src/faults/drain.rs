//! Fault records on their way from the units to those who look into them.
//!
//! Draining is short, and runs with interrupts off: a unit with a full set of records drops what comes. What was drained
//! waits in a ring until there is time for it.

use core::sync::atomic::{AtomicBool, Ordering};

use fault_response::{Arrival, Waiting};
use vtd::spec::fault_event::FaultStatus;
use vtd::spec::fault_record::FaultRecord;

use super::throttle;
use crate::iommu::{Unit, units};
use crate::journal;
use crate::platform::clock;
use crate::sync::{InterruptsOff, IrqLock, rank};

/// Records that may wait.
const RING: usize = 256;

/// Records taken from one unit in one go; the rest waits for the next.
const AT_ONCE: usize = 64;

/// A record, and what was known when it was drained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Captured {
    /// The unit: an index into the kernel's list.
    pub unit: usize,
    /// The record.
    pub record: FaultRecord,
    /// The unit's fault status before its records were drained.
    pub status: FaultStatus,
    /// When it was drained: nanoseconds since kernel entry.
    pub at: u64,
    /// What came before that.
    pub arrival: Arrival,
}

static WAITING: IrqLock<Waiting<Captured, RING>, rank::FaultRing> = IrqLock::new(Waiting::new());

/// Whether faults were lost since this was last asked.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether records were drained ahead of their interrupt.
static EARLY: AtomicBool = AtomicBool::new(false);

/// Whether the fault interrupt of a unit was masked since records were last drained.
static HELD_BACK: AtomicBool = AtomicBool::new(false);

/// What one look at all units found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drained {
    /// Records drained.
    pub records: usize,
    /// A queue had stopped at an error.
    pub queue_error: bool,
    /// Some unit has more.
    pub more: bool,
    /// Faults were dropped by a unit, or by the ring.
    pub lost: bool,
}

impl Drained {
    /// Tells whether no unit had anything to say.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Drains the records of every unit into the ring and gets stopped queues going.
///
/// Takes no lock that interrupted code may hold for long, and is bounded.
pub(super) fn drain() -> Drained {
    // Two drains at once might hand out a record twice.
    let _off = InterruptsOff::new();
    let mut drained = Drained::default();
    let held_back = HELD_BACK.swap(false, Ordering::Relaxed) || throttle::is_masking();
    let arrival = if held_back { Arrival::Masked } else { Arrival::Announced };
    for unit in units() {
        drain_unit(unit, arrival, &mut drained);
    }
    journal::count_faults(drained.records as u64);
    if drained.lost {
        LOST.store(true, Ordering::Relaxed);
    }
    drained
}

fn drain_unit(unit: &Unit, arrival: Arrival, drained: &mut Drained) {
    let Some(port) = &unit.faults else { return };
    let status = port.status();
    let outcome = port.drain(
        &mut |record| {
            let captured = Captured { unit: unit.index, record, status, at: clock::now_ns(), arrival };
            drained.records += 1;
            drained.lost |= WAITING.lock().push(captured).is_err();
        },
        AT_ONCE,
    );
    drained.lost |= outcome.overflow;
    drained.more |= outcome.pending_more;
    if !outcome.queue_errors.is_empty() {
        drained.queue_error = true;
        unit.recover_queue();
    }
}

/// Records that wait.
pub(super) fn waiting() -> usize {
    WAITING.lock().len()
}

/// The oldest record that nobody has glanced at; it goes on waiting.
pub(super) fn glance() -> Option<Captured> {
    WAITING.lock().glance()
}

/// Takes the record that has waited longest.
pub(super) fn next() -> Option<Captured> {
    WAITING.lock().pop()
}

/// Tells whether faults were lost since the last time this was asked.
pub(super) fn take_lost() -> bool {
    LOST.swap(false, Ordering::Relaxed)
}

/// Notes that fault interrupts were masked until now: a record that waits may stand for many faults.
pub fn note_held_back() {
    HELD_BACK.store(true, Ordering::Relaxed);
}

/// Notes that records were drained whose interrupt may still come, and find nothing.
pub(super) fn note_drained_early() {
    EARLY.store(true, Ordering::Relaxed);
}

/// Tells whether that was so since the last time this was asked.
pub(super) fn take_drained_early() -> bool {
    EARLY.swap(false, Ordering::Relaxed)
}
