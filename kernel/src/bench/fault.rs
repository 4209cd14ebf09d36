//! The fault path: from the interrupted instruction to the decoded record, and to the verdict.
//!
//! The interrupted code does nothing but note the time, so the last time it noted lies a few instructions
//! before the stub's first.

use alloc::vec::Vec;
use core::time::Duration;

use dma_types::{Access, Iova};

use super::{median, tell};
use crate::attack::{Notice, announce, land};
use crate::devices::Overreach;
use crate::dma::{PageBuffer, inspect};
use crate::faults;
use crate::platform::clock::{self, Deadline};
use ::attack::Progress;

/// Faults that are measured.
const FAULTS: usize = 50;

/// Faults that are caused for that at most: one that comes before anybody watches is not measured.
const MOST_TRIES: usize = 2 * FAULTS;

/// How long a device takes at least from its start to its request, and how long at most.
const REQUEST: (Duration, Duration) = (Duration::from_millis(97), Duration::from_secs(2));

/// Lets a device fault again and again, and measures how the kernel takes it.
pub(super) fn run(device: &'static dyn Overreach) {
    let Ok(page) = PageBuffer::new(0) else { return };
    let target = Iova::new(inspect::buffer(&page).as_u64());
    let Some(announced) = announce(device.record(), Access::Write, target, Notice::Announced) else { return };
    let (mut to_record, mut to_verdict) = (Vec::with_capacity(FAULTS), Vec::with_capacity(FAULTS));
    for _ in 0..MOST_TRIES {
        if to_record.len() == FAULTS {
            break;
        }
        if let Some((record, verdict)) = one_fault(device, target) {
            to_record.push(record);
            to_verdict.push(verdict);
        }
    }
    land(announced);
    let n = to_record.len() as u64;
    if n > 0 {
        tell("fault_to_record", median(to_record), n);
        tell("fault_to_verdict", median(to_verdict), n);
    }
}

/// One fault: nanoseconds from the interrupted code to record and verdict. `None` if none came, or it came
/// too early to be seen.
fn one_fault(device: &'static dyn Overreach, target: Iova) -> Option<(u64, u64)> {
    let before = faults::noted();
    device.start(Access::Write, target).ok()?;
    clock::sleep(REQUEST.0);
    let deadline = Deadline::after(REQUEST.1);
    let interrupted = watch(before, deadline);
    while device.poll() == Progress::Busy && !deadline.expired() {
        clock::sleep(Duration::from_millis(1));
    }
    let start = clock::ns_at(interrupted?);
    let note = faults::numbered(before)?;
    Some((note.at.checked_sub(start)?, note.judged_at.checked_sub(start)?))
}

/// Notes the time until a fault was noted, and gives the last time noted before the interrupt.
fn watch(before: u64, deadline: Deadline) -> Option<u64> {
    for _ in 0.. {
        let mut last = clock::timestamp();
        for _ in 0..1000 {
            let now = clock::timestamp();
            if faults::noted() != before {
                return Some(last);
            }
            last = now;
        }
        if deadline.expired() {
            break;
        }
    }
    None
}
