//! Global commands: the only place that writes the global command register.

use core::sync::atomic::{Ordering, fence};

use mmio_regs::{Clock, Registers, TypedAccess};

use crate::spec::command::{GlobalCommand, GlobalStatus};
use crate::spec::registers::{GCMD, GSTS};
use iommu::wait::{ANSWER_LIMIT_NS, TimedOut, wait_for};

use super::Unit;

/// A change of the unit's state. There is none that turns translation off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    TranslationOn,
    SetRoot,
    FlushWriteBuffer,
    QueueOn,
    QueueOff,
    SetInterruptTable,
    InterruptRemappingOn,
    InterruptRemappingOff,
    CompatibilityInterruptsOff,
    AdvancedFaultLogOff,
}

impl Command {
    /// Bits to set, bits to clear, and the status bits with what they become.
    const fn effect(self) -> (GlobalCommand, GlobalCommand, GlobalStatus, GlobalStatus) {
        const NO: GlobalCommand = GlobalCommand::empty();
        const OFF: GlobalStatus = GlobalStatus::empty();
        match self {
            Self::TranslationOn => {
                (GlobalCommand::TRANSLATION, NO, GlobalStatus::TRANSLATION, GlobalStatus::TRANSLATION)
            }
            Self::SetRoot => (GlobalCommand::SET_ROOT, NO, GlobalStatus::ROOT_SET, GlobalStatus::ROOT_SET),
            // This status bit says that the flush is under way, not that it is done.
            Self::FlushWriteBuffer => {
                (GlobalCommand::WRITE_BUFFER_FLUSH, NO, GlobalStatus::WRITE_BUFFER_FLUSH, OFF)
            }
            Self::QueueOn => (GlobalCommand::QUEUE, NO, GlobalStatus::QUEUE, GlobalStatus::QUEUE),
            Self::QueueOff => (NO, GlobalCommand::QUEUE, GlobalStatus::QUEUE, OFF),
            Self::SetInterruptTable => (
                GlobalCommand::SET_INTERRUPT_TABLE,
                NO,
                GlobalStatus::INTERRUPT_TABLE_SET,
                GlobalStatus::INTERRUPT_TABLE_SET,
            ),
            Self::InterruptRemappingOn => (
                GlobalCommand::INTERRUPT_REMAPPING,
                NO,
                GlobalStatus::INTERRUPT_REMAPPING,
                GlobalStatus::INTERRUPT_REMAPPING,
            ),
            Self::CompatibilityInterruptsOff => {
                (NO, GlobalCommand::COMPATIBILITY_INTERRUPTS, GlobalStatus::COMPATIBILITY_INTERRUPTS, OFF)
            }
            Self::InterruptRemappingOff => {
                (NO, GlobalCommand::INTERRUPT_REMAPPING, GlobalStatus::INTERRUPT_REMAPPING, OFF)
            }
            Self::AdvancedFaultLogOff => {
                (NO, GlobalCommand::ADVANCED_FAULT_LOG, GlobalStatus::ADVANCED_FAULT_LOG, OFF)
            }
        }
    }
}

impl<R: Registers> Unit<R> {
    /// Gives one command and waits until the status confirms it.
    ///
    /// The new value is built from the status, without the one-shot bits, so that no other state changes.
    pub(super) fn command(&self, command: Command, clock: &impl Clock) -> Result<(), TimedOut> {
        let (set, clear, mask, expected) = command.effect();
        let keep = GlobalCommand::keeping(self.status());
        // What was written to the tables and the queue is there before.
        fence(Ordering::Release);
        self.registers.set(GCMD, keep.difference(clear).union(set));
        wait_for(&self.registers, GSTS, (mask, expected), ANSWER_LIMIT_NS, clock)?;
        Ok(())
    }
}
