//! From the root pointer of ACPI to the list of its tables.
//!
//! Firmware may point anywhere and give any length. [`Inventory::read`] looks at memory only through
//! [`FirmwareMemory`], which refuses what is not there, and lists the tables that lie wholly in memory, with
//! wrong checksums marked, not dropped. So a damaged table can still be found, and code that trusts tables
//! more than this can be kept from those that are not sound.
//!
//! Document: ACPI 6.5 ("Root System Description Pointer", "System Description Table Header").
//!
//! # Example
//! ```
//! use acpi_root::{FirmwareMemory, Inventory, RootError};
//! use dma_types::PhysAddr;
//!
//! /// A page of zeros, and nothing else.
//! struct Empty;
//!
//! impl FirmwareMemory for Empty {
//!     fn read(&self, start: PhysAddr, len: usize) -> Option<Vec<u8>> {
//!         let end = start.as_u64().checked_add(len as u64)?;
//!         (end <= 4096).then(|| vec![0; len])
//!     }
//! }
//!
//! let at = PhysAddr::new(0xf00);
//! assert_eq!(Inventory::read(&Empty, at), Err(RootError::NoPointer { at }));
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

mod hpet;
mod inventory;
mod madt;
mod rsdp;

pub use hpet::hpet_registers;
pub use inventory::{Inventory, MAX_TABLE_LEN, MAX_TABLES, RootFinding, RootTable, Table};
pub use madt::{IoApicEntry, Madt};
pub use rsdp::RootError;

use alloc::vec::Vec;
use dma_types::PhysAddr;

/// Memory that firmware's pointers may lead to.
pub trait FirmwareMemory {
    /// Copies a physical range: exactly `len` bytes, or `None` if not all of it may be looked at.
    fn read(&self, start: PhysAddr, len: usize) -> Option<Vec<u8>>;
}

/// Tells whether the bytes add up to zero.
fn adds_up(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

/// The little-endian 32-bit number at an offset.
fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}
