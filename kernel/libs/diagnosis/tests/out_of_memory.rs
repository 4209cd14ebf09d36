//! Out of memory at every step: an error, the books unchanged, and the next attempt succeeds.
#![expect(unsafe_code, reason = "UNSAFETY: a global allocator that fails on demand is an unsafe trait")]

use diagnosis::{
    Backing, Book, BookError, FaultLedger, Label, Mapping, Site, Step, StormDetector, Threshold, Timestamp,
    Verdict,
};
use dma_types::{Direction, Iova, PageSize, PhysAddr};
use iova::{IovaAllocator, IovaRange};
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

fn step() -> Step {
    Step { at: Timestamp::from_nanos(1), site: Site::caller() }
}

fn mapping(range: &IovaRange) -> Mapping {
    Mapping {
        start: range.start(),
        length: range.length(),
        direction: Direction::ToDevice,
        label: Label("buffer"),
        backing: Backing::new(PhysAddr::new(0x1000), range.length()),
        mapped: step(),
    }
}

#[test]
fn a_mapping_that_cannot_be_entered_leaves_the_books_as_they_were() {
    let window = Iova::new(0)..Iova::new(1 << 40);
    let mut allocator = IovaAllocator::new(window.clone(), [], Iova::new(0)).unwrap();
    let mut book = Book::new(window).unwrap();
    let mut refused = 0;
    for _ in 0..300 {
        // Ranges far apart, so that every entry needs new nodes of the index.
        let _spacer = allocator.allocate(1 << 13, PageSize::Size4K).unwrap();
        let range = allocator.allocate(1, PageSize::Size4K).unwrap();
        for count in 0.. {
            let live = book.live_mappings();
            match with_allocations(count, || book.record_map(&range, mapping(&range))) {
                Ok(()) => break,
                Err(error) => {
                    assert_eq!(error, BookError::OutOfMemory);
                    assert_eq!((book.live_mappings(), book.live().count() as u64), (live, live));
                    assert!(
                        book.live_at(range.start()).is_none() && book.last_owner(range.start()).is_none()
                    );
                    refused += 1;
                }
            }
        }
        assert!(book.live_at(range.start()).is_some());
        with_allocations(0, || book.record_unmap(&range, step())).unwrap();
        with_allocations(0, || book.record_map(&range, mapping(&range))).unwrap();
    }
    assert!(refused > 10);
    assert_eq!((book.live().count(), book.forgotten()), (300, 0));
}

#[test]
fn constructors_fail_without_memory() {
    assert!(with_allocations(0, || FaultLedger::<Verdict>::new(8)).is_err());
    assert!(with_allocations(0, || StormDetector::new(Threshold::PerSecond(10), 8)).is_err());
    let window = || Iova::new(0)..Iova::new(1 << 40);
    let first_success = (0..10).find(|count| with_allocations(*count, || Book::new(window())).is_ok());
    assert_eq!(first_success, Some(5));
}
