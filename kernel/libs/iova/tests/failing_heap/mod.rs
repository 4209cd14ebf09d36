//! A heap of which tests say how many allocations it still grants.
#![expect(unsafe_code, reason = "UNSAFETY: a global allocator that fails on demand is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Allocations that still succeed on this thread; `None` for all.
    static REMAINING: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The system's allocator, but for allocations that are to fail.
struct Failing;

// SAFETY: every call is handed to the system's allocator unchanged, or answered with the null that stands
// for no memory.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match REMAINING.get() {
            Some(0) => return core::ptr::null_mut(),
            Some(left) => REMAINING.set(Some(left - 1)),
            None => {}
        }
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Runs `action` with only so many allocations.
pub fn with_allocations<T>(count: u32, action: impl FnOnce() -> T) -> T {
    REMAINING.set(Some(count));
    let result = action();
    REMAINING.set(None);
    result
}
