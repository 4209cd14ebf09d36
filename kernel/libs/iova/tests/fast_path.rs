//! The fast path to a range that waited long enough, and what it leaves to the slow one.

use dma_types::{Iova, PAGE_SIZE, PageSize};
use iova::{IovaAllocator, IovaRange};

/// More freed slots than have to wait.
const MANY: usize = 300;

fn allocator() -> IovaAllocator {
    IovaAllocator::new(Iova::new(0)..Iova::new(1 << 40), [], Iova::new(0)).unwrap()
}

/// Allocates many ranges of a kind and gives all back.
fn use_many(allocator: &mut IovaAllocator, pages: u64, alignment: PageSize) -> Vec<Iova> {
    let ranges: Vec<IovaRange> = (0..MANY).map(|_| allocator.allocate(pages, alignment).unwrap()).collect();
    let starts = ranges.iter().map(IovaRange::start).collect();
    ranges.into_iter().for_each(|range| allocator.free(range).unwrap());
    starts
}

#[test]
fn what_waited_long_enough_is_handed_out_again_oldest_first() {
    for (pages, alignment) in [(1, PageSize::Size4K), (32, PageSize::Size4K), (512, PageSize::Size2M)] {
        let mut allocator = allocator();
        let starts = use_many(&mut allocator, pages, alignment);
        for start in &starts[..2] {
            let range = allocator.allocate_fast(pages).expect("a slot that waited");
            assert_eq!((range.start(), range.pages(), range.length()), (*start, pages, pages * PAGE_SIZE));
            assert!(range.guard_pages() > 0);
        }
        assert_eq!(allocator.live_ranges(), 2);
    }
}

#[test]
fn what_still_waits_or_has_no_queue_of_its_own_is_left_to_the_general_way() {
    let mut allocator = allocator();
    assert!(allocator.allocate_fast(1).is_none(), "nothing was freed");
    use_many(&mut allocator, 1, PageSize::Size4K);
    // 256 of the 300 have to wait.
    let again: Vec<IovaRange> = std::iter::from_fn(|| allocator.allocate_fast(1)).collect();
    assert_eq!(again.len(), MANY - 256);
    assert!(allocator.allocate_fast(2).is_none(), "nothing of that size was freed");
    assert!(allocator.allocate_fast(0).is_none());
    for pages in [33, 511, 513, u64::MAX] {
        assert!(allocator.allocate_fast(pages).is_none(), "{pages}");
    }
}
