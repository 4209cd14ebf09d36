//! A device's interrupt: one message, counted, and a processor that sleeps until it comes. A device that sends it without
//! end has it masked, and is contained.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use diagnosis::{MessageCount, MessageLimit, Pressure, Threshold, Timestamp};
use dma_types::MsiMessage;
use exceptions::TrapFrame;
use options::Storm;
use pci::msi::MsixState;
use pci::{MsixCapability, control};
use report::DeviceState;
use spin::Once;

use super::{Function, StartError};
use crate::faults;
use crate::irq::{self, apic};
use crate::platform::clock::{self, Deadline};
use crate::platform::pci::config;
use crate::sync::{IrqLock, rank};

/// The first vector for devices' messages.
const FIRST_VECTOR: u8 = 0x60;
/// Devices that may have one.
const VECTORS: u8 = 0x60;

/// Vectors given out so far.
static GIVEN: AtomicU8 = AtomicU8::new(0);
/// Messages that arrived, by vector.
static ARRIVED: [AtomicU64; VECTORS as usize] = [const { AtomicU64::new(0) }; VECTORS as usize];

/// Bytes of a vector in the table of MSI-X, and where its parts stand (PCI "MSI-X Table Structure").
mod table {
    pub const ENTRY: usize = 16;
    pub const UPPER_ADDRESS: usize = 4;
    pub const DATA: usize = 8;
    pub const CONTROL: usize = 12;
}

/// Who has which vector.
static OWNERS: [Once<Function>; VECTORS as usize] = [const { Once::new() }; VECTORS as usize];

/// Messages of late, by vector.
static OF_LATE: [IrqLock<MessageCount, rank::Messages>; VECTORS as usize] =
    [const { IrqLock::new(MessageCount::new()) }; VECTORS as usize];

/// When a device sends too many.
static LIMIT: Once<MessageLimit> = Once::new();

/// Says when a device sends too many messages: to be called once, before any device has one.
pub fn limit_messages(storm: Storm) {
    LIMIT.call_once(|| {
        MessageLimit::like(match storm {
            Storm::Off => Threshold::Off,
            Storm::After(faults) => Threshold::PerSecond(faults),
        })
    });
}

/// One message of one device, switched on.
pub struct Messages {
    index: u8,
    function: Function,
}

impl Messages {
    /// Takes a vector and programs the function's first message with it; MSI-X where there is both.
    pub(super) fn enable(function: &Function) -> Result<Self, StartError> {
        let index = GIVEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |given| {
            (given < VECTORS).then_some(given + 1)
        });
        let index = index.map_err(|_| StartError::NoMessages)?;
        irq::register(FIRST_VECTOR + index, note).map_err(|_| StartError::NoMessages)?;
        program(function, index)?;
        if let Some(owner) = OWNERS.get(usize::from(index)) {
            owner.call_once(|| *function);
        }
        Ok(Self { index, function: *function })
    }

    /// Messages that arrived so far. Who asks has heeded them.
    pub fn arrived(&self) -> u64 {
        self.heed();
        ARRIVED.get(usize::from(self.index)).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Programs the message again, after a reset of the device by its own means.
    ///
    /// # Errors
    /// If the function cannot send it.
    pub fn program(&self) -> Result<(), StartError> {
        program(&self.function, self.index)
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
        if let Some(of_late) = OF_LATE.get(usize::from(self.index)) {
            of_late.lock().heed();
        }
    }
}

/// Programs a function's message again, after a reset of the function; nothing if it has none.
///
/// # Errors
/// If the function cannot send it any more.
pub(super) fn program_again(function: &Function) -> Result<(), StartError> {
    let is_its = |owner: &Once<Function>| owner.get().is_some_and(|its| its.pci().bdf == function.pci().bdf);
    let index = (0..VECTORS).zip(&OWNERS).find(|(_, owner)| is_its(owner)).map(|(index, _)| index);
    index.map_or(Ok(()), |index| program(function, index))
}

/// Programs a function's first message, and holds its pin back.
fn program(function: &Function, index: u8) -> Result<(), StartError> {
    let message = apic::msi_message(FIRST_VECTOR + index);
    let pci = function.pci();
    control::set_pin_interrupt(config(), pci.bdf, control::PinInterrupt::Disabled);
    if let Some(msix) = &pci.msix {
        return program_table(function, msix, message);
    }
    let msi = pci.msi.as_ref().ok_or(StartError::NoMessages)?;
    msi.enable(config(), pci.bdf, message).map_err(|_| StartError::NoMessages)
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

/// Counts a message.
fn note(frame: &TrapFrame) {
    let index = usize::from((frame.vector as u8).wrapping_sub(FIRST_VECTOR));
    let (Some(count), Some(of_late)) = (ARRIVED.get(index), OF_LATE.get(index)) else { return };
    count.fetch_add(1, Ordering::Relaxed);
    let Some(owner) = OWNERS.get(index).and_then(Once::get) else { return };
    if owner.record().state() == DeviceState::Quarantined {
        // It goes on although its message is masked, or somebody sends in its name.
        return irq::note_unwanted();
    }
    let limit = LIMIT.get().copied().unwrap_or(MessageLimit::Off);
    let pressure = of_late.lock().note(Timestamp::from_nanos(clock::now_ns()), limit);
    if matches!(pressure, Pressure::TooMany { .. }) {
        end_storm(owner, frame.vector);
    }
}

/// Masks a function's message and contains its owner. Interrupts are off.
fn end_storm(owner: &Function, vector: u64) {
    let (record, pci) = (owner.record(), owner.pci());
    log::warn!("{record} interrupts without end: vector {vector:#x} is masked");
    if let Some(msix) = &pci.msix {
        msix.set_state(config(), pci.bdf, MsixState::Masked);
    }
    if let Some(msi) = &pci.msi {
        msi.disable(config(), pci.bdf);
    }
    faults::contain_sender(record);
}
