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
use crate::devices::DeviceRecord;
use crate::faults;
use crate::iommu::{self, Unit};
use crate::irq::owners::{self, Source};
use crate::memory::mmio::Mmio;
use crate::platform::clock;
use crate::platform::pci::config;

const NAME: &str = "interrupts";

/// Registers of `edu` (QEMU `docs/specs/edu.rst`): raises its interrupt with the bits that are written, and ends it.
const RAISE: usize = 0x60;
const ACKNOWLEDGE: usize = 0x64;
/// Bytes of its registers in use.
const WINDOW: usize = 0x100;

/// Longer than any message takes, and the fault that refuses it.
const ARRIVAL: Duration = Duration::from_millis(20);

/// The message of the device: no driver uses it.
const MESSAGE: u16 = 0;

pub(super) fn run() {
    let edu = copying_devices().map(|device| device.record()).find(|record| record.driver() == Some("edu"));
    let Some(record) = edu else { return skip(NAME, "no device here raises its interrupt when it is told") };
    match iommu::unit_of(record).filter(|unit| unit.remaps_interrupts()) {
        Some(unit) => check(NAME, forge(record, unit)),
        None => skip(NAME, "its unit does not remap interrupts"),
    }
}

/// The device, ready to send whatever message it is programmed with.
struct Forger {
    record: &'static DeviceRecord,
    registers: Mmio,
}

impl Forger {
    fn new(record: &'static DeviceRecord) -> Option<Self> {
        let registers = Mmio::of_device(record.pci.windows.of_register(0)?, WINDOW).ok()?;
        Some(Self { record, registers })
    }

    /// Sends a message, and waits until it has arrived or was refused.
    fn send(&self, message: MsiMessage) -> Result<(), &'static str> {
        let msi = self.record.pci.msi.as_ref().ok_or("the device has no MSI")?;
        msi.enable(config(), self.record.bdf, message).map_err(|_| "the message could not be programmed")?;
        self.registers.write32(RAISE, 1);
        self.registers.write32(ACKNOWLEDGE, 1);
        clock::sleep(ARRIVAL);
        msi.disable(config(), self.record.bdf);
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

fn forge(record: &'static DeviceRecord, unit: &Unit) -> Result<(), &'static str> {
    let forger = Forger::new(record).ok_or("its registers cannot be mapped")?;
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
