//! What all ACPI tables share: the header, the length, the checksum (ACPI "System Description Table Header").

use core::fmt;

use crate::damage::Damage;
use crate::reader::Reader;

/// Bytes of the header that all tables begin with.
const HEADER_BYTES: usize = 36;
/// Bytes between the header and the first structure, in DMAR as in IVRS.
const FIXED_BYTES: usize = 12;
/// Where the first structure begins.
pub const STRUCTURES_OFFSET: usize = HEADER_BYTES + FIXED_BYTES;

/// The header of a table, each field as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Four letters that name the kind of table.
    pub signature: [u8; 4],
    /// Bytes of the whole table, as declared.
    pub length: u32,
    /// Revision of the table's layout.
    pub revision: u8,
    /// The byte that makes the table's sum zero.
    pub checksum: u8,
    /// Who made the machine or its firmware.
    pub oem_id: [u8; 6],
    /// The maker's name for the table.
    pub oem_table_id: [u8; 8],
    /// The maker's revision of it.
    pub oem_revision: u32,
    /// Which tool made the table.
    pub creator_id: [u8; 4],
    /// The tool's revision.
    pub creator_revision: u32,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` if there are fewer than 36.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes);
        Some(Self {
            signature: fields.bytes()?,
            length: fields.u32()?,
            revision: fields.u8()?,
            checksum: fields.u8()?,
            oem_id: fields.bytes()?,
            oem_table_id: fields.bytes()?,
            oem_revision: fields.u32()?,
            creator_id: fields.bytes()?,
            creator_revision: fields.u32()?,
        })
    }
}

/// Why bytes are no table of the wanted kind at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// Too few bytes for the header of any table.
    NoHeader {
        /// Bytes there are.
        present: usize,
    },
    /// Another kind of table.
    Signature {
        /// The four letters found.
        found: [u8; 4],
        /// The four letters wanted.
        expected: [u8; 4],
    },
    /// A header of the right kind, but the table ends before its first structure could begin.
    NoFixedPart {
        /// The header, which is all that can be read.
        header: Header,
        /// The lesser of the declared length and the bytes present.
        readable: usize,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader { present } => {
                write!(f, "no table: {present} bytes, expected at least {HEADER_BYTES}")
            }
            Self::Signature { found, expected } => {
                let (found, expected) = (found.escape_ascii(), expected.escape_ascii());
                write!(f, "no {expected} table: signature \"{found}\"")
            }
            Self::NoFixedPart { header, readable } => {
                let signature = header.signature.escape_ascii();
                write!(f, "{signature} table of {readable} bytes, expected at least {STRUCTURES_OFFSET}")
            }
        }
    }
}

impl core::error::Error for TableError {}

/// Whether the bytes of a table add up to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// They do.
    Valid,
    /// They do not: something changed the table after it was made, or it was never finished.
    Wrong {
        /// The checksum byte as it stands.
        found: u8,
        /// The one that would fit the other bytes.
        expected: u8,
    },
}

impl Checksum {
    /// Adds up `bytes`, a table whose checksum byte is `found`.
    fn of(bytes: &[u8], found: u8) -> Self {
        match bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) {
            0 => Self::Valid,
            sum => Self::Wrong { found, expected: found.wrapping_sub(sum) },
        }
    }
}

/// A table whose declared length reaches past the bytes that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthProblem {
    /// The length in the header.
    pub declared: u32,
    /// Bytes there are.
    pub present: usize,
}

impl fmt::Display for LengthProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table declares {} bytes, only {} are present", self.declared, self.present)
    }
}

/// A table of a known signature, cut into its parts.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// The header.
    pub header: Header,
    /// The bytes between the header and the first structure.
    pub fixed: [u8; FIXED_BYTES],
    /// The structures: all bytes from 48 to the table's end, the declared or the real one.
    pub structures: &'a [u8],
    /// Whether the table, as far as it is there, adds up.
    pub checksum: Checksum,
    /// Whether part of it is missing.
    pub length_problem: Option<LengthProblem>,
    /// Bytes given that lie after the declared length.
    pub trailing_bytes: usize,
}

impl<'a> Table<'a> {
    /// Checks the header and cuts the table out of `bytes`.
    pub fn parse(bytes: &'a [u8], expected: [u8; 4]) -> Result<Self, TableError> {
        let header = Header::read(bytes).ok_or(TableError::NoHeader { present: bytes.len() })?;
        if header.signature != expected {
            return Err(TableError::Signature { found: header.signature, expected });
        }
        let declared = usize::try_from(header.length).unwrap_or(usize::MAX);
        let (table, trailing) = bytes.split_at_checked(declared).unwrap_or((bytes, &[]));
        let (fixed, structures) = table
            .get(HEADER_BYTES..)
            .and_then(|rest| rest.split_first_chunk())
            .ok_or(TableError::NoFixedPart { header, readable: table.len() })?;
        Ok(Self {
            header,
            fixed: *fixed,
            structures,
            checksum: Checksum::of(table, header.checksum),
            length_problem: (declared > bytes.len())
                .then_some(LengthProblem { declared: header.length, present: bytes.len() }),
            trailing_bytes: trailing.len(),
        })
    }

    /// What is wrong with the table as a whole.
    pub fn damage(&self) -> impl Iterator<Item = Damage> + use<> {
        let length = self.length_problem.map(Damage::Length);
        let checksum = match self.checksum {
            Checksum::Valid => None,
            Checksum::Wrong { found, expected } => Some(Damage::Checksum { found, expected }),
        };
        length.into_iter().chain(checksum)
    }
}
