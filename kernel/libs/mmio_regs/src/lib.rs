//! Typed device registers: where one lies, how wide it is, what it holds and how it may be touched.
//!
//! A table of registers is a list of [`Register`] constants. Width and meaning come from the value's type, the access
//! kind from a marker type, so that a status register cannot be written and a write-1-to-clear register can only be
//! cleared: whoever tries does not get past the compiler. The window itself is a [`Registers`], which the kernel implements
//! by volatile accesses and tests by a device made of software; waits go by a [`Clock`], so that tests need no time.
//!
//! # Example
//! ```
//! use core::cell::Cell;
//! use mmio_regs::{ReadOnly, Register, Registers, TypedAccess, WriteOneToClear, register_value};
//!
//! #[derive(Clone, Copy, Debug, PartialEq)]
//! struct Version(u32);
//! register_value!(fields Version: u32);
//!
//! const VERSION: Register<Version, ReadOnly> = Register::new("VERSION", 0x0);
//! const EVENTS: Register<u32, WriteOneToClear> = Register::new("EVENTS", 0x4);
//!
//! struct Device(Cell<u32>);
//! impl Registers for Device {
//!     fn len(&self) -> usize {
//!         8
//!     }
//!     fn read32(&self, offset: usize) -> u32 {
//!         if offset == 0 { 0x10 } else { self.0.get() }
//!     }
//!     fn write32(&self, _offset: usize, ones: u32) {
//!         self.0.set(self.0.get() & !ones);
//!     }
//! }
//!
//! let device = Device(Cell::new(0b11));
//! assert_eq!(device.get(VERSION), Version(0x10));
//! device.clear(EVENTS, 0b01);
//! assert_eq!(device.get(EVENTS), 0b10);
//! // `device.set(VERSION, Version(1))` does not compile: the register is `ReadOnly`.
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod clock;
mod register;
mod window;

pub use clock::Clock;
pub use register::{
    ReadOnly, ReadWrite, Readable, Register, RegisterValue, Writable, WriteOneToClear, WriteOnly,
};
pub use window::{Registers, TypedAccess};
