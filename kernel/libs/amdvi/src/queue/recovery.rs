//! A command buffer that stopped (AMD I/O Virtualization "ILLEGAL_COMMAND_ERROR Event", "COMMAND_HARDWARE_ERROR Event").
//!
//! The unit stops at a command that it cannot carry out, or could not read. Whoever sees that starts the buffer anew, empty.
//! What was in it counts as failed from then on: those who wait for it learn so at their next look, and submit again.

use core::fmt;

use dma_types::PhysAddr;
use iommu::TableMemory;
use mmio_regs::{Registers, TypedAccess};

use crate::spec::command::Command;
use crate::spec::control::Control;
use crate::spec::registers::{COMMAND_HEAD, CONTROL, STATUS};
use crate::spec::status::Status;

use super::{Queue, SLOTS};

/// What was found when the command buffer had stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueError {
    /// Which command the unit stood at.
    pub head: usize,
    /// That command, as memory has it; `None` if the position is not in the ring.
    pub command: Option<Command>,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command buffer stopped at {}", self.head)?;
        match self.command {
            Some(command) => write!(f, ", command {:#x} {:#x}", command.high, command.low),
            None => f.write_str(", no command there"),
        }
    }
}

impl core::error::Error for QueueError {}

impl Queue {
    /// Starts the buffer anew if it has stopped; `None` if it has not. `control` is what the unit was told to do.
    #[cold]
    pub(crate) fn recover(
        &mut self,
        control: Control,
        registers: &impl Registers,
        memory: &impl TableMemory,
    ) -> Option<QueueError> {
        let status = registers.get(STATUS);
        // All ones: the unit is gone; the waiter's deadline deals with it. Somebody else's switching off is no stop.
        let is_on = registers.get(CONTROL).contains(Control::UNIT | Control::COMMANDS);
        if status.contains(Status::COMMANDS_RUN) || !is_on {
            return None;
        }
        let head = registers.get(COMMAND_HEAD).index();
        let error = QueueError { head, command: (head < SLOTS).then(|| self.read(head, memory)) };
        registers.set(CONTROL, control.difference(Control::COMMANDS));
        self.restart(registers);
        self.recoveries = self.recoveries.wrapping_add(1);
        self.last_error = Some(error);
        registers.set(CONTROL, control);
        Some(error)
    }

    fn read(&self, index: usize, memory: &impl TableMemory) -> Command {
        let at = self.slot(index).as_u64();
        Command { low: memory.read(PhysAddr::new(at)), high: memory.read(PhysAddr::new(at + 8)) }
    }
}
