//! What a driver is started with: its function's windows, messages and memory.

use dma_types::Iova;
use pci::Bar;
use pci::control::{MemoryDecode, set_memory_decode};

use super::{DeviceRecord, Messages, StartError};
use crate::dma;
use crate::memory::mmio::Mmio;
use crate::platform::pci::config;

/// A function that a driver may start on.
#[derive(Clone, Copy)]
pub struct Function {
    pci: &'static pci::Function,
    record: &'static DeviceRecord,
    bars: [Bar; 6],
}

impl Function {
    /// Looks at a function. Nobody may use it meanwhile.
    pub(super) fn new(pci: &'static pci::Function, record: &'static DeviceRecord) -> Self {
        Self { pci, record, bars: pci::bars(config(), pci.bdf, pci.header) }
    }

    /// The kernel's record of it.
    pub fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    /// What enumeration found.
    pub fn pci(&self) -> &'static pci::Function {
        self.pci
    }

    /// Maps the first `bytes` of a register window, or all of a smaller one, and lets the function answer.
    ///
    /// # Errors
    /// If there is no such window or it cannot be mapped.
    pub fn window(&self, bar: u8, bytes: usize) -> Result<Mmio, StartError> {
        let Some(Bar::Memory { address, size, .. }) = self.bars.get(usize::from(bar)).copied() else {
            return Err(StartError::NoWindow { bar });
        };
        set_memory_decode(config(), self.pci.bdf, MemoryDecode::On);
        let bytes = usize::try_from(size).unwrap_or(usize::MAX).min(bytes);
        Mmio::map(address, bytes).map_err(StartError::Window)
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
}
