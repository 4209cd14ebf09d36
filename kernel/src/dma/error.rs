//! What can go wrong between a driver and its device's memory.

use alloc::collections::TryReserveError;
use core::fmt;

use ::iommu::Refusal;
use ::iommu::group::GroupError;
use diagnosis::BookError;
use dma_types::{Bdf, Iova};
use iova::{IovaError, OutOfMemory};
use report::DeviceState;
use verifier::NoRoom;

use crate::devices::DeviceRecord;
use crate::iommu::IommuError;
use crate::memory::pages::NoPages;

/// Why a device got no memory, or memory did not come back.
#[derive(Debug)]
pub enum DmaError {
    /// No frames for the buffer.
    Pages(NoPages),
    /// A buffer of no bytes.
    Empty,
    /// The device has been released.
    Released,
    /// Nothing is lent at an address.
    NotLent {
        /// The address.
        iova: Iova,
    },
    /// No memory for what the kernel itself keeps of the device and its mappings.
    OutOfMemory,
    /// The history of mappings does not agree with the tables: a range was entered or taken out that it knows otherwise.
    /// Nothing but a fault of the kernel leads to it; the range stays out of use.
    Book(BookError),
    /// No room in the domain's window.
    Window(IovaError),
    /// The unit or its tables refused.
    Iommu(IommuError),
    /// A device that was told to write wrote nowhere.
    NothingWritten,
    /// The device cannot send every address of the domain that its group works in, which cannot be changed now.
    NoCommonWindow {
        /// The device.
        device: Bdf,
        /// The highest address that it can send.
        highest: Iova,
    },
    /// The device was not cut off.
    NotQuarantined {
        /// The device.
        device: Bdf,
        /// Its state.
        state: DeviceState,
    },
    /// The device was cut off while it was let in, and stays so.
    CutOff {
        /// The device.
        device: Bdf,
    },
    /// Another device is cut off whose ids it shares: what lets one in lets both in.
    CutOffTogether {
        /// The device.
        device: Bdf,
        /// The other.
        with: Bdf,
    },
    /// The device has left, or another one stands in its place.
    Gone {
        /// The device.
        device: Bdf,
    },
    /// The device is external, and the user did not let external ones in.
    External {
        /// The device.
        device: Bdf,
    },
    /// What the device says of itself is not believed, so it stays blocked.
    NotBelieved {
        /// The device.
        device: Bdf,
        /// Why not.
        refusal: &'static pci::Refusal,
    },
    /// The device may not have memory in its present state.
    State {
        /// The device.
        device: Bdf,
        /// Its state.
        state: DeviceState,
    },
}

impl fmt::Display for DmaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pages(error) => error.fmt(f),
            Self::Empty => f.write_str("a buffer needs at least one byte"),
            Self::Released => f.write_str("the device has been released"),
            Self::NotLent { iova } => write!(f, "nothing is lent at {iova}"),
            Self::OutOfMemory => f.write_str("no memory for the kernel's own records"),
            Self::Book(error) => write!(f, "the history of mappings does not agree with the tables: {error}"),
            Self::Window(error) => error.fmt(f),
            Self::Iommu(error) => error.fmt(f),
            Self::NothingWritten => f.write_str("the device was told to write and wrote nowhere"),
            Self::NoCommonWindow { device, highest } => write!(
                f,
                "{device} sends addresses up to {highest} only, and devices that share its domain have buffers above"
            ),
            Self::NotQuarantined { device, state } => {
                write!(f, "{device} is {}, not quarantined, so there is nothing to release", state.as_str())
            }
            Self::CutOff { device } => write!(f, "{device} was cut off before it could work"),
            Self::CutOffTogether { device, with } => write!(
                f,
                "{device} stays blocked: it shares a requester id with {with}, which is quarantined; `release {with}` first"
            ),
            Self::Gone { device } => write!(
                f,
                "{device} has left; what stands in its place now stays blocked until the machine is started again"
            ),
            Self::External { device } => write!(f, "{device} is external and stays blocked"),
            Self::NotBelieved { device, refusal } => write!(f, "{device} stays blocked: {refusal}"),
            Self::State { device, state } => {
                write!(f, "{device} is {} and gets no memory", state.as_str())
            }
        }
    }
}

impl core::error::Error for DmaError {}

impl DmaError {
    /// Tells whether the memory that a call was about may be reached by devices: it must never be used again then.
    pub fn may_be_reached(&self) -> bool {
        matches!(self, Self::Iommu(error) if error.may_be_reached())
    }
}

impl From<NoPages> for DmaError {
    fn from(error: NoPages) -> Self {
        Self::Pages(error)
    }
}

impl From<OutOfMemory> for DmaError {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl From<NoRoom> for DmaError {
    fn from(NoRoom: NoRoom) -> Self {
        Self::OutOfMemory
    }
}

impl From<TryReserveError> for DmaError {
    fn from(_: TryReserveError) -> Self {
        Self::OutOfMemory
    }
}

impl From<BookError> for DmaError {
    fn from(error: BookError) -> Self {
        match error {
            BookError::OutOfMemory => Self::OutOfMemory,
            error => Self::Book(error),
        }
    }
}

impl From<IovaError> for DmaError {
    fn from(error: IovaError) -> Self {
        Self::Window(error)
    }
}

impl From<IommuError> for DmaError {
    fn from(error: IommuError) -> Self {
        Self::Iommu(error)
    }
}

impl From<GroupError<'static, DeviceRecord, IommuError>> for DmaError {
    fn from(error: GroupError<'static, DeviceRecord, IommuError>) -> Self {
        let device = |record: &DeviceRecord| record.bdf;
        match error {
            GroupError::Unit(error) => Self::Iommu(error),
            GroupError::OutOfMemory => Self::OutOfMemory,
            GroupError::Refused(record, Refusal::Left) => Self::Gone { device: device(record) },
            GroupError::Refused(record, Refusal::Busy | Refusal::State(_)) => {
                Self::State { device: device(record), state: record.state() }
            }
            GroupError::CutOff(record) => Self::CutOff { device: device(record) },
            GroupError::CutOffTogether { member, with } => {
                Self::CutOffTogether { device: device(member), with: device(with) }
            }
        }
    }
}
