//! Reading records, whoever wrote them.

use core::fmt;

use crate::header::{
    RECORD_LENGTH, SECTION_COUNT, SIGNATURE, SIGNATURE_END, SIGNATURE_END_VALUE, SIGNATURE_VALUE,
};
use crate::section::Descriptor;
use crate::{Header, Section};

/// A record. Holding one proves that its header is whole and has both signatures, and nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    header: Header,
    bytes: &'a [u8],
    stated: usize,
    sections: usize,
}

impl<'a> Record<'a> {
    /// Finds the record that begins with the bytes; what follows it is left alone.
    ///
    /// A record that is cut off is read as far as it goes.
    ///
    /// # Errors
    /// If the bytes are no record, or end within its header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoRecord> {
        if SIGNATURE.get(bytes) != Some(SIGNATURE_VALUE) {
            return Err(NoRecord::Signature);
        }
        let too_short = NoRecord::TooShort { bytes: bytes.len() };
        let head = bytes.get(..Header::BYTES).ok_or(too_short)?;
        if SIGNATURE_END.get(head) != Some(SIGNATURE_END_VALUE) {
            return Err(NoRecord::Signature);
        }
        let header = Header::read(head).ok_or(too_short)?;
        let stated = RECORD_LENGTH.get(head).map_or(0, |length| length as usize);
        let sections = SECTION_COUNT.get(head).map_or(0, usize::from);
        let bytes = bytes.get(..stated).unwrap_or(bytes);
        Ok(Self { header, bytes, stated, sections })
    }

    /// What it says of itself.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes that it says it has.
    pub const fn stated_length(&self) -> usize {
        self.stated
    }

    /// Tells whether all of it is there.
    pub const fn is_whole(&self) -> bool {
        self.bytes.len() == self.stated
    }

    /// The sections in order, as far as their descriptors are there.
    pub fn sections(&self) -> impl Iterator<Item = Section<'a>> {
        let bytes = self.bytes;
        let descriptors = bytes.get(Header::BYTES..).unwrap_or_default();
        descriptors
            .chunks_exact(Descriptor::BYTES)
            .take(self.sections)
            .filter_map(move |descriptor| Some(Descriptor::read(descriptor)?.section(bytes)))
    }
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRecord {
    /// A signature is missing.
    Signature,
    /// They end within the header.
    TooShort {
        /// How many there are.
        bytes: usize,
    },
}

impl fmt::Display for NoRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature => f.write_str("the signature of an error record is missing"),
            Self::TooShort { bytes } => {
                write!(f, "{bytes} bytes are fewer than the {} of an error record's header", Header::BYTES)
            }
        }
    }
}

impl core::error::Error for NoRecord {}
