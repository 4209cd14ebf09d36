//! Why an address space could not be made, changed or given to a device.

use core::fmt;

use ::iommu::Error;
use ::iommu::interrupts::InterruptError;
use vtd::{EnableError, InvalidationError, RemapError, UnitError};

use crate::memory::mmio::MmioError;

/// What a unit or its tables refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum IommuError {
    /// The unit does not enforce, so nothing may be given to its devices.
    NotEnforcing {
        /// Its index.
        unit: usize,
    },
    /// The unit lets no requester pass untranslated.
    NoPassThrough {
        /// Its index.
        unit: usize,
    },
    /// A sequence did not come to its end.
    Sequence {
        /// The unit's index.
        unit: usize,
        /// Why, and what that leaves behind.
        error: Error<InvalidationError>,
    },
    /// Interrupt entries were not given, or not withdrawn.
    Interrupts {
        /// The unit's index.
        unit: usize,
        /// Why, and what that leaves behind.
        error: InterruptError<InvalidationError>,
    },
    /// The unit does not remap interrupts, and the user wants nothing let in without that.
    InterruptsRequired {
        /// Its index.
        unit: usize,
    },
    /// Bringing the unit up.
    Enable(EnableError),
    /// Having it remap interrupts.
    Remap(RemapError),
    /// Mapping its registers.
    Window(MmioError),
}

impl fmt::Display for IommuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnforcing { unit } => write!(f, "unit {unit} does not enforce"),
            Self::NoPassThrough { unit } => write!(f, "unit {unit} offers no pass-through"),
            Self::Sequence { unit, error: Error::NoDomainId } => {
                write!(f, "unit {unit} has no domain id left")
            }
            Self::Sequence { error, .. } => error.fmt(f),
            Self::Interrupts { error, .. } => error.fmt(f),
            Self::InterruptsRequired { unit } => write!(
                f,
                "unit {unit} does not remap interrupts, and the option interrupts=required lets nothing in without"
            ),
            Self::Enable(error) => error.fmt(f),
            Self::Remap(error) => error.fmt(f),
            Self::Window(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for IommuError {}

impl IommuError {
    /// Tells whether the memory that a call was about may be reached by devices: it must never be used again then.
    pub const fn may_be_reached(&self) -> bool {
        matches!(self, Self::Sequence { error, .. } if error.may_be_reached())
    }
}

impl From<EnableError> for IommuError {
    fn from(error: EnableError) -> Self {
        Self::Enable(error)
    }
}

impl From<UnitError> for IommuError {
    fn from(error: UnitError) -> Self {
        Self::Enable(error.into())
    }
}

impl From<RemapError> for IommuError {
    fn from(error: RemapError) -> Self {
        Self::Remap(error)
    }
}
