//! What each finding means, how grave it is, and what to do about it.

use acpi_tables::lint::{Rule, Severity};

use super::TableFinding;

/// The remedy where only the maker can help.
const UPDATE: &str = "Update the firmware; if it stays, report it to the maker of the machine.";

impl TableFinding {
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
}
