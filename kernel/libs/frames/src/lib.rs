//! Physical memory: what there is, what is free, and whose it is.
//!
//! [`MemoryMap`] keeps what the firmware said, [`FrameTable`] hands out 4 KiB frames and remembers whether
//! the kernel keeps one for itself or a device may reach it. Both work in memory that the caller gives them
//! and never touch the frames themselves. [`Parts`] divides one frame among short buffers.
//!
//! # Example
//! ```
//! use dma_types::PhysAddr;
//! use frames::{FrameTable, Order, Owner, Span};
//!
//! let end = PhysAddr::new(0x80_0000);
//! let mut memory = vec![0; FrameTable::words_needed(end)];
//! let mut table = FrameTable::new(end, &mut memory).expect("there is room for it");
//! table.add(Span::new(PhysAddr::new(0x10_0000), end));
//!
//! let frame = table.allocate(Order::FRAME, Owner::Kernel).expect("something is free");
//! // What the kernel keeps for itself is never mapped for a device.
//! assert!(table.is_kernel(Span::with_length(frame, 1)));
//! table.free(frame, Order::FRAME)?;
//! assert_eq!(table.free_frames(), table.total_frames());
//! # Ok::<(), frames::FreeError>(())
//! ```
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
