//! The blocks of an IVRS table.

use core::iter::FusedIterator;

use super::ivhd::Ivhd;
use super::ivmd::Ivmd;
use crate::record::{Record, Records, StructureError};
use crate::table::{STRUCTURES_OFFSET, Table};

/// One block, whose length and fixed fields were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block<'a> {
    /// A unit and its devices.
    Ivhd(Ivhd<'a>),
    /// Memory with special treatment.
    Ivmd(Ivmd<'a>),
    /// A kind that this library does not know.
    Unknown(UnknownBlock<'a>),
}

/// A block of a kind that this library does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownBlock<'a> {
    /// Where in the table it begins.
    pub offset: usize,
    /// Its kind.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its length in bytes, the four before the rest included.
    pub length: u16,
    /// What follows kind, flags and length.
    pub bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// Decodes a block by its kind.
    fn decode(record: Record<'a>) -> Result<Self, StructureError> {
        let Record { offset, tag: [kind, flags], length, body } = record;
        let decoded = match kind {
            Ivhd::KIND_10 | Ivhd::KIND_11 | Ivhd::KIND_40 => Ivhd::read(record).map(Self::Ivhd),
            Ivmd::KIND_ALL | Ivmd::KIND_ONE | Ivmd::KIND_RANGE => Ivmd::read(record).map(Self::Ivmd),
            _ => Some(Self::Unknown(UnknownBlock { offset, kind, flags, length, bytes: body })),
        };
        decoded.ok_or(StructureError::FixedPartTruncated { offset, kind: u16::from(kind), length })
    }

    /// Where in the table the block begins.
    pub const fn offset(&self) -> usize {
        match self {
            Self::Ivhd(ivhd) => ivhd.offset,
            Self::Ivmd(ivmd) => ivmd.offset,
            Self::Unknown(unknown) => unknown.offset,
        }
    }
}

/// The blocks of a table in order; see [`Ivrs::blocks`](super::Ivrs::blocks).
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    records: Records<'a>,
}

impl<'a> Blocks<'a> {
    /// Starts before the first block.
    pub(super) fn new(table: &Table<'a>) -> Self {
        Self { records: Records::new(table.structures, STRUCTURES_OFFSET, kind) }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<Block<'a>, StructureError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.next().map(|record| record.and_then(Block::decode))
    }
}

impl FusedIterator for Blocks<'_> {}

/// In IVRS the first byte is the kind; the second holds flags.
fn kind([kind, _]: [u8; 2]) -> u16 {
    u16::from(kind)
}
