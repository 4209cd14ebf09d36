//! What a fault message says.

use std::fmt;

use dma_types::Access;
use vtd::spec::fault_event::FaultStatus;
use vtd::spec::fault_reason::FaultReason;

use super::bugcheck::{Bugcheck, StopCode};
use super::cper::ErrorRecord;
use super::device::DeviceName;
use super::event::{Event, EventFlags};
use super::notice::{Notice, NoticeKind};
use super::stop::Stop;

/// One fault as it was reported.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    /// A request that a VT-d unit blocked.
    Request(Request),
    /// The fault status register of a VT-d unit.
    Status(Reading<FsTs>),
    /// An entry of the event log of an AMD-Vi unit.
    Event(Event),
    /// A Windows bug check about DMA.
    BugCheck(Bugcheck),
    /// A stop of ivt, in its own words.
    Stop(Box<Stop>),
    /// A UEFI error record.
    Cper(Box<ErrorRecord>),
    /// What software says of a unit, its tables or its interrupts: no request was blocked.
    Notice(Notice),
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
    /// QEMU's unit, which is made of software.
    Qemu,
    /// VMware ESXi.
    Esxi,
    /// FreeBSD.
    FreeBsd,
    /// A report of ivt.
    Ivt,
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
    /// Tells whether the register could not be read: what is not there reads as all ones.
    pub(super) const fn is_gone(self) -> bool {
        self.0 == u32::MAX
    }

    /// Tells whether the unit dropped faults.
    pub(super) const fn dropped(self) -> bool {
        !self.is_gone() && self.status().contains(FaultStatus::OVERFLOW)
    }

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
            Self::Request(Request { origin: Origin::Qemu, .. }) => "qemu-vtd",
            Self::Request(Request { origin: Origin::Esxi, .. }) => "esxi-iommu",
            Self::Request(Request { origin: Origin::FreeBsd, .. }) => "freebsd-dmar",
            Self::Request(Request { origin: Origin::Ivt, .. }) => "ivt-fault",
            Self::Status(_) => "linux-dmar-status",
            Self::Event(_) => "amd-vi",
            Self::BugCheck(Bugcheck { code, .. }) => match code {
                StopCode::DmaViolation => "windows-0xe6",
                StopCode::PageFault => "windows-0x158",
                StopCode::HalPageFault => "windows-0x159",
            },
            Self::Notice(notice) => notice.kind.name(),
            Self::Stop(_) => "ivt-stop",
            Self::Cper(_) => "uefi-cper",
        }
    }

    /// The blocked request that it is about, if it is about one of a VT-d unit.
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Request(request) => Some(request),
            Self::Stop(stop) => stop.request.as_ref(),
            Self::Cper(record) => Some(&record.request),
            Self::Status(_) | Self::Event(_) | Self::BugCheck(_) | Self::Notice(_) => None,
        }
    }

    /// Tells whether it is about something that a device did. The status of a unit is not, nor is a notice.
    pub(super) const fn is_blocked_request(&self) -> bool {
        !matches!(self, Self::Status(_) | Self::Notice(_))
    }

    /// Tells whether it says that all is well, which is worth a word only where nothing else is said.
    pub(super) const fn is_good_news(&self) -> bool {
        matches!(self, Self::Notice(Notice { kind: NoticeKind::InterruptsRemapped, .. }))
    }

    /// What was asked, or what happened.
    pub(super) fn op(&self) -> Option<&'static str> {
        if let Self::Event(event) = self {
            return Some(event.kind.name());
        }
        Some(match self.request()?.access? {
            Access::Read => "read",
            Access::Write => "write",
            Access::Atomic => "atomic",
            Access::Interrupt => "intr",
            Access::Unknown => "unknown",
        })
    }

    /// The requester.
    pub(super) fn device(&self) -> Option<DeviceName> {
        match self {
            Self::Event(event) => event.device,
            Self::Notice(notice) => notice.device,
            _ => self.request()?.device,
        }
    }

    /// The address, or the index of an interrupt request.
    pub(super) fn place(&self) -> Reading<u64> {
        match self {
            Self::Event(event) => event.address,
            Self::Notice(notice) => notice.place.map_or(Reading::Absent, Reading::Value),
            _ => self.request().map_or(Reading::Absent, |request| request.place),
        }
    }

    /// The process address space that was named.
    pub(super) fn pasid(&self) -> Pasid {
        match self {
            Self::Event(event) => event.pasid,
            _ => self.request().map_or(Pasid::Absent, |request| request.pasid),
        }
    }

    /// Why, as the hardware codes it.
    pub(super) fn code(&self) -> Reading<Code> {
        match self {
            Self::Status(status) => status.and_then(|status| Some(Code::Status(status))),
            Self::Event(event) => event.flags.and_then(|flags| Some(Code::Flags(flags))),
            _ => {
                let reason = self.request().map_or(Reading::Absent, |request| request.reason);
                reason.and_then(|reason| Some(Code::Reason(reason)))
            }
        }
    }

    /// Parameters of a stop code; `None` where the text does not give one.
    pub(super) fn parameters(&self) -> Option<[Option<u64>; 4]> {
        match self {
            Self::BugCheck(bugcheck) => Some(bugcheck.parameters),
            Self::Stop(stop) => Some(stop.parameters().map(Some)),
            _ => None,
        }
    }

    /// The same fault without its place: what many addresses have in common.
    pub(super) fn anywhere(&self) -> Self {
        let mut fault = self.clone();
        match &mut fault {
            Self::Request(request) => request.place = Reading::Absent,
            Self::Event(event) => event.address = Reading::Absent,
            Self::Cper(record) => record.request.place = Reading::Absent,
            Self::Notice(notice) => (notice.place, notice.end) = (None, None),
            // A stop is told with its parameters, and the place is one of them.
            Self::Status(_) | Self::BugCheck(_) | Self::Stop(_) => {}
        }
        fault
    }

    /// A fault of the same kind of which nothing else is known.
    pub(super) fn of_its_kind(&self) -> Self {
        match self {
            Self::Request(request) => Self::Request(request.of_its_kind()),
            Self::Status(_) => Self::Status(Reading::Absent),
            Self::Event(Event { kind, .. }) => {
                let kind = *kind;
                Self::Event(Event::blank(kind))
            }
            Self::BugCheck(Bugcheck { code, .. }) => Self::BugCheck(Bugcheck::of(*code)),
            Self::Notice(notice) => Self::Notice(Notice::of(notice.kind)),
            Self::Stop(_) => Self::Stop(Box::new(Stop::unknown())),
            Self::Cper(record) => Self::Cper(Box::new(ErrorRecord {
                request: record.request.of_its_kind(),
                walk: None,
                purpose: record.purpose,
            })),
        }
    }
}

impl Request {
    /// A request of the same kind of which nothing else is known.
    const fn of_its_kind(&self) -> Self {
        Self {
            origin: self.origin,
            access: match self.access {
                Some(Access::Interrupt) => self.access,
                _ => None,
            },
            device: None,
            place: Reading::Absent,
            reason: Reading::Absent,
            pasid: Pasid::Absent,
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
