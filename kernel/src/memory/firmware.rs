//! Tables that the firmware left in memory.
#![expect(unsafe_code, reason = "UNSAFETY: makes slices of the firmware's memory")]

use dma_types::PhysAddr;
use frames::{MemoryKind, Region, Span};

use super::image::Use;
use super::map::LOW_MEMORY_END;
use super::paging::MemoryType;
use super::{direct, frames as allocator, map, window};

/// Where a BIOS has its code and tables, of which its memory map need not say anything.
const BIOS_AREA: Span = Span::new(PhysAddr::new(0xe_0000), LOW_MEMORY_END);

/// The bytes of a table, wherever the memory map lets the firmware have one.
///
/// `None` where a read might have an effect, or where the kernel has put something of its own.
pub fn bytes(start: PhysAddr, length: usize) -> Option<&'static [u8]> {
    let span = Span::with_length(start, length as u64);
    if span.is_empty() || !(BIOS_AREA.contains(span) || map::all(span, is_firmware) || adopt(span)) {
        return None;
    }
    let at = match direct::phys_to_ptr(start, span.length()) {
        Ok(at) => at,
        Err(_) => window::show(start, span.length(), Use::Read, MemoryType::WriteBack).ok()?,
    };
    // SAFETY: the range is mapped for as long as the kernel runs, and it is the firmware's: nothing here writes
    // to it, and no frame of it is given out.
    Some(unsafe { core::slice::from_raw_parts(at, length) })
}

/// Tells whether the firmware can have tables there that nothing of the kernel's overwrites.
fn is_firmware(region: &Region) -> bool {
    match region.kind {
        MemoryKind::AcpiTables | MemoryKind::AcpiNvs | MemoryKind::FirmwareRuntime | MemoryKind::Reserved => {
            true
        }
        // The frame allocator leaves low memory alone.
        MemoryKind::Usable => region.span.end() <= LOW_MEMORY_END,
        MemoryKind::Kernel | MemoryKind::Loader | MemoryKind::Defective | MemoryKind::Other(_) => false,
    }
}

/// Keeps memory for the firmware that it has wrongly called usable, if all of it is still free.
fn adopt(span: Span) -> bool {
    let pages = span.outer_pages();
    if !map::all(pages, |region| region.kind == MemoryKind::Usable) {
        return false;
    }
    let free = allocator::reserve(pages.start(), pages.length()) == pages.length();
    if free {
        log::warn!("firmware tables at {span}, in memory that it calls usable");
        map::set(pages, MemoryKind::AcpiTables);
    }
    free
}
