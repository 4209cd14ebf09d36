//! Memory for tables and queues, as two parties see it: the processor and a unit that may not snoop.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use dma_types::{PAGE_SIZE, PhysAddr};

use crate::{ContiguousMemory, TableMemory};

const WORDS: usize = (PAGE_SIZE / 8) as usize;
/// Processor cache lines, in words.
const LINE_WORDS: usize = 8;
/// What memory holds until it is written back: nothing that could pass for an entry.
const POISON: u64 = 0x5afe_5afe_5afe_5afe;
/// Where the first page lies.
const BASE: u64 = 0x10_0000;

/// Pages handed out one after the other, never twice; clones share them.
///
/// A page that was freed stays known: to touch it, from either side, is a bug and panics.
#[derive(Clone, Debug, Default)]
pub struct FakeMemory {
    store: Rc<RefCell<Store>>,
}

#[derive(Default)]
struct Store {
    pages: BTreeMap<u64, Page>,
    requests: usize,
    fails_at: Option<usize>,
    watch: Option<Rc<dyn Fn()>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("pages", &self.pages).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Page {
    /// As the processor sees it.
    cached: [u64; WORDS],
    /// As it stands in memory; differs until it is flushed.
    memory: [u64; WORDS],
    live: bool,
}

/// Whether a reader sees the processor's caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Sees what the processor sees.
    Coherent,
    /// Sees what was written back.
    WrittenBack,
}

impl FakeMemory {
    /// Memory without a page.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many pages are handed out and not freed.
    pub fn live_pages(&self) -> usize {
        self.store.borrow().pages.values().filter(|page| page.live).count()
    }

    /// Makes the `nth` allocation from now fail, counted from 0; later ones succeed again.
    pub fn fail_allocation(&self, nth: usize) {
        let mut store = self.store.borrow_mut();
        store.fails_at = Some(store.requests + nth);
    }

    /// Calls `watch` from now on after every store and flush of the processor, in place of whoever watched before.
    pub fn watch(&self, watch: impl Fn() + 'static) {
        self.store.borrow_mut().watch = Some(Rc::new(watch));
    }

    /// Tells who watches.
    fn tell(&self) {
        let watch = self.store.borrow().watch.clone();
        if let Some(watch) = watch {
            watch();
        }
    }

    /// Reads a word as a unit does; `None` where there never was a page.
    ///
    /// # Panics
    ///
    /// The page was freed: the unit can still reach it.
    pub fn device_read(&self, at: PhysAddr, view: View) -> Option<u64> {
        let store = self.store.borrow();
        let page = store.pages.get(&at.page().as_u64())?;
        assert!(page.live, "the unit reads the freed page around {at}");
        let index = word_index(at);
        Some(match view {
            View::Coherent => page.cached[index],
            View::WrittenBack => page.memory[index],
        })
    }

    /// Writes a word as a unit does; the processor sees it.
    ///
    /// # Panics
    ///
    /// There is no such page.
    pub fn device_write64(&self, at: PhysAddr, value: u64) {
        let mut store = self.store.borrow_mut();
        let page = store.live(at);
        let index = word_index(at);
        page.cached[index] = value;
        page.memory[index] = value;
    }

    /// Writes the lower or upper half of a word as a unit does; the processor sees it.
    ///
    /// # Panics
    ///
    /// There is no such page.
    pub fn device_write32(&self, at: PhysAddr, value: u32) {
        let mut store = self.store.borrow_mut();
        let page = store.live(at);
        let index = word_index(at);
        let shift = at.as_u64() % 8 * 8;
        let word = page.cached[index] & !(0xffff_ffff << shift) | u64::from(value) << shift;
        page.cached[index] = word;
        page.memory[index] = word;
    }
}

impl Store {
    fn hand_out(&mut self) -> PhysAddr {
        let at = BASE + self.pages.len() as u64 * PAGE_SIZE;
        self.pages.insert(at, Page { cached: [0; WORDS], memory: [POISON; WORDS], live: true });
        PhysAddr::new(at)
    }

    fn live(&mut self, at: PhysAddr) -> &mut Page {
        let page = self.pages.get_mut(&at.page().as_u64());
        page.filter(|page| page.live).unwrap_or_else(|| panic!("no page at {at}"))
    }
}

fn word_index(at: PhysAddr) -> usize {
    usize::try_from(at.page_offset() / 8).expect("a page is small")
}

impl ContiguousMemory for FakeMemory {
    fn allocate_row(&mut self, order: u8) -> Option<PhysAddr> {
        // Pages come one after the other, so they are in a row.
        let first = self.allocate()?;
        for _ in 1..1_u64 << order {
            self.store.borrow_mut().hand_out();
        }
        Some(first)
    }

    fn free_row(&mut self, first: PhysAddr, order: u8) {
        for page in 0..1_u64 << order {
            self.free(PhysAddr::new(first.as_u64() + page * PAGE_SIZE));
        }
    }
}

impl TableMemory for FakeMemory {
    fn allocate(&mut self) -> Option<PhysAddr> {
        let mut store = self.store.borrow_mut();
        let request = store.requests;
        store.requests += 1;
        if store.fails_at == Some(request) {
            return None;
        }
        Some(store.hand_out())
    }

    fn free(&mut self, page: PhysAddr) {
        assert!(page.is_aligned(PAGE_SIZE), "{page} is not the start of a page");
        let mut store = self.store.borrow_mut();
        let freed = store.live(page);
        freed.live = false;
        freed.cached = [POISON; WORDS];
    }

    fn read(&self, at: PhysAddr) -> u64 {
        assert!(at.is_aligned(8), "{at} is not the start of a word");
        self.store.borrow_mut().live(at).cached[word_index(at)]
    }

    fn write(&mut self, at: PhysAddr, value: u64) {
        assert!(at.is_aligned(8), "{at} is not the start of a word");
        self.store.borrow_mut().live(at).cached[word_index(at)] = value;
        self.tell();
    }

    fn flush(&self, at: PhysAddr, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let last = at.checked_add(bytes - 1).expect("within the address range");
        assert_eq!(at.page(), last.page(), "a flush stays within a page");
        let mut store = self.store.borrow_mut();
        let page = store.live(at);
        let (first, last) = (word_index(at) / LINE_WORDS, word_index(last) / LINE_WORDS);
        let words = first * LINE_WORDS..(last + 1) * LINE_WORDS;
        page.memory[words.clone()].copy_from_slice(&page.cached[words]);
        drop(store);
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_does_not_snoop_sees_only_what_was_flushed() {
        let mut memory = FakeMemory::new();
        let page = memory.allocate().unwrap();
        memory.write(page, 7);
        assert_eq!(memory.device_read(page, View::Coherent), Some(7));
        assert_eq!(memory.device_read(page, View::WrittenBack), Some(POISON));
        memory.flush(page, 8);
        assert_eq!(memory.device_read(page, View::WrittenBack), Some(7));
        let next_line = page.checked_add(64).unwrap();
        assert_eq!(memory.device_read(next_line, View::WrittenBack), Some(POISON));
    }

    #[test]
    fn allocations_fail_on_request_and_pages_are_counted() {
        let mut memory = FakeMemory::new();
        memory.fail_allocation(1);
        let page = memory.allocate().unwrap();
        assert_eq!(memory.allocate(), None);
        assert!(memory.allocate().is_some());
        assert_eq!(memory.live_pages(), 2);
        memory.free(page);
        assert_eq!(memory.live_pages(), 1);
    }

    #[test]
    #[should_panic(expected = "the unit reads the freed page")]
    fn a_freed_page_that_is_still_reachable_is_noticed() {
        let mut memory = FakeMemory::new();
        let page = memory.allocate().unwrap();
        memory.free(page);
        memory.device_read(page, View::Coherent);
    }
}
