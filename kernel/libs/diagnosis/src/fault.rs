//! The fault to be explained, as the hardware recorded it.

use core::fmt;

use dma_types::{Access, Bdf, FaultKind, InterruptIndex, Iova};

use crate::Timestamp;

/// One fault event: a request that a unit blocked and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The id that the request carried.
    pub requester: Bdf,
    /// The page it was for; `None` where the record holds no address.
    pub address: Option<Iova>,
    /// The interrupt that it named; `None` for other requests, and where the record does not tell.
    pub interrupt: Option<InterruptIndex>,
    /// What the request was.
    pub access: Access,
    /// Why the unit blocked it: the number that it gave.
    pub reason: Reason,
    /// What that number stands for; the judgement goes by it alone.
    pub kind: FaultKind,
    /// The same in words, as a clause that can end a sentence.
    pub meaning: &'static str,
    /// When the record was drained: the request itself came earlier.
    pub at: Timestamp,
}

impl Fault {
    /// What the request was, as far as the reason tells where the record does not.
    pub(crate) const fn attempted(&self) -> Access {
        match (self.access, self.kind) {
            (Access::Unknown, FaultKind::NoWritePermission) => Access::Write,
            (Access::Unknown, FaultKind::NoReadPermission) => Access::Read,
            (access, _) => access,
        }
    }
}

/// The number that a unit gives for a reason. Each family of units has numbers of its own, which nothing here is decided
/// by: [`FaultKind`] says what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(pub u8);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
