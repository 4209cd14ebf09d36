//! What makes protection incomplete.

use core::fmt;

use dma_types::{Bdf, PhysAddr};

/// Something that was given up: because of it, not every device reaches exactly what it was given.
///
/// Each of them makes `complete` of the event `protected` false. A device that merely stays blocked is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// No unit was found.
    NoUnit,
    /// A unit could not be taken.
    UnitFailed {
        /// Its place in the table.
        unit: usize,
    },
    /// A unit did not confirm in time that it forgot what was taken away; its devices lost bus mastering.
    UnitSilent {
        /// Its place in the table.
        unit: usize,
    },
    /// A unit that can remap interrupts does not, although it was asked to: a device behind it may raise any.
    InterruptsNotRemapped {
        /// Its place in the table.
        unit: usize,
    },
    /// Requests of the function pass by every unit.
    Bypass {
        /// The function whose requests no unit sees.
        device: Bdf,
    },
    /// The firmware's table could not be read in full.
    TableDamaged,
    /// A reserved region of the table is not mapped for the devices that it names.
    RegionRefused {
        /// Where in the table.
        offset: usize,
        /// The address of its first byte.
        base: PhysAddr,
    },
    /// The reserved regions of a device could not be mapped; it stays blocked.
    RegionLost {
        /// The device that the regions are for.
        device: Bdf,
    },
    /// What stands on the buses could not be told in full, or contradicts itself.
    Fabric(pci::BusFinding),
    /// What the function says of itself is not believed; it stays blocked.
    DeviceRefused {
        /// The function that is meant.
        device: Bdf,
    },
    /// Part of the tables that name interrupt controllers is missing or wrong.
    InterruptTablesDamaged,
    /// What the tables name there may go on interrupting as firmware had it: an I/O APIC or an event timer.
    InterruptSource {
        /// Where its registers should lie.
        at: PhysAddr,
    },
    /// The function keeps bus mastering on although it was switched off.
    BusMasterStuck {
        /// The function that is meant.
        device: Bdf,
    },
}

impl Shortfall {
    /// Tells whether requests of some device may pass no unit that enforces. Otherwise somebody got less than he was
    /// due, or what is known of the machine is not all of it.
    pub const fn leaves_open(&self) -> bool {
        match self {
            Self::NoUnit | Self::UnitFailed { .. } | Self::Bypass { .. } | Self::TableDamaged => true,
            Self::UnitSilent { .. }
            | Self::InterruptsNotRemapped { .. }
            | Self::RegionRefused { .. }
            | Self::RegionLost { .. }
            | Self::Fabric(_)
            | Self::DeviceRefused { .. }
            | Self::InterruptTablesDamaged
            | Self::InterruptSource { .. }
            | Self::BusMasterStuck { .. } => false,
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUnit => f.write_str("no IOMMU was found"),
            Self::UnitFailed { unit } => write!(f, "unit {unit} could not be taken"),
            Self::UnitSilent { unit } => {
                write!(f, "unit {unit} does not confirm what it is told; its devices lose bus mastering")
            }
            Self::InterruptsNotRemapped { unit } => {
                write!(
                    f,
                    "unit {unit} does not remap interrupts although it can; devices behind it may raise any"
                )
            }
            Self::Bypass { device } => write!(f, "requests of {device} pass by every unit"),
            Self::TableDamaged => f.write_str("the firmware's table could not be read in full"),
            Self::RegionRefused { offset, base } => {
                write!(f, "the reserved region at {offset:#x} of the table, from {base} on, is not mapped")
            }
            Self::RegionLost { device } => write!(f, "the reserved regions of {device} could not be mapped"),
            Self::Fabric(finding) => write!(f, "{finding}"),
            Self::DeviceRefused { device } => write!(f, "what {device} says of itself is not believed"),
            Self::InterruptTablesDamaged => {
                f.write_str("the firmware's table of interrupt controllers could not be read in full")
            }
            Self::InterruptSource { at } => {
                write!(f, "what firmware armed at {at} may go on interrupting: it could not be silenced")
            }
            Self::BusMasterStuck { device } => {
                write!(f, "{device} keeps bus mastering on although it was switched off")
            }
        }
    }
}

#[cfg(test)]
mod tests;
