//! The vocabulary of DMA isolation: devices, addresses, directions, domains.
//!
//! Every other library and the kernel speak in these types, so that a device's address cannot be taken
//! for a physical one, nor a requester id for a device that merely stands behind it.
//!
//! Documents: PCI Express Base (requester id), VT-d 774206 (second-stage page sizes, domain id).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod access;
mod address;
mod device;

pub use access::{Access, Direction, Permissions};
pub use address::{Iova, PAGE_SIZE, PageSize, PhysAddr};
pub use device::{Bdf, DomainId, ParseBdfError, Segment, SourceId};
