//! Many faults in a row: each is counted, and the interrupted code never notices.

use alloc::vec::Vec;
use core::time::Duration;

use dma_types::{Access, Iova};
use options::{Policy, Target};

use super::register_probe::{self, Probed};
use super::{check, copying_devices, some_device};
use crate::attack::{Notice, Order, announce, land, run_attacks};
use crate::devices::Overreach;
use crate::dma::{PageBuffer, inspect};
use crate::faults;
use crate::journal;
use crate::platform::clock;
use crate::text::Text;
use ::attack::{Judgement, Progress};

const NAME: &str = "registers";

/// Faults in a row.
const FAULTS: u64 = 200;

/// Pause between the starts of two devices, so that a unit with one record has time for each.
const BETWEEN: Duration = Duration::from_millis(5);

/// Lets all capable devices fault in turn while known values stand in every register. Under `log` the faults
/// are not announced, so that the policy sees them.
pub(super) fn run() {
    if some_device(NAME).is_none() {
        return;
    }
    faults::listen(register_probe::note_interrupt);
    let devices: Vec<_> = copying_devices().collect();
    let notice = match faults::policy() {
        Policy::Log => Notice::Silent,
        _ => Notice::Announced,
    };
    let outcome = faults_in_a_row(&devices, notice);
    let detail = outcome.as_ref().err().map(Text::<128>::of);
    check(
        NAME,
        match &detail {
            None => Ok(()),
            Some(detail) => Err(detail.as_str()),
        },
    );
}

/// Why the test failed.
enum Failure {
    DeadDevice,
    NoMemory,
    NotStarted,
    Probe { fault: u64, probed: Probed },
    Counted { found: u64 },
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::DeadDevice => f.write_str("a device does not even reach its own memory"),
            Self::NoMemory => f.write_str("no memory"),
            Self::NotStarted => f.write_str("a device did not start"),
            Self::Probe { fault, probed } => write!(f, "at fault {fault} of {FAULTS}: {probed:?}"),
            Self::Counted { found } => write!(f, "{found} faults were counted, expected {FAULTS}"),
        }
    }
}

fn faults_in_a_row(devices: &[&'static dyn Overreach], notice: Notice) -> Result<(), Failure> {
    let twin = Order::of_self_test(Access::Write, Target::Canary);
    if run_attacks(devices, twin).iter().any(|judgement| !matches!(judgement, Judgement::Blocked { .. })) {
        return Err(Failure::DeadDevice);
    }
    let canary = PageBuffer::new(0).map_err(|_| Failure::NoMemory)?;
    let target = Iova::new(inspect::buffer(&canary).as_u64());
    let announced: Vec<_> = devices
        .iter()
        .filter_map(|device| announce(device.record(), Access::Write, target, notice))
        .collect();
    let before = journal::faults();
    let outcome = count_up(devices, target);
    for id in announced {
        land(id);
    }
    outcome?;
    match journal::faults() - before {
        FAULTS => Ok(()),
        found => Err(Failure::Counted { found }),
    }
}

/// Lets the devices fault round by round until enough records were drained. A unit with one record drops a
/// fault that comes while it is full, as it may where the host gives both devices their turn at once; a round
/// without any record is a failure.
fn count_up(devices: &[&'static dyn Overreach], target: Iova) -> Result<(), Failure> {
    let before = journal::faults();
    let mut faults = 0;
    while faults < FAULTS {
        let round: Vec<_> = devices.iter().take((FAULTS - faults) as usize).collect();
        let mut seen = register_probe::interrupts_noted();
        for device in &round {
            device.start(Access::Write, target).map_err(|_| Failure::NotStarted)?;
            clock::sleep(BETWEEN);
        }
        let mut probed = Probed::Intact;
        for _ in &round {
            probed = register_probe::wait_for_interrupt(seen);
            if probed != Probed::Intact {
                break;
            }
            seen += 1;
        }
        while round.iter().any(|device| device.poll() == Progress::Busy) {
            clock::sleep(Duration::from_millis(1));
        }
        let recorded = journal::faults() - before;
        if matches!(probed, Probed::Changed { .. }) || recorded == faults {
            return Err(Failure::Probe { fault: faults, probed });
        }
        faults = recorded;
    }
    Ok(())
}
