//! The walk over a table's structures, each of which begins with its kind and its length.

use core::fmt;

use crate::reader::Reader;

/// Bytes of the kind and the length together.
const RECORD_HEADER_BYTES: usize = 4;

/// Why a structure could not be read.
///
/// After the first three nothing tells where the next structure begins, so the walk ends there; after the
/// last it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructureError {
    /// The table ends within a structure's kind and length.
    HeaderTruncated {
        /// Where in the table.
        offset: usize,
        /// Bytes left there.
        left: usize,
    },
    /// The length does not even cover kind and length themselves.
    LengthTooSmall {
        /// Where in the table.
        offset: usize,
        /// The structure's kind.
        kind: u16,
        /// The length it declares.
        length: u16,
    },
    /// The structure reaches past the table's end.
    Overrun {
        /// Where in the table.
        offset: usize,
        /// The structure's kind.
        kind: u16,
        /// The length it declares.
        length: u16,
        /// Bytes left there.
        left: usize,
    },
    /// The structure is of a known kind, but shorter than that kind's fixed fields.
    FixedPartTruncated {
        /// Where in the table.
        offset: usize,
        /// The structure's kind.
        kind: u16,
        /// The length it declares.
        length: u16,
    },
}

impl StructureError {
    /// Where in the table the structure begins.
    pub const fn offset(&self) -> usize {
        match self {
            Self::HeaderTruncated { offset, .. }
            | Self::LengthTooSmall { offset, .. }
            | Self::Overrun { offset, .. }
            | Self::FixedPartTruncated { offset, .. } => *offset,
        }
    }
}

impl fmt::Display for StructureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderTruncated { offset, left } => {
                write!(
                    f,
                    "structure at {offset:#x}: {left} bytes left, expected at least {RECORD_HEADER_BYTES}"
                )
            }
            Self::LengthTooSmall { offset, kind, length } => write!(
                f,
                "structure at {offset:#x}: kind {kind:#x} has length {length}, expected at least \
                 {RECORD_HEADER_BYTES}; all that follows is lost"
            ),
            Self::Overrun { offset, kind, length, left } => write!(
                f,
                "structure at {offset:#x}: kind {kind:#x} has length {length}, but only {left} bytes are \
                 left; all that follows is lost"
            ),
            Self::FixedPartTruncated { offset, kind, length } => write!(
                f,
                "structure at {offset:#x}: length {length} is too short for the fixed fields of kind {kind:#x}"
            ),
        }
    }
}

impl core::error::Error for StructureError {}

/// One structure, of any kind.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where in the table it begins.
    pub offset: usize,
    /// The two bytes before the length.
    pub tag: [u8; 2],
    /// Its length as declared.
    pub length: u16,
    /// What follows kind and length.
    pub body: &'a [u8],
}

/// The structures of a table in order. Each step takes at least four bytes off the rest, so the walk ends.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    offset: usize,
    kind: fn([u8; 2]) -> u16,
}

impl<'a> Records<'a> {
    /// Walks `bytes`, which begin at `offset` in the table; `kind` tells the kind from the two bytes before
    /// a length.
    pub fn new(bytes: &'a [u8], offset: usize, kind: fn([u8; 2]) -> u16) -> Self {
        Self { rest: bytes, offset, kind }
    }

    /// Cuts the next structure off.
    fn split(&self) -> Result<(Record<'a>, &'a [u8]), StructureError> {
        let (offset, left) = (self.offset, self.rest.len());
        let mut fields = Reader::new(self.rest);
        let (Some(tag), Some(length)) = (fields.bytes(), fields.u16()) else {
            return Err(StructureError::HeaderTruncated { offset, left });
        };
        let kind = (self.kind)(tag);
        let body_bytes = usize::from(length)
            .checked_sub(RECORD_HEADER_BYTES)
            .ok_or(StructureError::LengthTooSmall { offset, kind, length })?;
        let body = fields.take(body_bytes).ok_or(StructureError::Overrun { offset, kind, length, left })?;
        Ok((Record { offset, tag, length, body }, fields.rest()))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, StructureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(match self.split() {
            Ok((record, rest)) => {
                self.offset = self.offset.saturating_add(usize::from(record.length));
                self.rest = rest;
                Ok(record)
            }
            Err(error) => {
                self.rest = &[];
                Err(error)
            }
        })
    }
}
