//! Where table and machine do not fit.

mod rule;
mod words;

use dma_types::{Bdf, PhysAddr, Segment};

use crate::region::Obstacle;
use crate::shortfall::Shortfall;

/// Something in the table that the machine contradicts; what to do about it is already decided. Shown, it is
/// the sentence on what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFinding {
    /// A scope names a device that is not there.
    NoSuchDevice {
        /// Where in the table.
        offset: usize,
        /// The segment group of the path.
        segment: Segment,
        /// The bus that its path starts on.
        start_bus: u8,
    },
    /// A scope calls a bridge an endpoint, or the other way; the device itself is taken.
    OtherKind {
        /// Where in the table.
        offset: usize,
        /// The function or bridge that it names.
        device: Bdf,
    },
    /// A second unit names a device that another one has; the first keeps it.
    NamedTwice {
        /// Where in the table.
        offset: usize,
        /// The device that both name.
        device: Bdf,
    },
    /// A second unit claims all the rest of a segment; the first has it.
    IncludeAllTwice {
        /// Where in the table.
        offset: usize,
        /// The segment group that both claim.
        segment: Segment,
    },
    /// A region that is no region, or not whole pages; it is not mapped.
    BadRegion {
        /// Where in the table.
        offset: usize,
        /// The address of its first byte.
        base: PhysAddr,
        /// The address of its last byte.
        limit: PhysAddr,
    },
    /// A region has addresses that the processor cannot form, or no end; it is not mapped.
    RegionBeyondWidth {
        /// Where in the table.
        offset: usize,
        /// The address of its first byte.
        base: PhysAddr,
        /// The address of its last byte.
        limit: PhysAddr,
        /// The processor's width in bits.
        width: u8,
    },
    /// A region lies over what its devices must not reach; it is not mapped.
    RegionRefused {
        /// Where in the table.
        offset: usize,
        /// The address of its first byte.
        base: PhysAddr,
        /// Whose registers or memory lie there.
        over: Obstacle,
    },
    /// A region names a bridge as if that made requests of its own; it is mapped for nobody because of it.
    RegionOfBridge {
        /// Where in the table.
        offset: usize,
        /// The address of its first byte.
        base: PhysAddr,
        /// The bridge that it names.
        device: Bdf,
    },
    /// No unit covers the function: nothing can keep its DMA in bounds.
    Uncovered {
        /// The function that no unit covers.
        device: Bdf,
    },
    /// A region holds memory that the machine's memory map calls free.
    RegionNotReserved {
        /// Where in the table.
        offset: usize,
        /// The address of its first byte.
        base: PhysAddr,
        /// Bytes of it that are called free.
        free: u64,
    },
    /// A unit's registers do not answer, or not as those of a unit.
    UnitSilent {
        /// Where in the table.
        offset: usize,
        /// Where the registers should be.
        base: PhysAddr,
    },
    /// The table promises interrupt remapping, and the unit has none.
    NoInterruptRemapping {
        /// Where in the table.
        offset: usize,
        /// Where its registers are.
        base: PhysAddr,
    },
    /// Devices can be sent to more addresses, by the table's word, than the unit translates.
    Narrow {
        /// Where in the table.
        offset: usize,
        /// Address bits that the table gives the platform.
        platform: u16,
        /// Address bits that the unit translates.
        unit: u8,
    },
}

impl TableFinding {
    /// Where in the table, if it is about a place there.
    pub const fn offset(&self) -> Option<usize> {
        match *self {
            Self::NoSuchDevice { offset, .. }
            | Self::OtherKind { offset, .. }
            | Self::NamedTwice { offset, .. }
            | Self::IncludeAllTwice { offset, .. }
            | Self::BadRegion { offset, .. }
            | Self::RegionBeyondWidth { offset, .. }
            | Self::RegionRefused { offset, .. }
            | Self::RegionOfBridge { offset, .. }
            | Self::RegionNotReserved { offset, .. }
            | Self::UnitSilent { offset, .. }
            | Self::NoInterruptRemapping { offset, .. }
            | Self::Narrow { offset, .. } => Some(offset),
            Self::Uncovered { .. } => None,
        }
    }

    /// What is given up because of it, if anything is.
    pub const fn shortfall(&self) -> Option<Shortfall> {
        match *self {
            Self::BadRegion { offset, base, .. }
            | Self::RegionBeyondWidth { offset, base, .. }
            | Self::RegionRefused { offset, base, .. }
            | Self::RegionOfBridge { offset, base, .. } => Some(Shortfall::RegionRefused { offset, base }),
            // Functions without a unit, and units that fail, are counted where they stand.
            Self::Uncovered { .. } | Self::UnitSilent { .. } => None,
            Self::NoSuchDevice { .. }
            | Self::OtherKind { .. }
            | Self::NamedTwice { .. }
            | Self::IncludeAllTwice { .. }
            | Self::RegionNotReserved { .. }
            | Self::NoInterruptRemapping { .. }
            | Self::Narrow { .. } => None,
        }
    }

    /// Tells whether the table's bytes alone show it, so that their lint has it too.
    pub const fn is_of_the_table(&self) -> bool {
        matches!(self, Self::IncludeAllTwice { .. } | Self::BadRegion { .. })
    }
}
