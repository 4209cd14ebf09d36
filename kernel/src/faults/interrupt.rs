//! The fault interrupt of every unit.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: the fault vector's stub calls the dispatcher by its name, with a pointer"
)]

use super::throttle::Shift;
use super::{answer, drain};
use crate::arch::TrapFrame;
use crate::irq::apic;
use crate::selftest::register_probe;

use crate::journal::{self, Found};
use crate::sync::InterruptsOff;

/// Looks at all units at most so often in one interrupt; a device that faults faster than that is left to
/// the next look.
const LOOKS: usize = 16;

/// Takes the fault interrupt: the only function that the fault vector's stub calls.
///
/// Drains every unit's records into a ring and clears them, hands queue errors to the queue's recovery, ends
/// the interrupt, and only then has the faults diagnosed and answered. Returns to the interrupted code unless
/// the policy says to stop. With nothing pending it is counted and harmless.
///
/// # Safety
/// `frame` is what the stub has just saved on this stack, and nothing else refers to it. Interrupts are off.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ivt_handle_interrupt(frame: *mut TrapFrame) {
    // SAFETY: the caller's promise.
    let frame = unsafe { &*frame };
    let mut shift = Shift::begin();
    let first = drain::drain();
    apic::end_of_interrupt();
    shift.end_windows();
    let nothing = first.drained == 0 && !first.queue_error && !first.lost;
    let early = drain::take_drained_early();
    journal::count_fault_interrupt(if nothing && !early { Found::Nothing } else { Found::Something });
    answer::answer_waiting(Some(frame));
    if !nothing || early {
        register_probe::note_interrupt();
    }
    if !nothing && shift.may_go_on(&first) {
        look(Some(frame), &mut shift);
    }
    shift.end();
}

/// Looks at all units until nothing is left or the time is used up, but not forever, and answers what was found.
pub(super) fn look_and_answer(frame: Option<&TrapFrame>) {
    let _off = InterruptsOff::new();
    let mut shift = Shift::begin();
    shift.end_windows();
    look(frame, &mut shift);
    shift.end();
}

fn look(frame: Option<&TrapFrame>, shift: &mut Shift) {
    for _ in 0..LOOKS {
        let look = drain::drain();
        answer::answer_waiting(frame);
        if look.drained == 0 && !look.more {
            return;
        }
        drain::note_drained_early();
        if !shift.may_go_on(&look) {
            return;
        }
    }
}
