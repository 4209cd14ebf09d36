//! Why a unit cannot be used.

use core::fmt;

use iommu::wait::TimedOut;

use crate::invalidation::InvalidationError;
use crate::spec::control::Control;
use crate::spec::features::Features;
use crate::spec::ring::DeviceTableBase;
use crate::spec::status::Status;

/// Why a unit cannot be used. Whatever the error, the unit was left no more open than it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitError {
    /// The window does not hold the registers of a unit.
    WindowTooShort {
        /// Bytes of the window.
        bytes: usize,
    },
    /// The window reads as all ones.
    NotAnswering {
        /// The control register as it was read.
        control: Control,
        /// The status register as it was read.
        status: Status,
        /// The feature register as it was read.
        features: Features,
    },
    /// Its page tables have a depth that no document names.
    NoTableLevels {
        /// The features that are believed.
        features: Features,
    },
    /// No memory for its command buffer or event log.
    OutOfMemory,
    /// It did not start or stop something in time.
    TimedOut(TimedOut),
    /// It did not forget what it remembered of earlier tables.
    Invalidation(InvalidationError),
    /// All was answered, but it does not say that it enforces.
    NotEnforcing {
        /// The control register as read.
        control: Control,
        /// The device table register as read.
        table: DeviceTableBase,
    },
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WindowTooShort { bytes } => {
                write!(f, "{bytes:#x} bytes do not hold the registers of a unit")
            }
            Self::NotAnswering { control, status, features } => write!(
                f,
                "no unit answers: control {:#x}, status {:#x}, features {:#x}",
                control.bits(),
                status.bits(),
                features.0
            ),
            Self::NoTableLevels { features } => {
                write!(f, "page tables of an unknown depth, features {:#x}", features.0)
            }
            Self::OutOfMemory => f.write_str("no memory for the command buffer and the event log"),
            Self::TimedOut(error) => error.fmt(f),
            Self::Invalidation(error) => error.fmt(f),
            Self::NotEnforcing { control, table } => write!(
                f,
                "the unit does not enforce: control {:#x}, device table register {:#x}",
                control.bits(),
                table.0
            ),
        }
    }
}

impl core::error::Error for UnitError {}

impl From<TimedOut> for UnitError {
    fn from(error: TimedOut) -> Self {
        Self::TimedOut(error)
    }
}

impl From<InvalidationError> for UnitError {
    fn from(error: InvalidationError) -> Self {
        Self::Invalidation(error)
    }
}
