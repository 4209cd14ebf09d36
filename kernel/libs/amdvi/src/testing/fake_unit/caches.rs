//! Everything that the unit remembers until it is told to forget it.

use std::collections::{BTreeMap, BTreeSet};

use dma_types::{DomainId, Iova, PhysAddr, SourceId};

use crate::testing::walker::Found;

/// What a domain's page is remembered as.
pub(super) type Page = (DomainKey, u64);
/// Domain ids, ordered.
pub(super) type DomainKey = u16;

/// A table of pages, and what the levels above it permit.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableAbove {
    pub(super) table: PhysAddr,
    pub(super) reads: bool,
    pub(super) writes: bool,
}

#[derive(Debug, Default)]
pub(super) struct Caches {
    pub(super) entries: BTreeMap<u16, [u64; 4]>,
    pub(super) pages: BTreeMap<Page, Found>,
    pub(super) absent: BTreeSet<Page>,
    /// What a requester's last requests led to, and for which domain: used without another look at its entry.
    pub(super) requests: BTreeMap<(u16, u64), (DomainKey, Found)>,
    /// Tables of pages, by the 2 MiB that they serve.
    pub(super) tables: BTreeMap<Page, TableAbove>,
}

impl Caches {
    pub(super) fn forget_entry(&mut self, source: SourceId) {
        self.entries.remove(&source.bits());
    }

    /// Forgets the translations of 2^`order` pages.
    pub(super) fn forget_pages(&mut self, domain: DomainId, start: Iova, order: u32) {
        let first = start.as_u64() >> 12;
        let last = first + ((1 << order) - 1);
        let is_kept = |&(of, page): &Page| of != domain.0 || page < first || page > last;
        self.pages.retain(|page, _| is_kept(page));
        self.requests.retain(|&(_, page), &mut (of, _)| is_kept(&(of, page)));
        self.absent.retain(is_kept);
    }

    /// Forgets which tables serve a range of pages.
    pub(super) fn forget_tables(&mut self, domain: DomainId, start: Iova, order: u32) {
        let first = start.as_u64() >> 21;
        let last = (start.as_u64() + ((1 << (order + 12)) - 1)) >> 21;
        self.tables.retain(|&(of, place), _| of != domain.0 || place < first || place > last);
    }

    /// Forgets every translation of a domain.
    pub(super) fn forget_all_pages(&mut self, domain: DomainId) {
        self.pages.retain(|(of, _), _| *of != domain.0);
        self.requests.retain(|_, (of, _)| *of != domain.0);
        self.absent.retain(|(of, _)| *of != domain.0);
    }

    /// Forgets which tables serve a domain.
    pub(super) fn forget_all_tables(&mut self, domain: DomainId) {
        self.tables.retain(|(of, _), _| *of != domain.0);
    }
}
