//! The fault interrupt of every unit.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: the fault vector's stub calls the dispatcher by its name, with a pointer"
)]

use spin::Once;

use super::throttle::Shift;
use super::{containment, drain, later};
use crate::arch::TrapFrame;
use crate::irq::apic;
use crate::journal::{self, Found};

static LISTENER: Once<fn()> = Once::new();

/// Has a function called at the end of each fault interrupt that found something, once and for good: for a self-test whose
/// registers the interrupted code holds. It takes no lock, and is short.
pub fn listen(listener: fn()) {
    LISTENER.call_once(|| listener);
}

/// Takes the fault interrupt: the only function that the fault vector's stub calls.
///
/// Drains every unit's records into a ring and clears them, hands queue errors to the queue's recovery, takes bus
/// mastering from whoever is stopped whatever the verdict, ends the interrupt, and only then has the faults looked into,
/// told and answered. Returns to the interrupted code unless the policy says to stop. With nothing pending it is counted
/// and harmless.
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
    later::run(Some(frame), shift, drained);
    if let (Found::Something, Some(listener)) = (found, LISTENER.get()) {
        listener();
    }
}

/// Drains every unit, and does at once what cannot wait for the verdict.
pub(super) fn take_in() -> drain::Drained {
    let drained = drain::drain();
    while let Some(captured) = drain::glance() {
        containment::stop_at_once(&captured);
    }
    drained
}
