//! The vocabulary of DMA isolation: devices, addresses, directions, domains, interrupt messages, kinds of
//! faults.
//!
//! Every other library and the kernel speak in these types, so that a device's address cannot be taken
//! for a physical one, nor a requester id for a device that merely stands behind it.
//!
//! Documents: PCI Express Base 6.0 (requester id), VT-d 774206, revision 4.1 (second-stage page sizes, domain id).
//!
//! # Example
//! ```
//! use dma_types::{Access, Bdf, Direction, Iova, PAGE_SIZE};
//!
//! let card: Bdf = "00:03.0".parse()?;
//! assert_eq!(card.source.bits(), 0x18);
//! // A buffer that the card is to read grants reading, and nothing else.
//! let buffer = (Iova::new(0x1000_0000), Direction::ToDevice);
//! assert!(buffer.1.allows(Access::Read) && !buffer.1.allows(Access::Write));
//! assert!(buffer.0.is_aligned(PAGE_SIZE));
//! # Ok::<(), dma_types::ParseBdfError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod access;
mod address;
mod device;
mod fault_kind;
mod interrupt;

pub use access::{Access, Direction, Permissions};
pub use address::{Iova, PAGE_SIZE, PageSize, PhysAddr};
pub use device::{Bdf, DomainId, ParseBdfError, Segment, SourceId};
pub use fault_kind::FaultKind;
pub use interrupt::{ApicId, INTERRUPT_RANGE, InterruptIndex, MsiMessage};
