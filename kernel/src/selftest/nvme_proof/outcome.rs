//! What came of the proof.

use core::fmt;

use diagnosis::Verdict;
use dma_types::Access;

use super::target::Kind;
use crate::devices::DiskError;
use crate::devices::nvme::NvmeError;

/// Why the proof failed.
pub(super) enum Failure {
    /// There is nothing on the medium to tell transfers by.
    Blank,
    /// There is no memory for what the medium holds.
    Memory,
    /// The medium could not be read at all.
    Medium(DiskError),
    /// A leak that was made on purpose was not seen.
    Twin(Mishap),
    /// A transfer went wrong.
    Transfer {
        /// Which one, from 1.
        number: u32,
        /// Where it went.
        kind: Kind,
        /// What the controller was to do to memory.
        access: Access,
        /// What went wrong.
        mishap: Mishap,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("the medium is blank"),
            Self::Memory => f.write_str("no memory for what the medium holds"),
            Self::Medium(error) => write!(f, "the medium cannot be read: {error}"),
            Self::Twin(mishap) => mishap.fmt(f),
            Self::Transfer { number, kind, access, mishap } => {
                write!(f, "transfer {number}, {access} of memory, {}: {mishap}", kind.words())
            }
        }
    }
}

/// What went wrong with a transfer.
pub(super) enum Mishap {
    /// The kernel's own steps failed, at this one.
    Broken(&'static str),
    /// An allowed transfer did not end well.
    NotDone(NvmeError),
    /// An allowed transfer brought other bytes, or a comparison did not tell them apart.
    NotArrived,
    /// An allowed transfer caused a fault.
    Blocked,
    /// A forbidden transfer changed memory.
    Changed,
    /// A forbidden transfer told what stands in memory.
    Told,
    /// A forbidden transfer was not recorded.
    Silent,
    /// It was taken for something else.
    Verdict {
        /// The verdict on it.
        found: Verdict,
        /// The right one.
        expected: Verdict,
    },
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(step) => write!(f, "the kernel's own step failed: {step}"),
            Self::NotDone(error) => write!(f, "it was allowed and failed: {error}"),
            Self::NotArrived => f.write_str("it was allowed and did not arrive"),
            Self::Blocked => f.write_str("it was allowed and caused a fault"),
            Self::Changed => f.write_str("it changed memory"),
            Self::Told => f.write_str("the controller knows what stands there"),
            Self::Silent => f.write_str("no fault was recorded for the right device and page"),
            Self::Verdict { found, expected } => write!(f, "its fault was taken for {found}, not {expected}"),
        }
    }
}

/// Transfers that were tried, by kind.
#[derive(Default)]
pub(super) struct Tally([u32; Kind::ALL.len()]);

impl Tally {
    /// Counts a transfer, and gives its number.
    pub(super) fn count(&mut self, kind: Kind) -> u32 {
        let place = Kind::ALL.iter().position(|known| *known == kind);
        if let Some(count) = place.and_then(|place| self.0.get_mut(place)) {
            *count += 1;
        }
        self.total()
    }

    fn total(&self) -> u32 {
        self.0.iter().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} transfers", self.total())?;
        Kind::ALL.iter().zip(self.0).try_for_each(|(kind, count)| write!(f, ", {count} {}", kind.words()))
    }
}
