//! A processor that rests is always woken, however soon the timer rings.

use core::time::Duration;

use super::{check, skip};
use crate::irq::timer;
use crate::platform::clock;

const NAME: &str = "rest";

/// The longest rest: longer than it takes from arming the timer to the halt.
const LONGEST: Duration = Duration::from_micros(20);

/// What one rest is longer than the one before: a count of the timer in a virtual machine.
const STEP: Duration = Duration::from_nanos(16);

/// Rests for every short time, so that the timer rings at every point between arming it and the halt. One that rang
/// there unheard would be the last: nothing else interrupts.
pub(super) fn run() {
    if !timer::is_available() || !crate::sync::interrupts_are_on() {
        return skip(NAME, "there is no timer that could end a halt");
    }
    let mut length = Duration::ZERO;
    while length < LONGEST {
        clock::sleep(length);
        length += STEP;
    }
    check(NAME, Ok(()));
}
