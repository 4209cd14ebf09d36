//! What a fault message says.

use std::fmt;

use dma_types::Access;
use vtd::spec::fault_event::FaultStatus;
use vtd::spec::fault_reason::FaultReason;

use super::device::DeviceName;
use super::event::{Event, EventFlags};

/// One fault as it was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    /// A request that a VT-d unit blocked.
    Request(Request),
    /// The fault status register of a VT-d unit.
    Status(Reading<FsTs>),
    /// An entry of the event log of an AMD-Vi unit.
    Event(Event),
    /// The parameters of a Windows bug check 0xE6; `None` where the text does not give one.
    BugCheck([Option<u64>; 4]),
}

/// A request that a VT-d unit blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    /// Whose message it is.
    pub(super) origin: Origin,
    /// What was asked; `None` where the text does not tell.
    pub(super) access: Option<Access>,
    /// The requester.
    pub(super) device: Option<DeviceName>,
    /// The address; of an interrupt request the index.
    pub(super) place: Reading<u64>,
    /// Why it was blocked.
    pub(super) reason: Reading<FaultReason>,
    /// The process address space that the request named.
    pub(super) pasid: Pasid,
}

/// Whose message a blocked request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// Linux.
    Linux,
    /// Xen.
    Xen,
    /// A fault recording register as it stands.
    Record,
}

/// What part of a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reading<T> {
    /// Nothing: the part is not there.
    Absent,
    /// Something that cannot be right, because it was masked, cut off or mistyped.
    Unreadable,
    /// This.
    Value(T),
}

impl<T> Reading<T> {
    /// What it says, if it can be read.
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Unreadable => None,
        }
    }

    /// Turns the value into another, which may fail.
    pub(super) fn and_then<U>(self, convert: impl FnOnce(T) -> Option<U>) -> Reading<U> {
        match self {
            Self::Absent => Reading::Absent,
            Self::Unreadable => Reading::Unreadable,
            Self::Value(value) => convert(value).map_or(Reading::Unreadable, Reading::Value),
        }
    }
}

/// What a message says of the process address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pasid {
    /// Nothing.
    Absent,
    /// That the request named none.
    None,
    /// That it named this one.
    Number(u32),
}

/// A fault status register as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FsTs(pub(super) u32);

impl FsTs {
    /// The register's fields.
    pub(super) const fn status(self) -> FaultStatus {
        FaultStatus::from_bits_retain(self.0)
    }
}

/// The spellings of the columns that results have in common.
impl Fault {
    /// Which kind of message it was.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Request(Request { origin: Origin::Linux, access: Some(Access::Interrupt), .. }) => {
                "linux-dmar-ir"
            }
            Self::Request(Request { origin: Origin::Linux, .. }) => "linux-dmar",
            Self::Request(Request { origin: Origin::Xen, .. }) => "xen-vtd",
            Self::Request(Request { origin: Origin::Record, .. }) => "raw-record",
            Self::Status(_) => "linux-dmar-status",
            Self::Event(_) => "amd-vi",
            Self::BugCheck(_) => "windows-0xe6",
        }
    }

    /// What was asked, or what happened.
    pub(super) const fn op(&self) -> Option<&'static str> {
        match self {
            Self::Request(Request { access: Some(access), .. }) => Some(match access {
                Access::Read => "read",
                Access::Write => "write",
                Access::Atomic => "atomic",
                Access::Interrupt => "intr",
                Access::Unknown => "unknown",
            }),
            Self::Event(event) => Some(event.kind.name()),
            Self::Request(_) | Self::Status(_) | Self::BugCheck(_) => None,
        }
    }

    /// The requester.
    pub(super) const fn device(&self) -> Option<DeviceName> {
        match self {
            Self::Request(request) => request.device,
            Self::Event(event) => event.device,
            Self::Status(_) | Self::BugCheck(_) => None,
        }
    }

    /// The address, or the index of an interrupt request.
    pub(super) const fn place(&self) -> Reading<u64> {
        match self {
            Self::Request(request) => request.place,
            Self::Event(event) => event.address,
            Self::Status(_) | Self::BugCheck(_) => Reading::Absent,
        }
    }

    /// Why, as the hardware codes it.
    pub(super) const fn code(&self) -> Reading<Code> {
        match self {
            Self::Request(Request { reason: Reading::Value(reason), .. }) => {
                Reading::Value(Code::Reason(*reason))
            }
            Self::Status(Reading::Value(status)) => Reading::Value(Code::Status(*status)),
            Self::Event(Event { flags: Reading::Value(flags), .. }) => Reading::Value(Code::Flags(*flags)),
            Self::Request(Request { reason: Reading::Unreadable, .. })
            | Self::Status(Reading::Unreadable)
            | Self::Event(Event { flags: Reading::Unreadable, .. }) => Reading::Unreadable,
            Self::Request(_) | Self::Status(_) | Self::Event(_) | Self::BugCheck(_) => Reading::Absent,
        }
    }

    /// The same fault without its place: what many addresses have in common.
    pub(super) const fn anywhere(mut self) -> Self {
        match &mut self {
            Self::Request(request) => request.place = Reading::Absent,
            Self::Event(event) => event.address = Reading::Absent,
            Self::Status(_) | Self::BugCheck(_) => {}
        }
        self
    }

    /// A fault of the same kind of which nothing else is known.
    pub(super) const fn of_its_kind(self) -> Self {
        match self {
            Self::Request(Request { origin, access, .. }) => Self::Request(Request {
                origin,
                access: match access {
                    Some(Access::Interrupt) => access,
                    _ => None,
                },
                device: None,
                place: Reading::Absent,
                reason: Reading::Absent,
                pasid: Pasid::Absent,
            }),
            Self::Status(_) => Self::Status(Reading::Absent),
            Self::Event(Event { kind, .. }) => {
                Self::Event(Event { kind, device: None, address: Reading::Absent, flags: Reading::Absent })
            }
            Self::BugCheck(_) => Self::BugCheck([None; 4]),
        }
    }
}

/// Why, as the hardware codes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Code {
    /// A reason of VT-d.
    Reason(FaultReason),
    /// A status of VT-d.
    Status(FsTs),
    /// Flags of AMD-Vi.
    Flags(EventFlags),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reason(FaultReason(reason)) => write!(f, "{reason:#04x}"),
            Self::Status(FsTs(status)) => write!(f, "fsts {status:#x}"),
            Self::Flags(EventFlags(flags)) => write!(f, "flags {flags:#06x}"),
        }
    }
}
