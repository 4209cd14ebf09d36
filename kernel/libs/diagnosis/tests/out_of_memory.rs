//! Out of memory at every step: an error, the books unchanged, and the next attempt succeeds.

#[path = "../../iova/tests/failing_heap/mod.rs"]
mod failing_heap;

use diagnosis::{
    Backing, Book, BookError, FaultLedger, Label, Mapping, Site, Step, StormDetector, Threshold, Timestamp,
    Verdict,
};
use dma_types::{Direction, Iova, PageSize, PhysAddr};
use failing_heap::with_allocations;
use iova::{IovaAllocator, IovaRange};

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
