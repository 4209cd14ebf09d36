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
//! and a release appends to it: some 30 instructions each (one division-free size class, one chunk look-up
//! of the piece, one queue link), whatever the number of live ranges. While a queue is within its
//! quarantine, a slot is cut from open room instead: some 80 instructions. Only where the window is
//! exhausted are free neighbours merged again, in one pass over the pieces, without memory.
//!
//! Memory: 32 bytes a piece, in chunks of 512. Pieces are bounded by the largest number of ranges ever
//! live at once, plus the quarantine of each size in use (at most 512 slots), plus the holes that
//! alignment left. Nothing grows with the window.
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
mod window;

pub use allocator::IovaAllocator;
pub use arena::{Arena, OutOfMemory};
pub use error::IovaError;
pub use pieces::SlotId;
pub use range::IovaRange;
pub use window::window_for;
