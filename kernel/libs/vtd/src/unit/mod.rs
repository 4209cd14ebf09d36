//! One remapping unit: what it can do, and that it enforces.
//!
//! Order of use: [`register_bytes`] and [`Unit::probe`] (reads only), [`Unit::firmware_state`] and a first drain of
//! [`Unit::fault_port`] (evidence of what happened before), [`Unit::bring_up`],
//! [`Unit::remap_interrupts`], then [`Unit::attach`], [`Unit::after_unmap`] and their siblings, best by way of an [`ActiveUnit`], for as long as the machine runs.
//! Translation is never turned off.

mod bring_up;
mod by_register;
mod command;
mod enforcement;
mod error;
mod firmware;
mod interrupts;
mod invalidate;
mod probe;
mod requesters;
mod table_changes;
#[cfg(test)]
mod tests;

use dma_types::PhysAddr;
use mmio_regs::{Registers, TypedAccess};

#[cfg(doc)]
use crate::ActiveUnit;
use crate::fault::FaultPort;
use crate::invalidation::Limits;
use crate::queue::Queue;
use crate::spec::capability::{Capabilities, ExtendedCapabilities, SupportedLevels, Version};
use crate::spec::command::GlobalStatus;
use crate::spec::interrupt_table::InterruptTableAddress;
use crate::spec::registers::GSTS;
use crate::spec::second_stage::TableLevels;

pub use bring_up::BringUp;
pub use enforcement::{EnforcementLost, EnforcementPort};
pub use error::{UnitError, WindowPart};
pub use firmware::FirmwareState;
pub use interrupts::RemapError;
pub use invalidate::Ticket;
pub use probe::register_bytes;

/// A remapping unit. Holding one proves that its registers answer and lie within their window.
#[derive(Debug)]
pub struct Unit<R> {
    registers: R,
    version: Version,
    capabilities: Capabilities,
    extended: ExtendedCapabilities,
    limits: Limits,
    root: Option<PhysAddr>,
    /// The interrupt table that it was given, once it remaps by it.
    interrupts: Option<InterruptTableAddress>,
    path: InvalidationPath,
    /// The queue's memory is kept while the hardware might still reach it, even if bringing up failed.
    queue: Option<Queue>,
}

/// How the unit is told to forget what it has cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidationPath {
    /// Not brought up yet.
    None,
    /// Commands in registers, one at a time.
    Registers,
    /// Descriptors in a queue in memory.
    Queue,
    /// Not at all: it once did not answer in time. What it remembers, it may use for ever.
    Dead,
}

impl<R: Registers> Unit<R> {
    /// Tells whether the unit once did not answer in time, and so is asked nothing any more: every
    /// invalidation fails at once.
    ///
    /// To be asked after an error; what is behind the unit must lose bus mastering then, since nothing can be
    /// taken away from it any more. Only [`Unit::bring_up`] begins anew.
    pub fn is_dead(&self) -> bool {
        self.path == InvalidationPath::Dead
    }

    /// Reads the global status register.
    pub fn status(&self) -> GlobalStatus {
        self.registers.get(GSTS)
    }

    /// Bytes of its registers, from the first to the last of the window.
    pub fn register_bytes(&self) -> usize {
        self.registers.len()
    }

    /// The page of the invalidation queue, if there is one.
    pub fn queue_page(&self) -> Option<PhysAddr> {
        self.queue.as_ref().map(Queue::ring)
    }

    /// The fault side, to be kept apart from the unit, for instance in an interrupt handler.
    pub fn fault_port(&self) -> FaultPort<R>
    where
        R: Clone,
    {
        FaultPort::new(self.registers.clone(), self.capabilities)
    }

    /// The fault side, borrowed.
    pub(crate) fn faults(&self) -> FaultPort<&R> {
        FaultPort::new(&self.registers, self.capabilities)
    }
}

/// What the unit said of itself when it was probed.
impl<R> Unit<R> {
    /// Which architecture the unit follows, as read when it was found.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The capability register. Number of domains, fault records and their place, page sizes, caching
    /// mode, protected memory regions and drains are methods of it.
    pub const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The extended capability register. Coherent walks, queue, interrupt remapping and snoop control are
    /// methods of it.
    pub const fn extended_capabilities(&self) -> ExtendedCapabilities {
        self.extended
    }

    /// The table depths that the unit walks.
    pub const fn supported_levels(&self) -> SupportedLevels {
        self.capabilities.table_levels()
    }

    /// The depth to build tables with.
    ///
    /// # Errors
    ///
    /// The unit walks tables of no depth that exists: it cannot be brought up.
    pub fn levels(&self) -> Result<TableLevels, UnitError> {
        let offered = self.capabilities.table_levels();
        offered.preferred().ok_or(UnitError::NoTableLevels { offered })
    }

    /// How the unit is told to forget what it has cached.
    pub const fn invalidation_path(&self) -> InvalidationPath {
        self.path
    }
}
