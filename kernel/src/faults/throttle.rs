//! The share of the processor's time that fault handling gets.
//!
//! A device can fault faster than faults can be explained. Once the window's share is used up, the fault
//! interrupt of every unit is masked until its end: units go on recording, and what they merge or drop
//! meanwhile shows in the counts as "at least".

use core::sync::atomic::{AtomicBool, Ordering};

use diagnosis::{Allowance, Budget, Timestamp};

use super::{containment, drain, interrupt};
use crate::iommu::units;
use crate::irq::timer;
use crate::platform::clock::{self, Deadline};
use crate::sync::{IrqLock, rank};

/// Nanoseconds of rest before what one go could not answer.
const REST: u64 = 10_000_000;

static BUDGET: IrqLock<Budget, rank::FaultBudget> = IrqLock::new(Budget::new());

/// Whether the fault interrupts are masked.
static MASKED: AtomicBool = AtomicBool::new(false);

/// Fault handling under way, from its begin or the last look at the clock.
pub(super) struct Shift {
    since: Timestamp,
}

/// The most nanoseconds that fault handling has taken of any 100 ms so far.
pub fn most_in_a_window() -> u64 {
    BUDGET.lock().most()
}

fn now() -> Timestamp {
    Timestamp::from_nanos(clock::now_ns())
}

impl Shift {
    /// Begins.
    pub(super) fn begin() -> Self {
        Self { since: now() }
    }

    /// Ends the windows that are over: devices that kept the interrupt masked for too many of them in a row are
    /// contained.
    ///
    /// To be called before the first fault of the shift is answered, and after the first drain: it looks at the
    /// account of every device, and a unit without a free record drops what comes meanwhile.
    pub(super) fn end_windows(&self) {
        let ended = BUDGET.lock().advance(self.since);
        ended.for_each(containment::end_window);
    }

    /// Counts faults that were answered, and tells whether there is time left in this window; there always is where nothing
    /// could end a mask.
    pub(super) fn may_go_on(&mut self, answered: usize) -> bool {
        let faults = u32::try_from(answered).unwrap_or(u32::MAX);
        matches!(self.count(faults), Allowance::Left) || !timer::is_available()
    }

    /// Ends; with no time left, masks the fault interrupts until the window ends. What then waits is answered after that;
    /// where there was time, but too much waits, after a rest.
    pub(super) fn end(mut self, waiting: usize) {
        match self.count(0) {
            Allowance::Spent { until } => mask(until),
            Allowance::Left if waiting > 0 => mask(Timestamp::from_nanos(self.since.as_nanos() + REST)),
            Allowance::Left => {}
        }
    }

    fn count(&mut self, faults: u32) -> Allowance {
        let now = now();
        let allowance = BUDGET.lock().spend(self.since, now, faults);
        self.since = now;
        allowance
    }
}

/// Masks the fault interrupts until a time, unless nothing could unmask them then.
fn mask(until: Timestamp) {
    if !timer::is_available() || MASKED.swap(true, Ordering::Relaxed) {
        return;
    }
    for port in units().iter().filter_map(|unit| unit.faults.as_ref()) {
        port.mask_fault_event();
    }
    timer::set_alarm(Deadline::at_ns(until.as_nanos()), resume);
}

/// Tells whether the fault interrupts are masked for want of time.
pub fn is_masking() -> bool {
    MASKED.load(Ordering::Relaxed)
}

/// Takes up fault handling again in a new window.
fn resume() {
    MASKED.store(false, Ordering::Relaxed);
    drain::note_held_back();
    // What a unit has to say from before the mask was never announced.
    interrupt::poll();
    if MASKED.load(Ordering::Relaxed) {
        return;
    }
    let mut standing = false;
    for port in units().iter().filter_map(|unit| unit.faults.as_ref()) {
        standing |= !port.unmask_fault_event().is_empty();
    }
    if standing {
        interrupt::poll();
    }
}
