//! A range of device addresses that was handed out.

use dma_types::{Iova, PAGE_SIZE};

use crate::pieces::SlotId;

/// Pages that an [`IovaAllocator`](crate::IovaAllocator) handed out and has not got back.
///
/// Holding one proves that no other range of its allocator shares a page with it, and that the
/// [`guard_pages`](Self::guard_pages) behind it belong to no range. It cannot be copied: freeing consumes
/// it, so that a range is freed once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a range that is dropped is never handed out again"]
pub struct IovaRange {
    start: Iova,
    pages: u32,
    slot_pages: u32,
    slot: SlotId,
}

impl IovaRange {
    #[inline]
    pub(crate) const fn new(start: Iova, pages: u32, slot_pages: u32, slot: SlotId) -> Self {
        Self { start, pages, slot_pages, slot }
    }

    /// The first address; a multiple of the page size and of the alignment asked for.
    pub const fn start(&self) -> Iova {
        self.start
    }

    /// The address behind the last one.
    pub const fn end(&self) -> Iova {
        Iova::new(self.start.as_u64().wrapping_add(self.length()))
    }

    /// Pages that may be mapped.
    pub const fn pages(&self) -> u64 {
        self.pages as u64
    }

    /// Bytes that may be mapped.
    pub const fn length(&self) -> u64 {
        self.pages() * PAGE_SIZE
    }

    /// Pages directly behind the range that stay unused as long as it is held; at least 1.
    pub const fn guard_pages(&self) -> u64 {
        self.slot_pages().saturating_sub(self.pages())
    }

    /// Pages of the range and its guard pages together.
    pub const fn slot_pages(&self) -> u64 {
        self.slot_pages as u64
    }

    /// The number of its slot: dense, and the same whenever the same slot is handed out again.
    pub const fn slot(&self) -> SlotId {
        self.slot
    }
}
