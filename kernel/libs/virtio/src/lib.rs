//! What a virtio device says of itself, checked, and what it is told.
//!
//! The crate `virtio-drivers` moves requests through queues and believes what configuration space says.
//! This crate stands before it: [`Layout`] finds the device's structures with every number checked,
//! [`CheckedConfig`] shows `virtio-drivers` a configuration space made of the checked numbers alone,
//! [`negotiate()`] settles on features with the IOMMU among them, [`InFlight`] takes nothing back but what was
//! given, and [`block`] and [`net`] are the bytes that the two kinds of devices exchange.
//!
//! Document: Virtual I/O Device (VIRTIO) 1.2, cited as virtio.
//!
//! # Example
//! ```
//! use virtio::block::{HEADER, Request, Status};
//!
//! let header = Request::Read { block: 2 }.header();
//! assert_eq!(header, *b"\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
//! assert_eq!(header.len(), HEADER);
//! // What stands in the answer's place until the device has answered is no answer.
//! assert_ne!(Status::NONE, Status::OK);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod block;
mod checked_config;
pub mod common;
mod in_flight;
mod layout;
mod negotiate;
pub mod net;

pub use checked_config::{CheckError, CheckedConfig, Window};
pub use in_flight::{Given, InFlight, RingError};
pub use layout::{Layout, LayoutError, Region, is_virtio};
pub use negotiate::{NegotiationError, negotiate, reset};
