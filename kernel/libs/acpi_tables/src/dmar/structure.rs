//! The structures of a DMAR table (VT-d "Remapping Structure Types").

use core::iter::FusedIterator;

use dma_types::Segment;

use super::andd::Andd;
use super::drhd::Drhd;
use super::ports::{Atsr, Satc, Sidp};
use super::rhsa::Rhsa;
use super::rmrr::Rmrr;
use super::scopes::Scopes;
use crate::record::{Record, Records, StructureError};
use crate::table::{STRUCTURES_OFFSET, Table};

/// One structure, whose length and fixed fields were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure<'a> {
    /// A remapping unit.
    Drhd(Drhd<'a>),
    /// Memory that firmware reserves for DMA of certain devices.
    Rmrr(Rmrr<'a>),
    /// Root ports that support address translation services.
    Atsr(Atsr<'a>),
    /// The proximity domain of a unit.
    Rhsa(Rhsa<'a>),
    /// A device that only the ACPI namespace knows.
    Andd(Andd<'a>),
    /// Integrated devices with an address translation cache.
    Satc(Satc<'a>),
    /// Integrated devices with properties of their own.
    Sidp(Sidp<'a>),
    /// A kind that this library does not know.
    Unknown(UnknownStructure<'a>),
}

/// A structure of a kind that this library does not know; it says nothing about isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownStructure<'a> {
    /// Where in the table it begins.
    pub offset: usize,
    /// Its kind.
    pub kind: u16,
    /// Its length in bytes, the four of kind and length included.
    pub length: u16,
    /// What follows kind and length.
    pub bytes: &'a [u8],
}

impl<'a> Structure<'a> {
    /// Decodes a structure by its kind.
    fn decode(record: Record<'a>) -> Result<Self, StructureError> {
        let Record { offset, length, body, .. } = record;
        let kind = kind(record.tag);
        let decoded = match kind {
            Drhd::KIND => Drhd::read(record).map(Self::Drhd),
            Rmrr::KIND => Rmrr::read(record).map(Self::Rmrr),
            Atsr::KIND => Atsr::read(record).map(Self::Atsr),
            Rhsa::KIND => Rhsa::read(record).map(Self::Rhsa),
            Andd::KIND => Andd::read(record).map(Self::Andd),
            Satc::KIND => Satc::read(record).map(Self::Satc),
            Sidp::KIND => Sidp::read(record).map(Self::Sidp),
            _ => Some(Self::Unknown(UnknownStructure { offset, kind, length, bytes: body })),
        };
        decoded.ok_or(StructureError::FixedPartTruncated { offset, kind, length })
    }

    /// Where in the table the structure begins.
    pub const fn offset(&self) -> usize {
        match self {
            Self::Drhd(Drhd { offset, .. })
            | Self::Rmrr(Rmrr { offset, .. })
            | Self::Atsr(Atsr { offset, .. })
            | Self::Rhsa(Rhsa { offset, .. })
            | Self::Andd(Andd { offset, .. })
            | Self::Satc(Satc { offset, .. })
            | Self::Sidp(Sidp { offset, .. })
            | Self::Unknown(UnknownStructure { offset, .. }) => *offset,
        }
    }

    /// Its length in bytes, as declared.
    pub const fn length(&self) -> u16 {
        match self {
            Self::Drhd(Drhd { length, .. })
            | Self::Rmrr(Rmrr { length, .. })
            | Self::Atsr(Atsr { length, .. })
            | Self::Rhsa(Rhsa { length, .. })
            | Self::Andd(Andd { length, .. })
            | Self::Satc(Satc { length, .. })
            | Self::Sidp(Sidp { length, .. })
            | Self::Unknown(UnknownStructure { length, .. }) => *length,
        }
    }

    /// Its kind as a number.
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Drhd(_) => Drhd::KIND,
            Self::Rmrr(_) => Rmrr::KIND,
            Self::Atsr(_) => Atsr::KIND,
            Self::Rhsa(_) => Rhsa::KIND,
            Self::Andd(_) => Andd::KIND,
            Self::Satc(_) => Satc::KIND,
            Self::Sidp(_) => Sidp::KIND,
            Self::Unknown(unknown) => unknown.kind,
        }
    }

    /// The PCI segment it speaks of, for the kinds that name one.
    pub const fn segment(&self) -> Option<Segment> {
        match self {
            Self::Drhd(Drhd { segment, .. })
            | Self::Rmrr(Rmrr { segment, .. })
            | Self::Atsr(Atsr { segment, .. })
            | Self::Satc(Satc { segment, .. })
            | Self::Sidp(Sidp { segment, .. }) => Some(*segment),
            Self::Rhsa(_) | Self::Andd(_) | Self::Unknown(_) => None,
        }
    }

    /// The devices it lists; none for the kinds that list no devices.
    pub fn scopes(&self) -> Scopes<'a> {
        match self {
            Self::Drhd(drhd) => drhd.scopes(),
            Self::Rmrr(rmrr) => rmrr.scopes(),
            Self::Atsr(atsr) => atsr.scopes(),
            Self::Satc(satc) => satc.scopes(),
            Self::Sidp(sidp) => sidp.scopes(),
            Self::Rhsa(_) | Self::Andd(_) | Self::Unknown(_) => Scopes::default(),
        }
    }
}

/// The structures of a table in order; see [`Dmar::structures`](super::Dmar::structures).
#[derive(Clone, Debug)]
pub struct Structures<'a> {
    records: Records<'a>,
}

impl<'a> Structures<'a> {
    /// Starts before the first structure.
    pub(super) fn new(table: &Table<'a>) -> Self {
        Self { records: Records::new(table.structures, STRUCTURES_OFFSET, kind) }
    }
}

impl<'a> Iterator for Structures<'a> {
    type Item = Result<Structure<'a>, StructureError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.next().map(|record| record.and_then(Structure::decode))
    }
}

impl FusedIterator for Structures<'_> {}

/// In DMAR both bytes before the length are the kind.
fn kind(tag: [u8; 2]) -> u16 {
    u16::from_le_bytes(tag)
}
