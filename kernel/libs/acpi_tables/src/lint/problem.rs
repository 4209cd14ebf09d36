//! What can be found in a table, with the facts of each case.

use core::fmt;

use dma_types::{PhysAddr, Segment};

use super::COMPARED;
use super::ivrs_problem::IvrsProblem;
use crate::damage::Damage;
use crate::dmar::ScopeKind;

/// What was found. Shown, it is one sentence on what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Part of the table cannot be read, or may not be what firmware meant.
    Damage(Damage),
    /// The table ends before its first structure could begin.
    TableTooShort {
        /// Bytes of it.
        readable: usize,
    },
    /// A unit's registers are said to lie at address zero.
    UnitBaseZero,
    /// A unit's registers do not begin on a page.
    UnitBaseUnaligned(PhysAddr),
    /// Two units' register windows overlap.
    UnitBaseShared {
        /// The later unit's base.
        base: PhysAddr,
        /// Where the earlier unit's structure is.
        earlier: usize,
    },
    /// A unit's registers lie beyond the machine's address width.
    UnitBaseWidth {
        /// Where they begin.
        base: PhysAddr,
        /// The machine's width in bits.
        bits: u16,
    },
    /// A reserved region ends before it begins.
    RegionInverted {
        /// Its first byte.
        base: PhysAddr,
        /// Its last byte.
        limit: PhysAddr,
    },
    /// A reserved region holds registers of a unit.
    RegionOverUnit {
        /// Where the unit's structure is.
        unit: usize,
    },
    /// A reserved region holds addresses of the interrupt controllers, or at which requests are interrupts.
    RegionOverInterrupts {
        /// The region's first byte.
        base: PhysAddr,
        /// Its last byte.
        limit: PhysAddr,
    },
    /// Two units of a segment are for all devices that no other lists.
    IncludeAllTwice {
        /// The segment.
        segment: Segment,
        /// Where the earlier unit's structure is.
        earlier: usize,
    },
    /// A structure stands after one of a higher kind.
    Order {
        /// Its kind.
        kind: u16,
        /// The higher kind before it.
        after: u16,
    },
    /// A unit stands after the one that is for all other devices of the segment.
    IncludeAllNotLast(Segment),
    /// No unit of a segment is for the devices that none lists.
    IncludeAllMissing(Segment),
    /// There is no unit at all.
    NoUnit,
    /// A reserved region does not begin or end with a page.
    RegionUnaligned {
        /// Its first byte.
        base: PhysAddr,
        /// Its last byte.
        limit: PhysAddr,
    },
    /// Two reserved regions overlap.
    RegionOverlap {
        /// Where the earlier region's structure is.
        earlier: usize,
    },
    /// A reserved region begins at address zero.
    RegionAtZero,
    /// A reserved region is far larger than firmware needs.
    RegionLarge {
        /// Its size.
        bytes: u64,
    },
    /// A reserved region is for something that is no PCI device.
    RegionForOther(ScopeKind),
    /// Firmware does not offer interrupt remapping.
    NoInterruptRemapping,
    /// A structure that is about listed devices names none.
    NoDevices(&'static str),
    /// A scope entry has no path.
    PathEmpty,
    /// A path has a device or function number that cannot exist.
    PathOutOfRange {
        /// The device number.
        device: u8,
        /// The function number.
        function: u8,
    },
    /// An affinity names registers of no unit.
    AffinityOrphan(PhysAddr),
    /// Root ports are listed for a segment without unit.
    PortsOrphan(Segment),
    /// A name has no terminator.
    NameUnterminated,
    /// Firmware asks software not to switch x2APIC on.
    X2apicOptOut,
    /// The same, without interrupt remapping, which x2APIC would need.
    X2apicOptOutAlone,
    /// Firmware does not say that it kept DMA out.
    NoOptIn,
    /// Reserved bits or bytes are set.
    ReservedBits(u64),
    /// A structure is about devices of a segment that no unit serves.
    SegmentWithoutUnit(Segment),
    /// Bytes follow after the table's declared end.
    TrailingBytes(usize),
    /// A structure is of a kind that this program does not know.
    UnknownStructure(u16),
    /// A scope entry is of a kind that this program does not know.
    UnknownScopeKind(ScopeKind),
    /// No machine has such an address width.
    AddressWidth(u16),
    /// A reserved region ends beyond the machine's address width.
    RegionWidth {
        /// Its last byte.
        limit: PhysAddr,
        /// The machine's width in bits.
        bits: u16,
    },
    /// Scope flags are set where they mean nothing.
    ScopeFlags(u8),
    /// An enumeration id is given where it means nothing.
    EnumerationId(u8),
    /// The unit for all other devices lists PCI devices all the same.
    IncludeAllListsPci,
    /// Ports are listed although all are meant.
    AllPortsListed,
    /// Something that is no bridge is listed as a root port.
    PortNoBridge(ScopeKind),
    /// Bytes follow after an affinity's last field.
    AffinityExtra(usize),
    /// A name's terminator is followed by more than padding.
    NamePadding,
    /// A name is not an absolute path.
    NameRelative,
    /// A device is listed by two units.
    DeviceTwice {
        /// Where the earlier unit's entry is.
        earlier: usize,
    },
    /// Two namespace devices have the same number.
    NumberTwice {
        /// The number.
        number: u8,
        /// Where the earlier declaration is.
        earlier: usize,
    },
    /// A scope refers to a namespace device that is not declared.
    NumberUndeclared(u8),
    /// A namespace device is declared, but no scope refers to it.
    NumberUnused(u8),
    /// There are more structures or scope entries than are compared with each other.
    TooMany,
    /// Found in an IVRS table only.
    Ivrs(IvrsProblem),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(damage) => damage.fmt(f),
            Self::TableTooShort { readable } => write!(f, "table of {readable} bytes, expected at least 48"),
            Self::UnitBaseZero => write!(f, "register base of a unit is zero"),
            Self::UnitBaseUnaligned(base) => write!(f, "register base {base} is not on a page"),
            Self::UnitBaseShared { base, earlier } => {
                write!(f, "registers at {base} overlap those of the unit at {earlier:#x}")
            }
            Self::UnitBaseWidth { base, bits } => {
                write!(f, "registers at {base} lie beyond the machine's {bits} address bits")
            }
            Self::RegionInverted { base, limit } => {
                write!(f, "reserved region begins at {base} and ends at {limit}, before it begins")
            }
            Self::RegionOverUnit { unit } => {
                write!(f, "reserved region holds registers of the unit at {unit:#x}")
            }
            Self::RegionOverInterrupts { base, limit } => {
                write!(f, "reserved region {base} to {limit} meets the interrupt controllers' addresses")
            }
            Self::IncludeAllTwice { segment, earlier } => {
                let Segment(segment) = segment;
                write!(f, "second INCLUDE_PCI_ALL unit of segment {segment}; the first is at {earlier:#x}")
            }
            Self::Order { kind, after } => {
                write!(f, "structure of kind {kind} stands after one of kind {after}")
            }
            Self::IncludeAllNotLast(Segment(segment)) => {
                write!(f, "INCLUDE_PCI_ALL unit is not the last unit of segment {segment}")
            }
            Self::IncludeAllMissing(Segment(segment)) => {
                write!(f, "no unit of segment {segment} has INCLUDE_PCI_ALL")
            }
            Self::NoUnit => write!(f, "table names no remapping unit"),
            Self::RegionUnaligned { base, limit } => {
                write!(f, "reserved region {base} to {limit} does not consist of whole pages")
            }
            Self::RegionOverlap { earlier } => write!(f, "reserved region overlaps the one at {earlier:#x}"),
            Self::RegionAtZero => write!(f, "reserved region begins at address zero"),
            Self::RegionLarge { bytes } => write!(f, "reserved region spans {} MiB", bytes >> 20),
            Self::RegionForOther(kind) => write!(f, "reserved region is for an entry of kind {kind}"),
            Self::NoInterruptRemapping => write!(f, "firmware does not offer interrupt remapping"),
            Self::NoDevices(structure) => write!(f, "{structure} names no device"),
            Self::PathEmpty => write!(f, "scope entry has no path"),
            Self::PathOutOfRange { device, function } => {
                write!(f, "path leads to device {device}, function {function}; expected at most 31 and 7")
            }
            Self::AffinityOrphan(base) => write!(f, "affinity is for registers at {base}, where no unit is"),
            Self::PortsOrphan(Segment(segment)) => {
                write!(f, "ATSR is for segment {segment}, which no unit serves")
            }
            Self::NameUnterminated => write!(f, "name of a namespace device has no terminator"),
            Self::X2apicOptOut => write!(f, "firmware asks not to switch x2APIC on"),
            Self::X2apicOptOutAlone => {
                write!(f, "firmware asks not to switch x2APIC on, and offers no interrupt remapping")
            }
            Self::NoOptIn => write!(f, "firmware does not claim to have kept DMA out during boot"),
            Self::ReservedBits(bits) => write!(f, "reserved bits are set: {bits:#x}"),
            Self::SegmentWithoutUnit(Segment(segment)) => {
                write!(f, "structure is for segment {segment}, which no unit serves")
            }
            Self::TrailingBytes(count) => write!(f, "{count} bytes follow after the table's declared end"),
            Self::UnknownStructure(kind) => write!(f, "structure of unknown kind {kind:#x}"),
            Self::UnknownScopeKind(kind) => write!(f, "scope entry of unknown {kind}"),
            Self::AddressWidth(bits) => write!(f, "host address width of {bits} bits, expected 32 to 52"),
            Self::RegionWidth { limit, bits } => {
                write!(f, "reserved region ends at {limit}, beyond the machine's {bits} address bits")
            }
            Self::ScopeFlags(flags) => write!(f, "scope flags {flags:#x} outside a SIDP"),
            Self::EnumerationId(id) => write!(f, "enumeration id {id} on a PCI device"),
            Self::IncludeAllListsPci => write!(f, "INCLUDE_PCI_ALL unit lists PCI devices"),
            Self::AllPortsListed => write!(f, "ATSR for all ports lists ports"),
            Self::PortNoBridge(kind) => write!(f, "ATSR lists an entry of kind {kind} as a root port"),
            Self::AffinityExtra(bytes) => write!(f, "{bytes} bytes follow after the last field of an RHSA"),
            Self::NamePadding => write!(f, "name of a namespace device has other bytes after its terminator"),
            Self::NameRelative => write!(f, "name of a namespace device is no absolute path"),
            Self::DeviceTwice { earlier } => {
                write!(f, "device is also listed by another unit, at {earlier:#x}")
            }
            Self::NumberTwice { number, earlier } => {
                write!(f, "namespace device {number} is declared a second time; the first is at {earlier:#x}")
            }
            Self::NumberUndeclared(number) => write!(f, "namespace device {number} is not declared"),
            Self::NumberUnused(number) => write!(f, "namespace device {number} is under no unit"),
            Self::TooMany => write!(f, "more than {COMPARED} structures or scope entries"),
            Self::Ivrs(problem) => problem.fmt(f),
        }
    }
}
