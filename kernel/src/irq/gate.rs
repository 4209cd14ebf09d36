//! Messages that nobody wants: held back for the rest of a window once there are too many.
//!
//! A device that ignores every switch goes on sending, and nothing tells who it is. The processor then takes no device's
//! message until the window ends: drivers wait that long, while faults, the timer and everybody else go on.

use ::interrupts::LAST_DEVICE_VECTOR;
use diagnosis::{MessageCount, MessageLimit, Pressure, Timestamp};

use super::{apic, timer};
use crate::platform::clock::{self, Deadline};
use crate::sync::{IrqLock, rank};

/// Unwanted messages that are taken in one window, whoever sends them.
const MOST: MessageLimit = MessageLimit::PerWindow(1000);

static UNWANTED: IrqLock<MessageCount, rank::Messages> = IrqLock::new(MessageCount::new());

/// Counts a message that nobody wants; after too many of them no device's message is taken for the rest of the window.
pub fn note_unwanted() {
    let pressure = UNWANTED.lock().note(Timestamp::from_nanos(clock::now_ns()), MOST);
    let Pressure::TooMany { until } = pressure else { return };
    // Without a timer nothing would let them in again.
    if timer::is_available() {
        apic::hold_back(LAST_DEVICE_VECTOR);
        timer::set_alarm(Deadline::at_ns(until.as_nanos()), apic::let_all_in);
    }
}
