//! Memory of the machine that holds a unit's tables and its queue.

use dma_types::PhysAddr;

/// Memory that holds the device tables, translation tables and command queues of units.
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
    /// Writes the 8-byte word at a multiple of 8 in one store, which becomes visible behind all that this processor
    /// stored before (Release): so the store that sets P makes an entry whole.
    fn write(&mut self, at: PhysAddr, value: u64);

    /// Ors some neighbouring words of one page together, which hardware does not write to: 0 if none of them has a bit set.
    fn any(&self, at: PhysAddr, words: u64) -> u64 {
        neighbours(at, words).fold(0, |bits, at| bits | self.read(at))
    }

    /// Tells whether each of some neighbouring words of one page, which hardware does not write to, has a bit of `mask` set.
    fn each_has(&self, at: PhysAddr, words: u64, mask: u64) -> bool {
        neighbours(at, words).all(|at| self.read(at) & mask != 0)
    }

    /// Writes neighbouring words of one page in ascending order, one store each, behind all that was stored before: `first`, then always `step`
    /// more than the one before.
    fn fill(&mut self, at: PhysAddr, words: u64, first: u64, step: u64) {
        let mut value = first;
        for at in neighbours(at, words) {
            self.write(at, value);
            value = value.wrapping_add(step);
        }
    }

    /// Writes the words of two neighbouring descriptors of one page, in ascending order, one store each.
    fn write_two(&mut self, at: PhysAddr, words: [u64; 4]) {
        for (at, word) in neighbours(at, 4).zip(words) {
            self.write(at, word);
        }
    }

    /// Writes the cache lines of `[at, at + bytes)` back and waits, for units that do not snoop.
    fn flush(&self, at: PhysAddr, bytes: u64);
}

/// Table memory that hands out more than one page in a row, for families whose device table is a single array.
pub trait ContiguousMemory: TableMemory {
    /// Hands out 2^`order` zeroed pages in a row, or `None` if there is no such row. Each of them is one of
    /// [`TableMemory`]'s.
    fn allocate_row(&mut self, order: u8) -> Option<PhysAddr>;
    /// Takes such a row back. The hardware must no longer be able to reach it.
    fn free_row(&mut self, first: PhysAddr, order: u8);
}

/// Where some words stand, one behind the other.
fn neighbours(at: PhysAddr, words: u64) -> impl Iterator<Item = PhysAddr> {
    (0..words).map(move |number| PhysAddr::new(at.as_u64().wrapping_add(number.wrapping_mul(8))))
}
