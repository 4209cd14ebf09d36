//! The local APIC in x2APIC mode: interrupts must arrive as in the other.

use core::time::Duration;

use dma_types::Access;
use options::Target;

use super::{check, copying_devices, skip};
use crate::attack::{Order, run_attacks};
use crate::irq::apic::{self, Mode};
use crate::irq::{self, timer};
use crate::journal;
use crate::platform::clock::Deadline;
use ::attack::Judgement;

const NAME: &str = "x2apic";

/// Longest time until the timer's interrupt.
const TIMER: Duration = Duration::from_secs(1);

/// Lets the timer, the fault vector and a blocked device interrupt, where the mode is on.
pub(super) fn run() {
    match apic::mode() {
        Some(Mode::X2Apic) => check(NAME, works()),
        Some(Mode::XApic) => skip(NAME, "the local APIC is in xAPIC mode"),
        None => skip(NAME, "there is no local APIC"),
    }
}

fn works() -> Result<(), &'static str> {
    timer_interrupts()?;
    fault_vector_interrupts()?;
    blocked_device_interrupts()
}

fn timer_interrupts() -> Result<(), &'static str> {
    let before = timer::ticks();
    timer::arm(Duration::from_millis(1));
    let deadline = Deadline::after(TIMER);
    while timer::ticks() == before {
        if deadline.expired() {
            return Err("the timer does not interrupt any more");
        }
        core::hint::spin_loop();
    }
    Ok(())
}

fn fault_vector_interrupts() -> Result<(), &'static str> {
    let (interrupts, spurious) = journal::fault_interrupts();
    irq::raise_fault_vector();
    let expected = (interrupts + 1, spurious + 1);
    if journal::fault_interrupts() == expected { Ok(()) } else { Err("the fault vector is not served") }
}

/// An announced overreach, where a device can be told to.
fn blocked_device_interrupts() -> Result<(), &'static str> {
    let Some(device) = copying_devices().next() else { return Ok(()) };
    let order = Order::of_self_test(Access::Write, Target::Canary);
    let (before, _) = journal::fault_interrupts();
    let blocked = matches!(run_attacks(&[device], order)[..], [Judgement::Blocked { .. }]);
    let (after, _) = journal::fault_interrupts();
    match (blocked, after > before) {
        (true, true) => Ok(()),
        (false, _) => Err("an overreach was not blocked, or its fault was not seen"),
        (true, false) => Err("a fault was recorded, but its interrupt did not arrive"),
    }
}
