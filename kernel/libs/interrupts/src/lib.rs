//! Who may interrupt the processor: vectors and their owners, the message that a device sends, the mode of the local APIC,
//! and how what firmware left armed falls silent.
//!
//! Documents: Intel SDM volume 3, "Advanced Programmable Interrupt Controller (APIC)"; Intel 82093AA; IA-PC HPET.
//!
//! # Example
//! ```
//! use dma_types::ApicId;
//! use interrupts::{VectorOwner, VectorTable, message};
//!
//! let mut table = VectorTable::new();
//! let owner = VectorOwner { function: "00:05.0".parse()?, message: 0, processor: ApicId(0) };
//! let vector = table.give(owner)?;
//! assert_eq!(table.owner(vector.number()), Some(owner));
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

extern crate alloc;
#[cfg(test)]
extern crate std;

mod class;
pub mod hpet;
pub mod io_apic;
pub mod message;
mod mode;
mod owner;
mod table;

pub use class::{DEVICE_VECTORS, FIRST_DEVICE_VECTOR, LAST_DEVICE_VECTOR, VectorClass};
pub use mode::{ApicMode, Choice, ModeLock, Offer, Reason, Routing, Situation, Wish, choose};
pub use owner::VectorOwner;
pub use table::{DeviceVector, Flow, NoVector, Row, VectorTable};
