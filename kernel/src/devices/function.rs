//! What a driver is started with: its function's windows, messages, memory and reset.

use core::fmt;
use core::time::Duration;

use dma_types::Iova;
use pci::Window;
use pci::control::{self, BusMaster, MemoryDecode, set_memory_decode};
use pci::reset::{self, Refused};

use super::{DeviceRecord, Messages, StartError, messages, presence};
use crate::dma;
use crate::memory::mmio::Mmio;
use crate::platform::clock::{self, Deadline};
use crate::platform::pci::{self as bus, config};

/// A function that a driver may start on.
#[derive(Clone, Copy)]
pub struct Function {
    record: &'static DeviceRecord,
}

impl Function {
    /// The function of a record.
    pub(super) const fn new(record: &'static DeviceRecord) -> Self {
        Self { record }
    }

    /// The kernel's record of it.
    pub fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    /// What enumeration found.
    pub fn pci(&self) -> &'static pci::Function {
        &self.record.pci
    }

    /// Maps the first `bytes` of a register window, or all of a smaller one, and lets the function answer.
    ///
    /// # Errors
    /// If there is no such window that is believed, or it cannot be mapped.
    pub fn window(&self, bar: u8, bytes: usize) -> Result<Mmio, StartError> {
        let window = self.pci().windows.of_register(bar).ok_or(StartError::NoWindow { bar })?;
        self.map(window, bytes)
    }

    fn map(&self, window: Window, bytes: usize) -> Result<Mmio, StartError> {
        let registers = Mmio::of_device(window, bytes).map_err(StartError::Window)?;
        set_memory_decode(config(), self.record.bdf, MemoryDecode::On);
        Ok(registers)
    }

    /// Maps the first `bytes` of the table of interrupt messages. Gives the window and where in it the table starts.
    ///
    /// # Errors
    /// If there is no table where it can be used, or it cannot be mapped.
    pub(super) fn vectors(&self, bytes: usize) -> Result<(Mmio, usize), StartError> {
        let table = self.pci().windows.vectors().ok_or(StartError::NoMessages)?;
        let start = table.offset as usize;
        let end = start.checked_add(bytes).ok_or(StartError::NoMessages)?;
        Ok((self.map(table.window, end)?, start))
    }

    /// Claims the device, which can send addresses up to `highest`.
    ///
    /// # Errors
    /// If it is not to be had, or the unit or memory refuses.
    #[track_caller]
    pub fn claim(&self, driver: &'static str, highest: Iova) -> Result<dma::Device, StartError> {
        Ok(dma::Device::claim(self.record, driver, highest)?)
    }

    /// Gives the function one interrupt message.
    ///
    /// # Errors
    /// If it can send none, or no vector is free.
    pub fn messages(&self) -> Result<Messages, StartError> {
        Messages::enable(self)
    }

    /// Resets the function alone, where it offers that, and gives it back its windows, its message and what the
    /// command register allowed, save bus mastering, which is off from here on. Takes 100 ms and more.
    ///
    /// # Errors
    /// If it offers no such reset, does not answer afterwards, or what it began does not end.
    pub(super) fn reset(&self) -> Result<(), ResetError> {
        self.record.life_events().begin_reset();
        let reset = self.reset_unwatched();
        self.record.life_events().end_reset();
        reset?;
        presence::confirm(self.record).map_err(|_| ResetError::Gone)
    }

    /// Resets it while nobody expects it to answer.
    fn reset_unwatched(&self) -> Result<(), ResetError> {
        let (config, pci) = (config(), self.pci());
        bus::set_bus_master(pci.bdf, BusMaster::Off);
        let settings = reset::start(config, pci, bus::drain(pci)).map_err(ResetError::Refused)?;
        clock::sleep(Duration::from_millis(control::FUNCTION_RESET_MS));
        let deadline = Deadline::after(COMES_BACK);
        while !reset::is_back(config, pci) {
            if deadline.expired() {
                return Err(ResetError::Gone);
            }
            clock::sleep(Duration::from_millis(1));
        }
        settings.restore(config, pci.bdf);
        messages::program_again(self).map_err(|error| {
            log::error!("{}: {error}", self.record);
            ResetError::NoMessages
        })
    }
}

/// Longest time after which a function answers again (PCIe "Reset Recovery").
const COMES_BACK: Duration = Duration::from_secs(1);

/// Why a function is not as after power-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetError {
    /// It was not reset.
    Refused(Refused),
    /// It does not answer any more, or not as before.
    Gone,
    /// It was reset, and its interrupt message could not be set up again.
    NoMessages,
}

impl fmt::Display for ResetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Gone => f.write_str("the function does not answer after its reset"),
            Self::NoMessages => {
                f.write_str("the function could not be given its interrupt again after its reset")
            }
        }
    }
}

impl core::error::Error for ResetError {}
