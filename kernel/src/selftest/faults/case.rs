//! What is made wrong for one transfer, and what must come of it.

use diagnosis::Verdict;
use dma_types::Access;

use crate::selftest::misprogram::{Change, TableWord};

/// One thing made wrong, and one transfer.
pub(super) struct Case {
    /// In words, for the check's detail.
    pub what: &'static str,
    /// What is wrong.
    pub wrong: Wrong,
    /// What the device does.
    pub access: Access,
    /// Where.
    pub target: Target,
    /// What the fault must be taken for.
    pub verdict: Verdict,
}

/// What is wrong for the length of a transfer.
#[derive(Clone, Copy)]
pub(super) enum Wrong {
    /// Nothing: the request itself is.
    Nothing,
    /// A word of the tables, which the books know nothing of.
    Word(TableWord, Change),
    /// The context entry is not present, and the books say that nobody drives the device.
    GivenUp,
}

/// Where the device is told to go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Memory that it may read and write.
    Own,
    /// Memory that it may read.
    Readable,
    /// Memory that it may write.
    Writable,
    /// Memory that nobody may reach.
    Unmapped,
    /// The first address that the unit does not translate.
    BeyondWidth,
}

impl Case {
    /// A word that is wrong: the device writes to memory that it may write, so that a unit which does not
    /// notice does no harm.
    pub const fn word(what: &'static str, place: TableWord, change: Change) -> Self {
        Self {
            what,
            wrong: Wrong::Word(place, change),
            access: Access::Write,
            target: Target::Own,
            verdict: Verdict::TableCorruption,
        }
    }

    /// The same case with a read, for words that lead elsewhere if the unit does not notice.
    pub const fn read_only(self) -> Self {
        Self { access: Access::Read, ..self }
    }
}

/// Sets bits.
pub(super) const fn set(bits: u64) -> Change {
    Change { clear: 0, set: bits }
}

/// Clears bits.
pub(super) const fn clear(bits: u64) -> Change {
    Change { clear: bits, set: 0 }
}

/// Replaces a field.
pub(super) const fn replace(field: u64, bits: u64) -> Change {
    Change { clear: field, set: bits }
}
