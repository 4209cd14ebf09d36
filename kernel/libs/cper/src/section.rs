//! Sections and their descriptors ("Section Descriptor").

use crate::field::Field;
use crate::{DmarGeneric, Guid, Severity, VtdDmar};

const OFFSET: Field<u32> = Field::at(0);
const LENGTH: Field<u32> = Field::at(4);
const REVISION: Field<u16> = Field::at(8);
const FLAGS: Field<u32> = Field::at(12);
const KIND: Field<[u8; 16]> = Field::at(16);
const SEVERITY: Field<u32> = Field::at(48);

/// Major 1, minor 0.
const REVISION_VALUE: u16 = 0x0100;
/// The section to look at first.
const PRIMARY: u32 = 1;

/// A section of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its kind.
    pub kind: Guid,
    /// How bad it is.
    pub severity: Severity,
    /// What it says.
    pub body: Body<'a>,
}

/// What a section says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A blocked request, for any kind of unit.
    DmarGeneric(DmarGeneric),
    /// A blocked request, as a VT-d unit sees it.
    VtdDmar(VtdDmar),
    /// A kind that is not known here, as bytes.
    Other(&'a [u8]),
    /// A section that does not lie within the record, or is shorter than its kind.
    Damaged,
}

/// Where a section stands in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) kind: Guid,
    pub(crate) severity: Severity,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

/// Whether a section is the one to look at first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    Primary,
    Further,
}

impl Descriptor {
    /// Bytes of a descriptor.
    pub(crate) const BYTES: usize = 72;

    pub(crate) fn write(&self, to: &mut [u8], rank: Rank) {
        OFFSET.set(to, self.offset);
        LENGTH.set(to, self.length);
        REVISION.set(to, REVISION_VALUE);
        FLAGS.set(to, if rank == Rank::Primary { PRIMARY } else { 0 });
        KIND.set(to, self.kind.to_bytes());
        SEVERITY.set(to, self.severity.0);
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            kind: Guid::from_bytes(KIND.get(bytes)?),
            severity: Severity(SEVERITY.get(bytes)?),
            offset: OFFSET.get(bytes)?,
            length: LENGTH.get(bytes)?,
        })
    }

    /// The section, out of the bytes of its record.
    pub(crate) fn section<'a>(&self, record: &'a [u8]) -> Section<'a> {
        Section { kind: self.kind, severity: self.severity, body: self.body(record).unwrap_or(Body::Damaged) }
    }

    fn body<'a>(&self, record: &'a [u8]) -> Option<Body<'a>> {
        let start = usize::try_from(self.offset).ok()?;
        let end = start.checked_add(usize::try_from(self.length).ok()?)?;
        let bytes = record.get(start..end)?;
        match self.kind {
            Guid::DMAR_GENERIC => DmarGeneric::read(bytes).map(Body::DmarGeneric),
            Guid::VTD_DMAR => VtdDmar::read(bytes).map(Body::VtdDmar),
            _ => Some(Body::Other(bytes)),
        }
    }
}
