//! What can be found in an IVRS table only.

use core::fmt;

use dma_types::{PhysAddr, SourceId};

use super::Severity::{Error, Note, Warning};
use super::rules::{HARMLESS, NOTHING, Rule, UPDATE, rule};
use crate::ivrs::EntryKind;

/// What was found. Shown, it is one sentence on what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IvrsProblem {
    /// A unit's registers are said to lie at address zero.
    UnitBaseZero,
    /// A unit's registers do not begin on a multiple of 16 KiB.
    UnitBaseUnaligned(PhysAddr),
    /// Two blocks of the same kind describe the same unit.
    UnitTwice {
        /// Where the earlier block is.
        earlier: usize,
    },
    /// There is no unit at all.
    NoUnit,
    /// Requests to some memory pass the unit unchecked.
    Exclusion {
        /// Where the memory begins.
        start: PhysAddr,
        /// How long it is.
        bytes: u64,
    },
    /// Memory with special treatment does not consist of whole pages.
    MemoryUnaligned(PhysAddr),
    /// Bytes follow after the last field of a memory block.
    MemoryExtra(usize),
    /// A range of devices begins within another.
    RangeNested,
    /// A range of devices ends that did not begin.
    RangeNotBegun,
    /// A range of devices ends before it begins.
    RangeBackwards {
        /// Its first device.
        first: SourceId,
        /// Its last device.
        last: SourceId,
    },
    /// A range of devices does not end.
    RangeNotEnded,
    /// An entry of another kind stands within a range.
    EntryInRange(EntryKind),
    /// A block is of a kind that this program does not know.
    UnknownBlock(u8),
    /// An entry is of a kind that this program does not know.
    UnknownEntry(EntryKind),
    /// A special device is neither I/O APIC nor HPET.
    UnknownVariety(u8),
    /// A unique id does not fit its format.
    UniqueId {
        /// The format.
        format: u8,
        /// Bytes of the id.
        bytes: usize,
    },
    /// Firmware does not say that it kept DMA out.
    NoOptIn,
}

impl fmt::Display for IvrsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnitBaseZero => write!(f, "register base of a unit is zero"),
            Self::UnitBaseUnaligned(base) => write!(f, "register base {base} is no multiple of 16 KiB"),
            Self::UnitTwice { earlier } => write!(f, "unit is described twice; the first is at {earlier:#x}"),
            Self::NoUnit => write!(f, "table names no IOMMU"),
            Self::Exclusion { start, bytes } => {
                write!(f, "{bytes:#x} bytes from {start} on are excluded from translation")
            }
            Self::MemoryUnaligned(start) => {
                write!(f, "memory from {start} on does not consist of whole pages")
            }
            Self::MemoryExtra(bytes) => write!(f, "{bytes} bytes follow after the last field of an IVMD"),
            Self::RangeNested => write!(f, "range of devices begins within another"),
            Self::RangeNotBegun => write!(f, "range of devices ends that did not begin"),
            Self::RangeBackwards { first, last } => {
                write!(f, "range of devices begins at {first} and ends at {last}, before it begins")
            }
            Self::RangeNotEnded => write!(f, "range of devices does not end"),
            Self::EntryInRange(EntryKind(kind)) => {
                write!(f, "entry of kind {kind:#x} within a range of devices")
            }
            Self::UnknownBlock(kind) => write!(f, "block of unknown kind {kind:#x}"),
            Self::UnknownEntry(EntryKind(kind)) => write!(f, "device entry of unknown kind {kind:#x}"),
            Self::UnknownVariety(variety) => write!(f, "special device of unknown variety {variety:#x}"),
            Self::UniqueId { format, bytes } => write!(f, "unique id of format {format} has {bytes} bytes"),
            Self::NoOptIn => write!(f, "firmware does not claim to have kept DMA out during boot"),
        }
    }
}

impl IvrsProblem {
    /// What is the same in every case of this problem.
    pub(super) const fn rule(&self) -> Rule {
        match self {
            Self::UnitBaseZero => rule(
                "ivhd-base-zero",
                Error,
                "The unit cannot be reached, so its devices cannot be held back by it.",
                "Switch the IOMMU on in the firmware's set-up; if it is on, update the firmware.",
            ),
            Self::UnitBaseUnaligned(_) => rule(
                "ivhd-base-unaligned",
                Error,
                "Registers begin on such a multiple, so the address is wrong and the unit cannot be set up.",
                UPDATE,
            ),
            Self::UnitTwice { .. } => rule(
                "ivhd-twice",
                Error,
                "The two lists of devices may contradict each other, and a device come under no unit.",
                UPDATE,
            ),
            Self::NoUnit => rule(
                "ivhd-missing",
                Warning,
                "No device is under any unit: all DMA goes unchecked.",
                "Switch the IOMMU on in the firmware's set-up; if it is on, update the firmware.",
            ),
            Self::Exclusion { .. } => rule(
                "ivmd-exclusion",
                Warning,
                "The devices reach that memory past all checks.",
                "Check that nothing else lies there, and update the firmware.",
            ),
            Self::MemoryUnaligned(_) => rule(
                "ivmd-unaligned",
                Warning,
                "Memory is granted by whole pages, so the devices reach more than the block says.",
                UPDATE,
            ),
            Self::RangeNested
            | Self::RangeNotBegun
            | Self::RangeBackwards { .. }
            | Self::RangeNotEnded
            | Self::EntryInRange(_) => rule(
                "ivhd-range",
                Warning,
                "Which devices the unit is for is undecided; some may go unchecked.",
                UPDATE,
            ),
            Self::MemoryExtra(_) => rule("ivmd-length", Note, HARMLESS, NOTHING),
            Self::UnknownBlock(_) => rule(
                "unknown-block",
                Note,
                "What it says is not taken into account.",
                "Use a newer version of this program, if there is one.",
            ),
            Self::UnknownEntry(_) => rule(
                "unknown-entry",
                Note,
                "The device that it names is not taken into account.",
                "Use a newer version of this program, if there is one.",
            ),
            Self::UnknownVariety(_) => rule(
                "unknown-variety",
                Note,
                "The device that it names is not taken into account.",
                "Use a newer version of this program, if there is one.",
            ),
            Self::UniqueId { .. } => {
                rule("unique-id", Note, "The device may not be found by its ids.", UPDATE)
            }
            Self::NoOptIn => rule(
                "no-opt-in",
                Note,
                "Devices may have had free access to memory until the operating system took the units over.",
                "Switch kernel DMA protection or pre-boot DMA protection on in the firmware's set-up.",
            ),
        }
    }
}
