//! What the books know of an address.

use core::ops::Range;

use dma_types::{Iova, PAGE_SIZE, PhysAddr};

use super::Book;
use crate::entries::Entry;
use crate::history::History;
use crate::index::Which;
use crate::physical::Unsearched;
use crate::{MappingRecord, Position};

/// The widest gap in which an access still counts as an overrun, in pages (2 MiB).
///
/// The gap behind a mapping is what the allocator set aside with it: one page, or a few for rounded sizes.
/// Only slots aligned for large entries have more, and there the limit keeps an access far from the buffer
/// from being blamed on it.
const WIDEST_GAP: u64 = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Below,
    Above,
}

/// Looking things up.
impl Book {
    /// The window that the domain's addresses come from.
    pub const fn window(&self) -> &Range<Iova> {
        &self.window
    }

    /// Live mappings, firmware regions not counted.
    pub const fn live_mappings(&self) -> u64 {
        self.live
    }

    /// Bytes of the live mappings, firmware regions not counted.
    pub const fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// The least range with all addresses in it that were ever mapped, firmware regions not counted; the whole
    /// window where that is not known any more.
    pub fn used(&self) -> Range<Iova> {
        let entry = |slot: Option<u32>| self.entries.get(slot?);
        let first = entry(self.index.ceiling(0, Which::Present));
        let last = entry(self.index.floor(u64::MAX, Which::Present));
        match (first, last) {
            _ if self.forgotten > 0 => self.window.clone(),
            (Some(first), Some(last)) => first.start()..Iova::new(last.record.mapping.end_page() * PAGE_SIZE),
            _ => self.window.start..self.window.start,
        }
    }

    /// Times that a released range, or part of one, left the books without being mapped again as a whole.
    ///
    /// While it is 0, a page without an owner was never mapped in this domain.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The domain's recent events, the newest last; where the ring has been overwritten they are gone.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// The live mapping on whose pages `address` lies.
    pub fn live_at(&self, address: Iova) -> Option<&MappingRecord> {
        self.owner(address)
            .filter(|record| record.is_live())
            .or_else(|| self.regions.iter().find(|region| region.covers(address)))
    }

    /// The last owner of the page around `address`, if it released it and no one has used the range since.
    pub fn last_owner(&self, address: Iova) -> Option<&MappingRecord> {
        self.owner(address).filter(|record| !record.is_live())
    }

    /// The live mapping in whose gap `address` lies, and on which side of it.
    pub fn gap_owner(&self, address: Iova) -> Option<(&MappingRecord, Position)> {
        let own_slot = self.entry_below(address).filter(|entry| entry.record.is_live());
        let own_slot = own_slot.map(|entry| (&entry.record, entry.gap().min(WIDEST_GAP)));
        let regions = self.regions.iter().map(|region| (region, 1));
        for (record, gap) in own_slot.into_iter().chain(regions) {
            match Position::of(address, &record.mapping) {
                place @ Position::Behind(pages) if pages <= gap => return Some((record, place)),
                _ => {}
            }
        }
        let record = self.live_at(address.page().checked_add(PAGE_SIZE)?)?;
        let place = Position::of(address, &record.mapping);
        (place == Position::Before(1)).then_some((record, place))
    }

    /// The live mapping nearest to `address`, and where the address lies beside it.
    ///
    /// The search passes some 1,000 released ranges in either direction; behind more it finds nothing.
    pub fn nearest_live(&self, address: Iova) -> Option<(&MappingRecord, Position)> {
        [Side::Below, Side::Above]
            .into_iter()
            .filter_map(|side| self.nearest_entry(address, side).map(|entry| &entry.record))
            .chain(&self.regions)
            .map(|record| (record, Position::of(address, &record.mapping)))
            .min_by_key(|(_, place)| place.pages())
    }

    /// A live mapping with the physical page around `page` behind it.
    ///
    /// # Errors
    /// [`Unsearched`], where thousands of released mappings of the same memory are in the way.
    pub fn live_at_physical(&self, page: PhysAddr) -> Result<Option<&MappingRecord>, Unsearched> {
        let covers = |record: &&MappingRecord| record.is_live() && record.mapping.backing.covers(page);
        let record = |slot| self.entries.get(slot).map(|entry| &entry.record);
        if let Some(region) = self.regions.iter().find(|region| region.mapping.backing.covers(page)) {
            return Ok(Some(region));
        }
        let found = self.physical.find(page, |slot| record(slot).filter(covers).is_some())?;
        Ok(found.and_then(record))
    }

    /// The live mappings in the order of their addresses, then the firmware regions.
    pub fn live(&self) -> impl Iterator<Item = &MappingRecord> {
        let mut from = 0;
        let mapped = core::iter::from_fn(move || {
            let entry = self.entries.get(self.index.ceiling(from, Which::Present)?)?;
            from = entry.page + 1;
            Some(&entry.record)
        });
        mapped.filter(|record| record.is_live()).chain(&self.regions)
    }

    /// The entry, live or released, that starts nearest below `address`. Slots never overlap, so no other
    /// can hold it.
    fn entry_below(&self, address: Iova) -> Option<&Entry> {
        self.entries.get(self.index.floor(self.page_of(address)?, Which::Present)?)
    }

    /// The record, live or released, on whose pages `address` lies.
    fn owner(&self, address: Iova) -> Option<&MappingRecord> {
        self.entry_below(address).map(|entry| &entry.record).filter(|record| record.covers(address))
    }

    fn nearest_entry(&self, address: Iova, side: Side) -> Option<&Entry> {
        let page = self.page_of(address);
        let slot = match side {
            Side::Below => self.index.floor(page?, Which::Live)?,
            Side::Above => self.index.ceiling(page.unwrap_or(0), Which::Live)?,
        };
        self.entries.get(slot)
    }
}
