//! The root table and the context tables: which domain each requester belongs to.

use dma_types::{DomainId, PAGE_SIZE, PhysAddr, SourceId};

use crate::TableMemory;
use crate::spec::context_entry::ContextEntry;
use crate::spec::root_entry::RootEntry;
use crate::spec::second_stage::TableLevels;

use super::{Coherence, TableError, word};

/// Buses of a segment: entries of a root table.
const BUSES: u64 = 256;

/// The root table of one unit, by default blocking every requester of every bus.
///
/// All buses share one context table without a present entry, so that a blocked request has reason 2
/// (this requester belongs to no domain), never reason 1 (no such bus). A bus gets a context table of its
/// own with the first requester attached there, and keeps it until the root table is released.
#[must_use = "dropping it leaks its pages"]
#[derive(Debug)]
pub struct RootTable {
    root: PhysAddr,
    blocking: PhysAddr,
    coherence: Coherence,
    pages: u64,
}

/// What the unit may hold that [`RootTable::attach`] has changed.
#[must_use = "says what to invalidate"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// A context entry that was not present. Such entries are cached only in caching mode; then: context
    /// cache by device, with domain id 0, and the IOTLB by the new domain. Where the unit requires write
    /// buffer flushing, that in any case.
    ContextEntry,
    /// The root entry of the bus as well, which was present. In any mode: the whole context cache, then
    /// the whole IOTLB.
    RootEntry,
}

impl RootTable {
    /// Makes a root table that blocks everything.
    ///
    /// The unit has to be given [`Self::address`], and its caches to be invalidated globally, context
    /// cache first, before it counts.
    ///
    /// # Errors
    ///
    /// Out of memory.
    pub fn new<M: TableMemory + ?Sized>(memory: &mut M, coherence: Coherence) -> Result<Self, TableError> {
        let root = memory.allocate().ok_or(TableError::OutOfMemory)?;
        let Some(blocking) = memory.allocate() else {
            memory.free(root);
            return Err(TableError::OutOfMemory);
        };
        coherence.publish(memory, blocking, PAGE_SIZE);
        for bus in 0..BUSES {
            memory.write(word(root, bus * 2), RootEntry::present(blocking).low());
        }
        coherence.publish(memory, root, PAGE_SIZE);
        Ok(Self { root, blocking, coherence, pages: 2 })
    }

    /// The page for the unit's root table address register.
    pub const fn address(&self) -> PhysAddr {
        self.root
    }

    /// Puts a requester into the domain whose top-level second-stage table is given.
    ///
    /// With caching mode on, domain id 0 is the hardware's own and must not be given. [`crate::Unit::attach`] has
    /// the unit take note as well.
    ///
    /// # Errors
    ///
    /// The requester is attached already (an entry never changes from present to present), or was and may be
    /// remembered so; the table is no page, or no memory is left.
    pub fn attach<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        source: SourceId,
        domain: DomainId,
        table: PhysAddr,
        levels: TableLevels,
    ) -> Result<Attached, TableError> {
        if !table.is_aligned(PAGE_SIZE) {
            return Err(TableError::Unaligned(table));
        }
        self.enter(memory, source, ContextEntry::second_stage(domain, table, levels))
    }

    /// Lets a requester reach all of memory, by physical addresses: for measuring what translation costs.
    ///
    /// `levels` is the deepest that the unit walks; the unit must offer pass-through.
    ///
    /// # Errors
    ///
    /// As for [`attach`](Self::attach).
    pub fn pass_through<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        source: SourceId,
        domain: DomainId,
        levels: TableLevels,
    ) -> Result<Attached, TableError> {
        self.enter(memory, source, ContextEntry::pass_through(domain, levels))
    }

    /// Writes the entry of a requester that has none.
    fn enter<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        source: SourceId,
        entry: ContextEntry,
    ) -> Result<Attached, TableError> {
        match self.entry(memory, source) {
            ContextEntry::BLOCKING => {}
            entry if entry.is_present() => return Err(TableError::AlreadyAttached(source)),
            _ => return Err(TableError::Unconfirmed(source)),
        }
        let shared = self.root_entry(memory, source.bus()).context_table();
        let (context_table, attached) = if shared == self.blocking {
            (memory.allocate().ok_or(TableError::OutOfMemory)?, Attached::RootEntry)
        } else {
            (shared, Attached::ContextEntry)
        };

        let at = context_entry_at(context_table, source);
        memory.write(high_word(at), entry.high());
        memory.write(at, entry.low());
        if attached == Attached::ContextEntry {
            self.coherence.publish(memory, at, ContextEntry::BYTES);
        } else {
            // The new table is complete before the root entry leads to it, in one store.
            self.coherence.publish(memory, context_table, PAGE_SIZE);
            self.pages += 1;
            let at = root_entry_at(self.root, source.bus());
            memory.write(at, RootEntry::present(context_table).low());
            self.coherence.publish(memory, at, RootEntry::BYTES);
        }
        Ok(attached)
    }

    /// Blocks a requester, and tells which domain its entry named, if it ever named one that the unit may
    /// still remember: P goes, the rest stands until [`forget_blocked`](Self::forget_blocked).
    ///
    /// A unit that fetches the entry by halves meanwhile so finds one that is whole, or one that blocks (VT-d
    /// "Guidance to Software for Invalidations"). Then: context cache by device, with that domain id, and the
    /// IOTLB by the domain, with drains; only after that may the domain's tables or memory be used again.
    /// [`crate::Unit::block`] does all of it.
    #[must_use = "the domain has to be invalidated"]
    pub fn block<M: TableMemory + ?Sized>(&mut self, memory: &mut M, source: SourceId) -> Option<DomainId> {
        let entry = self.entry(memory, source);
        if entry == ContextEntry::BLOCKING {
            return None;
        }
        if entry.is_present() {
            let at = self.entry_address(memory, source);
            memory.write(at, entry.without_present().low());
            self.coherence.publish(memory, at, ContextEntry::BYTES);
        }
        Some(entry.domain())
    }

    /// Clears what is left of the entry of a requester that was blocked. The unit must have forgotten it.
    pub(crate) fn forget_blocked<M: TableMemory + ?Sized>(&mut self, memory: &mut M, source: SourceId) {
        let entry = self.entry(memory, source);
        if entry != ContextEntry::BLOCKING && !entry.is_present() {
            let at = self.entry_address(memory, source);
            memory.write(at, ContextEntry::BLOCKING.low());
            memory.write(high_word(at), ContextEntry::BLOCKING.high());
            self.coherence.publish(memory, at, ContextEntry::BYTES);
        }
    }

    /// A requester whose entry names this domain, present or blocked and not yet forgotten; none if the domain
    /// is nobody's.
    pub fn named_in<M: TableMemory + ?Sized>(&self, memory: &M, domain: DomainId) -> Option<SourceId> {
        let buses = (0..=u8::MAX).filter(|bus| self.has_own_table(memory, *bus));
        let sources = buses.flat_map(|bus| (0..=u8::MAX).map(move |devfn| u16::from_be_bytes([bus, devfn])));
        sources.map(SourceId::from_bits).find(|source| {
            let entry = self.entry(memory, *source);
            entry != ContextEntry::BLOCKING && entry.domain() == domain
        })
    }

    /// A requester's entry as it stands in memory.
    pub fn entry<M: TableMemory + ?Sized>(&self, memory: &M, source: SourceId) -> ContextEntry {
        let at = self.entry_address(memory, source);
        ContextEntry::from_words(memory.read(at), memory.read(high_word(at)))
    }

    /// A bus's entry as it stands in memory.
    pub fn root_entry<M: TableMemory + ?Sized>(&self, memory: &M, bus: u8) -> RootEntry {
        let at = root_entry_at(self.root, bus);
        RootEntry::from_words(memory.read(at), memory.read(high_word(at)))
    }

    /// Where a bus's entry stands.
    pub fn root_entry_address(&self, bus: u8) -> PhysAddr {
        root_entry_at(self.root, bus)
    }

    /// Where a requester's entry stands.
    pub fn entry_address<M: TableMemory + ?Sized>(&self, memory: &M, source: SourceId) -> PhysAddr {
        context_entry_at(self.root_entry(memory, source.bus()).context_table(), source)
    }

    /// Tells whether a bus has a context table of its own; without one, all its requesters are blocked.
    pub fn has_own_table<M: TableMemory + ?Sized>(&self, memory: &M, bus: u8) -> bool {
        self.root_entry(memory, bus).context_table() != self.blocking
    }

    /// The number of pages in use.
    pub const fn page_count(&self) -> u64 {
        self.pages
    }

    /// Every page in use, none of which may be mapped in any domain.
    pub fn pages<'a, M: TableMemory + ?Sized>(
        &'a self,
        memory: &'a M,
    ) -> impl Iterator<Item = PhysAddr> + 'a {
        let own = (0..=u8::MAX).map(|bus| self.root_entry(memory, bus).context_table());
        [self.root, self.blocking].into_iter().chain(own.filter(|table| *table != self.blocking))
    }

    /// Frees every page. The unit must use another root table by now, and hold nothing of this one.
    pub fn release<M: TableMemory + ?Sized>(self, memory: &mut M) {
        for bus in 0..=u8::MAX {
            let table = self.root_entry(memory, bus).context_table();
            if table != self.blocking {
                memory.free(table);
            }
        }
        memory.free(self.blocking);
        memory.free(self.root);
    }
}

/// The low word of a bus's entry.
pub(super) fn root_entry_at(root: PhysAddr, bus: u8) -> PhysAddr {
    word(root, u64::from(bus) * 2)
}

/// The low word of a requester's entry.
pub(super) fn context_entry_at(table: PhysAddr, source: SourceId) -> PhysAddr {
    word(table, u64::from(source.devfn()) * 2)
}

/// The high word of the 16-byte entry at `low`.
pub(super) const fn high_word(low: PhysAddr) -> PhysAddr {
    PhysAddr::new(low.as_u64() | 8)
}

#[cfg(test)]
mod tests;
