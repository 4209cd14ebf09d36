//! Allocates I/O virtual addresses for one domain.
//!
//! [`IovaAllocator`] hands out page ranges of a window of device addresses. Three promises carry the
//! rest of the system:
//!
//! - **Gaps.** Behind every range lies at least one page that no other range uses, so that a device which
//!   runs past the end of its buffer meets an unmapped page.
//! - **Quarantine.** A freed range goes to the end of a queue. The same number comes back only after many
//!   others, so that a late access through a freed range faults and its last owner is still on the books.
//! - **Nothing near what is not ours.** Page 0, the interrupt range and every reserved range are left out.
//!
//! # How, and at what price
//! The window is cut into *pieces*, linked in address order: slots (a range and its gap) and open room.
//! Slots of equal size share a queue. In a steady state an allocation takes the oldest slot of its queue
//! and a release appends to it: 70 and 56 instructions as counted on the host (calls included, overflow
//! checks on), whatever the number of live ranges. While a queue is within its quarantine, a slot is cut
//! from open room instead: some 450 instructions, once for each slot. Only where the window is exhausted
//! are free neighbours merged again, in one pass over the pieces, without memory.
//!
//! Memory: 32 bytes a piece, in chunks of 64. Pieces are bounded by the largest number of ranges ever live
//! at once, plus the quarantine of each size in use (256 slots; 16 and 4 for those aligned to 2 MiB and
//! 1 GiB), plus the holes that alignment left. The allocator itself has 3 KiB. Nothing grows with the window
//! or with time.
//!
//! # Example
//! ```
//! use dma_types::{Iova, PAGE_SIZE, PageSize};
//! use iova::{IovaAllocator, window_for};
//!
//! // A device with 32 address bits, behind a unit that translates 39.
//! let window = window_for(Iova::new(0xffff_ffff), 39);
//! let mut room = IovaAllocator::new(window, [], Iova::new(0))?;
//! let first = room.allocate(3, PageSize::Size4K)?;
//! let second = room.allocate(1, PageSize::Size4K)?;
//! // Behind each lies a gap.
//! assert!(second.start().as_u64() >= first.end().as_u64() + PAGE_SIZE);
//! room.free(first)?;
//! // The freed addresses are not handed out again at once.
//! assert!(room.allocate(3, PageSize::Size4K)?.start() > second.start());
//! # Ok::<(), iova::IovaError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod allocator;
mod arena;
mod error;
mod pieces;
mod range;
mod size_class;
#[cfg(test)]
mod tests;
mod width;
mod window;

pub use allocator::IovaAllocator;
pub use arena::{Arena, OutOfMemory};
pub use error::IovaError;
pub use pieces::SlotId;
pub use range::IovaRange;
pub use width::WidthTrial;
pub use window::{DomainWindow, window_for};
