//! What every driver is to the rest of the kernel.

use alloc::boxed::Box;
use core::any::Any;
use core::fmt;

use ::interrupts::NoVector;
use ::interrupts::message::OutOfReach;

use super::{DeviceRecord, Disk, Function, Nic};
use crate::devices::Overreach;
use crate::dma::DmaError;
use crate::iommu::IommuError;
use crate::memory::mmio::MmioError;

/// A driver at work on one function.
pub trait Driver: Any + Sync {
    /// The kernel's record of the function.
    fn record(&self) -> &'static DeviceRecord;

    /// The device as one that can be told to overreach.
    fn overreach(&self) -> Option<&dyn Overreach> {
        None
    }

    /// The device as a store of blocks.
    fn disk(&self) -> Option<&dyn Disk> {
        None
    }

    /// The device as a network card.
    fn nic(&self) -> Option<&dyn Nic> {
        None
    }

    /// How many requests the device may have under way.
    fn requests(&self) -> Requests {
        Requests::Many
    }

    /// Goes on with what starting left to do while others start as well. Called again and again, with pauses,
    /// until it has nothing left.
    fn settle(&self) -> Settling {
        Settling::Done
    }

    /// Takes note that the device was cut off: requests that are under way end with an error.
    ///
    /// Called outside of interrupts, after the fact; a driver that waits finds out by itself.
    fn cut_off(&self) {}

    /// Resets the device and starts it again, after it was let back into its domain.
    ///
    /// # Errors
    /// If the device does not come up; its requests fail then.
    fn restart(&self) -> Result<(), StartError>;
}

/// How many requests a device may have under way at once.
///
/// A unit may merge faults of one requester for as long as a record of it waits, without a trace: only of a device
/// that makes one request at a time it is known that a record stands for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    /// One, within one page, and the next long after.
    One,
    /// Any number.
    Many,
}

/// Whether a driver has left its start behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// There is more to do.
    Going,
    /// It has.
    Done,
}

/// A driver that is there to be started.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Tells whether it is for a function.
    pub serves: fn(&pci::Function) -> bool,
    /// Starts it on such a function.
    pub start: fn(&Function) -> Result<Box<dyn Driver>, StartError>,
}

/// Why a device has no driver although there is one for it, or does not come up again.
#[derive(Debug)]
pub enum StartError {
    /// The register window does not exist.
    NoWindow {
        /// The base address register.
        bar: u8,
    },
    /// The register window cannot be mapped.
    Window(MmioError),
    /// The function can send no messages.
    NoMessages,
    /// There is no vector for its message.
    NoVector(NoVector),
    /// Its message does not reach the processor.
    OutOfReach(OutOfReach),
    /// It got no interrupt entry of its unit.
    Entries(IommuError),
    /// The device, or memory for it, was not given.
    Dma(DmaError),
    /// The device itself does not do what it should.
    Device(Box<dyn core::error::Error + Send + Sync>),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWindow { bar } => write!(f, "the device has no register window {bar}"),
            Self::Window(error) => error.fmt(f),
            Self::NoMessages => f.write_str("the device can send no interrupt message"),
            Self::NoVector(refusal) => refusal.fmt(f),
            Self::OutOfReach(refusal) => refusal.fmt(f),
            Self::Entries(error) => write!(f, "its interrupts cannot be let through: {error}"),
            Self::Dma(error) => write!(f, "the driver did not get the device: {error}"),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}

impl From<DmaError> for StartError {
    fn from(error: DmaError) -> Self {
        Self::Dma(error)
    }
}
