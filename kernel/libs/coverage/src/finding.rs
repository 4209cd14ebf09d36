//! Where table and machine do not fit.

use core::fmt;

use acpi_tables::lint::{Rule, Severity};
use dma_types::{Bdf, PhysAddr, Segment};

use crate::region::Obstacle;
use crate::shortfall::Shortfall;

/// Something in the table that the machine contradicts; what to do about it is already decided. Shown, it is
/// the sentence on what is wrong.
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
    /// A region has addresses that the processor cannot form, or no end; it is not mapped.
    RegionBeyondWidth {
        /// Where in the table.
        offset: usize,
        /// Its first byte.
        base: PhysAddr,
        /// Its last byte.
        limit: PhysAddr,
        /// The processor's width in bits.
        width: u8,
    },
    /// A region lies over what its devices must not reach; it is not mapped.
    RegionRefused {
        /// Where in the table.
        offset: usize,
        /// Its first byte.
        base: PhysAddr,
        /// What is there.
        over: Obstacle,
    },
    /// A region names a bridge as if that made requests of its own; it is mapped for nobody because of it.
    RegionOfBridge {
        /// Where in the table.
        offset: usize,
        /// Its first byte.
        base: PhysAddr,
        /// The bridge.
        device: Bdf,
    },
    /// No unit covers the function: nothing can keep its DMA in bounds.
    Uncovered {
        /// The function.
        device: Bdf,
    },
    /// A region holds memory that the machine's memory map calls free.
    RegionNotReserved {
        /// Where in the table.
        offset: usize,
        /// Its first byte.
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

impl Finding {
    /// Id, severity, meaning and remedy.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::NoSuchDevice { .. } => Rule {
                id: "scope-no-device",
                severity: Severity::Note,
                meaning: "Nothing is left uncovered by it; tables often list devices that can be left out.",
                remedy: "Nothing needs to be done.",
            },
            Self::OtherKind { .. } => Rule {
                id: "scope-other-kind",
                severity: Severity::Warning,
                meaning: "What lies below a bridge that is called an endpoint may be under no unit.",
                remedy: UPDATE,
            },
            Self::NamedTwice { .. } => Rule {
                id: "scope-two-units",
                severity: Severity::Warning,
                meaning: "Only one unit sees the device's requests, and it may be the other one.",
                remedy: UPDATE,
            },
            Self::IncludeAllTwice { .. } => Rule {
                id: "include-all-twice",
                severity: Severity::Error,
                meaning: "Only one unit can take the rest of a segment, and it may be the other one.",
                remedy: UPDATE,
            },
            Self::BadRegion { .. } => Rule {
                id: "rmrr-not-mapped",
                severity: Severity::Warning,
                meaning: "Its devices stay without it, and what firmware does with them may fail.",
                remedy: UPDATE,
            },
            Self::RegionBeyondWidth { .. } => Rule {
                id: "rmrr-beyond-width",
                severity: Severity::Warning,
                meaning: "Its devices stay without it, and what firmware does with them may fail.",
                remedy: UPDATE,
            },
            Self::RegionRefused { .. } => Rule {
                id: "rmrr-refused",
                severity: Severity::Error,
                meaning: "Its devices could change what protection rests on, or another device; here they stay \
                          without the region.",
                remedy: UPDATE,
            },
            Self::RegionOfBridge { .. } => Rule {
                id: "rmrr-of-bridge",
                severity: Severity::Warning,
                meaning: "Who is to reach the region is left to guesswork: devices below the bridge stay without it.",
                remedy: UPDATE,
            },
            Self::Uncovered { .. } => Rule {
                id: "device-uncovered",
                severity: Severity::Error,
                meaning: "Nothing keeps the device's requests in bounds: it stays without bus mastering.",
                remedy: "Switch off what lets devices bypass VT-d in the firmware's set-up, or update it.",
            },
            Self::RegionNotReserved { .. } => Rule {
                id: "rmrr-not-reserved",
                severity: Severity::Warning,
                meaning: "A system that believes the memory map lends this memory to programs while devices \
                          reach it; here it is taken out of use.",
                remedy: UPDATE,
            },
            Self::UnitSilent { .. } => Rule {
                id: "unit-silent",
                severity: Severity::Error,
                meaning: "The unit cannot be set up, so its devices stay without bus mastering.",
                remedy: "Switch VT-d off and on again in the firmware's set-up; if it stays, update the firmware.",
            },
            Self::NoInterruptRemapping { .. } => Rule {
                id: "unit-no-intr-remap",
                severity: Severity::Warning,
                meaning: "Devices under this unit can raise interrupts that are not theirs.",
                remedy: UPDATE,
            },
            Self::Narrow { .. } => Rule {
                id: "unit-narrow",
                severity: Severity::Note,
                meaning: "Addresses beyond the unit's width are blocked, so nothing is exposed.",
                remedy: "Nothing needs to be done.",
            },
        }
    }

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

/// The remedy where only the maker can help.
const UPDATE: &str = "Update the firmware; if it stays, report it to the maker of the machine.";

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
            Self::RegionBeyondWidth { offset, base, limit, width } => write!(
                f,
                "the region at {offset:#x} from {base} to {limit} passes the processor's {width}-bit physical \
                 addresses, not mapped"
            ),
            Self::RegionRefused { offset, base, over } => {
                write!(f, "the region at {offset:#x} from {base} on lies over {over}, not mapped")
            }
            Self::RegionOfBridge { offset, base, device } => write!(
                f,
                "the region at {offset:#x} from {base} on names bridge {device} as an endpoint, not mapped for it"
            ),
            Self::Uncovered { device } => write!(f, "no unit covers {device}"),
            Self::RegionNotReserved { offset, base, free } => write!(
                f,
                "the region at {offset:#x} from {base} on holds {free:#x} bytes that the memory map calls free"
            ),
            Self::UnitSilent { offset, base } => {
                write!(
                    f,
                    "the registers of the unit at {offset:#x}, which should be at {base}, do not answer"
                )
            }
            Self::NoInterruptRemapping { offset, base } => write!(
                f,
                "the table promises interrupt remapping, and the unit at {offset:#x} with registers at {base} \
                 has none"
            ),
            Self::Narrow { offset, platform, unit } => write!(
                f,
                "the unit at {offset:#x} translates {unit} address bits of the {platform} that the table gives \
                 the platform"
            ),
        }
    }
}
