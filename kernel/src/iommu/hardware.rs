//! The machine as the `vtd` library sees it: a register window, table memory, time.

use ::frames::Order;
use dma_types::PhysAddr;
use vtd::{Clock, Registers, TableMemory};

use crate::memory::mmio::Mmio;
use crate::memory::{direct, frames};
use crate::platform::clock;

/// The register window of one unit; it stays mapped for as long as the kernel runs.
#[derive(Clone, Copy)]
pub struct Window(pub &'static Mmio);

impl Registers for Window {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read32(&self, offset: usize) -> u32 {
        self.0.read32(offset)
    }

    fn write32(&self, offset: usize, value: u32) {
        self.0.write32(offset, value);
    }

    fn read64(&self, offset: usize) -> u64 {
        self.0.read64(offset)
    }

    fn write64(&self, offset: usize, value: u64) {
        self.0.write64(offset, value);
    }
}

/// Frames as table memory. They come from the frame allocator, so no buffer of a driver is among them.
pub struct FrameMemory;

impl TableMemory for FrameMemory {
    fn allocate(&mut self) -> Option<PhysAddr> {
        frames::allocate_zeroed()
    }

    fn free(&mut self, page: PhysAddr) {
        if let Err(error) = frames::free(page, Order::FRAME) {
            log::error!("a table page is lost: {error}");
        }
    }

    fn read(&self, at: PhysAddr) -> u64 {
        direct::read_word(at)
    }

    fn write(&mut self, at: PhysAddr, value: u64) {
        direct::write_word(at, value);
    }

    fn flush(&self, at: PhysAddr, bytes: u64) {
        direct::flush_cache(at, bytes);
    }
}

/// The kernel's clock.
pub struct KernelClock;

impl Clock for KernelClock {
    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    fn relax(&self) {
        core::hint::spin_loop();
    }
}
