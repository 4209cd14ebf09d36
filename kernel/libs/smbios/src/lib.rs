//! What a machine and its firmware call themselves (SMBIOS 3.7).
//!
//! [`EntryPoint::find`] looks through the memory where a BIOS puts the entry point; [`Names::read`] takes what the table it
//! leads to says. Both are firmware's, and may be anything: lengths are checked against what is there, every loop moves on,
//! and a text is taken up to its first character that is not printable ASCII. (The crate `dmidecode` indexes by lengths
//! that it has read, and panics at some.)
//!
//! # Example
//! ```
//! use smbios::Names;
//!
//! // System Information (type 1), of eight bytes and two strings, and the end of the table.
//! let table = b"\x01\x08\x00\x00\x01\x02\x00\x00ACME\0PC 1\0\0\x7f\x04\x00\x00\0\0";
//! let names = Names::read(table);
//! assert_eq!((names.maker, names.product, names.board), (Some("ACME"), Some("PC 1"), None));
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

#[cfg(test)]
extern crate std;

mod entry;
mod names;

pub use entry::EntryPoint;
pub use names::Names;
