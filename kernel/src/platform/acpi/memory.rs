//! Firmware's tables, wherever they lie.

use acpi_root::FirmwareMemory;
use alloc::vec::Vec;
use dma_types::PhysAddr;

use crate::memory::mmio::Mmio;
use crate::memory::{direct, map};

/// Bytes of an access to what the direct map does not show.
const WORD: u64 = 8;

/// The memory that firmware's pointers may lead to: what the map calls memory, and what it reserves or does
/// not know, where many a BIOS keeps its tables. The latter is looked at as registers are, since it may be
/// some.
pub struct Firmware;

impl FirmwareMemory for Firmware {
    fn read(&self, start: PhysAddr, len: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len.checked_add(2 * WORD as usize)?).ok()?;
        if map::is_ram(start, len as u64) {
            bytes.resize(len, 0);
            direct::read(start, &mut bytes).ok()?;
        } else {
            read_outside(start, len, &mut bytes)?;
        }
        Some(bytes)
    }
}

/// Reads whole words and cuts off what surrounds the range.
fn read_outside(start: PhysAddr, len: usize, bytes: &mut Vec<u8>) -> Option<()> {
    let before = start.as_u64() % WORD;
    let first = PhysAddr::new(start.as_u64() - before);
    let words = (before as usize).checked_add(len)?.div_ceil(WORD as usize);
    let window = Mmio::of_platform(first, words.checked_mul(WORD as usize)?).ok()?;
    for index in 0..words {
        bytes.extend_from_slice(&window.read64(index * WORD as usize).to_le_bytes());
    }
    bytes.drain(..before as usize);
    bytes.truncate(len);
    Some(())
}
