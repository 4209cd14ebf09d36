//! Unmapping many single pages: what each of them would cost a table is spent once for all in the same table.

use dma_types::{Iova, PAGE_SIZE, PhysAddr};

use crate::TableMemory;
use crate::spec::second_stage::SecondStageEntry;
use crate::tables::word;

use super::level::Level;
use super::node::Place;
use super::{SecondStage, Unmapped, read, write};

impl SecondStage {
    /// Unmaps ranges from the first on, as long as they are single pages with entries in one table, and tells
    /// how many that were.
    ///
    /// The entries are published and the table's count is written once. What has to be invalidated follows from
    /// the proof, for all of them.
    #[inline(always)]
    pub fn unmap_run<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        ranges: impl Iterator<Item = (Iova, u64)>,
    ) -> (usize, Unmapped) {
        let mut pages = ranges.map_while(|(iova, bytes)| (bytes == PAGE_SIZE).then_some(iova));
        let none = (0, Unmapped::NOTHING_UNLINKED);
        let Some(first) = pages.next().filter(|first| first.is_aligned(PAGE_SIZE)) else { return none };
        let Some(node) = self.node(memory, Level::PAGES, first) else { return none };
        let (mut lowest, mut highest) = (PhysAddr::new(u64::MAX), PhysAddr::new(0));
        let mut cleared = 0_u16;
        let mut next = Some(first);
        while let Some(iova) = next.filter(|iova| differ_in_entry_alone(*iova, first)) {
            let at = word(node.table, Level::PAGES.index(iova));
            if !read(memory, at).is_present() {
                break;
            }
            write(memory, at, SecondStageEntry::EMPTY);
            (lowest, highest) = (lowest.min(at), highest.max(at));
            // No entry is cleared twice, and a table has 512.
            cleared = cleared.wrapping_add(1);
            next = pages.next();
        }
        if cleared == 0 {
            return none;
        }
        let bytes = highest.as_u64().wrapping_sub(lowest.as_u64()).wrapping_add(SecondStageEntry::BYTES);
        self.format.coherence.publish(memory, lowest, bytes);
        let parent = read(memory, node.parent);
        write(memory, node.parent, parent.sub_software(cleared));
        self.mapped_bytes = self.mapped_bytes.wrapping_sub(u64::from(cleared) * PAGE_SIZE);
        let place = Place::of(Level::PAGES, first);
        let is_emptied = parent.software() == cleared;
        let unmapped = if is_emptied && !self.idle.is_newest(place) {
            self.retire(memory, place)
        } else {
            Unmapped::NOTHING_UNLINKED
        };
        (usize::from(cleared), unmapped)
    }
}

/// Tells whether two addresses have the same table of pages and the same offset within their page.
#[inline]
const fn differ_in_entry_alone(one: Iova, other: Iova) -> bool {
    const ENTRY: u64 = (Level::ENTRIES - 1) * PAGE_SIZE;
    (one.as_u64() ^ other.as_u64()) & !ENTRY == 0
}
