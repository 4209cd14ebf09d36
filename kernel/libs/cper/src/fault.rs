//! The record that is written about one blocked request.

use core::fmt;

use crate::section::{Descriptor, Rank};
use crate::{DmarGeneric, Guid, Header, VtdDmar};

/// Where the sections stand.
const GENERIC_AT: usize = Header::BYTES + 2 * Descriptor::BYTES;
const VTD_AT: usize = GENERIC_AT + DmarGeneric::BYTES;

/// One blocked request: a generic section, and one of the VT-d unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaFault {
    /// What the record says of itself.
    pub header: Header,
    /// The request.
    pub generic: DmarGeneric,
    /// The unit and its walk.
    pub vtd: VtdDmar,
}

impl DmaFault {
    /// Bytes of a record.
    pub const BYTES: usize = VTD_AT + VtdDmar::BYTES;

    /// Writes the record and returns its bytes.
    ///
    /// # Errors
    /// If the buffer is shorter than [`Self::BYTES`].
    pub fn write<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], BufferTooSmall> {
        let bytes = buffer.len();
        let record = buffer.get_mut(..Self::BYTES).ok_or(BufferTooSmall { bytes })?;
        record.fill(0);
        self.header.write(record, 2, Self::BYTES as u32);
        let sections = [
            (Guid::DMAR_GENERIC, GENERIC_AT, DmarGeneric::BYTES, Rank::Primary),
            (Guid::VTD_DMAR, VTD_AT, VtdDmar::BYTES, Rank::Further),
        ];
        let descriptors = record.get_mut(Header::BYTES..GENERIC_AT).unwrap_or_default();
        for (place, (kind, offset, length, rank)) in
            descriptors.chunks_exact_mut(Descriptor::BYTES).zip(sections)
        {
            let severity = self.header.severity;
            Descriptor { kind, severity, offset: offset as u32, length: length as u32 }.write(place, rank);
        }
        self.generic.write(record.get_mut(GENERIC_AT..).unwrap_or_default());
        self.vtd.write(record.get_mut(VTD_AT..).unwrap_or_default());
        Ok(record)
    }
}

/// A record does not fit the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferTooSmall {
    /// Bytes of the buffer.
    pub bytes: usize,
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a record of {} bytes does not fit {} bytes", DmaFault::BYTES, self.bytes)
    }
}

impl core::error::Error for BufferTooSmall {}
