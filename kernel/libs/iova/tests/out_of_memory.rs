//! Out of memory at every step: an error, nothing changed, and the next attempt succeeds.

mod failing_heap;

use dma_types::{Iova, PageSize};
use failing_heap::with_allocations;
use iova::{IovaAllocator, IovaError, IovaRange};

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
