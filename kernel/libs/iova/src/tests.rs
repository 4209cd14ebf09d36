//! The allocator's promises, on chosen and on random sequences.

use std::collections::BTreeMap;
use std::ops::Range;
use std::string::ToString;
use std::vec::Vec;

use dma_types::{Iova, PAGE_SIZE, PageSize};
use proptest::prelude::*;

use crate::{IovaAllocator, IovaError, IovaRange};

fn pages(range: Range<u64>) -> Range<Iova> {
    Iova::new(range.start * PAGE_SIZE)..Iova::new(range.end * PAGE_SIZE)
}

fn allocator(window: Range<u64>) -> IovaAllocator {
    IovaAllocator::new(pages(window.clone()), [], Iova::new(window.start * PAGE_SIZE)).unwrap()
}

fn first_page(range: &IovaRange) -> u64 {
    assert!(range.start().is_aligned(PAGE_SIZE));
    range.start().as_u64() / PAGE_SIZE
}

/// Allocates until nothing more fits.
fn fill(allocator: &mut IovaAllocator, pages: u64) -> Vec<IovaRange> {
    let mut ranges = Vec::new();
    loop {
        match allocator.allocate(pages, PageSize::Size4K) {
            Ok(range) => ranges.push(range),
            Err(error) => {
                assert_eq!(error, IovaError::Exhausted { pages });
                return ranges;
            }
        }
    }
}

#[test]
fn slots_are_cut_from_the_start_and_then_below_it() {
    let mut allocator = IovaAllocator::new(pages(0..100), [], Iova::new(90 * PAGE_SIZE)).unwrap();
    let found: Vec<u64> = fill(&mut allocator, 1).iter().map(first_page).collect();
    assert_eq!(found[..6], [90, 92, 94, 96, 98, 1]);
    assert_eq!(found.len(), 5 + 44);
}

#[test]
fn a_start_outside_the_window_is_its_beginning() {
    let mut allocator = IovaAllocator::new(pages(50..100), [], Iova::new(u64::MAX)).unwrap();
    assert_eq!(first_page(&allocator.allocate(1, PageSize::Size4K).unwrap()), 50);
}

#[test]
fn a_freed_range_waits_for_all_others_of_the_quarantine() {
    let mut allocator = allocator(0x100..0x10_0000);
    let first = allocator.allocate(1, PageSize::Size4K).unwrap();
    let page = first_page(&first);
    allocator.free(first).unwrap();
    let mut until_reuse = 0;
    loop {
        let range = allocator.allocate(1, PageSize::Size4K).unwrap();
        let same = first_page(&range) == page;
        allocator.free(range).unwrap();
        if same {
            break;
        }
        until_reuse += 1;
    }
    assert_eq!(until_reuse, 256);
}

#[test]
fn with_room_for_one_only_the_freed_range_comes_back_rather_than_an_error() {
    let mut allocator = allocator(2..4);
    let range = allocator.allocate(1, PageSize::Size4K).unwrap();
    assert_eq!(allocator.allocate(1, PageSize::Size4K), Err(IovaError::Exhausted { pages: 1 }));
    allocator.free(range).unwrap();
    assert_eq!(first_page(&allocator.allocate(1, PageSize::Size4K).unwrap()), 2);
}

#[test]
fn merging_hands_out_the_piece_freed_last_after_all_others() {
    let mut allocator = allocator(0x10..0x20);
    let mut ranges = fill(&mut allocator, 1);
    assert_eq!(ranges.len(), 8);
    // Pages 0x10 to 0x13 and 0x18 to 0x1b become free, the lower ones last.
    for index in [5, 4, 1, 0] {
        allocator.free(ranges.remove(index)).unwrap();
    }
    assert_eq!(first_page(&allocator.allocate(2, PageSize::Size4K).unwrap()), 0x18);
    assert_eq!(first_page(&allocator.allocate(2, PageSize::Size4K).unwrap()), 0x10);
}

#[test]
fn nothing_is_lost_when_all_is_freed() {
    let mut allocator = allocator(0x40..0x440);
    for size in [1, 3, 64, 100, 1] {
        let ranges = fill(&mut allocator, size);
        assert_eq!(allocator.live_ranges(), ranges.len() as u64);
        for range in ranges {
            allocator.free(range).unwrap();
        }
    }
    assert_eq!(allocator.live_ranges(), 0);
    // The whole window in one piece, but for the gap.
    let whole = allocator.allocate(0x3ff, PageSize::Size4K).unwrap();
    assert_eq!((first_page(&whole), whole.guard_pages()), (0x40, 1));
    allocator.free(whole).unwrap();
    assert_eq!(fill(&mut allocator, 1).len(), 0x200);
}

#[test]
fn large_ranges_are_aligned_and_holes_serve_small_ones() {
    let mut allocator = allocator(1..(8 << 18));
    let small = allocator.allocate(1, PageSize::Size4K).unwrap();
    let large = allocator.allocate(512, PageSize::Size2M).unwrap();
    let huge = allocator.allocate(1 << 18, PageSize::Size1G).unwrap();
    assert!(large.start().is_aligned(PageSize::Size2M.bytes()));
    assert!(huge.start().is_aligned(PageSize::Size1G.bytes()));
    let next = allocator.allocate(1, PageSize::Size4K).unwrap();
    assert_eq!(first_page(&next), first_page(&small) + 2);
    // Freed large slots stay aligned when they come back.
    for _ in 0..40 {
        let range = allocator.allocate(700, PageSize::Size2M).unwrap();
        assert!(range.start().is_aligned(PageSize::Size2M.bytes()));
        allocator.free(range).unwrap();
    }
}

#[test]
fn ranges_too_large_for_a_class_come_back_too() {
    let mut allocator = allocator(1..0x10_0000);
    let first = allocator.allocate(0x8_0000, PageSize::Size4K).unwrap();
    allocator.free(first).unwrap();
    let second = allocator.allocate(0x7_0000, PageSize::Size4K).unwrap();
    assert_eq!(second.length(), 0x7_0000 * PAGE_SIZE);
    assert_eq!(second.end().as_u64() - second.start().as_u64(), second.length());
}

#[test]
fn impossible_requests_are_errors_in_words() {
    let empty = IovaAllocator::new(pages(0..2), [], Iova::new(0)).unwrap_err();
    assert_eq!(empty.to_string(), "no usable page in the address window 0x0 to 0x2000");
    let mut allocator = allocator(1..100);
    assert_eq!(allocator.allocate(0, PageSize::Size4K), Err(IovaError::NoPages));
    for pages in [99, 1 << 40, u64::MAX] {
        assert_eq!(allocator.allocate(pages, PageSize::Size4K), Err(IovaError::Exhausted { pages }));
    }
    assert_eq!(allocator.allocate(1, PageSize::Size1G), Err(IovaError::Exhausted { pages: 1 }));
}

#[test]
fn a_range_of_another_allocator_is_refused() {
    let mut ours = allocator(1..100);
    let mut theirs = allocator(0x200..0x300);
    let stranger = theirs.allocate(1, PageSize::Size4K).unwrap();
    let _held = ours.allocate(1, PageSize::Size4K).unwrap();
    let start = stranger.start();
    assert_eq!(ours.free(stranger), Err(IovaError::NotHandedOut { start }));
    assert_eq!(ours.live_ranges(), 1);
}

#[test]
fn ranges_freed_together_come_back_as_if_freed_one_by_one() {
    let sizes = [1, 1, 1, 3, 3, 1, 700, 600, 1, 2, 0x200];
    let [mut together, mut one_by_one] = [(); 2].map(|()| allocator(1..0x10_0000));
    for _ in 0..300 {
        let [first, second] = [&mut together, &mut one_by_one]
            .map(|allocator| sizes.map(|pages| allocator.allocate(pages, PageSize::Size4K).unwrap()));
        assert_eq!(first, second);
        together.free_all(first.into()).unwrap();
        second.into_iter().for_each(|range| one_by_one.free(range).unwrap());
    }
    assert_eq!((together.live_ranges(), together.free_all(Vec::new())), (0, Ok(())));
}

#[test]
fn a_stranger_among_ranges_freed_together_is_refused() {
    let mut ours = allocator(1..100);
    let stranger = allocator(0x200..0x300).allocate(1, PageSize::Size4K).unwrap();
    let [first, second] = [(); 2].map(|()| ours.allocate(1, PageSize::Size4K).unwrap());
    let start = stranger.start();
    assert_eq!(ours.free_all([first, stranger, second].into()), Err(IovaError::NotHandedOut { start }));
    assert_eq!(ours.live_ranges(), 1);
}

/// What is handed out, as a plain map from first page to the page behind the slot.
struct Model {
    window: Range<u64>,
    reserved: Range<u64>,
    live: BTreeMap<u64, u64>,
}

impl Model {
    /// Every range that no slot may touch, besides what lies outside the window.
    fn holes(&self) -> [Range<u64>; 3] {
        [0..1, 0xfee00..0xfef00, self.reserved.start..self.reserved.end + 1]
    }

    fn add(&mut self, range: &IovaRange) {
        assert!(range.guard_pages() >= 1);
        let start = first_page(range);
        let slot = start..start + range.pages() + range.guard_pages();
        assert!(slot.start >= self.window.start && slot.end <= self.window.end);
        for hole in self.holes() {
            assert!(slot.end <= hole.start || slot.start >= hole.end, "{slot:x?} in {hole:x?}");
        }
        if let Some((_, end)) = self.live.range(..slot.end).next_back() {
            assert!(*end <= slot.start, "{slot:x?} overlaps a live slot");
        }
        self.live.insert(slot.start, slot.end);
    }

    /// The free runs of the window, `avoided` taken as used.
    fn free_runs(&self, avoided: &Range<u64>) -> impl Iterator<Item = u64> {
        let mut taken: Vec<Range<u64>> = self.live.iter().map(|(start, end)| *start..*end).collect();
        taken.extend(self.holes());
        taken.extend([avoided.clone(), self.window.end..u64::MAX]);
        taken.sort_by_key(|range| range.start);
        let (mut free_from, end) = (self.window.start, self.window.end);
        taken.into_iter().map(move |range| {
            let run = range.start.min(end).saturating_sub(free_from);
            free_from = free_from.max(range.end);
            run
        })
    }

    /// Tells whether a page and its gap fit somewhere outside `avoided`.
    fn has_room_outside(&self, avoided: &Range<u64>) -> bool {
        self.free_runs(avoided).any(|run| run >= 2)
    }

    /// Pages of the longest free run.
    fn longest_run(&self) -> u64 {
        self.free_runs(&(0..0)).max().unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(u64, PageSize),
    Free(usize),
    /// So many of those handed out last, together.
    FreeMany(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let alignment = prop_oneof![8 => Just(PageSize::Size4K), 1 => Just(PageSize::Size2M)];
    let size = prop_oneof![6 => 1..4_u64, 2 => 4..80_u64, 1 => 80..700_u64];
    let step = prop_oneof![
        5 => (size, alignment).prop_map(|(pages, alignment)| Step::Allocate(pages, alignment)),
        4 => any::<usize>().prop_map(Step::Free),
        1 => (0..20_usize).prop_map(Step::FreeMany),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// No overlap, gaps kept, reserved ranges kept clear, no freed range at once, nothing lost.
    #[test]
    fn promises_hold_for_any_sequence(
        steps in steps(),
        window_start in prop_oneof![Just(0_u64), 0xfe000..0xfee80_u64],
        window_pages in prop_oneof![0x20..0x200_u64, 0x200..0x2000_u64],
        hole in (0..0x2000_u64, 1..40_u64),
        start in 0..0x3000_u64,
    ) {
        let window = window_start..window_start + window_pages;
        let reserved = window_start + hole.0..window_start + hole.0 + hole.1;
        let from = Iova::new((window_start + start) * PAGE_SIZE);
        let made = IovaAllocator::new(pages(window.clone()), [pages(reserved.clone())], from);
        let Ok(mut allocator) = made else { return Ok(()) };

        let mut model = Model { window, reserved, live: BTreeMap::new() };
        let mut held: Vec<IovaRange> = Vec::new();
        let mut freed_last = 0..0;
        for step in steps {
            match step {
                Step::Allocate(count, alignment) => {
                    let Ok(range) = allocator.allocate(count, alignment) else {
                        // In search of room it has merged all that is free: the quarantine is over.
                        freed_last = 0..0;
                        continue;
                    };
                    prop_assert_eq!(range.pages(), count);
                    prop_assert!(range.start().is_aligned(alignment.bytes()));
                    if count == 1 && alignment == PageSize::Size4K && freed_last.contains(&first_page(&range)) {
                        prop_assert!(!model.has_room_outside(&freed_last), "handed out again at once");
                    }
                    model.add(&range);
                    freed_last = 0..0;
                    held.push(range);
                }
                Step::Free(index) if !held.is_empty() => {
                    let range = held.swap_remove(index % held.len());
                    let start = first_page(&range);
                    freed_last = start..model.live.remove(&start).unwrap();
                    prop_assert_eq!(allocator.free(range), Ok(()));
                }
                Step::Free(_) => {}
                Step::FreeMany(count) => {
                    let ranges = held.split_off(held.len().saturating_sub(count));
                    for range in &ranges {
                        let start = first_page(range);
                        freed_last = start..model.live.remove(&start).unwrap();
                    }
                    prop_assert_eq!(allocator.free_all(ranges), Ok(()));
                }
            }
            prop_assert_eq!(allocator.live_ranges(), held.len() as u64);
        }

        for range in held {
            prop_assert_eq!(allocator.free(range), Ok(()));
        }
        // The longest run is free in one piece again.
        model.live.clear();
        let longest = model.longest_run();
        prop_assert!(longest < 2 || allocator.allocate(longest - 1, PageSize::Size4K).is_ok());
    }
}
