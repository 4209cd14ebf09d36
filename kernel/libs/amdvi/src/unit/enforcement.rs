//! Asking the hardware whether it still enforces.
//!
//! Control register and device table stay as [`Unit::bring_up`] left them, unless somebody else writes the unit's
//! registers: a device that reached them, firmware, or a fault of the hardware. So they are asked again, and never taken for
//! granted.

use core::fmt;

use mmio_regs::{Registers, TypedAccess};

use crate::spec::control::Control;
use crate::spec::registers::{CONTROL, DEVICE_TABLE, EXCLUSION_BASE};
use crate::spec::ring::DeviceTableBase;

use super::Unit;
use super::firmware::EXCLUSION;

/// The side of a unit that tells whether it still enforces, to be kept apart from the unit: for interrupt handlers and the
/// stop path.
///
/// It only reads registers, three of them.
#[derive(Clone, Copy, Debug)]
pub struct EnforcementPort<R> {
    registers: R,
    table: DeviceTableBase,
}

/// A unit does not enforce any more what it was brought up with. Devices may reach anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnforcementLost {
    /// The control register as read.
    pub control: Control,
    /// The device table register as read.
    pub register: DeviceTableBase,
    /// The register of the range that passes untranslated.
    pub exclusion: u64,
    expected: DeviceTableBase,
}

impl<R: Registers> EnforcementPort<R> {
    /// Asks the hardware (AMD I/O Virtualization "IOMMU Control Register", "Device Table Base Address Register").
    ///
    /// The log may be off: whoever starts it anew after an overflow switches it off and on.
    ///
    /// # Errors
    /// If translation or the command buffer is off, the device table is another one than it was given, or a range is
    /// excluded.
    pub fn ask(&self) -> Result<(), EnforcementLost> {
        ask(&self.registers, self.table)
    }
}

fn ask(registers: &impl Registers, expected: DeviceTableBase) -> Result<(), EnforcementLost> {
    let lost = EnforcementLost {
        control: registers.get(CONTROL),
        register: registers.get(DEVICE_TABLE),
        exclusion: registers.get(EXCLUSION_BASE),
        expected,
    };
    if lost.kinds().iter().any(|(is_lost, _)| *is_lost) { Err(lost) } else { Ok(()) }
}

impl EnforcementLost {
    /// Everything that can be lost, and whether it is.
    fn kinds(&self) -> [(bool, &'static str); 4] {
        [
            (!self.control.contains(Control::UNIT), "translation is off"),
            (!self.control.contains(Control::COMMANDS), "the command buffer is off"),
            (self.register != self.expected, "the device table is another one"),
            (self.exclusion & EXCLUSION != 0, "a range of memory passes untranslated"),
        ]
    }
}

impl fmt::Display for EnforcementLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut link = "";
        for (_, words) in self.kinds().iter().filter(|(is_lost, _)| *is_lost) {
            write!(f, "{link}{words}")?;
            link = ", ";
        }
        Ok(())
    }
}

impl core::error::Error for EnforcementLost {}

impl<R: Registers> Unit<R> {
    /// Tells whether translation is on, with the device table that [`Unit::bring_up`] set.
    ///
    /// Reads the hardware each time.
    pub fn is_enforcing(&self) -> bool {
        self.table.is_some_and(|table| ask(&self.registers, table).is_ok())
    }

    /// The side that is asked again; `None` before [`Unit::bring_up`] has come to its end.
    pub fn enforcement_port(&self) -> Option<EnforcementPort<R>>
    where
        R: Clone,
    {
        Some(EnforcementPort { registers: self.registers.clone(), table: self.table? })
    }
}
