//! The machine as the `vtd` library sees it: a register window, table memory, and the clock.

use crate::memory::mmio::Mmio;
pub use crate::memory::tables::FrameMemory;
pub use crate::platform::clock::KernelClock;

/// The register window of one unit; it stays mapped for as long as the kernel runs.
pub type Window = &'static Mmio;
