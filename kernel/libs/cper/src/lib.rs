//! UEFI Common Platform Error Records (CPER) about blocked DMA.
//!
//! A record is a header, a descriptor for each section, and the sections. [`DmaFault`] writes one with the two
//! sections that a VT-d unit's fault calls for; [`Record`] reads any record, keeps sections that it does not
//! know as bytes, and trusts nothing in it. Neither allocates.
//!
//! Document: UEFI Specification 2.10, appendix N "Common Platform Error Record (CPER)"; all citations are of it.
//!
//! # Example
//! ```
//! use cper::{NoRecord, Record};
//!
//! // Whatever is handed to it, reading ends in a record or in what is missing of one.
//! assert!(matches!(Record::parse(b"CPER, or so it says"), Err(NoRecord::TooShort { .. })));
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod fault;
mod field;
mod generic;
mod guid;
mod header;
mod read;
mod section;
#[cfg(test)]
mod tests;
mod vtd;

pub use fault::{BufferTooSmall, DmaFault};
pub use generic::{AccessType, Architecture, DmarGeneric, GenericReason};
pub use guid::Guid;
pub use header::{Flags, Header, Severity};
pub use read::{NoRecord, Record};
pub use section::{Body, Section};
pub use vtd::VtdDmar;
