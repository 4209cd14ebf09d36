//! Id, severity, meaning and remedy of each problem. Ids and severities are part of the interface.

use super::Severity::{Error, Note, Warning};
use super::{Problem, Severity};
use crate::damage::Damage;
use crate::record::StructureError;

/// What is the same in every case of a problem.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The stable name.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence on what it means for protection.
    pub meaning: &'static str,
    /// One sentence on what to do about it.
    pub remedy: &'static str,
}

/// The remedy where only the maker can help.
pub const UPDATE: &str = "Update the firmware; if it stays, report it to the maker of the machine.";
/// The remedy where the copy of the table may be at fault.
const DUMP_OR_UPDATE: &str = "Dump the table once more; if it stays, update the firmware.";
/// The remedy where there is nothing to mend.
pub const NOTHING: &str = "Nothing needs to be done.";
/// The meaning of what decides nothing.
pub const HARMLESS: &str = "Protection does not depend on it.";

/// A rule from its parts.
pub const fn rule(id: &'static str, severity: Severity, meaning: &'static str, remedy: &'static str) -> Rule {
    Rule { id, severity, meaning, remedy }
}

impl Problem {
    /// What is the same in every case of this problem.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::Damage(damage) => damage_rule(damage),
            Self::Ivrs(problem) => problem.rule(),
            Self::TableTooShort { .. } => rule(
                "length",
                Error,
                "Nothing is known of the machine's units: whoever trusts the table leaves all devices unchecked.",
                DUMP_OR_UPDATE,
            ),
            Self::UnitBaseZero => rule(
                "drhd-base-zero",
                Error,
                "The unit cannot be reached, so its devices cannot be held back by it.",
                "Switch VT-d on in the firmware's set-up; if it is on, update the firmware.",
            ),
            Self::UnitBaseUnaligned(_) => rule(
                "drhd-base-unaligned",
                Error,
                "Registers begin on a page, so the address is wrong and the unit cannot be set up.",
                UPDATE,
            ),
            Self::UnitBaseShared { .. } => rule(
                "drhd-base-shared",
                Error,
                "One of the two is not where the table says, and its devices cannot be held back by it.",
                UPDATE,
            ),
            Self::UnitBaseWidth { .. } => rule(
                "drhd-base-width",
                Error,
                "The processor cannot reach the unit's registers, so it cannot be set up.",
                UPDATE,
            ),
            Self::RegionInverted { .. } => rule(
                "rmrr-inverted",
                Error,
                "What the devices must reach is unknown: granting nothing may stop them, guessing exposes memory.",
                UPDATE,
            ),
            Self::RegionOverUnit { .. } | Self::RegionOverInterrupts { .. } => rule(
                "rmrr-over-registers",
                Error,
                "Whoever grants the region lets its devices write registers that protection rests on.",
                "Do not grant the region, and update the firmware.",
            ),
            Self::IncludeAllTwice { .. } => rule(
                "include-all-twice",
                Error,
                "Which unit checks the remaining devices is undecided; the wrong one set up leaves them unchecked.",
                UPDATE,
            ),
            Self::Order { .. } => rule(
                "order",
                Warning,
                "Software that relies on the prescribed order may miss structures, and devices with them.",
                UPDATE,
            ),
            Self::IncludeAllNotLast(_) => rule(
                "include-all-not-last",
                Warning,
                "Software that takes the first unit that fits puts devices of later units under the wrong one.",
                UPDATE,
            ),
            Self::IncludeAllMissing(_) => rule(
                "include-all-missing",
                Warning,
                "Devices that no unit lists are under no unit: their DMA goes unchecked.",
                "Keep such devices without bus mastering, and update the firmware.",
            ),
            Self::NoUnit => rule(
                "include-all-missing",
                Warning,
                "No device is under any unit: all DMA goes unchecked.",
                "Switch VT-d on in the firmware's set-up; if it is on, update the firmware.",
            ),
            Self::RegionUnaligned { .. } => rule(
                "rmrr-unaligned",
                Warning,
                "Memory is granted by whole pages, so the devices reach more than the region says.",
                UPDATE,
            ),
            Self::RegionOverlap { .. } => rule(
                "rmrr-overlap",
                Warning,
                "Devices share memory, and through it can reach each other's data.",
                UPDATE,
            ),
            Self::RegionAtZero => rule(
                "rmrr-zero",
                Warning,
                "Low memory holds boot data and often is RAM in use: the devices can read and overwrite it.",
                "Grant the region only if firmware's memory map reserves it, and update the firmware.",
            ),
            Self::RegionLarge { .. } => rule(
                "rmrr-large",
                Warning,
                "The devices reach all of it at all times; what lies there is unprotected from them.",
                "Make the graphics memory smaller in the firmware's set-up, or check that the memory is reserved.",
            ),
            Self::RegionForOther(_) => rule(
                "rmrr-device",
                Warning,
                "Regions are for PCI devices; who gets this one is left to guesswork.",
                UPDATE,
            ),
            Self::NoInterruptRemapping => rule(
                "no-intr-remap",
                Warning,
                "A device may forge interrupts by writing to the interrupt range, past all checks of DMA.",
                "Switch interrupt remapping or x2APIC on in the firmware's set-up, where it is offered.",
            ),
            Self::NoDevices(_) => rule(
                "scope-empty",
                Warning,
                "The structure applies to nothing: the devices it was meant for are left to other rules or none.",
                UPDATE,
            ),
            Self::PathEmpty | Self::PathOutOfRange { .. } => rule(
                "path-bad",
                Warning,
                "The device that was meant is not found, and may come under another unit or none.",
                UPDATE,
            ),
            Self::AffinityOrphan(_) => rule(
                "rhsa-orphan",
                Warning,
                "A unit may be missing from the table, and its devices unchecked.",
                UPDATE,
            ),
            Self::PortsOrphan(_) => rule(
                "atsr-orphan",
                Warning,
                "A unit may be missing from the table, and the devices below those ports unchecked.",
                UPDATE,
            ),
            Self::NameUnterminated => rule(
                "andd-unterminated",
                Warning,
                "The device may not be found by its name, and then stays outside its unit's rules.",
                UPDATE,
            ),
            Self::X2apicOptOut => rule(
                "x2apic-opt-out",
                Note,
                "Interrupt remapping works all the same; processors above number 254 stay unused.",
                "Leave x2APIC off, or overrule it where the firmware's set-up allows.",
            ),
            Self::X2apicOptOutAlone => rule(
                "x2apic-opt-out-alone",
                Note,
                "The request means nothing without interrupt remapping, whose absence is what matters.",
                "Switch interrupt remapping on in the firmware's set-up, where it is offered.",
            ),
            Self::NoOptIn => rule(
                "no-opt-in",
                Note,
                "Devices may have had free access to memory until the operating system took the units over.",
                "Switch kernel DMA protection or pre-boot DMA protection on in the firmware's set-up.",
            ),
            Self::ReservedBits(_) => rule(
                "reserved-bits",
                Note,
                "Either the table is newer than this program, or firmware left rubbish; nothing is decided by it.",
                NOTHING,
            ),
            Self::SegmentWithoutUnit(_) => rule(
                "segment-without-unit",
                Note,
                "Devices of that segment are under no unit.",
                "Keep them without bus mastering, and update the firmware.",
            ),
            Self::TrailingBytes(_) => rule(
                "trailing-bytes",
                Note,
                "They do not belong to the table and are not read; a file may be padded.",
                NOTHING,
            ),
            Self::UnknownStructure(_) => rule(
                "unknown-structure",
                Note,
                "What it says is not taken into account.",
                "Use a newer version of this program, if there is one.",
            ),
            Self::UnknownScopeKind(_) => rule(
                "unknown-scope-kind",
                Note,
                "The device that it names is not taken into account.",
                "Use a newer version of this program, if there is one.",
            ),
            Self::AddressWidth(_) => rule(
                "address-width",
                Note,
                "The field cannot be used to check addresses; the units' own registers tell the width.",
                UPDATE,
            ),
            Self::RegionWidth { .. } => {
                rule("rmrr-width", Note, "No memory is there that the devices could reach.", UPDATE)
            }
            Self::ScopeFlags(_) => rule("scope-flags", Note, HARMLESS, NOTHING),
            Self::EnumerationId(_) => rule("scope-enumeration-id", Note, HARMLESS, NOTHING),
            Self::IncludeAllListsPci => {
                rule("include-all-lists-pci", Note, "The unit is for those devices either way.", NOTHING)
            }
            Self::AllPortsListed => {
                rule("atsr-all-ports-listed", Note, "All ports are meant either way.", NOTHING)
            }
            Self::PortNoBridge(_) => rule(
                "atsr-device",
                Note,
                "The entry names no root port and is not taken into account.",
                NOTHING,
            ),
            Self::AffinityExtra(_) => rule("rhsa-length", Note, HARMLESS, NOTHING),
            Self::NamePadding => rule("andd-padding", Note, HARMLESS, NOTHING),
            Self::NameRelative => rule("andd-name", Note, "The device may not be found by its name.", UPDATE),
            Self::DeviceTwice { .. } => rule(
                "device-twice",
                Note,
                "Which of the two units checks the device is undecided; setting up one alone may leave it unchecked.",
                UPDATE,
            ),
            Self::NumberTwice { .. } => {
                rule("andd-number-twice", Note, "Scopes that refer to the number mean either device.", UPDATE)
            }
            Self::NumberUndeclared(_) => rule(
                "andd-missing",
                Note,
                "Which device the unit is for is not known by name, only by its requester id.",
                UPDATE,
            ),
            Self::NumberUnused(_) => rule(
                "andd-unused",
                Note,
                "The device is declared, but no unit claims it; its requests may go unchecked.",
                UPDATE,
            ),
            Self::TooMany => rule(
                "too-many",
                Note,
                "Those after the first were not compared with others; no real machine has so many.",
                DUMP_OR_UPDATE,
            ),
        }
    }
}

const fn damage_rule(damage: &Damage) -> Rule {
    match damage {
        Damage::Length(_) => rule(
            "length",
            Error,
            "Units and devices in the missing part are unknown and may go unchecked.",
            DUMP_OR_UPDATE,
        ),
        Damage::Checksum { .. } => rule(
            "checksum",
            Error,
            "The table was changed after it was made, or never finished: what it says may be wrong, and many \
             systems ignore it and leave all DMA unchecked.",
            DUMP_OR_UPDATE,
        ),
        Damage::Structure(StructureError::Overrun { .. }) => rule(
            "structure-overrun",
            Error,
            "The structure and all that follow are lost: units and devices there may go unchecked.",
            DUMP_OR_UPDATE,
        ),
        Damage::Structure(_) => rule(
            "structure-length",
            Error,
            "The structure is lost, and where its end is unknown so are all that follow: units and devices \
             there may go unchecked.",
            DUMP_OR_UPDATE,
        ),
        Damage::Scope(_) | Damage::Entry(_) => rule(
            "scope-length",
            Error,
            "Devices of the list are lost, and may come under another unit or none.",
            DUMP_OR_UPDATE,
        ),
    }
}
