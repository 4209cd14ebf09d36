//! Exceptions that nothing expects: they end in a report, never in a reset.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use exceptions::{ExceptionReport, StackCondition, TrapFrame, Vector};
use report::{Bugcheck, Event, Hex, List, Registers};
use spin::Once;

use super::backtrace;
use crate::arch::{cpu, stacks};
use crate::journal::{self, Ending};
use crate::memory::layout;
use crate::platform::{clock, serial};
use crate::text::Text;

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
    match DEPTH.fetch_add(1, Ordering::AcqRel) {
        0 => {}
        1 => give_up(cause),
        _ => cpu::halt_forever(),
    }
}

/// Ends a stop that cannot go on itself: a line, the end of the report, and a halt.
pub fn give_up(cause: fmt::Arguments<'_>) -> ! {
    let text = Text::<256>::of(&format_args!("while stopping: {cause}"));
    serial::write_now(format_args!("\n{text}; halted\n"));
    let registers = cpu::state_without_frame().registers().map(|(name, value)| (name.into(), Hex(value)));
    journal::emit(&Event::Bugcheck(Bugcheck {
        t: clock::now_ns(),
        code: Hex(0),
        name: "PANIC".into(),
        p1: Hex(0),
        p2: Hex(0),
        p3: Hex(0),
        p4: Hex(0),
        cpu: Registers(List::Borrowed(&registers)),
        fault: None,
        violation: None,
        detail: Some(text.as_str().into()),
    }));
    journal::end(Ending::Stopped);
    cpu::halt_forever()
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
