//! The later half of the fault path: what was drained is looked into, told and answered.

use core::sync::atomic::{AtomicBool, Ordering};

use super::drain::Drained;
use super::interrupt::take_in;
use super::throttle::Shift;
use super::{accounts, containment, drain, handle};
use crate::arch::TrapFrame;
use crate::sync::InterruptsOff;

/// Looks at all units at most so often in one go; a device that faults faster than that is left to the next.
const LOOKS: usize = 16;

/// Whether it is under way: who comes meanwhile leaves what was drained to it.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Whether a unit has dropped records: said once.
static DROPPED: AtomicBool = AtomicBool::new(false);

/// Looks at the units outside an interrupt, for what an interrupt could not announce, and answers what waits.
pub fn poll() {
    let _off = InterruptsOff::new();
    let shift = Shift::begin();
    let drained = take_in();
    if drained.records > 0 {
        drain::note_drained_early();
    }
    run(None, shift, drained);
}

/// Answers what waits, and looks at all units again until nothing is left or the time is used up, but not forever.
/// Interrupts are off.
///
/// `frame` is the interrupted state, where an interrupt brought the faults. Does not return if the policy says to stop.
pub(super) fn run(frame: Option<&TrapFrame>, mut shift: Shift, mut drained: Drained) {
    if RUNNING.swap(true, Ordering::Relaxed) {
        return;
    }
    shift.end_windows();
    for _ in 0..LOOKS {
        note_lost();
        let answered = answer_waiting(frame);
        let nothing = drained.is_nothing() && drain::waiting() == 0;
        if nothing || !shift.may_go_on(answered) {
            break;
        }
        drained = take_in();
        if drained.records > 0 {
            drain::note_drained_early();
        }
    }
    if drain::waiting() == 0 {
        containment::cut_off_condemned();
    }
    shift.end();
    RUNNING.store(false, Ordering::Relaxed);
}

/// Answers every record that waits now, oldest first, and tells how many those were. What comes meanwhile is drained, since
/// a unit with one record drops the faults of others while that one waits; it is left to the next look.
fn answer_waiting(frame: Option<&TrapFrame>) -> usize {
    let waiting = drain::waiting();
    for _ in 0..waiting {
        let Some(captured) = drain::next() else { break };
        handle::handle(&captured, frame);
        keep_up();
    }
    waiting
}

/// Drains once more, in the midst of what takes long.
pub(super) fn keep_up() {
    if take_in().records > 0 {
        drain::note_drained_early();
    }
}

/// Takes note that faults were lost.
fn note_lost() {
    if !drain::take_lost() {
        return;
    }
    accounts::with(|accounts| accounts.note_dropped());
    if !DROPPED.swap(true, Ordering::Relaxed) {
        log::warn!("a unit dropped fault records; counts are lower bounds from here on");
    }
}
