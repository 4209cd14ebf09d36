//! The frame allocator: one [`FrameTable`] for all memory, behind a lock that handlers may take.
#![expect(unsafe_code, reason = "UNSAFETY: makes the table's books out of memory that the map calls usable")]

use dma_types::{PAGE_SIZE, PhysAddr};
use frames::{FrameTable, FreeError, MemoryKind, Order, Owner, Span};

use super::{direct, failure, map};
use crate::sync::{IrqLock, rank};

static TABLE: IrqLock<Option<FrameTable<'static>>, rank::Frames> = IrqLock::new(None);

/// Takes a block for the kernel itself; its content is undefined. `None` if there is none left.
pub fn allocate(order: Order) -> Option<PhysAddr> {
    take(order, Owner::Kernel)
}

/// Takes a zeroed frame for the kernel itself.
pub fn allocate_zeroed() -> Option<PhysAddr> {
    let frame = allocate(Order::FRAME)?;
    direct::zero(frame, PAGE_SIZE).ok()?;
    Some(frame)
}

/// Takes a block that may be mapped for a device; its content is undefined.
pub fn allocate_for_device(order: Order) -> Option<PhysAddr> {
    take(order, Owner::Device)
}

fn take(order: Order, owner: Owner) -> Option<PhysAddr> {
    if failure::is_due() {
        return None;
    }
    TABLE.lock().as_mut()?.allocate(order, owner)
}

/// Gives a block back. No processor, unit or device may be able to reach it any more.
///
/// # Errors
/// If it is not one that is in use; nothing has changed then.
pub fn free(start: PhysAddr, order: Order) -> Result<(), FreeError> {
    match TABLE.lock().as_mut() {
        Some(table) => table.free(start, order),
        None => Err(FreeError::NotInUse { start, order }),
    }
}

/// Takes memory that the firmware needs for a device out of the allocator, for good; returns how many bytes
/// of it were free. What is in use stays so: ask [`map::is_kernel`] first.
pub fn reserve(start: PhysAddr, length: u64) -> u64 {
    let taken = TABLE.lock().as_mut().map_or(0, |table| table.reserve(Span::with_length(start, length)));
    taken as u64 * PAGE_SIZE
}

/// Frames that the allocator has, free or not.
pub fn total_frames() -> usize {
    TABLE.lock().as_ref().map_or(0, FrameTable::total_frames)
}

/// Frames that are free.
pub fn free_frames() -> usize {
    TABLE.lock().as_ref().map_or(0, FrameTable::free_frames)
}

/// Frames that an owner has. Looks at all of them.
pub fn frames_of(owner: Owner) -> usize {
    TABLE.lock().as_ref().map_or(0, |table| table.frames_of(owner))
}

/// Tells whether the kernel itself has a frame that the span touches.
pub(super) fn is_kernel(span: Span) -> bool {
    TABLE.lock().as_ref().is_some_and(|table| table.is_kernel(span))
}

/// Puts the books at the start of the first usable stretch that has room, and all other memory into them.
pub(super) fn start() {
    let limit = map::usable_end();
    let words = FrameTable::words_needed(limit);
    let bytes = words as u64 * 8;
    let Some(room) = map::find_usable(bytes) else {
        panic!("no {bytes} bytes in a row for the books of memory up to {limit}");
    };
    let books = Span::with_length(room.start(), bytes).outer_pages();
    map::set(books, MemoryKind::Kernel);
    let start = (super::layout::DIRECT_MAP + books.start().as_u64()) as *mut u64;
    // SAFETY: usable memory that is now the kernel's and that nothing else has; the loader has mapped it.
    unsafe { start.write_bytes(0, words) };
    // SAFETY: the words are initialised and belong to the table from here, for ever.
    let memory = unsafe { core::slice::from_raw_parts_mut(start, words) };
    let Some(mut table) = FrameTable::new(limit, memory) else { return };
    map::for_each(|region| {
        if region.kind == MemoryKind::Usable {
            table.add(region.span.split_at(map::LOW_MEMORY_END).1);
        }
    });
    *TABLE.lock() = Some(table);
}

/// Frees the loader's memory; returns how many frames that were. Nothing of it may be in use any more.
pub(super) fn reclaim_loader_memory() -> usize {
    let before = total_frames();
    while let Some(span) = map::take_loader_span() {
        if let Some(table) = TABLE.lock().as_mut() {
            table.add(span.split_at(map::LOW_MEMORY_END).1);
        }
    }
    total_frames() - before
}
