//! What kept a table from being read in full.

use core::fmt;

use crate::dmar::ScopeError;
use crate::ivrs::EntryError;
use crate::record::StructureError;
use crate::table::LengthProblem;

/// One thing that is broken in a table: part of it is lost, or may not be what firmware meant.
///
/// A table with any of these is not a complete account of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The bytes do not add up to zero.
    Checksum {
        /// The checksum byte as it stands.
        found: u8,
        /// The one that would fit the other bytes.
        expected: u8,
    },
    /// Part of the table is missing.
    Length(LengthProblem),
    /// A structure could not be read.
    Structure(StructureError),
    /// An entry of a device scope could not be read.
    Scope(ScopeError),
    /// A device entry of an IVHD could not be read.
    Entry(EntryError),
}

impl Damage {
    /// Where in the table the damage lies.
    pub const fn offset(&self) -> usize {
        match self {
            Self::Checksum { .. } => 9,
            Self::Length(_) => 4,
            Self::Structure(error) => error.offset(),
            Self::Scope(error) => error.offset(),
            Self::Entry(error) => error.offset(),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum { found, expected } => {
                write!(f, "checksum at 0x9: found {found:#04x}, expected {expected:#04x}")
            }
            Self::Length(problem) => problem.fmt(f),
            Self::Structure(error) => error.fmt(f),
            Self::Scope(error) => error.fmt(f),
            Self::Entry(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Damage {}
