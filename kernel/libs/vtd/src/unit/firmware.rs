//! What firmware left behind: the evidence of the time before the kernel.

use mmio_regs::{Registers, TypedAccess};

use crate::spec::command::{GlobalStatus, ProtectedMemoryEnable};
use crate::spec::fault_event::FaultStatus;
use crate::spec::registers::PMEN;

use super::Unit;

/// What a unit was doing when the kernel found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareState {
    /// Firmware had left translation on.
    pub translation: bool,
    /// The invalidation queue was on.
    pub queued_invalidation: bool,
    /// Firmware had left interrupt remapping on.
    pub interrupt_remapping: bool,
    /// Protected memory regions were being enforced.
    pub protected_memory: bool,
    /// The fault status register; sticky, it may tell of the boot before this one.
    pub fault_status: FaultStatus,
}

impl<R: Registers> Unit<R> {
    /// Reads what firmware left. Only before [`Unit::bring_up`] does it speak of firmware; the stale
    /// fault records are fetched by draining [`Unit::fault_port`] at the same time.
    pub fn firmware_state(&self) -> FirmwareState {
        let status = self.status();
        FirmwareState {
            translation: status.contains(GlobalStatus::TRANSLATION),
            queued_invalidation: status.contains(GlobalStatus::QUEUE),
            interrupt_remapping: status.contains(GlobalStatus::INTERRUPT_REMAPPING),
            protected_memory: self.capabilities.protected_memory_regions()
                && self.registers.get(PMEN).contains(ProtectedMemoryEnable::STATUS),
            fault_status: self.faults().status(),
        }
    }
}
