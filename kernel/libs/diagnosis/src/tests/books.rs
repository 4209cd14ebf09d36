//! The books against a plain model, and their limits.

use std::collections::BTreeMap;
use std::string::ToString;
use std::vec::Vec;

use dma_types::{Direction, Iova, PAGE_SIZE, PageSize, PhysAddr};
use iova::{IovaAllocator, IovaRange};
use proptest::prelude::*;

use crate::{
    Backing, Book, BookError, EVENTS, Label, Mapping, Operation, Position, Site, Span, Step, Timestamp,
    Unsearched,
};

fn step(nanos: u64) -> Step {
    Step { at: Timestamp::from_nanos(nanos), site: Site::caller() }
}

fn new_mapping(range: &IovaRange, length: u64, physical: u64, nanos: u64) -> Mapping {
    Mapping {
        start: range.start(),
        length,
        direction: Direction::Bidirectional,
        label: Label("buffer"),
        backing: Backing::new(PhysAddr::new(physical), length),
        mapped: step(nanos),
    }
}

fn setup(pages: u64) -> (IovaAllocator, Book) {
    let window = Iova::new(0x10_0000)..Iova::new(0x10_0000 + pages * PAGE_SIZE);
    let allocator = IovaAllocator::new(window.clone(), [], window.start).unwrap();
    (allocator, Book::new(window).unwrap())
}

#[test]
fn misuse_is_refused_and_changes_nothing() {
    let (mut allocator, mut book) = setup(100);
    let range = allocator.allocate(2, PageSize::Size4K).unwrap();
    let outside = [
        Mapping { start: range.end(), ..new_mapping(&range, 1, 0, 0) },
        new_mapping(&range, 0, 0, 0),
        new_mapping(&range, 2 * PAGE_SIZE + 1, 0, 0),
        Mapping { start: Iova::new(range.start().as_u64() + 1), ..new_mapping(&range, 2 * PAGE_SIZE, 0, 0) },
    ];
    for mapping in outside {
        let refused = BookError::OutsideRange { start: mapping.start, length: mapping.length };
        assert_eq!(book.record_map(&range, mapping), Err(refused));
    }
    let not_mapped = BookError::NotMapped { start: range.start() };
    assert_eq!(book.record_unmap(&range, step(0)), Err(not_mapped));
    assert_eq!(not_mapped.to_string(), "the range at 0x100000 is not mapped");

    book.record_map(&range, new_mapping(&range, 5000, 0, 0)).unwrap();
    let again = book.record_map(&range, new_mapping(&range, 10, 0, 0));
    assert_eq!(again, Err(BookError::AlreadyMapped { start: range.start() }));
    assert_eq!((book.live_mappings(), book.live_bytes()), (1, 5000));
    book.record_unmap(&range, step(1)).unwrap();
    assert_eq!(book.record_unmap(&range, step(2)), Err(not_mapped));
    assert_eq!(book.history().newest_first().count(), 2);
}

#[test]
fn a_range_of_another_allocator_cannot_overlap_what_is_live() {
    let (mut allocator, mut book) = setup(100);
    let (mut stranger, _) = setup(100);
    let range = allocator.allocate(4, PageSize::Size4K).unwrap();
    let first = stranger.allocate(1, PageSize::Size4K).unwrap();
    let overlapping = stranger.allocate(1, PageSize::Size4K).unwrap();
    assert_ne!(overlapping.slot(), range.slot());
    book.record_map(&range, new_mapping(&range, 4 * PAGE_SIZE, 0, 0)).unwrap();
    let refused = book.record_map(&overlapping, new_mapping(&overlapping, PAGE_SIZE, 0, 0));
    assert_eq!(refused, Err(BookError::AlreadyMapped { start: range.start() }));
    assert_eq!(book.forgotten(), 0);
    drop(first);
}

#[test]
fn the_ring_keeps_the_latest_events() {
    let (mut allocator, mut book) = setup(100);
    let range = allocator.allocate(1, PageSize::Size4K).unwrap();
    book.record_attach(step(0));
    for n in 1..=EVENTS as u64 {
        let span = Span { start: range.start(), length: n };
        book.record_flush(Some(span), step(n));
    }
    book.record_detach(step(1000));
    let times: Vec<u64> = book.history().newest_first().map(|event| event.at.as_nanos()).collect();
    assert_eq!((times.len(), times[0], times[1], times[EVENTS - 1]), (EVENTS, 1000, EVENTS as u64, 2));
    assert_eq!(book.history().overwritten(), 2);
    assert_eq!(book.history().newest_first().next().unwrap().operation, Operation::Detach);
}

#[test]
fn the_used_addresses_reach_from_the_first_to_the_last_ever_mapped() {
    let (mut allocator, mut book) = setup(0x1_0000);
    assert!(book.used().is_empty());
    let first = allocator.allocate(1, PageSize::Size4K).unwrap();
    let last = allocator.allocate(5, PageSize::Size4K).unwrap();
    for range in [&last, &first] {
        book.record_map(range, new_mapping(range, range.length(), 0, 0)).unwrap();
        book.record_unmap(range, step(1)).unwrap();
    }
    assert_eq!(book.used(), first.start()..last.end());
    // The tail of the longer one is let go.
    book.record_map(&last, new_mapping(&last, PAGE_SIZE, 0, 2)).unwrap();
    assert_eq!(book.used(), *book.window());
}

#[test]
fn a_shorter_reuse_of_a_range_is_remembered_as_a_loss() {
    let (mut allocator, mut book) = setup(0x1_0000);
    let range = allocator.allocate(4, PageSize::Size4K).unwrap();
    book.record_map(&range, new_mapping(&range, 4 * PAGE_SIZE, 0, 0)).unwrap();
    book.record_unmap(&range, step(1)).unwrap();
    book.record_map(&range, new_mapping(&range, PAGE_SIZE, 0, 2)).unwrap();
    assert_eq!(book.forgotten(), 1);
    let tail = Iova::new(range.start().as_u64() + 2 * PAGE_SIZE);
    assert_eq!(book.last_owner(tail), None);
    assert_eq!(book.gap_owner(tail).unwrap().1, Position::Behind(2));
}

#[test]
fn many_mappings_of_one_page_can_all_be_found_and_removed() {
    let (mut allocator, mut book) = setup(0x1_0000);
    let ranges: Vec<IovaRange> = (0..500).map(|_| allocator.allocate(1, PageSize::Size4K).unwrap()).collect();
    for range in &ranges {
        book.record_map(range, new_mapping(range, PAGE_SIZE, 0x7000_0000, 0)).unwrap();
    }
    for range in &ranges {
        assert!(matches!(book.live_at_physical(PhysAddr::new(0x7000_0000)), Ok(Some(_))));
        book.record_unmap(range, step(0)).unwrap();
    }
    assert_eq!(book.live_at_physical(PhysAddr::new(0x7000_0000)), Ok(None));
    assert_eq!(book.live().count(), 0);
}

#[test]
fn a_physical_lookup_ends_and_says_that_it_did_not_see_all() {
    let (mut allocator, mut book) = setup(0x10_0000);
    let ranges: Vec<IovaRange> =
        (0..5_000).map(|_| allocator.allocate(1, PageSize::Size4K).unwrap()).collect();
    for range in &ranges {
        book.record_map(range, new_mapping(range, PAGE_SIZE, 0x7000_0000, 0)).unwrap();
    }
    let (first, others) = ranges.split_first().unwrap();
    for range in others {
        book.record_unmap(range, step(0)).unwrap();
    }
    // The live one is behind thousands of released ones.
    assert!(book.live_at(first.start()).is_some());
    assert_eq!(book.live_at_physical(PhysAddr::new(0x7000_0000)), Err(Unsearched));
}

#[derive(Clone, Debug)]
enum Act {
    Map { pages: u64, cut: u64, physical: u64 },
    Unmap(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let size = prop_oneof![5 => 1..3_u64, 2 => 3..40_u64];
    prop::collection::vec(
        prop_oneof![
            5 => (size, any::<u64>(), 0..0x400_u64).prop_map(|(pages, cut, page)| Act::Map {
                pages,
                cut: cut % (pages * PAGE_SIZE),
                physical: page * PAGE_SIZE,
            }),
            4 => any::<usize>().prop_map(Act::Unmap),
        ],
        1..250,
    )
}

/// A mapping of the model, by page numbers.
#[derive(Clone, Copy, Debug)]
struct Known {
    pages: u64,
    physical: u64,
    live: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Owners, neighbours and physical look-ups agree with a linear search; a small window forces reuse,
    /// merging and forgetting.
    #[test]
    fn the_books_agree_with_a_plain_list(acts in acts(), window_pages in 60..600_u64) {
        let (mut allocator, mut book) = setup(window_pages);
        let mut known: BTreeMap<u64, Known> = BTreeMap::new();
        let mut held: Vec<IovaRange> = Vec::new();
        for (now, act) in (0..).zip(acts) {
            match act {
                Act::Map { pages, cut, physical } => {
                    let Ok(range) = allocator.allocate(pages, PageSize::Size4K) else { continue };
                    let first = range.start().as_u64() / PAGE_SIZE;
                    let length = pages * PAGE_SIZE - cut;
                    book.record_map(&range, new_mapping(&range, length, physical, now)).unwrap();
                    let pages = length.div_ceil(PAGE_SIZE);
                    known.retain(|start, old| start + old.pages <= first || *start >= first + pages);
                    known.insert(first, Known { pages, physical: physical / PAGE_SIZE, live: true });
                    held.push(range);
                }
                Act::Unmap(index) if !held.is_empty() => {
                    let range = held.swap_remove(index % held.len());
                    book.record_unmap(&range, step(now)).unwrap();
                    known.get_mut(&(range.start().as_u64() / PAGE_SIZE)).unwrap().live = false;
                    allocator.free(range).unwrap();
                }
                Act::Unmap(_) => {}
            }
        }

        prop_assert_eq!(book.live_mappings(), held.len() as u64);
        let starts: Vec<u64> = book.live().map(|record| record.mapping.start.as_u64() / PAGE_SIZE).collect();
        let live = || known.iter().filter(|(_, entry)| entry.live);
        prop_assert!(starts.into_iter().eq(live().map(|(start, _)| *start)));
        for page in 0xf0..0x110 + window_pages {
            let address = Iova::new(page * PAGE_SIZE + 123);
            let owner = known.iter().find(|(start, entry)| **start <= page && page < **start + entry.pages);
            let expected_live = owner.filter(|(_, entry)| entry.live).map(|(start, _)| *start);
            let found = book.live_at(address).map(|record| record.mapping.start.as_u64() / PAGE_SIZE);
            prop_assert_eq!(found, expected_live);
            // The books may have let go of a released owner, but then they say so; they never invent one.
            let expected_last = owner.filter(|(_, entry)| !entry.live).map(|(start, _)| *start);
            let found = book.last_owner(address).map(|record| record.mapping.start.as_u64() / PAGE_SIZE);
            prop_assert!(found == expected_last || (found.is_none() && book.forgotten() > 0));
            let distance = live()
                .map(|(start, entry)| (start.saturating_sub(page)).max((page + 1).saturating_sub(start + entry.pages)))
                .min();
            prop_assert_eq!(book.nearest_live(address).map(|(_, position)| position.pages()), distance);
        }
        for page in 0..0x430 {
            let expected =
                live().any(|(_, entry)| entry.physical <= page && page < entry.physical + entry.pages);
            let found = book.live_at_physical(PhysAddr::new(page * PAGE_SIZE)).unwrap();
            prop_assert_eq!(found.is_some(), expected, "physical page {:#x}", page);
            if let Some(record) = found {
                prop_assert!(record.mapping.backing.covers(PhysAddr::new(page * PAGE_SIZE)) && record.is_live());
            }
        }
    }
}
