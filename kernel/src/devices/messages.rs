//! A device's interrupt: one message, counted, and a processor that sleeps until it comes. A device that sends it without
//! end has it masked, and is contained.

use ::interrupts::{DEVICE_VECTORS, DeviceVector, FIRST_DEVICE_VECTOR, Flow, LAST_DEVICE_VECTOR, message};
use ::iommu::interrupts::Entries;
use diagnosis::{MessageCount, MessageLimit, Pressure, Threshold, Timestamp};
use dma_types::MsiMessage;
use options::Storm;
use pci::msi::MsixState;
use pci::{MsixCapability, control};
use report::DeviceState;
use spin::Once;

use super::{DeviceRecord, Function, StartError};
use crate::dma::DmaError;
use crate::irq::{self, Claimed, owners};
use crate::platform::clock::{self, Deadline};
use crate::platform::pci::config;
use crate::sync::{IrqLock, rank};
use crate::{faults, iommu};

/// The message of a function that drivers use: the first.
const FIRST_MESSAGE: u16 = 0;

/// Bytes of a vector in the table of MSI-X, and where its parts stand (PCI "MSI-X Table Structure").
mod table {
    pub const ENTRY: usize = 16;
    pub const UPPER_ADDRESS: usize = 4;
    pub const DATA: usize = 8;
    pub const CONTROL: usize = 12;
}

/// What becomes of the messages at one vector.
struct Inbox {
    /// Whose they are.
    held: Option<Held>,
    /// Those of late.
    of_late: MessageCount,
}

/// A vector and the function that has it.
struct Held {
    function: Function,
    vector: DeviceVector,
    /// What its message has to name where interrupts are remapped; none while the function is cut off.
    entries: Option<Entries>,
    /// A unit did not confirm that it forgot an entry that leads here: the vector may be raised by it for good.
    is_unconfirmed: bool,
}

/// By vector.
static INBOXES: [IrqLock<Inbox, rank::Messages>; DEVICE_VECTORS] =
    [const { IrqLock::new(Inbox { held: None, of_late: MessageCount::new() }) }; DEVICE_VECTORS];

/// When a device sends too many.
static LIMIT: Once<MessageLimit> = Once::new();

/// Takes devices' messages from here on, and says when one sends too many: to be called once, before any device has one.
pub fn take_messages(storm: Storm) {
    LIMIT.call_once(|| {
        MessageLimit::like(match storm {
            Storm::Off => Threshold::Off,
            Storm::After(faults) => Threshold::PerSecond(faults),
        })
    });
    irq::set_message_handler(note);
}

/// One message of one device, switched on until this is dropped.
pub struct Messages {
    /// The number of its vector.
    vector: u8,
    function: Function,
}

impl Messages {
    /// Takes a vector and programs the function's first message with it; MSI-X where there is both.
    pub(super) fn enable(function: &Function) -> Result<Self, StartError> {
        let vector = owners::give(function.pci().bdf, FIRST_MESSAGE).map_err(StartError::NoVector)?;
        let this = Self { vector: vector.number(), function: *function };
        let held = Some(Held { function: *function, vector, entries: None, is_unconfirmed: false });
        if let Some(inbox) = inbox(this.vector) {
            *inbox.lock() = Inbox { held, of_late: MessageCount::new() };
        }
        this.program()?;
        Ok(this)
    }

    /// Messages that arrived so far. Who asks has heeded them.
    pub fn arrived(&self) -> u64 {
        self.heed();
        owners::count(self.vector)
    }

    /// Programs the message again, after a reset of the device by its own means.
    ///
    /// # Errors
    /// If the function cannot send it.
    pub fn program(&self) -> Result<(), StartError> {
        program(&self.function, self.vector)
    }

    /// Waits until `done` says so; it is asked first of all, and after every interrupt. Tells whether it did
    /// before the deadline. The processor halts in between.
    pub fn wait_until(&self, deadline: Deadline, done: impl FnMut() -> bool) -> bool {
        let came = clock::wait_until(deadline, done);
        if came {
            self.heed();
        }
        came
    }

    fn heed(&self) {
        if let Some(inbox) = inbox(self.vector) {
            inbox.lock().of_late.heed();
        }
    }
}

/// The function sends it no more, and another may have the vector.
impl Drop for Messages {
    fn drop(&mut self) {
        mask(&self.function);
        let Some(held) = inbox(self.vector).and_then(|inbox| inbox.lock().held.take()) else { return };
        let forgotten = held.entries.is_none_or(|entries| take_back(self.function.record(), entries));
        // What may still be raised stays nobody else's.
        if forgotten && !held.is_unconfirmed {
            owners::give_back(held.vector);
        }
    }
}

/// What becomes of the messages at a vector, if it is a device's.
fn inbox(vector: u8) -> Option<&'static IrqLock<Inbox, rank::Messages>> {
    INBOXES.get(usize::from(vector.checked_sub(FIRST_DEVICE_VECTOR)?))
}

/// Programs a function's message again, after a reset of the function; nothing if it has none.
///
/// # Errors
/// If the function cannot send it any more.
pub(super) fn program_again(function: &Function) -> Result<(), StartError> {
    vector_of(function.record()).map_or(Ok(()), |vector| program(function, vector))
}

/// The vector that a function's message raises, if it has one.
fn vector_of(record: &DeviceRecord) -> Option<u8> {
    let is_its = |held: &Held| held.function.pci().bdf == record.bdf;
    let vectors = FIRST_DEVICE_VECTOR..=LAST_DEVICE_VECTOR;
    let mut held = vectors.zip(&INBOXES);
    held.find(|(_, inbox)| inbox.lock().held.as_ref().is_some_and(is_its)).map(|(vector, _)| vector)
}

/// Messages of a function that arrived since it was given its vector, if it has one.
pub fn arrived_from(record: &DeviceRecord) -> Option<u64> {
    vector_of(record).map(owners::count)
}

/// A function that sends another's message in place of its own until this is dropped: an attack, to see it refused.
pub struct Astray {
    function: Function,
    vector: u8,
}

impl Astray {
    /// Programs a function that has a message with another one.
    ///
    /// # Errors
    /// If it has none, or cannot send it.
    pub fn lead(record: &'static DeviceRecord, message: MsiMessage) -> Result<Self, StartError> {
        let this = Self {
            function: Function::new(record),
            vector: vector_of(record).ok_or(StartError::NoMessages)?,
        };
        write(&this.function, message)?;
        Ok(this)
    }
}

/// It has its own again; one that was cut off meanwhile has none until it is released.
impl Drop for Astray {
    fn drop(&mut self) {
        let record = self.function.record();
        if record.state() == DeviceState::Quarantined {
            mask(&self.function);
        } else if let Err(error) = program(&self.function, self.vector) {
            log::error!("{record}: it did not get its message back: {error}");
        }
    }
}

/// Takes the interrupt entry back that a function's messages name, if it has one: whatever it sends raises nothing then.
/// Interrupts may ask. Its message gets another when it is programmed again.
pub fn withdraw(record: &DeviceRecord) {
    let of_function = |held: &&mut Held| held.function.pci().bdf == record.bdf;
    for inbox in &INBOXES {
        let entries = inbox.lock().held.as_mut().filter(of_function).and_then(|held| held.entries.take());
        if let Some(entries) = entries
            && !take_back(record, entries)
        {
            note_unconfirmed(inbox);
        }
    }
}

/// Takes note that the vector of an inbox may be raised for good.
fn note_unconfirmed(inbox: &IrqLock<Inbox, rank::Messages>) {
    if let Some(held) = &mut inbox.lock().held {
        held.is_unconfirmed = true;
    }
}

/// Takes an interrupt entry back; tells whether the unit has confirmed that.
fn take_back(record: &DeviceRecord, entries: Entries) -> bool {
    let withdrawn = iommu::unit_of(record).map_or(Ok(()), |unit| unit.withdraw_interrupts(entries));
    withdrawn.inspect_err(|error| log::error!("{record}: {error}")).is_ok()
}

/// The message that raises a vector: the one place where it is made. Where interrupts are remapped it names an entry that
/// only this function may name. Whoever is cut off in between gets none.
fn compose(function: &Function, vector: u8) -> Result<MsiMessage, StartError> {
    let inbox = inbox(vector).ok_or(StartError::NoMessages)?;
    let record = function.record();
    let before = record.state();
    let (unit, route) = {
        let mut inbox = inbox.lock();
        let held = inbox.held.as_mut().ok_or(StartError::NoMessages)?;
        if let Some(entries) = &held.entries {
            return Ok(entries.message());
        }
        let remaps = iommu::unit_of(record).filter(|unit| unit.remaps_interrupts());
        let Some(unit) = remaps else {
            return message::of_device(&held.vector).map_err(StartError::OutOfReach);
        };
        (unit, owners::route(&held.vector))
    };
    let entries = unit.give_interrupts(record, &[route]).map_err(|error| {
        // One that took no note may not have confirmed that it forgot, either.
        note_unconfirmed(inbox);
        StartError::Entries(error)
    })?;
    let message = entries.message();
    let mut lost = Some(entries);
    if let Some(held) = &mut inbox.lock().held {
        held.entries = lost.take();
    }
    if let Some(entries) = lost {
        take_back(record, entries);
        return Err(StartError::NoMessages);
    }
    if before != DeviceState::Quarantined && record.state() == DeviceState::Quarantined {
        withdraw(record);
        return Err(StartError::Dma(DmaError::CutOff { device: record.bdf }));
    }
    Ok(message)
}

/// Programs a function's first message, and holds its pin back.
fn program(function: &Function, vector: u8) -> Result<(), StartError> {
    write(function, compose(function, vector)?)?;
    owners::note_flow(vector, Flow::Open);
    Ok(())
}

/// Writes a message to where the function takes its first one from, and lets it send.
fn write(function: &Function, message: MsiMessage) -> Result<(), StartError> {
    let pci = function.pci();
    control::set_pin_interrupt(config(), pci.bdf, control::PinInterrupt::Disabled);
    if let Some(msix) = &pci.msix {
        program_table(function, msix, message)?;
    } else {
        let msi = pci.msi.as_ref().ok_or(StartError::NoMessages)?;
        msi.enable(config(), pci.bdf, message).map_err(|_| StartError::NoMessages)?;
    }
    Ok(())
}

/// Writes the first vector of a table, with the others held back as they are after a reset.
fn program_table(function: &Function, msix: &MsixCapability, message: MsiMessage) -> Result<(), StartError> {
    let (window, start) = function.vectors(table::ENTRY)?;
    msix.set_state(config(), function.pci().bdf, MsixState::Masked);
    window.write32(start, message.address as u32);
    window.write32(start + table::UPPER_ADDRESS, (message.address >> 32) as u32);
    window.write32(start + table::DATA, message.data);
    window.write32(start + table::CONTROL, 0);
    msix.set_state(config(), function.pci().bdf, MsixState::On);
    Ok(())
}

/// Lets a function send no message.
fn mask(function: &Function) {
    let pci = function.pci();
    if let Some(msix) = &pci.msix {
        msix.set_state(config(), pci.bdf, MsixState::Masked);
    }
    if let Some(msi) = &pci.msi {
        msi.disable(config(), pci.bdf);
    }
}

/// Takes a message.
fn note(vector: u8) -> Claimed {
    let Some(inbox) = inbox(vector) else { return Claimed::No };
    let mut inbox = inbox.lock();
    let Some(function) = inbox.held.as_ref().map(|held| held.function) else { return Claimed::No };
    if function.record().state() == DeviceState::Quarantined {
        // It goes on although its message is masked, or somebody sends in its name.
        drop(inbox);
        irq::note_unwanted();
        return Claimed::Yes;
    }
    let limit = LIMIT.get().copied().unwrap_or(MessageLimit::Off);
    let pressure = inbox.of_late.note(Timestamp::from_nanos(clock::now_ns()), limit);
    drop(inbox);
    if matches!(pressure, Pressure::TooMany { .. }) {
        end_storm(&function, vector);
    }
    Claimed::Yes
}

/// Masks a function's message and contains its owner. Interrupts are off.
fn end_storm(owner: &Function, vector: u8) {
    let record = owner.record();
    log::warn!("{record} interrupts without end: vector {vector:#x} is masked");
    mask(owner);
    owners::note_flow(vector, Flow::Masked);
    faults::contain_sender(record);
}
