//! One device is cut off and let back again and again, while an NVMe controller works beside it.
//!
//! Every transfer of the controller must end well, with the right bytes.

use core::time::Duration;

use dma_types::{Access, Iova};
use options::Policy;
use report::{DeviceState, Outcome};

use super::nvme_reads::Reads;
use super::{copying_devices, skip};
use crate::attack::{Notice, announce, land};
use crate::devices;
use crate::devices::Overreach;
use crate::devices::nvme::{self as driver, Nvme};
use crate::dma::{PageBuffer, inspect};
use crate::platform::clock::Deadline;
use crate::{faults, journal, println};

const NAME: &str = "bystander";

/// Times that the device is cut off and let back.
const ROUNDS: usize = 10;

/// Requests of the controller under way at once.
const DEPTH: usize = 16;

/// Longest time from a device's start to its being cut off.
const ROUND: Duration = Duration::from_secs(60);

pub(super) fn run() {
    let Some(nvme) = driver::all().find(|nvme| Overreach::dma(*nvme).is_open()) else {
        return skip(NAME, "no NVMe controller has a driver");
    };
    let Some(culprit) = copying_devices().next() else {
        return skip(NAME, "no other device here can be told to overreach");
    };
    let (result, detail) = match disturb(nvme, culprit) {
        Ok(transfers) => (Outcome::Pass, alloc::format!("{ROUNDS} times, {transfers} transfers beside it")),
        Err(why) => (Outcome::Fail, why.into()),
    };
    println!("{NAME}: {detail}");
    journal::check(NAME, result, Some(&detail));
}

/// Lets the device overreach until it has been cut off so many times, with the controller busy all along. Gives the
/// number of transfers.
fn disturb(nvme: &Nvme, culprit: &'static dyn Overreach) -> Result<usize, &'static str> {
    let mut work = Reads::new(nvme, DEPTH)?;
    let canary = PageBuffer::new(0).map_err(|_| "no memory")?;
    let target = Iova::new(inspect::buffer(&canary).as_u64());
    let record = culprit.record();
    let flight = announce(record, Access::Write, target, Notice::Silent);
    let flight = flight.ok_or("too many attacks are under way")?;
    record.set_policy(Policy::Contain);
    let outcome = cut_off_again_and_again(culprit, target, &mut work);
    record.set_policy(faults::policy());
    land(flight);
    outcome?;
    let untouched = canary.bytes().iter().all(|byte| *byte == 0);
    if untouched { work.finish() } else { Err("the other device reached memory") }
}

fn cut_off_again_and_again(
    culprit: &'static dyn Overreach,
    target: Iova,
    work: &mut Reads<'_>,
) -> Result<(), &'static str> {
    let record = culprit.record();
    for _ in 0..ROUNDS {
        culprit.start(Access::Write, target).map_err(|_| "the other device did not start")?;
        let deadline = Deadline::after(ROUND);
        while record.state() != DeviceState::Quarantined {
            work.go_on()?;
            if deadline.expired() {
                return Err("the other device was not cut off");
            }
        }
        work.go_on()?;
        devices::release(record).map_err(|_| "the other device could not be released")?;
        work.go_on()?;
    }
    Ok(())
}
