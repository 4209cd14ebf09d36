//! What a unit remembers: context entries, translations, upper tables (VT-d "Caching Translation
//! Information").
//!
//! Nothing leaves these caches but by the invalidation that names it. They never run full.

use std::collections::BTreeMap;
use std::vec::Vec;

use dma_types::{DomainId, Iova, PageSize, Permissions, PhysAddr, SourceId};

use crate::invalidation::PageBlock;

/// Words of memory as they were when the unit read them.
pub(super) type Words = Vec<(PhysAddr, u64)>;

/// The context entry of a requester, with the root entry that leads to it.
#[derive(Clone, Debug)]
pub(super) struct CachedContext {
    pub(super) words: Words,
    pub(super) domain: DomainId,
}

/// A translation.
#[derive(Clone, Copy, Debug)]
pub(super) struct CachedTranslation {
    pub(super) base: PhysAddr,
    pub(super) permissions: Permissions,
    pub(super) size: PageSize,
}

/// An entry of a table above the leaves; with caching mode also an entry that is not present.
#[derive(Clone, Copy, Debug)]
pub(super) struct CachedEntry {
    pub(super) at: PhysAddr,
    pub(super) value: u64,
    /// The addresses that go through it.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) absent: bool,
}

#[derive(Debug, Default)]
pub(super) struct Caches {
    contexts: BTreeMap<SourceId, CachedContext>,
    translations: BTreeMap<(DomainId, u64), CachedTranslation>,
    entries: Vec<(DomainId, CachedEntry)>,
}

/// Looking up and filling.
impl Caches {
    pub(super) fn context(&self, source: SourceId) -> Option<CachedContext> {
        self.contexts.get(&source).cloned()
    }

    pub(super) fn keep_context(&mut self, source: SourceId, context: CachedContext) {
        self.contexts.insert(source, context);
    }

    pub(super) fn translation(&self, domain: DomainId, iova: Iova) -> Option<CachedTranslation> {
        [PageSize::Size4K, PageSize::Size2M, PageSize::Size1G].into_iter().find_map(|size| {
            let base = iova.as_u64() & !(size.bytes() - 1);
            self.translations.get(&(domain, base)).copied().filter(|found| found.size == size)
        })
    }

    pub(super) fn keep_translation(&mut self, domain: DomainId, iova: Iova, translation: CachedTranslation) {
        let base = iova.as_u64() & !(translation.size.bytes() - 1);
        self.translations.insert((domain, base), translation);
    }

    /// The words of tables that are remembered for a domain.
    pub(super) fn table_words(&self, domain: DomainId) -> impl Iterator<Item = (PhysAddr, u64)> {
        let of_domain = self.entries.iter().filter(move |(tag, _)| *tag == domain);
        of_domain.map(|(_, entry)| (entry.at, entry.value))
    }

    pub(super) fn keep_entry(&mut self, domain: DomainId, entry: CachedEntry) {
        if !self.table_words(domain).any(|(at, _)| at == entry.at) {
            self.entries.push((domain, entry));
        }
    }
}

/// Invalidation.
impl Caches {
    pub(super) fn drop_contexts(&mut self) {
        self.contexts.clear();
    }

    pub(super) fn drop_contexts_of_domain(&mut self, domain: DomainId) {
        self.contexts.retain(|_, context| context.domain != domain);
    }

    pub(super) fn drop_context_of_device(&mut self, domain: DomainId, source: SourceId) {
        self.contexts.retain(|&cached, context| cached != source || context.domain != domain);
    }

    pub(super) fn drop_translations(&mut self) {
        self.translations.clear();
        self.entries.clear();
    }

    pub(super) fn drop_translations_of_domain(&mut self, domain: DomainId) {
        self.translations.retain(|&(tag, _), _| tag != domain);
        self.entries.retain(|&(tag, _)| tag != domain);
    }

    /// With the leaf hint, upper tables stay; absent entries go either way.
    pub(super) fn drop_pages(&mut self, domain: DomainId, pages: PageBlock, leaf_hint: bool) {
        let first = pages.start().as_u64();
        let last = first + ((dma_types::PAGE_SIZE << pages.order()) - 1);
        let overlaps = |from: u64, to: u64| from <= last && first <= to;
        self.translations.retain(|&(tag, base), cached| {
            tag != domain || !overlaps(base, base + (cached.size.bytes() - 1))
        });
        self.entries.retain(|&(tag, entry)| {
            let stays = leaf_hint && !entry.absent;
            tag != domain || stays || !overlaps(entry.first, entry.last)
        });
    }
}
