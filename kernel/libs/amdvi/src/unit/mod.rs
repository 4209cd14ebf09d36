//! One remapping unit: what it can do, and that it enforces.
//!
//! Order of use: [`Unit::probe`] (reads only), [`Unit::firmware_state`] (evidence of what happened before),
//! [`Unit::bring_up`], then [`Unit::attach`], [`Unit::invalidate_all`] and their siblings, best by way of an
//! [`ActiveUnit`], for as long as the machine runs. Translation is never turned off.

mod bring_up;
mod enforcement;
mod error;
mod firmware;
mod invalidate;
mod probe;
mod requesters;
#[cfg(test)]
mod tests;

use dma_types::PhysAddr;
use iommu::TableMemory;
use mmio_regs::{Registers, TypedAccess};

#[cfg(doc)]
use crate::ActiveUnit;
use crate::fault::FaultPort;
use crate::queue::Queue;
use crate::spec::control::Control;
use crate::spec::features::Features;
use crate::spec::page_entry::TableLevels;
use crate::spec::registers::STATUS;
use crate::spec::ring::DeviceTableBase;
use crate::spec::status::Status;

pub use bring_up::BringUp;
pub use enforcement::{EnforcementLost, EnforcementPort};
pub use error::UnitError;
pub use firmware::FirmwareState;
pub use probe::{Announced, Caching};

/// A remapping unit. Holding one proves that its registers answer and lie within their window.
#[derive(Debug)]
pub struct Unit<R> {
    registers: R,
    features: Features,
    caching: Caching,
    levels: TableLevels,
    /// What it was told to do.
    control: Control,
    /// The device table that it enforces.
    table: Option<DeviceTableBase>,
    path: Path,
    /// The memory of both rings is kept while the hardware might still reach it, even if bringing up failed.
    queue: Option<Queue>,
    log: Option<PhysAddr>,
}

/// How the unit is told to forget what it has cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// Not brought up yet.
    None,
    /// By its command buffer.
    Commands,
    /// Not at all: it once did not answer in time. What it remembers, it may use for ever.
    Dead,
}

impl<R: Registers> Unit<R> {
    /// Tells whether the unit once did not answer in time, and so is asked nothing any more: every invalidation fails at
    /// once.
    ///
    /// To be asked after an error; what is behind the unit must lose bus mastering then, since nothing can be taken away
    /// from it any more. Only [`Unit::bring_up`] begins anew.
    pub fn is_dead(&self) -> bool {
        self.path == Path::Dead
    }

    /// Reads the status register.
    pub fn status(&self) -> Status {
        self.registers.get(STATUS)
    }

    /// The page of the command buffer, if there is one.
    pub fn queue_page(&self) -> Option<PhysAddr> {
        self.queue.as_ref().map(|queue| queue.base().address())
    }

    /// The fault side, to be kept apart from the unit, for instance in an interrupt handler; `None` before
    /// [`Unit::bring_up`], since the log is in memory of ours.
    pub fn fault_port<M: TableMemory>(&self, memory: M) -> Option<FaultPort<R, M>>
    where
        R: Clone,
    {
        Some(FaultPort::new(self.registers.clone(), memory, self.log?, self.control))
    }
}

/// What the unit said of itself when it was probed.
impl<R> Unit<R> {
    /// What it can do, as far as its register and firmware's table agree.
    pub const fn features(&self) -> Features {
        self.features
    }

    /// Whether it remembers what was not present.
    pub const fn caching(&self) -> Caching {
        self.caching
    }

    /// The depth to build tables with.
    pub const fn levels(&self) -> TableLevels {
        self.levels
    }
}
