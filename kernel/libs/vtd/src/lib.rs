//! Intel VT-d: register and table layouts, and the behaviour of a remapping unit.
//!
//! `spec` holds layouts only; the other modules hold behaviour. Nothing here touches hardware: registers
//! are reached through [`Registers`], tables through [`TableMemory`], time through [`Clock`]. The kernel
//! supplies the real ones; `testing` a unit that follows the specification and a walker that translates
//! from table memory alone.
//!
//! Document: VT-d 774206, cited by section title.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate std;

mod fault;
mod hardware;
mod invalidation;
mod queue;
mod registers;
pub mod spec;
pub mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unit;
mod wait;

pub use fault::{DrainOutcome, FaultPort};
pub use hardware::{Clock, Registers, TableMemory};
pub use invalidation::{
    BatchPlan, Blocks, Changed, Invalidation, InvalidationError, MAX_BLOCKS, PageBlock, RangePlan,
};
pub use queue::{MAX_BATCH, QueueError};
pub use registers::TypedAccess;
pub use unit::{
    AnnounceError, AttachError, BringUp, EnforcementLost, EnforcementPort, FirmwareState, InvalidationPath,
    MsiMessage, RetireError, TakeBackError, Ticket, Unit, UnitError, WindowPart, register_bytes,
};
pub use wait::{ANSWER_LIMIT_NS, EMPTY_QUEUE_LIMIT_NS, TimedOut};
