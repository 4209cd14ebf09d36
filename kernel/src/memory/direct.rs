//! Memory by its physical address, through the direct map.
#![expect(unsafe_code, reason = "UNSAFETY: makes pointers to memory out of physical addresses")]

use core::arch::asm;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use dma_types::{PAGE_SIZE, PhysAddr};

use super::layout::{DIRECT_MAP, DIRECT_MAP_BYTES};
use super::map;
use crate::arch::cpu;

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
#[inline]
pub(super) fn frame_ptr(start: PhysAddr) -> *mut u8 {
    if start.as_u64() >= DIRECT_MAP_BYTES {
        beyond(start);
    }
    at(start)
}

/// Apart, so that the check costs the caller no more than a comparison.
#[cold]
#[inline(never)]
fn beyond(start: PhysAddr) -> ! {
    panic!("{start} lies beyond the direct map")
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

/// Reads the aligned word of a table around an address in one access.
///
/// For tables made of frames: the address is only checked against the window.
#[inline]
pub fn read_word(at: PhysAddr) -> u64 {
    word(at).load(Ordering::Relaxed)
}

/// Writes the aligned word of a table around an address in one access, behind all that was written before.
///
/// # Safety
/// The word lies in a frame that the caller has made a table, and whatever follows the table bears the new word.
#[inline]
pub(super) unsafe fn write_word(at: PhysAddr, value: u64) {
    word(at).store(value, Ordering::Release);
}

/// Some neighbouring words of one frame of tables, which a remapping unit may read and write as well.
///
/// # Safety
/// They lie in a frame that the caller has made a table and keeps for `'t`.
///
/// # Panics
/// If they are not all in one frame.
#[inline(always)]
pub(super) unsafe fn words<'t>(at: PhysAddr, count: u64) -> &'t [AtomicU64] {
    let first = word(at);
    if count > PAGE_SIZE / 8 - at.page_offset() / 8 {
        leave_page(at, count);
    }
    // SAFETY: aligned words of one frame within the direct map, which stays; they are only ever accessed as
    // atomic words.
    unsafe { core::slice::from_raw_parts(first, count as usize) }
}

#[cold]
#[inline(never)]
fn leave_page(at: PhysAddr, count: u64) -> ! {
    panic!("{count} words at {at} are not all in one page")
}

/// The same words as they are now.
///
/// # Safety
/// They lie in a frame that the caller has made a table and keeps for `'t`, and nobody changes them in that time.
///
/// # Panics
/// If they are not all in one frame.
#[inline(always)]
pub(super) unsafe fn own_words<'t>(at: PhysAddr, count: u64) -> &'t [u64] {
    // SAFETY: as the caller vouches.
    let words = unsafe { words(at, count) };
    // SAFETY: as many words at the same place; nobody changes them as long as the slice lives, as the
    // caller vouches, and reading is all that it allows.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
}

/// The aligned word around an address.
#[inline]
fn word<'t>(at: PhysAddr) -> &'t AtomicU64 {
    let at = frame_ptr(PhysAddr::new(at.as_u64() & !7));
    // SAFETY: an aligned word within the direct map, which stays; a remapping unit may access it at the same
    // time, which an atomic word allows for.
    unsafe { AtomicU64::from_ptr(at.cast()) }
}

/// Bytes that are written back at once: the smallest cache line of any 64-bit processor.
const LINE: u64 = 64;

/// Writes the cache lines of a range of memory back and waits, for devices that do not look into caches.
#[inline(always)]
pub fn flush_cache(start: PhysAddr, length: u64) {
    if cpu::flushes_unordered() {
        for_each_line(start, length, flush_unordered);
    } else {
        for_each_line(start, length, flush_ordered);
    }
    // SAFETY: orders memory accesses, nothing else.
    unsafe { asm!("mfence", options(nostack, preserves_flags)) };
}

#[inline(always)]
fn for_each_line(start: PhysAddr, length: u64, flush: impl Fn(*mut u8)) {
    if length <= 8 {
        // An aligned word lies in one line.
        flush(frame_ptr(start));
        return;
    }
    if (start.as_u64() & (LINE - 1)).wrapping_add(length) <= LINE {
        // So does what a queue is given at a time, as a rule.
        flush(frame_ptr(start));
        return;
    }
    let first = start.as_u64() & !(LINE - 1);
    let line = frame_ptr(PhysAddr::new(first));
    let bytes = start.as_u64().wrapping_add(length).wrapping_sub(first) as usize;
    let mut offset = 0;
    while offset < bytes {
        flush(line.wrapping_add(offset));
        offset = offset.wrapping_add(LINE as usize);
    }
}

#[inline]
fn flush_unordered(line: *mut u8) {
    // SAFETY: the processor has the instruction, and the address is mapped; contents stay the same.
    unsafe { asm!("clflushopt [{}]", in(reg) line, options(nostack, preserves_flags)) };
}

#[inline]
fn flush_ordered(line: *mut u8) {
    // SAFETY: every 64-bit processor has the instruction, and the address is mapped; contents stay the same.
    unsafe { asm!("clflush [{}]", in(reg) line, options(nostack, preserves_flags)) };
}

/// The address in the direct map, whatever is there.
const fn at(start: PhysAddr) -> *mut u8 {
    (DIRECT_MAP + start.as_u64()) as *mut u8
}
