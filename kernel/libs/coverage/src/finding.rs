//! Where table and machine do not fit.

use core::fmt;

use dma_types::{Bdf, PhysAddr, Segment};

/// Something in the table that the machine contradicts; what to do about it is already decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A scope names a device that is not there.
    NoSuchDevice {
        /// Where in the table.
        offset: usize,
        /// The segment.
        segment: Segment,
        /// The bus that its path starts on.
        start_bus: u8,
    },
    /// A scope calls a bridge an endpoint, or the other way; the device itself is taken.
    OtherKind {
        /// Where in the table.
        offset: usize,
        /// What it names.
        device: Bdf,
    },
    /// A second unit names a device that another one has; the first keeps it.
    NamedTwice {
        /// Where in the table.
        offset: usize,
        /// The device.
        device: Bdf,
    },
    /// A second unit claims all the rest of a segment; the first has it.
    IncludeAllTwice {
        /// Where in the table.
        offset: usize,
        /// The segment.
        segment: Segment,
    },
    /// A region that is no region, or not whole pages; it is not mapped.
    BadRegion {
        /// Where in the table.
        offset: usize,
        /// Its first byte.
        base: PhysAddr,
        /// Its last byte.
        limit: PhysAddr,
    },
    /// No unit covers the function: nothing can keep its DMA in bounds.
    Uncovered {
        /// The function.
        device: Bdf,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchDevice { offset, segment, start_bus } => write!(
                f,
                "the scope at {offset:#x} names a device below bus {:04x}:{start_bus:02x} that is not there",
                segment.0
            ),
            Self::OtherKind { offset, device } => {
                write!(f, "the scope at {offset:#x} takes {device} for a device of the other kind")
            }
            Self::NamedTwice { offset, device } => {
                write!(f, "the scope at {offset:#x} names {device}, which another unit has")
            }
            Self::IncludeAllTwice { offset, segment } => write!(
                f,
                "the unit at {offset:#x} claims all the rest of segment {:04x}, as another one does",
                segment.0
            ),
            Self::BadRegion { offset, base, limit } => write!(
                f,
                "the region at {offset:#x} from {base} to {limit} is reversed or not whole pages, not mapped"
            ),
            Self::Uncovered { device } => write!(f, "no unit covers {device}"),
        }
    }
}
