//! Why an address space could not be made, changed or given to a device.

use core::fmt;

use dma_types::SourceId;
use vtd::tables::{MapError, TableError, UnmapError};
use vtd::{AnnounceError, AttachError, InvalidationError, RetireError, TakeBackError, UnitError};

use crate::memory::mmio::MmioError;

/// What a unit or its tables refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum IommuError {
    /// The unit does not enforce, so nothing may be given to its devices.
    NotEnforcing {
        /// Its index.
        unit: usize,
    },
    /// Every domain id of the unit is in use.
    NoDomainId {
        /// Its index.
        unit: usize,
    },
    /// The unit lets no requester pass untranslated.
    NoPassThrough {
        /// Its index.
        unit: usize,
    },
    /// A root, context or top-level table.
    Tables(TableError),
    /// Mapping.
    Map(MapError),
    /// Unmapping.
    Unmap(UnmapError),
    /// The unit did not confirm that it forgot: what was unmapped may still be reached.
    Invalidation(InvalidationError),
    /// The unit did not take note of a mapping, which was taken back.
    NotNoted(InvalidationError),
    /// A requester's entry still names the domain that was to be released.
    StillAttached {
        /// The requester.
        source: SourceId,
    },
    /// Bringing the unit up.
    Unit(UnitError),
    /// Mapping its registers.
    Window(MmioError),
}

impl fmt::Display for IommuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnforcing { unit } => write!(f, "unit {unit} does not enforce"),
            Self::NoDomainId { unit } => write!(f, "unit {unit} has no domain id left"),
            Self::NoPassThrough { unit } => write!(f, "unit {unit} offers no pass-through"),
            Self::Tables(error) => error.fmt(f),
            Self::Map(error) => error.fmt(f),
            Self::Unmap(error) => error.fmt(f),
            Self::Invalidation(error) => write!(f, "{error}; what was unmapped may still be reached"),
            Self::NotNoted(error) => write!(f, "{error}; the mapping was taken back"),
            Self::StillAttached { source } => write!(f, "requester {source} is still entered in the domain"),
            Self::Unit(error) => error.fmt(f),
            Self::Window(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for IommuError {}

impl IommuError {
    /// Tells whether the memory that a call was about may be reached by devices: it must never be used again then.
    pub const fn may_be_reached(&self) -> bool {
        matches!(self, Self::Invalidation(_))
    }
}

/// Each cause becomes the variant of its type.
macro_rules! causes {
    ($($variant:ident($cause:ty)),+) => {
        $(impl From<$cause> for IommuError {
            fn from(error: $cause) -> Self {
                Self::$variant(error)
            }
        })+
    };
}

causes!(
    Tables(TableError),
    Map(MapError),
    Unmap(UnmapError),
    Invalidation(InvalidationError),
    Unit(UnitError)
);

impl From<AttachError> for IommuError {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Tables(error) => error.into(),
            AttachError::Invalidation(error) => error.into(),
        }
    }
}

impl From<AnnounceError> for IommuError {
    fn from(error: AnnounceError) -> Self {
        match error {
            AnnounceError::TakenBack(error) => Self::NotNoted(error),
            AnnounceError::Unconfirmed(error) => error.into(),
        }
    }
}

impl From<TakeBackError> for IommuError {
    fn from(error: TakeBackError) -> Self {
        match error {
            TakeBackError::Tables(error) => error.into(),
            TakeBackError::Invalidation(error) => error.into(),
        }
    }
}

impl From<RetireError> for IommuError {
    fn from(error: RetireError) -> Self {
        match error {
            RetireError::StillAttached(source) => Self::StillAttached { source },
            RetireError::Invalidation(error) => error.into(),
        }
    }
}
