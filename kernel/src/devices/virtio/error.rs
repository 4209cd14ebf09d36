//! What can go wrong with a virtio device.

use alloc::boxed::Box;
use core::fmt;

use virtio::{CheckError, LayoutError, NegotiationError, RingError};

use crate::devices::StartError;
use crate::dma::DmaError;

/// Why a virtio device is not driven, or has to be started again.
pub enum VirtioError {
    /// Its structures are not there.
    Layout(LayoutError),
    /// Its structures do not lie where it says.
    Check(CheckError),
    /// The crate's transport refuses it, for all that its structures were checked.
    Transport,
    /// It does not agree on features.
    Negotiation(NegotiationError),
    /// A queue has no room now.
    Full,
    /// It has no such queue or structure, or a shorter one than the driver needs.
    Missing,
    /// The crate refuses to use a queue.
    Queue,
    /// It could not be given memory.
    Dma(DmaError),
    /// Its queue got no memory: the driver's crate does not say why.
    NoQueueMemory,
    /// It cannot truly have done with a queue what it says.
    Ring(RingError),
    /// It was given up.
    GivenUp,
    /// It refuses an interrupt vector.
    Vector {
        /// For this queue.
        queue: u16,
    },
    /// It names no place where a queue is notified.
    Notification {
        /// The queue.
        queue: u16,
    },
    /// Its configuration changes whenever it is read.
    Restless,
}

impl fmt::Display for VirtioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(error) => error.fmt(f),
            Self::Check(error) => error.fmt(f),
            Self::Transport => f.write_str("the device cannot be reached"),
            Self::Negotiation(error) => error.fmt(f),
            Self::Full => f.write_str("the device's queue is full"),
            Self::Missing => f.write_str("the device has no such queue or structure, or a short one"),
            Self::Queue => f.write_str("a queue of the device fails"),
            Self::Dma(error) => error.fmt(f),
            Self::NoQueueMemory => f.write_str("the device's queue got no memory"),
            Self::Ring(error) => error.fmt(f),
            Self::GivenUp => f.write_str("the device is not used any more after what it did before"),
            Self::Vector { queue } => write!(f, "the device takes no interrupt vector for queue {queue}"),
            Self::Notification { queue } => {
                write!(f, "the device names no place to notify queue {queue} within its window")
            }
            Self::Restless => f.write_str("the device's configuration changes whenever it is read"),
        }
    }
}

/// As for people: what is in it would bring the text of every error below it into the kernel.
impl fmt::Debug for VirtioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for VirtioError {}

impl From<virtio_drivers::Error> for VirtioError {
    fn from(error: virtio_drivers::Error) -> Self {
        use virtio_drivers::Error;
        match error {
            Error::QueueFull => Self::Full,
            Error::DmaError => Self::NoQueueMemory,
            Error::InvalidParam | Error::ConfigSpaceMissing | Error::ConfigSpaceTooSmall => Self::Missing,
            _ => Self::Queue,
        }
    }
}

impl From<RingError> for VirtioError {
    fn from(error: RingError) -> Self {
        Self::Ring(error)
    }
}

impl From<DmaError> for VirtioError {
    fn from(error: DmaError) -> Self {
        Self::Dma(error)
    }
}

impl From<VirtioError> for StartError {
    fn from(error: VirtioError) -> Self {
        Self::Device(Box::new(error))
    }
}
