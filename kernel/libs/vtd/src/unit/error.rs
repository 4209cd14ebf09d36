//! Why a unit cannot be used.

use core::fmt;

use dma_types::PhysAddr;

use crate::invalidation::InvalidationError;
use crate::spec::capability::{Capabilities, ExtendedCapabilities, SupportedLevels, Version};
use crate::spec::command::{GlobalStatus, RootTableAddress};
use iommu::wait::TimedOut;

/// A part of the register window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowPart {
    /// The registers with fixed offsets.
    Fixed,
    /// The fault recording registers.
    FaultRecords,
    /// The registers IVA and IOTLB.
    Iotlb,
}

impl fmt::Display for WindowPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "fixed registers",
            Self::FaultRecords => "fault records",
            Self::Iotlb => "iotlb registers",
        })
    }
}

/// Why a unit cannot be used. Whatever the error, the unit was left no more open than it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitError {
    /// The window reads as all zeros or all ones, or says things no unit says.
    NotAnswering {
        /// The version register as it was read.
        version: Version,
        /// The capability register as it was read.
        capabilities: Capabilities,
        /// The extended capability register as it was read.
        extended: ExtendedCapabilities,
    },
    /// Some registers do not fit into the window, or lie on top of others.
    Misplaced {
        /// Which registers lie outside.
        part: WindowPart,
        /// Where they would start.
        offset: usize,
        /// How many bytes they take.
        size: usize,
        /// How many bytes the window has.
        window: usize,
    },
    /// The unit walks tables of no depth that exists; it may remap interrupts only.
    NoTableLevels {
        /// The field as read.
        offered: SupportedLevels,
    },
    /// The root table does not start at a page.
    RootUnaligned {
        /// The address that was given for the root table.
        root: PhysAddr,
    },
    /// The unit cannot send the fault interrupt's message.
    MessageUnsupported {
        /// The message's address, which the unit does not take.
        address: u64,
        /// The message's data, which the unit does not take.
        data: u32,
    },
    /// Firmware left translation on in a table mode that cannot be left without an unprotected moment.
    ForeignTableMode {
        /// The root table register as found.
        register: RootTableAddress,
    },
    /// No memory for the queue.
    OutOfMemory,
    /// The unit did not answer a command in time.
    TimedOut(TimedOut),
    /// The caches could not be emptied.
    Invalidation(InvalidationError),
    /// All commands were answered, but the unit does not say that it enforces.
    NotEnforcing {
        /// The global status register as it was read last.
        status: GlobalStatus,
        /// Root table register as read.
        register: RootTableAddress,
    },
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnswering { version, capabilities, extended } => write!(
                f,
                "registers do not answer: version {:#x}, capabilities {:#x}, extended {:#x}",
                version.0, capabilities.0, extended.0
            ),
            Self::Misplaced { part, offset, size, window } => write!(
                f,
                "{part} at {offset:#x}, {size:#x} bytes, do not fit into a window of {window:#x} bytes"
            ),
            Self::NoTableLevels { offered } => {
                write!(f, "no usable table depth (sagaw {:#x})", offered.bits())
            }
            Self::RootUnaligned { root } => write!(f, "root table at {root} is not page-aligned"),
            Self::MessageUnsupported { address, data } => {
                write!(f, "fault interrupt message {data:#x} to {address:#x} cannot be sent")
            }
            Self::ForeignTableMode { register } => {
                write!(
                    f,
                    "firmware left it in table mode {}, which it cannot leave while it translates; switch DMA \
                     protection before the boot off in the firmware's set-up",
                    register.table_mode()
                )
            }
            Self::OutOfMemory => f.write_str("no memory for the invalidation queue"),
            Self::TimedOut(error) => error.fmt(f),
            Self::Invalidation(error) => error.fmt(f),
            Self::NotEnforcing { status, register } => write!(
                f,
                "does not enforce: status {:#x}, root table register {:#x}",
                status.bits(),
                register.0
            ),
        }
    }
}

impl core::error::Error for UnitError {}

impl From<TimedOut> for UnitError {
    fn from(error: TimedOut) -> Self {
        Self::TimedOut(error)
    }
}

impl From<InvalidationError> for UnitError {
    fn from(error: InvalidationError) -> Self {
        Self::Invalidation(error)
    }
}
