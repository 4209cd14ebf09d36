//! Addresses for what the direct map does not show: device registers, tables in reserved memory.
//!
//! They are given out in order and never taken back, so that a pointer stays good as long as the kernel runs.
//! What is mapped already is shared.

use alloc::vec::Vec;
use core::fmt;

use dma_types::{PAGE_SIZE, PhysAddr};
use frames::Span;

use super::image::Use;
use super::layout::{WINDOW, WINDOW_BYTES};
use super::paging::{self, MapError, MemoryType};
use crate::sync::{IrqLock, rank};

/// Large stretches start as far into a large page as in physical memory, so that large pages can map them.
const LARGE_PAGE: u64 = 2 << 20;

/// What is mapped, and where the next stretch can go.
struct Window {
    mapped: Vec<Mapped>,
    next: u64,
}

struct Mapped {
    pages: Span,
    at: u64,
    purpose: Use,
    memory_type: MemoryType,
}

static MAPPED: IrqLock<Window, rank::Windows> = IrqLock::new(Window { mapped: Vec::new(), next: WINDOW });

/// Maps the pages around a range; returns where its first byte is seen.
///
/// The caller knows what is there, and that it may be used so.
pub(super) fn show(
    start: PhysAddr,
    length: u64,
    purpose: Use,
    memory_type: MemoryType,
) -> Result<*mut u8, WindowFull> {
    let pages = Span::with_length(start, length).outer_pages();
    let at = MAPPED.lock().find_or_map(pages, purpose, memory_type)?;
    Ok((at + start.page_offset()) as *mut u8)
}

impl Window {
    /// Where whole pages are mapped.
    fn find_or_map(&mut self, pages: Span, purpose: Use, memory_type: MemoryType) -> Result<u64, WindowFull> {
        let fits = |mapped: &&Mapped| {
            mapped.pages.contains(pages) && mapped.purpose == purpose && mapped.memory_type == memory_type
        };
        if let Some(mapped) = self.mapped.iter().find(fits) {
            return Ok(mapped.at + (pages.start().as_u64() - mapped.pages.start().as_u64()));
        }
        self.mapped.try_reserve(1).map_err(|_| WindowFull)?;
        let at = if pages.length() < LARGE_PAGE {
            self.next
        } else {
            self.next.next_multiple_of(LARGE_PAGE) + pages.start().as_u64() % LARGE_PAGE
        };
        // A page is left free behind each stretch, so that an access too far faults.
        let end =
            at.checked_add(pages.length()).and_then(|end| end.checked_add(PAGE_SIZE)).ok_or(WindowFull)?;
        if end > WINDOW + WINDOW_BYTES {
            return Err(WindowFull);
        }
        self.next = end;
        paging::map_kernel(at, pages, purpose, memory_type)?;
        self.mapped.push(Mapped { pages, at, purpose, memory_type });
        Ok(at)
    }
}

/// No addresses are left, or no frames for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowFull;

impl fmt::Display for WindowFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room left to map device registers or tables")
    }
}

impl core::error::Error for WindowFull {}

impl From<MapError> for WindowFull {
    fn from(_: MapError) -> Self {
        // Addresses are given out once, so only frames for tables can have been missing.
        Self
    }
}
