//! Frames that a value owns, and the allocator that they come from: one [`FrameTable`] for all memory.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: clears frames, and makes the table's books out of memory that the map calls usable"
)]

use dma_types::{PAGE_SIZE, PhysAddr};
use frames::{FrameTable, FreeError, MemoryKind, Order, Owner, Span};

use super::{direct, failure, map};
use crate::sync::{IrqLock, rank};

static TABLE: IrqLock<Option<FrameTable<'static>>, rank::Frames> = IrqLock::new(None);

/// A block of frames that nobody else has; given back when dropped.
#[derive(Debug)]
pub struct Frame {
    start: PhysAddr,
    order: Order,
}

impl Frame {
    /// Takes a block for the kernel itself; its content is undefined. `None` if there is none left.
    pub fn new(order: Order) -> Option<Self> {
        Self::take(order, Owner::Kernel)
    }

    /// Takes a single frame of zeros for the kernel itself.
    pub fn zeroed() -> Option<Self> {
        let frame = Self::new(Order::FRAME)?;
        // SAFETY: memory that the table gave out, and that this value owns.
        unsafe { direct::frame_ptr(frame.start).write_bytes(0, PAGE_SIZE as usize) };
        Some(frame)
    }

    /// Takes a block that may be mapped for a device; its content is undefined.
    pub(super) fn for_device(order: Order) -> Option<Self> {
        Self::take(order, Owner::Device)
    }

    fn take(order: Order, owner: Owner) -> Option<Self> {
        if failure::is_due() {
            return None;
        }
        let start = TABLE.lock().as_mut()?.allocate(order, owner)?;
        Some(Self { start, order })
    }

    /// Gives the block up to whoever keeps its address; without [`from_raw`](Self::from_raw) it stays taken for good.
    pub fn into_raw(self) -> PhysAddr {
        let start = self.start;
        core::mem::forget(self);
        start
    }

    /// Takes back what [`into_raw`](Self::into_raw) gave up, or a part of it that is a block.
    ///
    /// # Safety
    /// It is such a block, nobody has taken it back yet, and no processor, unit or device reaches it.
    pub unsafe fn from_raw(start: PhysAddr, order: Order) -> Self {
        Self { start, order }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let Self { start, order } = *self;
        let freed = match TABLE.lock().as_mut() {
            Some(table) => table.free(start, order),
            None => Err(FreeError::NotInUse { start, order }),
        };
        if let Err(error) = freed {
            log::error!("memory is lost: {error}");
        }
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
