//! The head of a record ("Record Header").

use core::fmt;

use crate::Guid;
use crate::field::Field;

pub(crate) const SIGNATURE: Field<[u8; 4]> = Field::at(0);
const REVISION: Field<u16> = Field::at(4);
pub(crate) const SIGNATURE_END: Field<u32> = Field::at(6);
pub(crate) const SECTION_COUNT: Field<u16> = Field::at(10);
const SEVERITY: Field<u32> = Field::at(12);
const VALIDATION: Field<u32> = Field::at(16);
pub(crate) const RECORD_LENGTH: Field<u32> = Field::at(20);
const CREATOR: Field<[u8; 16]> = Field::at(64);
const NOTIFICATION: Field<[u8; 16]> = Field::at(80);
const RECORD_ID: Field<u64> = Field::at(96);
const FLAGS: Field<u32> = Field::at(104);

/// "CPER".
pub(crate) const SIGNATURE_VALUE: [u8; 4] = *b"CPER";
pub(crate) const SIGNATURE_END_VALUE: u32 = 0xffff_ffff;
/// Major 1, minor 1.
const REVISION_VALUE: u16 = 0x0101;

/// How bad it is ("Error Severity"). Other values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Severity(pub u32);

impl Severity {
    /// The system goes on.
    pub const RECOVERABLE: Self = Self(0);
    /// The system stopped.
    pub const FATAL: Self = Self(1);
    /// Nothing is left to be done.
    pub const CORRECTED: Self = Self(2);
    /// No error.
    pub const INFORMATIONAL: Self = Self(3);
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::RECOVERABLE => f.write_str("recoverable"),
            Self::FATAL => f.write_str("fatal"),
            Self::CORRECTED => f.write_str("corrected"),
            Self::INFORMATIONAL => f.write_str("informational"),
            Self(other) => write!(f, "severity {other}"),
        }
    }
}

/// What qualifies the error ("Error Record Header Flags"). Other bits are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags(pub u32);

impl Flags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// It was caused on purpose.
    pub const SIMULATED: Self = Self(4);

    /// Tells whether it was caused on purpose.
    pub const fn simulated(self) -> bool {
        self.0 & Self::SIMULATED.0 != 0
    }
}

/// What a record says of itself. Time stamp, platform and partition are left out: without a clock and without
/// identity there is nothing true to say, and the record marks them as not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How bad it is; the worst of its sections.
    pub severity: Severity,
    /// Who wrote the record.
    pub creator: Guid,
    /// What brought the error to attention.
    pub notification: Guid,
    /// Tells records of one creator on one machine apart.
    pub id: u64,
    /// What qualifies the error.
    pub flags: Flags,
}

impl Header {
    /// Bytes of a header.
    pub const BYTES: usize = 128;

    /// Writes the header of a record of so many sections and bytes.
    pub(crate) fn write(&self, to: &mut [u8], sections: u16, length: u32) {
        SIGNATURE.set(to, SIGNATURE_VALUE);
        REVISION.set(to, REVISION_VALUE);
        SIGNATURE_END.set(to, SIGNATURE_END_VALUE);
        SECTION_COUNT.set(to, sections);
        SEVERITY.set(to, self.severity.0);
        VALIDATION.set(to, 0);
        RECORD_LENGTH.set(to, length);
        CREATOR.set(to, self.creator.to_bytes());
        NOTIFICATION.set(to, self.notification.to_bytes());
        RECORD_ID.set(to, self.id);
        FLAGS.set(to, self.flags.0);
    }

    /// Reads a header; `None` if the bytes end before it does.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            severity: Severity(SEVERITY.get(bytes)?),
            creator: Guid::from_bytes(CREATOR.get(bytes)?),
            notification: Guid::from_bytes(NOTIFICATION.get(bytes)?),
            id: RECORD_ID.get(bytes)?,
            flags: Flags(FLAGS.get(bytes)?),
        })
    }
}
