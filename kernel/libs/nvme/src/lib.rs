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
