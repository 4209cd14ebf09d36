//! Devices told to overreach, and what came of it: `drill`, `attack` and `demo`.
//!
//! A probe runs in steps: the device fetches a pattern from a buffer it was given and writes it to another;
//! only if it arrives is the device known to be alive, and the same transfer at the target means something.
//! Then comes the overreach. It is judged by the fault record and by the target's memory, never by what the
//! device says, which calls a blocked transfer done.

mod aim;
mod attempt;
mod flight;
mod run;

use dma_types::{Access, Iova};

use crate::devices::DeviceRecord;
use crate::devices::edu::EduError;
use crate::dma;

pub use attempt::{Judgement, Order, Sabotage};
pub use flight::{Flight, Notice, announce, land, note_fault};
pub use run::{attack, demo, drill_all, drill_at_boot, run as run_probes};

/// A device that can be told to read or write any address.
pub trait Overreach: Sync {
    /// The kernel's record of it.
    fn record(&self) -> &'static DeviceRecord;
    /// The address space it works in.
    fn dma(&self) -> &dma::Device;
    /// Starts moving `bytes` between the device's own memory and `iova`.
    ///
    /// # Errors
    /// If the device is busy or cannot make such a request.
    fn start(&self, access: Access, iova: Iova, bytes: u32) -> Result<(), EduError>;
    /// Tells whether it still moves them.
    fn is_busy(&self) -> bool;
}
