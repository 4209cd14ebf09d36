//! Why a change of the tables did not come about, and what that leaves behind.

use core::fmt;

use dma_types::SourceId;

use crate::invalidation::InvalidationError;
use crate::tables::TableError;

/// Why a requester is not attached. It is blocked, as far as the unit has confirmed that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// The tables refused; nothing has changed.
    Tables(TableError),
    /// The unit did not take note, or did not forget what was before.
    Invalidation(InvalidationError),
}

/// Why a domain lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetireError {
    /// A requester is attached to it.
    StillAttached(SourceId),
    /// The unit did not confirm that it forgot it.
    Invalidation(InvalidationError),
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tables(error) => error.fmt(f),
            Self::Invalidation(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for RetireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StillAttached(source) => write!(f, "requester {source} is still entered in the domain"),
            Self::Invalidation(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for AttachError {}
impl core::error::Error for RetireError {}

impl From<TableError> for AttachError {
    fn from(error: TableError) -> Self {
        Self::Tables(error)
    }
}

impl From<InvalidationError> for AttachError {
    fn from(error: InvalidationError) -> Self {
        Self::Invalidation(error)
    }
}

impl From<InvalidationError> for RetireError {
    fn from(error: InvalidationError) -> Self {
        Self::Invalidation(error)
    }
}

impl From<AttachError> for iommu::Error<InvalidationError> {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Tables(error) => error.into(),
            AttachError::Invalidation(error) => Self::Unconfirmed(error),
        }
    }
}

impl From<RetireError> for iommu::Error<InvalidationError> {
    fn from(error: RetireError) -> Self {
        match error {
            RetireError::StillAttached(source) => Self::StillAttached(source),
            RetireError::Invalidation(error) => Self::Unconfirmed(error),
        }
    }
}
