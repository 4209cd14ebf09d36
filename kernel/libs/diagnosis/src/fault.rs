//! The fault to be explained, as the hardware recorded it.

use core::fmt;

use dma_types::{Access, Bdf, Iova};

use crate::Timestamp;

/// One recorded fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The id that the request carried.
    pub requester: Bdf,
    /// The page it was for; `None` where the record holds no address.
    pub address: Option<Iova>,
    /// What the request was.
    pub access: Access,
    /// Why the unit blocked it.
    pub reason: Reason,
    /// When the record was drained: the request itself came earlier.
    pub at: Timestamp,
}

/// A fault reason as the hardware writes it (VT-d "Fault Conditions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(pub u8);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What a reason says about the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An interrupt request was refused.
    Interrupt,
    /// The requester has no context entry.
    NoContext,
    /// The address is wider than the unit translates.
    BeyondWidth,
    /// No permission: not mapped, or not in this direction.
    NoPermission,
    /// A request that claimed to be translated already.
    Translated,
    /// The tables could not be used, or a reason that no one here knows.
    Tables,
}

impl Reason {
    /// Sorts the reasons of legacy mode; what is not known counts against the tables.
    pub(crate) const fn cause(self) -> Cause {
        match self.0 {
            0x20..=0x2f => Cause::Interrupt,
            0x2 => Cause::NoContext,
            0x4 => Cause::BeyondWidth,
            0x5 | 0x6 => Cause::NoPermission,
            0xd => Cause::Translated,
            _ => Cause::Tables,
        }
    }

    /// The access that a reason implies where the record does not tell it.
    pub(crate) const fn implied(self, access: Access) -> Access {
        match (access, self.0) {
            (Access::Unknown, 0x5) => Access::Write,
            (Access::Unknown, 0x6) => Access::Read,
            _ => access,
        }
    }

    /// What stopped the unit, in words that end a sentence.
    pub(crate) const fn meaning(self) -> &'static str {
        match self.0 {
            0x1 => "the root entry for its bus is not present",
            0x3 => "its context entry is programmed in a way that the unit does not accept",
            0x7 => "a page-table entry could not be read",
            0x8 => "the root entry could not be read",
            0x9 => "the context entry could not be read",
            0xa => "reserved bits are set in the root entry",
            0xb => "reserved bits are set in the context entry",
            0xc => "reserved bits are set in a page-table entry",
            0xe => "the translation leads into the interrupt range",
            _ => "the unit gave a reason that is not known here",
        }
    }
}
