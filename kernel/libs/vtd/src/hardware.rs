//! What the library needs of the machine.

use dma_types::PhysAddr;

/// The register window of one unit.
///
/// Offsets are bytes from the window's start. Shared access suffices: a register access is volatile and
/// the hardware orders them. Implementations need not check that an offset lies in the window; the unit
/// does, once, when it reads where the variable parts lie.
#[expect(clippy::len_without_is_empty, reason = "a register window is never empty")]
pub trait Registers {
    /// Bytes of the window that are mapped.
    fn len(&self) -> usize;
    /// Reads a 32-bit register.
    fn read32(&self, offset: usize) -> u32;
    /// Writes a 32-bit register.
    fn write32(&self, offset: usize, value: u32);
    /// Reads a 64-bit register.
    fn read64(&self, offset: usize) -> u64;
    /// Writes a 64-bit register.
    fn write64(&self, offset: usize, value: u64);
}

impl<R: Registers + ?Sized> Registers for &R {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn read32(&self, offset: usize) -> u32 {
        (**self).read32(offset)
    }

    fn write32(&self, offset: usize, value: u32) {
        (**self).write32(offset, value);
    }

    fn read64(&self, offset: usize) -> u64 {
        (**self).read64(offset)
    }

    fn write64(&self, offset: usize, value: u64) {
        (**self).write64(offset, value);
    }
}

/// Memory that holds root, context and translation tables and the invalidation queue.
///
/// Pages come zeroed and page-aligned, and belong to the caller until freed. No page of it may ever be
/// mapped for a device.
pub trait TableMemory {
    /// Hands out one zeroed 4 KiB page, or `None` if memory is exhausted.
    fn allocate(&mut self) -> Option<PhysAddr>;
    /// Takes a page back. The hardware must no longer be able to reach it.
    fn free(&mut self, page: PhysAddr);
    /// Reads the 8-byte word at a multiple of 8 within a page of this memory.
    fn read(&self, at: PhysAddr) -> u64;
    /// Writes the 8-byte word at a multiple of 8 in one store.
    fn write(&mut self, at: PhysAddr, value: u64);
    /// Writes the cache lines of `[at, at + bytes)` back and waits, for units that do not snoop.
    fn flush(&self, at: PhysAddr, bytes: u64);
}

/// Time for bounded waits.
pub trait Clock {
    /// Nanoseconds since some start; never goes back.
    fn now_ns(&self) -> u64;
    /// Called once in every round of a wait.
    fn relax(&self);
}
