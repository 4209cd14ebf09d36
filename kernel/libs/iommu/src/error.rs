//! Why a domain could not be made, changed or given to a device, and what that leaves behind.

use core::fmt;

use dma_types::{Iova, PageSize, PhysAddr, SourceId};

/// Why a table could not be made, or a requester not be attached. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// No page was left for a table.
    OutOfMemory,
    /// The requester has a present entry already; it has to be blocked and invalidated first.
    AlreadyAttached(SourceId),
    /// The requester was attached, and the unit has not confirmed that it forgot that; it has to be blocked
    /// once more.
    Unconfirmed(SourceId),
    /// This top-level table does not start at a page.
    Unaligned(PhysAddr),
}

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

/// Why a sequence did not come to its end. `I` says how the unit failed to confirm an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<I> {
    /// Every domain id of the unit is in use.
    NoDomainId,
    /// A root, context or top-level table; nothing has changed.
    Tables(TableError),
    /// Mapping; nothing has changed.
    Map(MapError),
    /// Unmapping; this range has not changed.
    Unmap(UnmapError),
    /// The unit did not confirm that it forgot: what was taken may still be reached, and must never be used again.
    Unconfirmed(I),
    /// The unit did not take note of a mapping, which was taken back: all is as before.
    NotNoted(I),
    /// A requester's entry still names the domain that was to end.
    StillAttached(SourceId),
}

impl<I> Error<I> {
    /// Tells whether the memory that a call was about may be reached by devices: it must never be used again then.
    pub const fn may_be_reached(&self) -> bool {
        matches!(self, Self::Unconfirmed(_))
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => f.write_str("no memory for a translation table"),
            Self::AlreadyAttached(source) => write!(f, "{source} is attached to a domain already"),
            Self::Unconfirmed(source) => {
                write!(f, "the unit has not confirmed that it forgot the last domain of {source}")
            }
            Self::Unaligned(table) => write!(f, "table at {table} does not start at a page"),
        }
    }
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

impl<I: fmt::Display> fmt::Display for Error<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDomainId => f.write_str("no domain id is left"),
            Self::Tables(error) => error.fmt(f),
            Self::Map(error) => error.fmt(f),
            Self::Unmap(error) => error.fmt(f),
            Self::Unconfirmed(error) => write!(f, "{error}; what was unmapped may still be reached"),
            Self::NotNoted(error) => write!(f, "{error}; the mapping was taken back"),
            Self::StillAttached(source) => write!(f, "requester {source} is still entered in the domain"),
        }
    }
}

impl core::error::Error for TableError {}
impl core::error::Error for MapError {}
impl core::error::Error for UnmapError {}
impl<I: fmt::Debug + fmt::Display> core::error::Error for Error<I> {}

impl<I> From<TableError> for Error<I> {
    fn from(error: TableError) -> Self {
        Self::Tables(error)
    }
}

impl<I> From<MapError> for Error<I> {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

impl<I> From<UnmapError> for Error<I> {
    fn from(error: UnmapError) -> Self {
        Self::Unmap(error)
    }
}
