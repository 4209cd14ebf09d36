//! Intel 82574 Gigabit Ethernet controller: register and descriptor layouts, and what a driver must decide.
//!
//! `spec` holds layouts only; the other modules hold behaviour: bring-up, rings, buffers in them, and telling frames from
//! what a device claims to be one. Nothing here touches hardware: registers are reached through [`Registers`], time through
//! [`Clock`]; descriptors pass through by value.
//!
//! Document: Intel 82574 GbE Controller Family Datasheet, Revision 3.4, cited as 82574 with section or
//! register title.
//!
//! # Example
//! ```
//! use e1000e::{Ring, RingSize};
//!
//! let mut ring = Ring::new(RingSize::new(8).expect("a multiple of eight"));
//! // One slot stays empty, or a full ring would look like an empty one.
//! assert_eq!(ring.room(), 7);
//! assert_eq!((ring.give(), ring.give()), (Some(0), Some(1)));
//! assert_eq!(ring.tail(), 2);
//! // The device is done with the first.
//! assert_eq!((ring.take_back(), ring.lent()), (Some(0), 1));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod controller;
#[cfg(test)]
mod fake;
mod frames;
mod loans;
pub mod loopback;
mod ring;
pub mod spec;

pub use controller::{Controller, ControllerError, Mode, RingPlace};
pub use frames::{Defect, FrameReader, HEADER, LONGEST_FRAME, Piece};
pub use loans::{Descriptors, Nonsense, ReceiveRing, Returned, Stall, TransmitRing};
pub use mmio_regs::{Clock, Registers, TypedAccess};
pub use ring::{Ring, RingSize};
pub use spec::address::MacAddress;

/// Vendor and device ids of the controllers that the document describes: 82574L and 82574LA.
pub const IDS: [(u16, u16); 2] = [(0x8086, 0x10d3), (0x8086, 0x10f6)];

/// Bytes of the register window, BAR 0 (82574 "Memory-Mapped Access").
pub const WINDOW: usize = 0x2_0000;
