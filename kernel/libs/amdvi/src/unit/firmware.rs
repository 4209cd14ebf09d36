//! What firmware left behind: the evidence of the time before the kernel.

use mmio_regs::{Registers, TypedAccess};

use crate::spec::control::Control;
use crate::spec::registers::{CONTROL, EXCLUSION_BASE};
use crate::spec::status::Status;

use super::Unit;

/// ExEn: the exclusion range counts.
pub(super) const EXCLUSION: u64 = 1;

/// What a unit was doing when the kernel found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareState {
    /// Firmware had left translation on.
    pub translation: bool,
    /// The command buffer was on.
    pub commands: bool,
    /// A range of memory passed untranslated.
    pub exclusion: bool,
    /// The status register; it may tell of the boot before this one.
    pub status: Status,
}

impl<R: Registers> Unit<R> {
    /// Reads what firmware left. Only before [`Unit::bring_up`] does it speak of firmware.
    pub fn firmware_state(&self) -> FirmwareState {
        let control = self.registers.get(CONTROL);
        FirmwareState {
            translation: control.contains(Control::UNIT),
            commands: control.contains(Control::COMMANDS),
            exclusion: self.registers.get(EXCLUSION_BASE) & EXCLUSION != 0,
            status: self.status(),
        }
    }
}
