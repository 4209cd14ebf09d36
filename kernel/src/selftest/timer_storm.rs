//! Timer interrupts across a storm of faults: the interrupted code never notices.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use dma_types::{Access, Iova};

use super::register_probe::{self, Probed};
use super::{check, copying_devices, some_device};
use crate::attack::{Notice, announce, land};
use crate::devices::Overreach;
use crate::dma::{PageBuffer, inspect};
use crate::journal;
use crate::platform::clock::{self, Deadline};
use crate::text::Text;
use ::attack::Progress;

const NAME: &str = "timer-storm";

/// Timer interrupts in all.
const TICKS: u64 = 10_000;

/// Timer interrupts from the start of one device to that of the next: a unit with one fault record needs the
/// time between two faults.
const TICKS_A_DEVICE: u64 = 50;

/// Time from one timer interrupt to the next.
const TICK: Duration = Duration::from_micros(100);

/// Longest time for the transfers that are under way at the end.
const LAST_TRANSFERS: Duration = Duration::from_secs(20);

/// Lets all capable devices fault in turn, announced, while the timer interrupts code that has known values in
/// every register.
pub(super) fn run() {
    if some_device(NAME).is_none() {
        return;
    }
    let outcome = weather();
    let detail = outcome.as_ref().err().map(Text::<128>::of);
    check(NAME, detail.as_ref().map_or(Ok(()), |detail| Err(detail.as_str())));
}

/// Why the test failed.
enum Failure {
    NoMemory,
    NotStarted,
    NotFinished,
    Probe { ticks: u64, probed: Probed },
    Counted { found: u64, expected: u64 },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory => f.write_str("no memory"),
            Self::NotStarted => f.write_str("a device did not start"),
            Self::NotFinished => f.write_str("a device did not finish"),
            Self::Probe { ticks, probed } => write!(f, "within {ticks} timer interrupts: {probed:?}"),
            Self::Counted { found, expected } => {
                write!(f, "{found} faults were counted, expected at most {expected}")
            }
        }
    }
}

fn weather() -> Result<(), Failure> {
    let devices: Vec<_> = copying_devices().collect();
    let canary = PageBuffer::new(0).map_err(|_| Failure::NoMemory)?;
    let target = Iova::new(inspect::buffer(&canary).as_u64());
    let announced: Vec<_> = devices
        .iter()
        .filter_map(|device| announce(device.record(), Access::Write, target, Notice::Announced))
        .collect();
    let before = journal::faults();
    let started = interrupt_all_along(&devices, target);
    let finished = wait_for_all(&devices);
    for id in announced {
        land(id);
    }
    let expected = started?;
    finished?;
    match journal::faults() - before {
        // A unit with one record drops the second of two faults that come at once.
        found if (1..=expected).contains(&found) => Ok(()),
        found => Err(Failure::Counted { found, expected }),
    }
}

/// Runs the probe through all ticks, starting one device after the other meanwhile; gives how many transfers
/// that were.
fn interrupt_all_along(devices: &[&'static dyn Overreach], target: Iova) -> Result<u64, Failure> {
    let mut started = 0;
    for (round, device) in devices.iter().cycle().enumerate().take((TICKS / TICKS_A_DEVICE) as usize) {
        if device.poll() != Progress::Busy {
            device.start(Access::Write, target).map_err(|_| Failure::NotStarted)?;
            started += 1;
        }
        let probed = register_probe::run_through_ticks(TICKS_A_DEVICE, TICK);
        if probed != Probed::Intact {
            return Err(Failure::Probe { ticks: (round as u64 + 1) * TICKS_A_DEVICE, probed });
        }
    }
    Ok(started)
}

fn wait_for_all(devices: &[&'static dyn Overreach]) -> Result<(), Failure> {
    let deadline = Deadline::after(LAST_TRANSFERS);
    while devices.iter().any(|device| device.poll() == Progress::Busy) {
        if deadline.expired() {
            return Err(Failure::NotFinished);
        }
        clock::sleep(Duration::from_millis(1));
    }
    // A device is done before its fault's interrupt has arrived.
    clock::sleep(Duration::from_millis(5));
    Ok(())
}
