//! Exceptions that nothing expects: they end in a report, never in a reset.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use exceptions::{ExceptionReport, StackCondition, TrapFrame, Vector};
use spin::Once;

use super::{backtrace, cpu};
use crate::journal::{self, Ending};
use crate::memory::{layout, stacks};
use crate::platform::serial;

/// What ends the kernel after an unexpected exception. It must not return, and may find any lock held.
pub type StopHook = fn(&ExceptionReport) -> !;

static STOP: Once<StopHook> = Once::new();
static DEPTH: AtomicU32 = AtomicU32::new(0);

/// Says what ends the kernel, once. Without it the report goes to the serial port and the processor halts.
pub fn set_stop_hook(hook: StopHook) {
    STOP.call_once(|| hook);
}

/// Ends the kernel with a report about the exception in the frame.
pub(super) fn unexpected(frame: &TrapFrame) -> ! {
    let control = cpu::state(frame).control;
    enter_stop(format_args!("{} at {:#x}, cr2 {:#x}", Vector(frame.vector as u8), frame.rip, control.cr2));
    let report = report(frame);
    match STOP.get() {
        Some(stop) => stop(&report),
        None => {
            serial::write_now(format_args!("{report}\n"));
            cpu::halt_forever()
        }
    }
}

/// Counts the ways into the stop: a second one ends the report and halts with a line, a third halts at once.
pub(super) fn enter_stop(cause: fmt::Arguments<'_>) {
    match DEPTH.fetch_add(1, Ordering::Relaxed) {
        0 => {}
        1 => {
            serial::write_now(format_args!("\nwhile stopping: {cause}; halted\n"));
            journal::end(Ending::Stopped);
            cpu::halt_forever()
        }
        _ => cpu::halt_forever(),
    }
}

fn report(frame: &TrapFrame) -> ExceptionReport {
    let state = cpu::state(frame);
    let vector = Vector(frame.vector as u8);
    let faulted = matches!(vector, Vector::PAGE_FAULT | Vector::DOUBLE_FAULT);
    let overflowed = faulted.then(|| stacks::guarded_at(state.control.cr2)).flatten();
    let stack = match (overflowed, stacks::containing(frame.rsp)) {
        (Some(stack), _) => StackCondition::Overflowed(stack.name),
        (None, Some(stack)) => StackCondition::Within(stack.name),
        (None, None) => StackCondition::Elsewhere,
    };
    ExceptionReport {
        state,
        stack,
        return_addresses: backtrace::from_stack(frame.rsp),
        image_base: layout::KERNEL_IMAGE,
    }
}
