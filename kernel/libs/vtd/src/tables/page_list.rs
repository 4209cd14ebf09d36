//! A list of table pages that the hardware cannot reach, threaded through the pages themselves.

use dma_types::PhysAddr;

use crate::TableMemory;

use super::word;

/// Pages without a place in a table: not linked yet, or unlinked and waiting for an invalidation.
///
/// A page's word 0 holds the address of the next one. That has R and W clear, so a unit that still walks
/// an unlinked page out of its paging-structure caches finds an entry that blocks, at whatever level.
#[derive(Debug)]
pub(super) struct PageList {
    head: PhysAddr,
    tail: PhysAddr,
    len: u64,
}

impl PageList {
    /// A list of nothing.
    pub(super) const fn new() -> Self {
        Self { head: PhysAddr::new(0), tail: PhysAddr::new(0), len: 0 }
    }

    /// Allocates `pages` pages, or none.
    pub(super) fn allocate<M: TableMemory + ?Sized>(memory: &mut M, pages: u64) -> Option<Self> {
        let mut list = Self::new();
        for _ in 0..pages {
            let Some(page) = memory.allocate() else {
                list.free(memory);
                return None;
            };
            list.push(memory, page);
        }
        Some(list)
    }

    /// The number of pages.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Adds a page at the front.
    pub(super) fn push<M: TableMemory + ?Sized>(&mut self, memory: &mut M, page: PhysAddr) {
        if self.len == 0 {
            self.tail = page;
        }
        memory.write(page, self.head.as_u64());
        self.head = page;
        self.len += 1;
    }

    /// Takes the front page, its link cleared.
    pub(super) fn take<M: TableMemory + ?Sized>(&mut self, memory: &mut M) -> Option<PhysAddr> {
        self.len = self.len.checked_sub(1)?;
        let page = self.head;
        self.head = PhysAddr::new(memory.read(page));
        memory.write(page, 0);
        Some(page)
    }

    /// Puts the pages of `other` in front.
    pub(super) fn append<M: TableMemory + ?Sized>(&mut self, memory: &mut M, other: Self) {
        if other.len == 0 {
            return;
        }
        if self.len == 0 {
            *self = other;
            return;
        }
        memory.write(word(other.tail, 0), self.head.as_u64());
        self.head = other.head;
        self.len += other.len;
    }

    /// Gives every page back.
    pub(super) fn free<M: TableMemory + ?Sized>(mut self, memory: &mut M) {
        while let Some(page) = self.take(memory) {
            memory.free(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::test_memory::TestMemory;

    #[test]
    fn pages_come_back_clean_and_links_never_look_present() {
        let mut memory = TestMemory::new();
        let mut list = PageList::allocate(&mut memory, 3).unwrap();
        let other = PageList::allocate(&mut memory, 2).unwrap();
        list.append(&mut memory, other);
        list.append(&mut memory, PageList::new());
        assert_eq!((list.len(), memory.pages()), (5, 5));
        for page in memory.page_addresses() {
            assert_eq!(memory.read(page) & 3, 0);
        }
        let page = list.take(&mut memory).unwrap();
        assert_eq!(memory.read(page), 0);
        memory.free(page);
        list.free(&mut memory);
        assert_eq!(memory.pages(), 0);
    }

    #[test]
    fn a_list_is_allocated_whole_or_not_at_all() {
        let mut memory = TestMemory::new();
        memory.fail_allocation(2);
        assert!(PageList::allocate(&mut memory, 3).is_none());
        assert_eq!(memory.pages(), 0);
    }
}
