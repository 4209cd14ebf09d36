//! The verdicts.

use core::fmt;

/// Why a request was blocked. The order is that of the judgement: the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// An interrupt request was refused.
    Interrupt,
    /// No such function was enumerated.
    UnknownRequester,
    /// The device was quarantined already.
    Contained,
    /// The remapping tables are at fault.
    TableCorruption,
    /// The request claimed to be translated already.
    TranslatedRequest,
    /// The address is wider than the unit translates.
    BeyondWidth,
    /// No driver owns the device.
    Unclaimed,
    /// A live mapping covers the page, but not with that direction.
    WrongDirection,
    /// The page's last owner released it.
    Stale,
    /// The page lies in the gap beside a live mapping.
    Overrun,
    /// The number belongs to another domain.
    Foreign,
    /// Nothing known was mapped there.
    NeverMapped,
    /// Several functions share the requester, and their verdicts differ.
    Alias,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "interrupt",
            Self::UnknownRequester => "unknown-requester",
            Self::Contained => "contained",
            Self::TableCorruption => "table-corruption",
            Self::TranslatedRequest => "translated-request",
            Self::BeyondWidth => "beyond-width",
            Self::Unclaimed => "unclaimed",
            Self::WrongDirection => "wrong-direction",
            Self::Stale => "stale",
            Self::Overrun => "overrun",
            Self::Foreign => "foreign",
            Self::NeverMapped => "never-mapped",
            Self::Alias => "alias",
        })
    }
}
