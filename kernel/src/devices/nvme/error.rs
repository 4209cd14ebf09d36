//! What can go wrong between the driver and a controller.

use core::fmt;

use nvme::spec::status::Status;
use nvme::{Nonsense, PrpError};

use crate::devices::{DiskError, StartError};
use crate::dma::DmaError;

/// Why a controller did not do as told.
#[derive(Debug)]
pub enum NvmeError {
    /// It does not answer at all.
    Gone,
    /// It has no command set for blocks.
    NoBlocks,
    /// It works with larger pages only.
    PageSize {
        /// Bytes of its smallest.
        bytes: u64,
    },
    /// Its queue entries are of other sizes than every controller's must be.
    EntrySizes,
    /// Its registers end before the doorbells.
    Doorbells {
        /// Bytes that they need.
        bytes: usize,
    },
    /// It reports an error that only a reset ends.
    Fatal,
    /// It did not become ready, or did not reset, in the time that it states itself.
    NotReady,
    /// It did not complete a command in time.
    Timeout,
    /// It completes what it was not told to do, without end.
    Nonsense(Nonsense),
    /// The command went with a reset that another one made necessary.
    Reset,
    /// The device is cut off.
    CutOff,
    /// As many commands are under way as there may be.
    Busy,
    /// It ended a command with this status.
    Status(Status),
    /// The buffer cannot be described to it.
    Prp(PrpError),
    /// More bytes than one command moves.
    TooLong {
        /// The bytes.
        bytes: u64,
    },
    /// Memory was not given, or did not come back.
    Dma(DmaError),
}

impl fmt::Display for NvmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the controller does not answer"),
            Self::NoBlocks => f.write_str("the controller has no command set for blocks"),
            Self::PageSize { bytes } => {
                write!(f, "the controller's smallest page has {bytes} bytes, expected 4096")
            }
            Self::EntrySizes => f.write_str("the controller takes no queue entries of 64 and 16 bytes"),
            Self::Doorbells { bytes } => {
                write!(f, "the controller's registers have fewer than {bytes} bytes")
            }
            Self::Fatal => f.write_str("the controller reports a fatal error"),
            Self::NotReady => f.write_str("the controller did not become ready in time"),
            Self::Timeout => f.write_str("the controller did not complete a command in time"),
            Self::Nonsense(nonsense) => nonsense.fmt(f),
            Self::Reset => f.write_str("the controller was reset while it had the command"),
            Self::CutOff => f.write_str("the device is cut off"),
            Self::Busy => f.write_str("as many commands are under way as there may be"),
            Self::Status(status) => status.fmt(f),
            Self::Prp(error) => error.fmt(f),
            Self::TooLong { bytes } => write!(f, "one command does not move {bytes} bytes"),
            Self::Dma(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NvmeError {}

impl From<DmaError> for NvmeError {
    fn from(error: DmaError) -> Self {
        Self::Dma(error)
    }
}

impl From<Nonsense> for NvmeError {
    fn from(error: Nonsense) -> Self {
        Self::Nonsense(error)
    }
}

impl From<PrpError> for NvmeError {
    fn from(error: PrpError) -> Self {
        Self::Prp(error)
    }
}

impl From<NvmeError> for StartError {
    fn from(error: NvmeError) -> Self {
        match error {
            NvmeError::Dma(error) => Self::Dma(error),
            other => Self::Device(alloc::boxed::Box::new(other)),
        }
    }
}

impl From<NvmeError> for DiskError {
    fn from(error: NvmeError) -> Self {
        match error {
            NvmeError::Dma(error) => Self::Dma(error),
            NvmeError::CutOff => Self::CutOff,
            NvmeError::Status(status) => Self::Refused(status.code().0),
            _ => Self::Timeout,
        }
    }
}
