//! Where QEMU's unit and the specification part, and why that is no fault of ours.

use std::fmt;

use vtd::spec::fault_reason::FaultReason;

use super::program::Fate;

/// A difference that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// After a change that nobody invalidated, a unit may use what it remembers or what stands in the tables. The
    /// fake unit remembers everything, QEMU's only translations that were used.
    RemembersLess,
    /// The other way round: where a mapping was made in place of one whose end nobody invalidated, the fake unit has
    /// taken note of the new one, and QEMU's still uses the old.
    RemembersMore,
    /// QEMU's unit blocks a request for which a remembered translation lacks the permission without a record
    /// (VT-d "Fault Conditions and Remapping hardware behavior for various request types" wants one).
    NoRecordFromIotlb,
}

impl Known {
    /// Those that every program comes to.
    pub const COMMON: [Self; 1] = [Self::NoRecordFromIotlb];

    /// The difference that explains what was seen, if one does. `covered` tells whether a mapping, live or
    /// lingering, covers the address, for whatever direction.
    pub fn explain(seen: Fate, expected: Fate, covered: bool) -> Option<Self> {
        let no_permission =
            [FaultReason::NO_READ_PERMISSION, FaultReason::NO_WRITE_PERMISSION].map(Fate::Recorded);
        match seen {
            Fate::Silent if covered && no_permission.contains(&expected) => Some(Self::NoRecordFromIotlb),
            _ => None,
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RemembersLess => "uses the tables where the fake unit uses what it remembers",
            Self::RemembersMore => "uses what it remembers where the fake unit uses the tables",
            Self::NoRecordFromIotlb => "no record where a remembered translation lacks the permission",
        })
    }
}
