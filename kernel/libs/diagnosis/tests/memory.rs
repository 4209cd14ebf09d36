//! The history's memory: as stated per slot and per book, and no more after a million mappings.
#![expect(unsafe_code, reason = "UNSAFETY: a global allocator that counts bytes is an unsafe trait")]

use diagnosis::{Backing, Book, EVENTS, Event, Label, Mapping, Site, Step, Timestamp};
use dma_types::{Direction, Iova, PAGE_SIZE, PageSize, PhysAddr};
use iova::{IovaAllocator, IovaRange};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;

thread_local! {
    /// Bytes that this thread took, less those that it gave back, its own or not.
    static HELD: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, and a count of the bytes.
struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get() + layout.size() as i64);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as i64);
        // SAFETY: the pointer came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a book takes with nothing on it: the ring, 8,192 chain heads, and the page index.
const EMPTY: i64 = (EVENTS * size_of::<Event>()) as i64 + 8_192 * 4 + ROOTS;

/// The first chunk of the page index' nodes, and its lists.
const ROOTS: i64 = 64 * 272 + 64;

/// Mappings that are live at a time.
const LIVE: usize = 4_000;

/// Bytes of a slot: record, physical index, and page index where ranges lie densely.
const SLOT: i64 = 120 + 16 + 9;

fn bytes_held<T>(make: impl FnOnce() -> T) -> (T, i64) {
    let before = HELD.get();
    let made = make();
    (made, HELD.get() - before)
}

fn step(nanos: u64) -> Step {
    Step { at: Timestamp::from_nanos(nanos), site: Site::caller() }
}

/// Enters a mapping; of changing memory, so that slots are filed anew again and again.
fn map(book: &mut Book, range: &IovaRange, number: u64) {
    let mapping = Mapping {
        start: range.start(),
        length: range.length(),
        direction: Direction::FromDevice,
        label: Label("buffer"),
        backing: Backing::new(PhysAddr::new(number % 77_777 * PAGE_SIZE), range.length()),
        mapped: step(number),
    };
    book.record_map(range, mapping).unwrap();
}

#[test]
fn empty_books_take_what_is_stated() {
    let (_book, bytes) = bytes_held(|| Book::new(Iova::new(0)..Iova::new(1 << 40)).unwrap());
    assert_eq!(bytes, EMPTY);
}

#[test]
fn a_million_mappings_made_and_released_take_no_more_memory_than_the_first_thousands() {
    let window = Iova::new(0)..Iova::new(1 << 40);
    let mut allocator = IovaAllocator::new(window.clone(), [], Iova::new(0)).unwrap();
    let mut book = Book::new(window).unwrap();
    let mut live = VecDeque::with_capacity(LIVE + 1);
    let (mut slots, mut bytes, mut early) = (0, 0, 0);
    for number in 0..1_000_000 {
        let range = allocator.allocate(1 + number % 2, PageSize::Size4K).unwrap();
        slots = slots.max(i64::from(range.slot().index()) + 1);
        bytes += bytes_held(|| map(&mut book, &range, number)).1;
        live.push_back(range);
        if live.len() > LIVE {
            let range = live.pop_front().unwrap();
            bytes += bytes_held(|| book.record_unmap(&range, step(number)).unwrap()).1;
            allocator.free(range).unwrap();
        }
        if number == 10 * LIVE as u64 {
            early = bytes;
        }
    }
    assert_eq!((book.live_mappings(), book.history().newest_first().count()), (LIVE as u64, EVENTS));
    assert_eq!(bytes, early);
    // Arrays grow by whole chunks, lists of them by doubling.
    assert!(slots < 2 * LIVE as i64 && bytes < slots * SLOT * 5 / 4, "{bytes} bytes for {slots} slots");
}
