//! Which room is handed out first.

use dma_types::{Iova, PAGE_SIZE, PageSize};
use iova::IovaAllocator;

fn pages(first: u64, end: u64) -> core::ops::Range<Iova> {
    Iova::new(first * PAGE_SIZE)..Iova::new(end * PAGE_SIZE)
}

/// Pages 0x10 to 0x1f with reserved ones among them; the first page that is handed out.
fn first_page(reserved: &[core::ops::Range<Iova>]) -> u64 {
    let window = pages(0x10, 0x20);
    let mut allocator = IovaAllocator::new(window.clone(), reserved.iter().cloned(), window.start).unwrap();
    allocator.allocate(1, PageSize::Size4K).unwrap().start().as_u64() / PAGE_SIZE
}

#[test]
fn two_pages_below_a_reserved_one_are_room_and_come_first() {
    assert_eq!(first_page(&[pages(0x12, 0x13)]), 0x10);
}

#[test]
fn one_page_has_no_room_for_a_gap_and_is_passed_over() {
    // The page behind a reserved one is left out, too.
    assert_eq!(first_page(&[pages(0x11, 0x12)]), 0x13);
}
