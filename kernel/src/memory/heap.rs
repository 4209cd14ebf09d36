//! The heap: talc over blocks of frames, growing as needed.
//!
//! An allocation that cannot be had gives a null pointer: `try_reserve` and its kin then return an error, what
//! cannot fail panics. Handlers may allocate, the fault path and the stop path do not.
#![expect(unsafe_code, reason = "UNSAFETY: implements the global allocator")]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use ::frames::Order;
use talc::DefaultBinning;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

use super::frames::Frame;
use super::{direct, failure};
use crate::sync::{IrqLock, rank};

/// The heap grows by at least this much.
const GROWTH_BYTES: u64 = 256 << 10;
/// What the allocator's own books need beside an allocation in a new block, generously.
const OVERHEAD_BYTES: u64 = 4096;

#[global_allocator]
static HEAP: Heap = Heap(IrqLock::new(Talc::new(Frames)));

struct Heap(IrqLock<Talc<Frames, DefaultBinning>, rank::Heap>);

/// Bytes in use.
static USED: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are in use, without what the allocator itself needs for them.
pub fn used_bytes() -> usize {
    USED.load(Ordering::Relaxed)
}

/// Bytes that the heap has taken from the frames, for good.
static CLAIMED: AtomicUsize = AtomicUsize::new(0);

/// Bytes that the heap has: in use, free, or needed by the allocator itself.
pub fn claimed_bytes() -> usize {
    CLAIMED.load(Ordering::Relaxed)
}

// SAFETY: talc hands out blocks of memory that it was given and that overlap nothing else, of the layout asked
// for; the lock is never taken twice, since growing does not allocate.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if failure::is_due() {
            return ptr::null_mut();
        }
        // SAFETY: the caller asks for more than nothing.
        let Some(block) = (unsafe { self.0.lock().allocate(layout) }) else { return ptr::null_mut() };
        USED.fetch_add(layout.size(), Ordering::Relaxed);
        block.as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller vouches that the block came from here with this layout.
        unsafe { self.0.lock().deallocate(block, layout) };
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for block, layout and a size above nothing.
        if unsafe { self.0.lock().try_realloc_in_place(block, layout, new_size) } {
            USED.fetch_add(new_size.wrapping_sub(layout.size()), Ordering::Relaxed);
            return block;
        }
        // SAFETY: the caller vouches that the new size, rounded up to the alignment, is a valid one.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the new size is not nothing.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both blocks hold as much, and they do not overlap since both are in use.
            unsafe { ptr::copy_nonoverlapping(block, new, layout.size().min(new_size)) };
            // SAFETY: the caller vouches that the old block came from here, and gives it up.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

/// Gives talc blocks of frames.
#[derive(Debug)]
struct Frames;

// SAFETY: takes frames, and touches neither the heap nor anything that allocates.
unsafe impl Source for Frames {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let needed = layout.size() as u64 + layout.align() as u64 + OVERHEAD_BYTES;
        let ample = Order::for_bytes(needed.max(GROWTH_BYTES)).ok_or(())?;
        let least = Order::for_bytes(needed).ok_or(())?;
        let (order, block) =
            [ample, least].into_iter().find_map(|order| Some((order, Frame::new(order)?))).ok_or(())?;
        // Before it is claimed: what talc refuses it may have written to.
        let start = block.into_raw();
        // SAFETY: the block was given up to the heap just now, and is seen in the direct map for ever.
        unsafe { talc.claim(direct::frame_ptr(start), order.bytes() as usize) }.ok_or(())?;
        CLAIMED.fetch_add(order.bytes() as usize, Ordering::Relaxed);
        Ok(())
    }
}
