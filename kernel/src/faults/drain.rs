//! Fault records on their way from the units to the diagnosis.
//!
//! Draining comes first and is short: a unit with a full set of records drops what comes. What was drained
//! waits in a ring until it is diagnosed.

use core::sync::atomic::{AtomicBool, Ordering};

use vtd::spec::fault_event::FaultStatus;
use vtd::spec::fault_record::FaultRecord;

use super::throttle;
use crate::iommu::{Unit, units};
use crate::platform::clock;
use crate::sync::{IrqLock, rank};
use crate::{bench, journal};

/// Records that may wait for diagnosis.
const RING: usize = 256;

/// Records taken from one unit in one go; the rest waits for the next.
const AT_ONCE: usize = 64;

/// A record, and what was known when it was drained.
#[derive(Clone, Copy, Debug)]
pub struct Captured {
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

/// Whether a record was drained as soon as it was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Its interrupt, or a look soon after, found it.
    Announced,
    /// It may have waited while interrupts were masked, and others may have been merged with it.
    Masked,
}

/// What waits, oldest first.
struct Ring {
    records: [Option<Captured>; RING],
    first: usize,
    count: usize,
}

static WAITING: IrqLock<Ring, rank::FaultRing> =
    IrqLock::new(Ring { records: [None; RING], first: 0, count: 0 });

/// Whether faults were lost since this was last asked.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether records were drained ahead of their interrupt.
static EARLY: AtomicBool = AtomicBool::new(false);

/// Whether the fault interrupt of a unit was masked since records were last drained.
static HELD_BACK: AtomicBool = AtomicBool::new(false);

/// What one look at all units found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Records drained.
    pub drained: usize,
    /// A queue had stopped at an error.
    pub queue_error: bool,
    /// Some unit has more.
    pub more: bool,
    /// Faults were dropped by a unit, or by the ring.
    pub lost: bool,
}

/// Drains the records of every unit into the ring and gets stopped queues going.
///
/// Takes no lock that interrupted code may hold for long, and is bounded.
pub fn drain() -> Look {
    let mut look = Look::default();
    let held_back = HELD_BACK.swap(false, Ordering::Relaxed) || throttle::is_masking();
    let arrival = if held_back { Arrival::Masked } else { Arrival::Announced };
    for unit in units() {
        drain_unit(unit, arrival, &mut look);
    }
    journal::count_faults(look.drained as u64);
    if look.lost {
        LOST.store(true, Ordering::Relaxed);
    }
    look
}

fn drain_unit(unit: &Unit, arrival: Arrival, look: &mut Look) {
    let Some(port) = &unit.faults else { return };
    let (at, status) = (clock::now_ns(), port.status());
    let outcome = port.drain(
        &mut |record| {
            look.drained += 1;
            bench::note_record();
            if !push(Captured { unit: unit.index, record, status, at, arrival }) {
                look.lost = true;
            }
        },
        AT_ONCE,
    );
    look.lost |= outcome.overflow;
    look.more |= outcome.pending_more;
    if !outcome.queue_errors.is_empty() {
        look.queue_error = true;
        unit.recover_queue();
    }
}

/// Takes the record that has waited longest.
pub fn next() -> Option<Captured> {
    let mut ring = WAITING.lock();
    let first = ring.first;
    let record = ring.records.get_mut(first)?.take()?;
    ring.first = (first + 1) % RING;
    ring.count -= 1;
    Some(record)
}

/// Tells whether faults were lost since the last time this was asked.
pub fn take_lost() -> bool {
    LOST.swap(false, Ordering::Relaxed)
}

/// Drains once more, in the midst of what takes long: a unit with one record drops the faults of others while
/// that one waits.
pub fn keep_up() {
    if drain().drained > 0 {
        note_drained_early();
    }
}

/// Looks at the units outside an interrupt: for what an interrupt could not announce.
pub fn poll() {
    super::interrupt::look_and_answer(None);
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

fn push(captured: Captured) -> bool {
    let mut ring = WAITING.lock();
    if ring.count == RING {
        return false;
    }
    let free = (ring.first + ring.count) % RING;
    let Some(slot) = ring.records.get_mut(free) else { return false };
    *slot = Some(captured);
    ring.count += 1;
    true
}
