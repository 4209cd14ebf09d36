//! The local APIC in its other mode: interrupts must arrive as before.

use core::time::Duration;

use dma_types::Access;
use interrupts::ApicId;
use options::Target;

use super::{check, copying_devices, skip};
use crate::attack::{Order, run_attacks};
use crate::irq::apic::{self, Mode};
use crate::irq::{self, timer};
use crate::journal;
use crate::platform::clock::Deadline;
use crate::text::Text;
use ::attack::Judgement;

const NAME: &str = "x2apic";

/// Longest time until the timer's interrupt.
const TIMER: Duration = Duration::from_secs(1);

/// Switches the mode, which cannot be taken back, and lets the timer, the fault vector and a blocked device
/// interrupt.
pub(super) fn run() {
    let id = apic::id();
    match apic::switch_to_x2apic() {
        Ok(()) => check(NAME, works_as_before(id)),
        Err(error) => skip(NAME, Text::<64>::of(&error).as_str()),
    }
}

fn works_as_before(id: ApicId) -> Result<(), &'static str> {
    if apic::mode() != Some(Mode::X2Apic) {
        return Err("the mode did not change");
    }
    // The units' messages carry the id.
    if apic::id() != id {
        return Err("the processor has another id now");
    }
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
