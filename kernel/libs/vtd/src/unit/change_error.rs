//! Why a change of the tables did not come about, and what that leaves behind.

use core::fmt;

use dma_types::SourceId;

use crate::invalidation::InvalidationError;
use crate::tables::{TableError, UnmapError};

/// Why a requester is not attached. It is blocked, as far as the unit has confirmed that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// The tables refused; nothing has changed.
    Tables(TableError),
    /// The unit did not take note, or did not forget what was before.
    Invalidation(InvalidationError),
}

/// Why a mapping was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnounceError {
    /// The unit did not take note of it, but has confirmed that it forgot it: all is as before.
    TakenBack(InvalidationError),
    /// The unit did not confirm either: the memory may be reached, and must never be used again.
    Unconfirmed(InvalidationError),
}

/// Why a range did not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeBackError {
    /// It is not mapped as a whole; nothing has changed.
    Tables(UnmapError),
    /// The unit did not confirm: the memory may be reached, and must never be used again.
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

impl fmt::Display for AnnounceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakenBack(error) => write!(f, "{error}; the mapping was taken back"),
            Self::Unconfirmed(error) => write!(f, "{error}; what was mapped may be reached"),
        }
    }
}

impl fmt::Display for TakeBackError {
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
impl core::error::Error for AnnounceError {}
impl core::error::Error for TakeBackError {}
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

impl From<UnmapError> for TakeBackError {
    fn from(error: UnmapError) -> Self {
        Self::Tables(error)
    }
}

impl From<InvalidationError> for TakeBackError {
    fn from(error: InvalidationError) -> Self {
        Self::Invalidation(error)
    }
}

impl From<InvalidationError> for RetireError {
    fn from(error: InvalidationError) -> Self {
        Self::Invalidation(error)
    }
}
