//! Why the books refused an entry.

use core::fmt;

use dma_types::Iova;
use iova::OutOfMemory;

/// Why an entry was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookError {
    /// The mapping is empty or does not lie within its range, or the range not within the window.
    OutsideRange {
        /// Start of the mapping.
        start: Iova,
        /// Its length in bytes.
        length: u64,
    },
    /// The range is mapped already, or overlaps one that is.
    AlreadyMapped {
        /// Start of the mapping in the way.
        start: Iova,
    },
    /// The range is not mapped.
    NotMapped {
        /// Start of the range.
        start: Iova,
    },
    /// The heap had no room.
    OutOfMemory,
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideRange { start, length } => {
                write!(f, "a mapping of {length} bytes at {start} does not lie within its range")
            }
            Self::AlreadyMapped { start } => write!(f, "the range is mapped already, at {start}"),
            Self::NotMapped { start } => write!(f, "the range at {start} is not mapped"),
            Self::OutOfMemory => fmt::Display::fmt(&OutOfMemory, f),
        }
    }
}

impl core::error::Error for BookError {}

impl From<OutOfMemory> for BookError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}
