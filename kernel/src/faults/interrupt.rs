//! The fault interrupt of every unit, and the later half of its work, which other interrupts may interrupt.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: the fault vector's stub calls the dispatcher by its name, with a pointer"
)]

use core::sync::atomic::{AtomicBool, Ordering};

use spin::Once;
use x86_64::instructions::interrupts;
use x86_64::registers::rflags::RFlags;

use super::drain::Drained;
use super::throttle::Shift;
use super::{accounts, containment, drain, handle};
use crate::arch::TrapFrame;
use crate::irq::apic;
use crate::journal::{self, Found};
use crate::platform::serial;
use crate::sync::{InterruptsOff, interrupts_are_on};

/// Looks at all units at most so often in one go; a device that faults faster than that is left to the next.
const LOOKS: usize = 16;

/// Whether the later half is under way: who comes meanwhile leaves what was drained to it.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Whether a unit has dropped records: said once.
static DROPPED: AtomicBool = AtomicBool::new(false);

static LISTENER: Once<fn()> = Once::new();

/// Has a function called at the end of each fault interrupt that found something, once and for good: for a self-test whose
/// registers the interrupted code holds. It takes no lock, and is short.
pub fn listen(listener: fn()) {
    LISTENER.call_once(|| listener);
}

/// Takes the fault interrupt: the only function that the fault vector's stub calls.
///
/// Drains every unit's records into a ring and clears them, hands queue errors to the queue's recovery, takes bus
/// mastering from whoever is stopped whatever the verdict, and ends the interrupt. Then, with interrupts as they were, it
/// has the faults looked into, answered and told, unless that goes on below it already. Returns to the interrupted code
/// unless the policy says to stop. With nothing pending it is counted and harmless.
///
/// # Safety
/// `frame` is what the stub has just saved on this stack, and nothing else refers to it. Interrupts are off.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ivt_handle_interrupt(frame: *mut TrapFrame) {
    // SAFETY: the caller's promise.
    let frame = unsafe { &*frame };
    let shift = Shift::begin();
    let drained = take_in();
    apic::end_of_interrupt();
    let early = drain::take_drained_early();
    let found = if drained.is_nothing() && !early { Found::Nothing } else { Found::Something };
    journal::count_fault_interrupt(found);
    let were_on = RFlags::from_bits_truncate(frame.rflags).contains(RFlags::INTERRUPT_FLAG);
    let meanwhile = if were_on { Meanwhile::Interruptible } else { Meanwhile::InterruptsOff };
    run_later_half(Some(frame), shift, drained, meanwhile);
    if let (Found::Something, Some(listener)) = (found, LISTENER.get()) {
        listener();
    }
}

/// Looks at the units outside their interrupt, for what that could not announce, and answers what waits.
///
/// Within the later half itself, as in an interrupt that came in, it leaves that to it.
pub fn poll() {
    let meanwhile = if interrupts_are_on() { Meanwhile::Interruptible } else { Meanwhile::InterruptsOff };
    let _off = InterruptsOff::new();
    let shift = Shift::begin();
    let drained = take_in_early();
    run_later_half(None, shift, drained, meanwhile);
}

/// Drains every unit, and does at once what cannot wait for the verdict. Interrupts are off.
fn take_in() -> Drained {
    let drained = drain::drain();
    while let Some(captured) = drain::glance() {
        containment::stop_at_once(&captured);
    }
    drained
}

/// The same ahead of an interrupt, which may then find nothing.
fn take_in_early() -> Drained {
    let drained = take_in();
    if drained.records > 0 {
        drain::note_drained_early();
    }
    drained
}

/// Drains once more, in the midst of what takes long: a unit with one record drops the faults of others while that one
/// waits.
pub(super) fn keep_up() {
    let _off = InterruptsOff::new();
    take_in_early();
}

/// Whether others may interrupt the later half.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    /// They may: they might have interrupted what runs below it.
    Interruptible,
    /// They may not.
    InterruptsOff,
}

impl Meanwhile {
    /// Does something with interrupts so, and turns them off again. Nobody waits for a port meanwhile.
    fn run<T>(self, work: impl FnOnce() -> T) -> T {
        if self == Self::Interruptible {
            interrupts::enable();
        }
        let result = serial::leave_sending(work);
        interrupts::disable();
        result
    }
}

/// Answers what waits, and looks at all units again until nothing is left or the time is used up, but not forever.
/// Interrupts are off, and are when it returns.
///
/// `frame` is the interrupted state, where an interrupt brought the faults. Does not return if the policy says to stop.
fn run_later_half(frame: Option<&TrapFrame>, mut shift: Shift, mut drained: Drained, meanwhile: Meanwhile) {
    if RUNNING.swap(true, Ordering::Acquire) {
        return;
    }
    shift.end_windows();
    for _ in 0..LOOKS {
        note_lost();
        let answered = meanwhile.run(|| answer_waiting(frame));
        if drain::waiting() == 0 {
            meanwhile.run(containment::cut_off_condemned);
            // Interrupts are off again: nobody adds to what is seen here.
            if drained.is_nothing() && drain::waiting() == 0 && !containment::is_due() {
                break;
            }
        }
        if !shift.may_go_on(answered) {
            break;
        }
        drained = take_in_early();
    }
    shift.end(drain::waiting());
    RUNNING.store(false, Ordering::Release);
}

/// Answers every record that waits now, oldest first, and tells how many those were. What comes meanwhile is left to the
/// next look.
fn answer_waiting(frame: Option<&TrapFrame>) -> usize {
    let waiting = drain::waiting();
    for _ in 0..waiting {
        let Some(captured) = drain::next() else { break };
        handle::handle(&captured, frame);
        keep_up();
    }
    waiting
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
