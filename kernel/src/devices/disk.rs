//! Devices that store blocks.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::dma::{DmaError, PageBuffer};

/// A store of blocks. Every call waits until the device is done, within a deadline.
pub trait Disk: Sync {
    /// What it calls itself, for people: model and serial number.
    fn description(&self) -> &str;

    /// How its medium is, in a line, if it can tell.
    fn health(&self) -> Option<String> {
        None
    }

    /// What it stores.
    fn namespaces(&self) -> Vec<Namespace>;

    /// Reads `blocks` blocks from `block` on to the start of a buffer, and gives the buffer back.
    ///
    /// # Errors
    /// If the range or the buffer does not suit, or the device refuses or does not answer.
    fn read(
        &self,
        namespace: u32,
        block: u64,
        buffer: PageBuffer,
        blocks: u32,
    ) -> Result<PageBuffer, DiskError>;

    /// Writes `blocks` blocks from `block` on from the start of a buffer, and gives the buffer back.
    ///
    /// Who may write is decided by the caller.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    fn write(
        &self,
        namespace: u32,
        block: u64,
        buffer: PageBuffer,
        blocks: u32,
    ) -> Result<PageBuffer, DiskError>;

    /// Makes what was written last beyond a loss of power.
    ///
    /// # Errors
    /// If the device refuses or does not answer.
    fn flush(&self, namespace: u32) -> Result<(), DiskError>;
}

/// A range of blocks that a disk numbers from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its number; 1 for disks that have but one.
    pub id: u32,
    /// Blocks.
    pub blocks: u64,
    /// Bytes of a block.
    pub block_bytes: u32,
}

impl Namespace {
    /// The bytes of a range of blocks that a buffer is to hold.
    ///
    /// # Errors
    /// If the range is empty or reaches beyond the namespace, or the buffer is smaller.
    pub fn bytes(&self, block: u64, blocks: u32, buffer: &PageBuffer) -> Result<u64, DiskError> {
        let end = block.checked_add(u64::from(blocks));
        if blocks == 0 || end.is_none_or(|end| end > self.blocks) {
            return Err(DiskError::Range { block, blocks, of: self.blocks });
        }
        let bytes = u64::from(blocks).checked_mul(u64::from(self.block_bytes));
        bytes.filter(|bytes| *bytes <= buffer.len()).ok_or(DiskError::Buffer { bytes: buffer.len() })
    }
}

/// Why a disk did not do as told.
#[derive(Debug)]
pub enum DiskError {
    /// There is no such namespace.
    NoNamespace(u32),
    /// The blocks lie beyond the namespace, or are none, or too many for one request.
    Range {
        /// The first.
        block: u64,
        /// How many.
        blocks: u32,
        /// How many the namespace has.
        of: u64,
    },
    /// The buffer is smaller than the blocks.
    Buffer {
        /// Its bytes.
        bytes: u64,
    },
    /// The device could not be given the buffer.
    Dma(DmaError),
    /// The request ended without the buffer that was lent for it, which stays out of use.
    BufferLost,
    /// The device is cut off.
    CutOff,
    /// The device did not answer in time.
    Timeout,
    /// The device does not do what it must; the log says what.
    Broken,
    /// The device says that all went well, but did not write all of the data.
    Incomplete {
        /// Bytes that it wrote, its status among them.
        written: usize,
        /// Bytes that it was to write.
        of: usize,
    },
    /// The device refused, with this status.
    Refused(u16),
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNamespace(id) => write!(f, "the disk has no namespace {id}"),
            Self::Range { block, blocks, of } => {
                write!(
                    f,
                    "{blocks} blocks from {block} on do not lie within the {of} blocks of the namespace"
                )
            }
            Self::Buffer { bytes } => write!(f, "{bytes} bytes of memory do not hold the blocks"),
            Self::Dma(error) => error.fmt(f),
            Self::BufferLost => f.write_str("the buffer that was lent to the disk did not come back"),
            Self::CutOff => f.write_str("the disk is cut off; `release` lets it work again"),
            Self::Timeout => f.write_str("the disk did not answer in time"),
            Self::Broken => f.write_str("the disk does not do what it must; a line before this says what"),
            Self::Incomplete { written, of } => {
                write!(f, "the disk says that all went well, but wrote {written} of {of} bytes")
            }
            Self::Refused(status) => write!(f, "the disk refused with status {status:#x}"),
        }
    }
}

impl core::error::Error for DiskError {}

impl From<DmaError> for DiskError {
    fn from(error: DmaError) -> Self {
        Self::Dma(error)
    }
}
