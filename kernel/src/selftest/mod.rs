//! The kernel's checks of itself, one event a check.

mod books;
mod bystander;
mod bytes;
mod claims;
mod exhaustion;
mod fault_storm;
mod faults;
mod gates;
mod interrupts;
mod leak;
mod misprogram;
mod nvme_depth;
mod nvme_proof;
mod nvme_reads;
mod raise;
mod random;
mod regions;
pub mod register_probe;
mod registers;
mod release;
mod reset;
mod rest;
mod silence;
mod stale;
mod tables;
mod takeover;
mod timer_storm;
mod vector;
mod verifier;
mod x2apic;

use core::time::Duration;

use dma_types::{Access, Iova};
use report::Outcome;

use raise::RAISES;
use verifier::MISUSES;

use crate::devices;
use crate::devices::Overreach;
use crate::platform::cancel;
use crate::platform::clock::{self, Deadline};
use crate::{journal, println};
use ::attack::{Progress, Skill};

/// A self-test: its name, and whether it belongs to a plain `selftest`.
struct Test {
    name: &'static str,
    part: Part,
    run: fn(),
}

/// When a self-test runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// With all others.
    Always,
    /// Only by its name: it takes long, or changes the machine for good.
    ByName,
}

const TESTS: [Test; 30] = [
    Test { name: "vector", part: Part::Always, run: vector::run },
    Test { name: "idt", part: Part::Always, run: gates::run },
    Test { name: "books", part: Part::Always, run: books::run },
    Test { name: "leak-detector", part: Part::Always, run: leak::run },
    Test { name: "byte-buffers", part: Part::Always, run: bytes::run },
    Test { name: "rest", part: Part::Always, run: rest::run },
    Test { name: "stale", part: Part::Always, run: stale::run },
    Test { name: "allocation-failure", part: Part::Always, run: release::run_short_of_memory },
    Test { name: "release", part: Part::ByName, run: release::run },
    Test { name: "shared-domain", part: Part::ByName, run: claims::run },
    Test { name: "shared-id", part: Part::ByName, run: claims::run_tied },
    Test { name: "function-reset", part: Part::ByName, run: reset::run },
    Test { name: "takeover", part: Part::ByName, run: takeover::run },
    Test { name: "silent-unit", part: Part::ByName, run: silence::run },
    Test { name: "tables", part: Part::ByName, run: tables::run },
    Test { name: "regions", part: Part::ByName, run: regions::run },
    Test { name: "interrupts", part: Part::ByName, run: interrupts::run },
    Test { name: "registers", part: Part::ByName, run: registers::run },
    Test { name: "faults", part: Part::ByName, run: faults::run },
    Test { name: "timer-storm", part: Part::ByName, run: timer_storm::run },
    Test { name: "exhaustion", part: Part::ByName, run: exhaustion::run },
    Test { name: "nvme-proof", part: Part::ByName, run: nvme_proof::run },
    Test { name: "nvme-proof-long", part: Part::ByName, run: nvme_proof::run_long },
    Test { name: "nvme-depth", part: Part::ByName, run: nvme_depth::run },
    Test { name: "storm", part: Part::ByName, run: fault_storm::run },
    Test { name: "storm-long", part: Part::ByName, run: fault_storm::run_long },
    Test { name: "bystander", part: Part::ByName, run: bystander::run },
    Test { name: "x2apic", part: Part::ByName, run: x2apic::run },
    Test { name: "verifier-correct-use", part: Part::ByName, run: verifier::run_correct },
    Test { name: "verifier-switched", part: Part::Always, run: verifier::run_switched },
];

/// The names that [`run`] knows.
pub const NAMES: [&str; TESTS.len() + RAISES.len() + MISUSES.len()] = {
    let mut names = [""; TESTS.len() + RAISES.len() + MISUSES.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = if index < TESTS.len() {
            TESTS[index].name
        } else if index < TESTS.len() + RAISES.len() {
            RAISES[index - TESTS.len()].name
        } else {
            MISUSES[index - TESTS.len() - RAISES.len()].name
        };
        index += 1;
    }
    names
};

/// There is no self-test of that name.
pub struct NoSuchTest;

/// Runs one self-test, or all that do not take long.
///
/// # Errors
/// If there is none of that name.
pub fn run(name: Option<&str>) -> Result<(), NoSuchTest> {
    let Some(name) = name else {
        let tests = TESTS.iter().filter(|test| test.part == Part::Always);
        tests.take_while(|_| !cancel::is_requested()).for_each(|test| (test.run)());
        return Ok(());
    };
    if let Some(test) = TESTS.iter().find(|test| test.name == name) {
        (test.run)();
    } else if let Some(misuse) = MISUSES.iter().find(|misuse| misuse.name == name) {
        misuse.run();
    } else {
        RAISES.iter().find(|raise| raise.name == name).ok_or(NoSuchTest)?.run();
    }
    Ok(())
}

/// Reports how a check came out.
fn check(name: &str, result: Result<(), &str>) {
    match result {
        Ok(()) => {
            println!("{name}: pass");
            journal::check(name, Outcome::Pass, None);
        }
        Err(detail) => {
            println!("{name}: FAIL, {detail}");
            journal::check(name, Outcome::Fail, Some(detail));
        }
    }
}

/// Reports that a check needs what this machine does not have.
fn skip(name: &str, detail: &str) {
    println!("{name}: skipped, {detail}");
    journal::check(name, Outcome::Skip, Some(detail));
}

/// The devices that can be told to copy any bytes and are not cut off.
fn copying_devices() -> impl Iterator<Item = &'static dyn Overreach> {
    let copies = |device: &&dyn Overreach| matches!(device.skill(), Skill::Copies { .. });
    devices::capable().filter(|device| device.dma().is_open()).filter(copies)
}

/// The first of them; skips the check if there is none.
fn some_device(name: &str) -> Option<&'static dyn Overreach> {
    let device = copying_devices().next();
    if device.is_none() {
        skip(name, "no device here can be told to copy memory");
    }
    device
}

/// Longest time for one transfer.
const TRANSFER_TIME: Duration = Duration::from_secs(20);

/// Runs one transfer to its end.
fn transfer(device: &'static dyn Overreach, access: Access, iova: Iova) -> Result<(), &'static str> {
    device.start(access, iova).map_err(|_| "the device did not start")?;
    let deadline = Deadline::after(TRANSFER_TIME);
    while device.poll() == Progress::Busy {
        if deadline.expired() {
            return Err("the device did not finish in time");
        }
        clock::sleep(Duration::from_millis(1));
    }
    Ok(())
}
