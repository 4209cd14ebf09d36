//! NVM Express without hardware: what stands in registers, queues and identify data, and how queues work.
//!
//! - [`spec`]: layouts only. Numbers that a device supplies stay numbers; what a device says of itself is bounded
//!   where it is read.
//! - [`QueuePair`]: the logic of one submission and one completion queue. Nothing that a device writes into a
//!   completion can make it panic, loop, or give a command back twice: such an entry is refused and counted, and after
//!   too many of them nothing is taken any more.
//! - [`Prps`]: the pointers that describe a buffer to a device.
//!
//! Documents: NVM Express Base Specification 2.0 ("Base"), NVM Command Set Specification 1.0 ("NVM"), NVMe over
//! PCIe Transport Specification 1.0 ("PCIe").
//!
//! # Example
//! ```
//! use dma_types::Iova;
//! use nvme::Prps;
//!
//! // 20 KiB that begin within a page: six pages, the first in the command itself, five in a list.
//! let buffer = Prps::new(Iova::new(0x1_0800), 20 * 1024)?;
//! assert_eq!((buffer.list_entries(), buffer.list_pages()), (5, 1));
//! let list = Iova::new(0x8_0000);
//! assert_eq!(buffer.list_entry(list, 0), 0x1_1000);
//! # Ok::<(), nvme::PrpError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod prp;
mod queue;
pub mod spec;

pub use prp::{PrpError, Prps};
pub use queue::{
    CommandId, CommandTable, CompletionRing, Completions, Finished, MAX_COMMANDS, Nonsense, QueuePair,
    Refusal, SubmissionRing, Taken,
};
