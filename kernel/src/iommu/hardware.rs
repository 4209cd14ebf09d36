//! The machine as the `vtd` library sees it: a register window, table memory, time.

use core::sync::atomic::{AtomicU64, Ordering};

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

    #[inline]
    fn read(&self, at: PhysAddr) -> u64 {
        direct::read_word(at)
    }

    #[inline]
    fn write(&mut self, at: PhysAddr, value: u64) {
        direct::write_word(at, value);
    }

    #[inline(always)]
    fn any(&self, at: PhysAddr, words: u64) -> u64 {
        if words == 1 {
            return self.read(at);
        }
        // Units only read the entries of tables.
        let (lines, rest) = direct::own_words(at, words).as_chunks::<LINE>();
        let of = |words: &[u64]| words.iter().fold(0, |bits, word| bits | word);
        lines.iter().fold(of(rest), |bits, line| bits | of(line))
    }

    #[inline(always)]
    fn each_has(&self, at: PhysAddr, words: u64, mask: u64) -> bool {
        if words == 1 {
            return self.read(at) & mask != 0;
        }
        let own = direct::own_words(at, words);
        let (lines, rest) = own.as_chunks::<LINE>();
        let of = |words: &[u64]| words.iter().fold(u64::MAX, |bits, word| bits & word);
        let common = lines.iter().fold(of(rest), |bits, line| bits & of(line));
        // Most often one bit is set in all of them.
        common & mask != 0 || own.iter().all(|word| word & mask != 0)
    }

    #[inline(always)]
    fn fill(&mut self, at: PhysAddr, words: u64, first: u64, step: u64) {
        if words == 1 {
            return self.write(at, first);
        }
        let (lines, rest) = direct::words(at, words).as_chunks::<LINE>();
        let mut value = first;
        let mut put = |word: &AtomicU64| {
            word.store(value, Ordering::Relaxed);
            value = value.wrapping_add(step);
        };
        lines.iter().for_each(|line| line.iter().for_each(&mut put));
        rest.iter().for_each(&mut put);
    }

    #[inline(always)]
    fn write_two(&mut self, at: PhysAddr, words: [u64; 4]) {
        for (place, word) in direct::words(at, 4).iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn flush(&self, at: PhysAddr, bytes: u64) {
        direct::flush_cache(at, bytes);
    }
}

/// Words that are looked at in one go: a cache line of them.
const LINE: usize = 8;

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
