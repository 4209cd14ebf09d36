//! A list of table pages that the hardware cannot reach, threaded through the pages themselves.

use dma_types::PhysAddr;

use crate::TableMemory;

/// Pages without a place in a table: not linked yet, or unlinked and waiting for an invalidation.
///
/// A page's word 0 holds the address of the next one. That has its low bits clear, those by which an entry of any family permits anything, so a
/// unit that still walks an unlinked page out of its paging-structure caches finds an entry that blocks, at whatever level.
#[must_use = "dropping it leaks its pages"]
#[derive(Debug)]
pub struct PageList {
    head: PhysAddr,
    tail: PhysAddr,
    len: u64,
}

impl PageList {
    /// A list of nothing; it allocates nothing.
    #[inline]
    pub const fn new() -> Self {
        Self { head: PhysAddr::new(0), tail: PhysAddr::new(0), len: 0 }
    }

    /// Allocates `pages` pages; `None`, and nothing allocated, if there are not so many.
    pub fn allocate<M: TableMemory + ?Sized>(memory: &mut M, pages: u64) -> Option<Self> {
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
    #[inline]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether there is no page in it.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a page at the front.
    pub fn push<M: TableMemory + ?Sized>(&mut self, memory: &mut M, page: PhysAddr) {
        if self.len == 0 {
            self.tail = page;
        }
        memory.write(page, self.head.as_u64());
        self.head = page;
        self.len += 1;
    }

    /// Takes the front page, its link cleared; `None` if there is none.
    pub fn take<M: TableMemory + ?Sized>(&mut self, memory: &mut M) -> Option<PhysAddr> {
        self.len = self.len.checked_sub(1)?;
        let page = self.head;
        self.head = PhysAddr::new(memory.read(page));
        memory.write(page, 0);
        Some(page)
    }

    /// Puts the pages of `other` in front.
    pub fn append<M: TableMemory + ?Sized>(&mut self, memory: &mut M, other: Self) {
        if other.len == 0 {
            return;
        }
        if self.len == 0 {
            *self = other;
            return;
        }
        memory.write(other.tail, self.head.as_u64());
        self.head = other.head;
        self.len += other.len;
    }

    /// Gives every page back. No unit may walk them any more.
    pub fn free<M: TableMemory + ?Sized>(mut self, memory: &mut M) {
        while let Some(page) = self.take(memory) {
            memory.free(page);
        }
    }
}

impl Default for PageList {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeMemory;
    use std::vec::Vec;

    #[test]
    fn pages_come_back_clean_and_links_never_look_present() {
        let mut memory = FakeMemory::new();
        let mut list = PageList::allocate(&mut memory, 3).unwrap();
        let other = PageList::allocate(&mut memory, 2).unwrap();
        list.append(&mut memory, other);
        list.append(&mut memory, PageList::new());
        assert_eq!((list.len(), memory.live_pages()), (5, 5));
        let mut taken = Vec::new();
        while !list.is_empty() {
            assert_eq!(memory.read(list.head) & 3, 0);
            let page = list.take(&mut memory).unwrap();
            assert_eq!(memory.read(page), 0);
            taken.push(page);
        }
        taken.dedup();
        assert_eq!((taken.len(), list.take(&mut memory)), (5, None));
        for page in taken {
            list.push(&mut memory, page);
        }
        list.free(&mut memory);
        assert_eq!(memory.live_pages(), 0);
    }

    #[test]
    fn a_list_is_allocated_whole_or_not_at_all() {
        let mut memory = FakeMemory::new();
        memory.fail_allocation(2);
        assert!(PageList::allocate(&mut memory, 3).is_none());
        assert_eq!(memory.live_pages(), 0);
    }
}
