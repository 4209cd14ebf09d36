//! Memory by its physical address, through the direct map.
#![expect(unsafe_code, reason = "UNSAFETY: makes pointers to memory out of physical addresses")]

use core::arch::asm;
use core::fmt;
use core::ptr;

use dma_types::PhysAddr;

use super::layout::{DIRECT_MAP, DIRECT_MAP_BYTES};
use super::map;
use crate::arch::cpu::{self, Features};

pub use super::firmware::bytes as firmware_bytes;

/// An access to what is not memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotMemory {
    /// Where the range starts.
    pub start: PhysAddr,
    /// Its bytes.
    pub length: u64,
}

impl fmt::Display for NotMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {} are not all memory", self.length, self.start)
    }
}

impl core::error::Error for NotMemory {}

/// Tells whether all of a range is memory that can be looked at.
pub fn is_ram(start: PhysAddr, length: u64) -> bool {
    map::is_ram(start, length)
}

/// Where a range of memory is seen.
///
/// The pointer is good for `length` bytes as long as the kernel runs; the kernel's own image is read-only there.
///
/// # Errors
/// If not all of it is memory.
pub fn phys_to_ptr(start: PhysAddr, length: u64) -> Result<*mut u8, NotMemory> {
    let within = start.checked_add(length).is_some_and(|end| end.as_u64() <= DIRECT_MAP_BYTES);
    if within && map::is_ram(start, length) { Ok(at(start)) } else { Err(NotMemory { start, length }) }
}

/// Where a range of memory that the frame allocator gave out is seen.
///
/// For addresses that are known to be frames: nothing is checked beyond the window.
pub(super) fn frame_ptr(start: PhysAddr) -> *mut u8 {
    assert!(start.as_u64() < DIRECT_MAP_BYTES, "{start} lies beyond the direct map");
    at(start)
}

/// Copies bytes out.
///
/// # Errors
/// If not all of them are memory.
pub fn read(start: PhysAddr, bytes: &mut [u8]) -> Result<(), NotMemory> {
    let mut from = phys_to_ptr(start, bytes.len() as u64)?;
    for byte in bytes {
        // SAFETY: the range was found to be memory, which the direct map shows; a device may write to it at
        // the same time, so each byte is read once and as it is.
        *byte = unsafe { ptr::read_volatile(from) };
        from = from.wrapping_add(1);
    }
    Ok(())
}

/// Writes zeros.
///
/// # Errors
/// If not all of it is memory.
///
/// The caller must own the range: frames come from [`super::frames`].
pub(super) fn zero(start: PhysAddr, length: u64) -> Result<(), NotMemory> {
    let to = phys_to_ptr(start, length)?;
    // SAFETY: the range was found to be memory, and the caller owns it.
    unsafe { to.write_bytes(0, length as usize) };
    Ok(())
}

/// Fills frames with one byte, for a test that looks at what a device did to them.
///
/// # Errors
/// If not all of it is memory that a device may be given.
pub fn fill(start: PhysAddr, byte: u8, length: u64) -> Result<(), NotMemory> {
    if map::is_kernel(start, length) {
        return Err(NotMemory { start, length });
    }
    let to = phys_to_ptr(start, length)?;
    // SAFETY: the range was found to be memory and none of the kernel's own; devices write there too, so
    // nobody takes its contents for anything but bytes.
    unsafe { to.write_bytes(byte, length as usize) };
    Ok(())
}

/// Reads an aligned word of a table in one access.
///
/// For tables made of frames: the address is only checked against the window.
pub fn read_word(at: PhysAddr) -> u64 {
    assert!(at.is_aligned(8), "{at} is not aligned to 8 bytes");
    // SAFETY: an aligned word within the direct map; a remapping unit may write to it at the same time.
    unsafe { ptr::read_volatile(frame_ptr(at).cast()) }
}

/// Writes an aligned word of a table in one access.
///
/// For tables made of frames: the address is only checked against the window, and the word must be the caller's.
pub fn write_word(at: PhysAddr, value: u64) {
    assert!(at.is_aligned(8), "{at} is not aligned to 8 bytes");
    // SAFETY: an aligned word within the direct map, of a frame that the caller owns; a remapping unit may
    // read it at the same time.
    unsafe { ptr::write_volatile(frame_ptr(at).cast(), value) };
}

/// Writes the cache lines of a range of memory back and waits, for devices that do not look into caches.
pub fn flush_cache(start: PhysAddr, length: u64) {
    let line = cpu::identity().cache_line;
    let flush_line = if cpu::has(Features::CLFLUSHOPT) { flush_unordered } else { flush_ordered };
    let first = start.as_u64() / line * line;
    let bytes = start.as_u64().saturating_add(length).saturating_sub(first);
    for offset in (0..bytes).step_by(line as usize) {
        flush_line(frame_ptr(PhysAddr::new(first + offset)));
    }
    // SAFETY: orders memory accesses, nothing else.
    unsafe { asm!("mfence", options(nostack, preserves_flags)) };
}

fn flush_unordered(line: *mut u8) {
    // SAFETY: the processor has the instruction, and the address is mapped; contents stay the same.
    unsafe { asm!("clflushopt [{}]", in(reg) line, options(nostack, preserves_flags)) };
}

fn flush_ordered(line: *mut u8) {
    // SAFETY: every 64-bit processor has the instruction, and the address is mapped; contents stay the same.
    unsafe { asm!("clflush [{}]", in(reg) line, options(nostack, preserves_flags)) };
}

/// The address in the direct map, whatever is there.
const fn at(start: PhysAddr) -> *mut u8 {
    (DIRECT_MAP + start.as_u64()) as *mut u8
}
