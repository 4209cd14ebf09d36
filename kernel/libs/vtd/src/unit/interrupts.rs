//! Turning interrupt remapping on: from then on a message without an entry of its sender raises nothing.
//!
//! 1. table pointer set: with remapping on, the new table counts from here
//! 2. cache of interrupt entries emptied
//! 3. messages of the compatibility format refused
//! 4. remapping on, and verified
//!
//! Failing at any step leaves what is refused at least as it was. The unit's own fault message is never remapped (VT-d
//! "Programming Considerations" of fault events).

use core::fmt;

use mmio_regs::{Clock, Registers, TypedAccess};

use crate::TableMemory;
use crate::invalidation::{Invalidation, InvalidationError};
use crate::spec::command::GlobalStatus;
use crate::spec::interrupt_entry::DestinationMode;
use crate::spec::interrupt_table::InterruptTableAddress;
use crate::spec::registers::IRTA;
use iommu::wait::TimedOut;

use super::command::Command;
use super::{InvalidationPath, Unit};

/// Why a unit does not remap interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemapError {
    /// It offers none (ECAP.IR).
    NotOffered,
    /// Its entries cannot name processors in x2APIC mode (ECAP.EIM).
    NoExtendedMode,
    /// It has no invalidation queue at work, without which it forgets no entry.
    NoQueue,
    /// No memory for the table.
    OutOfMemory,
    /// It did not answer a command in time.
    TimedOut(TimedOut),
    /// The cache of interrupt entries could not be emptied.
    Invalidation(InvalidationError),
    /// All commands were answered, but it does not say that it remaps by this table alone.
    NotRemapping {
        /// The status register as read.
        status: GlobalStatus,
        /// The interrupt table register as read.
        register: InterruptTableAddress,
    },
}

impl RemapError {
    /// Tells whether the unit never could, rather than failed to.
    pub const fn is_unsupported(self) -> bool {
        matches!(self, Self::NotOffered | Self::NoExtendedMode | Self::NoQueue)
    }
}

impl fmt::Display for RemapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => f.write_str("it does not offer interrupt remapping"),
            Self::NoExtendedMode => {
                f.write_str("its interrupt entries cannot name processors in x2APIC mode")
            }
            Self::NoQueue => f.write_str("it has no invalidation queue, which interrupt remapping needs"),
            Self::OutOfMemory => f.write_str("no memory for its interrupt table"),
            Self::TimedOut(error) => error.fmt(f),
            Self::Invalidation(error) => error.fmt(f),
            Self::NotRemapping { status, register } => write!(
                f,
                "it does not remap interrupts: status {:#x}, interrupt table register {:#x}",
                status.bits(),
                register.0
            ),
        }
    }
}

impl core::error::Error for RemapError {}

impl From<TimedOut> for RemapError {
    fn from(error: TimedOut) -> Self {
        Self::TimedOut(error)
    }
}

impl From<InvalidationError> for RemapError {
    fn from(error: InvalidationError) -> Self {
        Self::Invalidation(error)
    }
}

impl<R: Registers> Unit<R> {
    /// Tells whether [`Unit::remap_interrupts`] may be tried for processors that are named so.
    ///
    /// # Errors
    /// Why not; nothing was touched.
    pub fn can_remap_interrupts(&self, mode: DestinationMode) -> Result<(), RemapError> {
        match mode {
            _ if !self.extended.interrupt_remapping() => Err(RemapError::NotOffered),
            DestinationMode::X2Apic if !self.extended.extended_interrupt_mode() => {
                Err(RemapError::NoExtendedMode)
            }
            _ if self.path != InvalidationPath::Queue => Err(RemapError::NoQueue),
            _ => Ok(()),
        }
    }

    /// Makes the unit remap interrupts by `table`, which is complete and flushed as the unit demands.
    ///
    /// To be called after [`Unit::bring_up`], with every source of messages masked: messages that were programmed for
    /// another table, or for none, are refused from here on. Remapping that firmware, or an earlier bring-up, left on
    /// stays on throughout, unless its entries name processors in another way.
    ///
    /// # Errors
    /// See [`RemapError`]. The unit may use the table all the same.
    pub fn remap_interrupts(
        &mut self,
        table: InterruptTableAddress,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), RemapError> {
        self.can_remap_interrupts(table.mode())?;
        let status = self.status();
        let is_on = status.contains(GlobalStatus::INTERRUPT_REMAPPING);
        // One table's entries are never read as the other kind.
        if is_on && self.registers.get(IRTA).mode() != table.mode() {
            self.command(Command::InterruptRemappingOff, clock)?;
        }
        self.interrupts = None;
        self.flush_write_buffer(clock)?;
        self.registers.set(IRTA, table);
        self.command(Command::SetInterruptTable, clock)?;
        self.invalidate(Invalidation::InterruptGlobal, memory, clock)?;
        if status.contains(GlobalStatus::COMPATIBILITY_INTERRUPTS) {
            self.command(Command::CompatibilityInterruptsOff, clock)?;
        }
        self.command(Command::InterruptRemappingOn, clock)?;
        self.interrupts = Some(table);
        if self.remaps_interrupts() {
            return Ok(());
        }
        self.interrupts = None;
        Err(RemapError::NotRemapping { status: self.status(), register: self.registers.get(IRTA) })
    }

    /// Ends remapping that firmware left on, where it is not wanted or cannot be had. Every source of messages must be
    /// masked.
    ///
    /// # Errors
    /// The unit did not confirm in time.
    pub fn stop_remapping(&mut self, clock: &impl Clock) -> Result<(), TimedOut> {
        self.interrupts = None;
        if self.status().contains(GlobalStatus::INTERRUPT_REMAPPING) {
            self.command(Command::InterruptRemappingOff, clock)?;
        }
        Ok(())
    }

    /// The table that it was given; `None` if it does not remap.
    pub const fn interrupt_table(&self) -> Option<InterruptTableAddress> {
        self.interrupts
    }

    /// Asks the hardware whether it remaps interrupts, all of them, by the table that it was given.
    pub fn remaps_interrupts(&self) -> bool {
        self.interrupts.is_some_and(|table| {
            let states = GlobalStatus::INTERRUPT_REMAPPING | GlobalStatus::COMPATIBILITY_INTERRUPTS;
            self.status() & states == GlobalStatus::INTERRUPT_REMAPPING && self.registers.get(IRTA) == table
        })
    }
}
