//! Physical memory: what there is, what is free, and whose it is.
//!
//! [`MemoryMap`] keeps what the firmware said, [`FrameTable`] hands out 4 KiB frames and remembers whether
//! the kernel keeps one for itself or a device may reach it. Both work in memory that the caller gives them
//! and never touch the frames themselves. [`Parts`] divides one frame among short buffers.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod bit_set;
mod bit_tree;
mod buddy;
mod map;
mod parts;
mod span;
mod table;

pub use buddy::Order;
pub use map::{MAX_REGIONS, MapFull, MemoryKind, MemoryMap, Region};
pub use parts::{NoSuchPart, PartSize, Parts};
pub use span::Span;
pub use table::{FrameTable, FreeError, Owner};
