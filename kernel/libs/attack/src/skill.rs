//! What a device can be made to do, and how that goes.

use alloc::vec::Vec;
use core::fmt;

use dma_types::{Access, Iova};

/// What a device can be made to do to memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skill {
    /// It keeps what it reads and writes it again: any bytes.
    Copies {
        /// Bytes of one transfer.
        bytes: u32,
    },
    /// It knows one content and writes another, nothing else: a disk compares memory with one of its blocks,
    /// and reads another block into memory.
    Recognises {
        /// What it knows when it reads it; not all zeros, if it can be had, since those prove nothing.
        key: Vec<u8>,
        /// What it writes; all zeros, if they can be had, since those stand in many places already.
        stamp: Vec<u8>,
    },
}

impl Skill {
    /// Bytes of one transfer.
    pub fn bytes(&self, access: Access) -> u32 {
        match self {
            Self::Copies { bytes } => *bytes,
            Self::Recognises { key, .. } if access == Access::Read => key.len() as u32,
            Self::Recognises { stamp, .. } => stamp.len() as u32,
        }
    }
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    Busy,
    /// It is over, one way or another.
    Done,
    /// A device that recognises has read its key.
    Recognised,
    /// A device that recognises has read something else, or nothing.
    NotRecognised,
}

/// Why a transfer cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartRefused {
    /// Another one goes on.
    Busy,
    /// The device makes no such request.
    Access(Access),
    /// The device makes no request at this address.
    Address(Iova),
    /// The device does not work, and could not be got to.
    Dead,
}

impl fmt::Display for StartRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the device is still busy with the transfer before"),
            Self::Access(access) => write!(f, "the device makes no {access} request"),
            Self::Address(iova) => write!(f, "the device makes no request at {iova}"),
            Self::Dead => f.write_str("the device does not work any more"),
        }
    }
}

impl core::error::Error for StartRefused {}
