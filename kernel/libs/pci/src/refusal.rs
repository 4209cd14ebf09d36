//! Why a function is not believed.

use core::fmt;

use dma_types::{Bdf, PhysAddr};

use crate::windows::{AddressRange, Claim};

/// What a function says of itself that contradicts the fabric above it or its neighbours.
///
/// Such a function gets no driver and stays blocked, in a group of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It claims buses as a bridge, or answers on such a bus, that others have a claim to as well.
    Bridge {
        /// The bridge whose bus numbers do not fit those above or beside it.
        bridge: Bdf,
    },
    /// It calls itself a bridge, and no bridge of its kind can stand where it does.
    NoBridgeHere,
    /// It calls itself a bridge, and what stands on the buses that it claims answers without it.
    Impostor,
    /// It answers on a bus to which no bridge leads.
    HiddenBus {
        /// The bridge that claims the bus.
        bridge: Bdf,
    },
    /// The bits of a base address register that can be set are no address of any window.
    Mask {
        /// The number of the base address register.
        register: u8,
        /// The bits that could be written, as read back.
        mask: u64,
    },
    /// A register window is not aligned to its size, which no register can express.
    Alignment {
        /// The base address register.
        register: u8,
        /// Where the window starts.
        start: PhysAddr,
        /// The bytes that it claims.
        bytes: u64,
    },
    /// A register window lies where it cannot.
    Window {
        /// The base address register.
        register: u8,
        /// The addresses that it claims.
        range: AddressRange,
        /// What is wrong with the place.
        conflict: Conflict,
    },
    /// A bridge passes addresses down that cannot be below it.
    Forwarded {
        /// The addresses that it claims.
        range: AddressRange,
        /// What is wrong with them.
        conflict: Conflict,
    },
    /// The table of interrupt messages, or that of the pending ones, does not lie in a register window of the function,
    /// or they lie over each other.
    Vectors {
        /// The base address register that the capability names.
        register: u8,
        /// Bytes from the start of its window.
        offset: u32,
        /// Bytes of the table.
        bytes: u64,
    },
    /// A structure that the function's capabilities name does not lie in a register window of it.
    Structure {
        /// The base address register that the capability names.
        register: u8,
        /// Bytes from the start of its window.
        offset: u32,
        /// Bytes of the structure.
        bytes: u32,
    },
}

/// What is wrong with a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// It meets what is somebody's for certain.
    Claimed(Claim),
    /// The bridge above does not pass it down.
    NotForwarded {
        /// The bridge that does not pass them down.
        bridge: Bdf,
    },
    /// Another function, or another window of the same one, has part of it; who is wrong cannot be told.
    Shared {
        /// The function that has part of them as well.
        with: Bdf,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge { bridge } => {
                write!(
                    f,
                    "the bus numbers of bridge {bridge} do not fit those of the bridges above or beside it"
                )
            }
            Self::NoBridgeHere => {
                f.write_str("it calls itself a bridge, and no bridge of its kind can stand where it does")
            }
            Self::Impostor => f.write_str(
                "it calls itself a bridge, and what stands on the buses that it claims answers without it",
            ),
            Self::HiddenBus { bridge } => {
                write!(f, "no bridge leads to its bus, which {bridge} claims")
            }
            Self::Mask { register, mask } => {
                write!(f, "base address register {register} has the impossible mask {mask:#x}")
            }
            Self::Alignment { register, start, bytes } => {
                write!(
                    f,
                    "register window {register} of {bytes:#x} bytes at {start} is not aligned to its size"
                )
            }
            Self::Window { register, range, conflict } => {
                write!(f, "register window {register}, {range}, {conflict}")
            }
            Self::Forwarded { range, conflict } => write!(f, "the bridge window {range} {conflict}"),
            Self::Vectors { register, offset, bytes } => write!(
                f,
                "an interrupt table of {bytes:#x} bytes at {offset:#x} in window {register} lies outside of it or over \
                 another"
            ),
            Self::Structure { register, offset, bytes } => {
                write!(
                    f,
                    "a structure of {bytes:#x} bytes at {offset:#x} lies outside of register window {register}"
                )
            }
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed(claim) => write!(f, "meets {}", claim.owner),
            Self::NotForwarded { bridge } => write!(f, "is not passed down by bridge {bridge} above"),
            Self::Shared { with } => write!(f, "meets another of {with}"),
        }
    }
}
