//! Out of memory at every step: an error, nothing changed, and the next attempt succeeds.
#![expect(unsafe_code, reason = "UNSAFETY: a global allocator that fails on demand is an unsafe trait")]

use dma_types::{Iova, PageSize};
use iova::{IovaAllocator, IovaError, IovaRange};
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
fn with_allocations<T>(count: u32, action: impl FnOnce() -> T) -> T {
    REMAINING.set(Some(count));
    let result = action();
    REMAINING.set(None);
    result
}

fn window() -> core::ops::Range<Iova> {
    Iova::new(0)..Iova::new(1 << 40)
}

#[test]
fn an_allocation_that_fails_leaves_the_allocator_as_it_was() {
    let mut allocator = IovaAllocator::new(window(), [], Iova::new(0)).unwrap();
    let mut held: Vec<IovaRange> = Vec::with_capacity(1000);
    let mut refused = 0;
    while held.len() < 1000 {
        let live = allocator.live_ranges();
        let range = with_allocations(0, || allocator.allocate(1, PageSize::Size4K)).unwrap_or_else(|error| {
            assert_eq!((error, allocator.live_ranges()), (IovaError::OutOfMemory, live));
            refused += 1;
            allocator.allocate(1, PageSize::Size4K).unwrap()
        });
        // One slot after the other: the refused attempts took none.
        assert!(held.last().is_none_or(|last| last.end().as_u64() + 0x1000 == range.start().as_u64()));
        held.push(range);
    }
    assert!(refused > 10);
    // Freeing never needs memory.
    with_allocations(0, || {
        while let Some(range) = held.pop() {
            allocator.free(range).unwrap();
        }
    });
    assert_eq!(allocator.live_ranges(), 0);
}

#[test]
fn a_new_allocator_fails_without_memory() {
    for count in 0..20 {
        let reserved = (1..6_u64).map(|n| Iova::new(n << 20)..Iova::new((n << 20) + 1));
        match with_allocations(count, || IovaAllocator::new(window(), reserved, Iova::new(0))) {
            Ok(_) => {
                assert!(count > 1);
                return;
            }
            Err(error) => assert_eq!(error, IovaError::OutOfMemory),
        }
    }
    panic!("twenty allocations must do");
}
