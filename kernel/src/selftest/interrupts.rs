//! Interrupts that a device raises although they are not its own: refused by its unit, and told.
//!
//! A device with MSI is programmed with what it was given, and then with what it was not. It begins with the message that
//! arrives, so that a dead device proves nothing.

use core::time::Duration;

use ::interrupts::DeviceVector;
use ::iommu::interrupts::{Entries, Fate};
use diagnosis::Verdict;
use dma_types::{Access, Bdf, InterruptIndex, MsiMessage};
use fault_response::{Expectation, Notice};
use vtd::spec::interrupt_request::InterruptRequest;

use super::{check, copying_devices, skip};
use crate::devices::{Astray, DeviceRecord, Overreach};
use crate::faults;
use crate::iommu::{self, Unit};
use crate::irq::owners::{self, Source};
use crate::platform::clock;

const NAME: &str = "interrupts";

/// Longer than any message takes, and the fault that refuses it.
const ARRIVAL: Duration = Duration::from_millis(20);

/// A message that the device has not, so that no driver uses it.
const MESSAGE: u16 = 1;

pub(super) fn run() {
    let edu = copying_devices().find(|device| device.record().driver() == Some("edu"));
    let Some(device) = edu else { return skip(NAME, "no device here raises its interrupt when it is told") };
    match iommu::unit_of(device.record()).filter(|unit| unit.remaps_interrupts()) {
        Some(unit) => check(NAME, forge(device, unit)),
        None => skip(NAME, "its unit does not remap interrupts"),
    }
}

/// The device, ready to send whatever message it is programmed with.
struct Forger {
    device: &'static dyn Overreach,
    record: &'static DeviceRecord,
}

impl Forger {
    /// Sends a message, and waits until it has arrived or was refused.
    fn send(&self, message: MsiMessage) -> Result<(), &'static str> {
        let _astray =
            Astray::lead(self.record, message).map_err(|_| "the message could not be programmed")?;
        self.device.interrupt().map_err(|_| "it does not send its message")?;
        clock::sleep(ARRIVAL);
        Ok(())
    }

    /// Sends a message that must be refused for `reason`, and raise nothing.
    fn is_refused(&self, index: InterruptIndex, reason: u8, why: &'static str) -> Result<(), &'static str> {
        let (first, raised) = (faults::noted(), raised_by_devices());
        let expected = faults::expect(Expectation {
            device: self.record.bdf,
            requester: self.record.requester,
            address: None,
            access: Access::Interrupt,
            notice: Notice::Announced,
        });
        let expected = expected.ok_or("too many faults are expected")?;
        let sent = self.send(InterruptRequest::remappable(index).message());
        faults::poll();
        faults::withdraw(expected);
        sent?;
        if raised_by_devices() != raised {
            return Err(why);
        }
        let is_it = |number| {
            faults::numbered(number).is_some_and(|note| {
                let told = (note.requester, note.access, note.verdict);
                told == (self.record.requester, Access::Interrupt, Verdict::Interrupt)
                    && note.reason.0 == reason
            })
        };
        match (first..faults::noted()).any(is_it) {
            true => Ok(()),
            false => Err("it raised nothing, but no fault says why, or not of this device"),
        }
    }
}

/// Interrupts of all devices so far.
fn raised_by_devices() -> u64 {
    let of_device =
        |line: &owners::Line| matches!(line.source, Source::Device(..) | Source::Former(_) | Source::Nobody);
    owners::list().iter().filter(|line| of_device(line)).map(|line| line.count).sum()
}

fn forge(device: &'static dyn Overreach, unit: &Unit) -> Result<(), &'static str> {
    let record = device.record();
    let forger = Forger { device, record };
    let vector = owners::give(record.bdf, MESSAGE).map_err(|_| "no vector is free")?;
    let own = match give(record, unit, &vector) {
        Ok(own) => own,
        Err(why) => {
            owners::give_back(vector);
            return Err(why);
        }
    };
    let index = own.block().first();
    let arrived = forger.send(own.message());
    let count = owners::count(vector.number());
    unit.withdraw_interrupts(own).map_err(|_| "its entry could not be withdrawn")?;
    let after = forger.is_refused(index, 0x22, "its own message arrived after it was withdrawn");
    owners::give_back(vector);
    arrived?;
    if count != 1 {
        return Err("the twin: its own message did not arrive");
    }
    after?;

    let others = find(unit, |fate| matches!(fate, Fate::Live { owner } if owner != record.bdf));
    if let Some(index) = others {
        forger.is_refused(index, 0x26, "it raised another device's interrupt")?;
    }
    let free = find(unit, |fate| fate == Fate::NeverGiven).ok_or("every entry was given once")?;
    forger.is_refused(free, 0x22, "an entry that nobody has let a message pass")?;
    let beyond = find(unit, |fate| fate == Fate::OutOfRange).ok_or("the table has no end")?;
    forger.is_refused(beyond, 0x21, "a message passed that names no entry")
}

fn give(record: &DeviceRecord, unit: &Unit, vector: &DeviceVector) -> Result<Entries, &'static str> {
    unit.give_interrupts(record, &[owners::route(vector)]).map_err(|_| "no interrupt entry is free")
}

/// The first index with such a fate.
fn find(unit: &Unit, is_such: impl Fn(Fate<Bdf, diagnosis::Timestamp>) -> bool) -> Option<InterruptIndex> {
    (0..=u16::MAX).map(InterruptIndex).find(|index| is_such(unit.interrupt_fate(*index)))
}
