//! Who may interrupt the processor: vectors and their owners, and the message that a device sends.
//!
//! Documents: Intel SDM volume 3, "Advanced Programmable Interrupt Controller (APIC)".
//!
//! # Example
//! ```
//! use interrupts::{ApicId, Sender, VectorTable, message};
//!
//! let mut table = VectorTable::new();
//! let sender = Sender { function: "00:05.0".parse()?, message: 0, processor: ApicId(0) };
//! let vector = table.give(sender)?;
//! assert_eq!(table.owner(vector.number()), Some(sender));
//! assert_eq!(message::of_device(&vector)?.address, 0xfee0_0000);
//! // Whoever gives a vector back has it no more: `vector` is moved.
//! table.give_back(vector);
//! assert_eq!(table.given(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

mod class;
pub mod message;
mod owner;
mod table;

pub use class::{DEVICE_VECTORS, FIRST_DEVICE_VECTOR, LAST_DEVICE_VECTOR, VectorClass};
pub use owner::{ApicId, Sender};
pub use table::{DeviceVector, Flow, NoVector, Row, VectorTable};
