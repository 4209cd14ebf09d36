//! Why a map or an unmap was refused.

use core::fmt;

use dma_types::{Iova, PageSize, PhysAddr};

/// Why nothing was mapped. The tables translate as before, and no table was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Start or target is not at a page, or the length is not a positive number of whole pages.
    NotWholePages,
    /// The range passes the widest address that unit and tables translate.
    BeyondWidth(Iova),
    /// The memory passes the widest address that an entry holds.
    BeyondMemory(PhysAddr),
    /// Addresses or memory lie in 0xFEEx_xxxx, where every request is an interrupt.
    InterruptRange,
    /// Something is mapped here already.
    Overlap(Iova),
    /// No page was left for a table.
    OutOfMemory,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWholePages => f.write_str("range is not a positive number of whole pages"),
            Self::BeyondWidth(iova) => write!(f, "range at {iova} passes the address width"),
            Self::BeyondMemory(phys) => write!(f, "memory at {phys} passes the width of an entry"),
            Self::InterruptRange => f.write_str("range touches the interrupt addresses"),
            Self::Overlap(iova) => write!(f, "{iova} is mapped already"),
            Self::OutOfMemory => f.write_str("no memory for a translation table"),
        }
    }
}

impl core::error::Error for MapError {}

/// Why nothing was unmapped. The tables are unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmapError {
    /// The start is not at a page, or the length is not a positive number of whole pages.
    NotWholePages,
    /// The range passes the widest address that unit and tables translate.
    BeyondWidth(Iova),
    /// Nothing is mapped here.
    NotMapped(Iova),
    /// The range covers only a part of this entry.
    Splits(Iova, PageSize),
}

impl fmt::Display for UnmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWholePages => f.write_str("range is not a positive number of whole pages"),
            Self::BeyondWidth(iova) => write!(f, "range at {iova} passes the address width"),
            Self::NotMapped(iova) => write!(f, "{iova} is not mapped"),
            Self::Splits(iova, size) => {
                write!(f, "range at {iova} covers a part of a mapping of {:#x} bytes", size.bytes())
            }
        }
    }
}

impl core::error::Error for UnmapError {}
