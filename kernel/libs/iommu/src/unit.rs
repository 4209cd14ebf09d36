//! What the sequences need of a unit and of the tables of its domains, whatever their family.

use dma_types::{DomainId, Iova, Permissions, PhysAddr, SourceId};

use crate::{Error, MapError, TableError, UnmapError};

/// What a unit may still hold of an unmapped range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Leaf entries of the range only.
    Range,
    /// Entries that refer to unlinked tables as well, which may lie outside the range. Until the domain is invalidated,
    /// a request to what is mapped next beside the range may still walk an unlinked table and be blocked, so nothing
    /// should be mapped in the domain before.
    Domain,
}

/// The I/O page tables of one domain. They change memory only: what the unit may have cached is for the caller,
/// [`Domain`](crate::Domain), to invalidate.
pub trait IoPageTables {
    /// Tables that an unmap unlinked. The unit may walk them until an invalidation has completed.
    type Unlinked;

    /// Lets `[iova, iova + bytes)` translate to the memory at `phys`.
    ///
    /// # Errors
    /// As [`MapError`] says; nothing has changed.
    fn map(
        &mut self,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: Permissions,
    ) -> Result<(), MapError>;

    /// The fast path of [`map`](Self::map): tells whether it was taken. If not, nothing has changed.
    fn map_fast(&mut self, iova: Iova, phys: PhysAddr, bytes: u64, permissions: Permissions) -> bool;

    /// Clears exactly the given range.
    ///
    /// # Errors
    /// As [`UnmapError`] says; nothing has changed.
    fn unmap(&mut self, iova: Iova, bytes: u64) -> Result<Self::Unlinked, UnmapError>;

    /// The fast path of [`unmap`](Self::unmap): leaf entries are cleared and no table is unlinked. Tells whether it was
    /// taken. If not, nothing has changed.
    fn unmap_fast(&mut self, iova: Iova, bytes: u64) -> bool;

    /// Clears ranges from the first on, as long as they are single pages with entries in one table, and tells how many
    /// that were.
    fn unmap_run(&mut self, ranges: impl Iterator<Item = (Iova, u64)>) -> (usize, Self::Unlinked);

    /// What has to be invalidated before unlinked tables are freed.
    fn stale(unlinked: &Self::Unlinked) -> Stale;

    /// Takes over what another unmap of the same tables unlinked.
    fn join(&mut self, all: &mut Self::Unlinked, next: Self::Unlinked);

    /// Frees unlinked tables, once the unit has confirmed that it forgot them.
    fn free(&mut self, unlinked: Self::Unlinked);

    /// Leaves unlinked tables taken for good, since the unit may still walk them.
    fn give_up(unlinked: Self::Unlinked);

    /// Frees every table. Nothing can be mapped from then on.
    fn free_all(&mut self);
}

/// A remapping unit that enforces, with its registers, the memory of its device entries and its clock.
///
/// Every invalidation is bounded in time. After an error nothing of what it was for is known to be forgotten; one that
/// did not answer in time [is dead](Self::is_dead), and every later call fails at once.
pub trait RemappingUnit {
    /// The page tables of its domains.
    type Tables: IoPageTables;
    /// Why an invalidation was not confirmed.
    type InvalidationError;
    /// The ranges that a batch of unmaps has left in one domain.
    type Batch;

    /// How many domain ids it tells apart. Id 0 is never given to a domain.
    fn domain_ids(&self) -> u32;

    /// Makes the tables of a domain with nothing in it.
    ///
    /// # Errors
    /// Out of memory.
    fn new_tables(&self) -> Result<Self::Tables, TableError>;

    /// Tells whether it has to take note of new mappings, because it remembers what was not there or a buffer before it
    /// holds writes back.
    fn notes_maps(&self) -> bool;

    /// Tells whether it once did not answer in time, and so is asked nothing any more.
    fn is_dead(&self) -> bool;

    /// After pages of a domain were mapped: they translate once this returns.
    ///
    /// # Errors
    /// The unit may still block them.
    fn after_map(&mut self, domain: DomainId, iova: Iova, pages: u64) -> Result<(), Self::InvalidationError>;

    /// After pages of a domain were unmapped: memory and unlinked tables may be used again once this returns, and
    /// requests that were under way have drained.
    ///
    /// # Errors
    /// The devices of the domain may still reach them.
    fn after_unmap(
        &mut self,
        domain: DomainId,
        iova: Iova,
        pages: u64,
        stale: Stale,
    ) -> Result<(), Self::InvalidationError>;

    /// The fast path of [`after_unmap`](Self::after_unmap) for [`Stale::Range`]: tells whether the unit has confirmed.
    fn after_unmap_fast(&mut self, domain: DomainId, iova: Iova, pages: u64) -> bool;

    /// A batch for so many ranges of a domain, none of which is added yet.
    fn new_batch(domain: DomainId, ranges: usize) -> Self::Batch;

    /// Adds the pages of several unmaps to a batch: first page and number of each.
    fn add_to_batch(batch: &mut Self::Batch, ranges: impl Iterator<Item = (Iova, u64)>, stale: Stale);

    /// As [`after_unmap`](Self::after_unmap) for all of a batch, with one wait.
    ///
    /// # Errors
    /// The devices of the domain may still reach any of it.
    fn after_batch(&mut self, batch: &Self::Batch) -> Result<(), Self::InvalidationError>;

    /// Leads a requester into a domain: its requests translate once this returns.
    ///
    /// # Errors
    /// If it is in one already, there is no memory, or the unit did not take note; it is blocked then, as far as the
    /// unit has confirmed that.
    fn attach(
        &mut self,
        source: SourceId,
        domain: DomainId,
        tables: &Self::Tables,
    ) -> Result<(), Error<Self::InvalidationError>>;

    /// Blocks a requester, whatever domain it is in: no request of it passes any more once this returns.
    ///
    /// # Errors
    /// It may still reach everything that the domain maps. The unit is asked again each time, until it has confirmed.
    fn block(&mut self, source: SourceId) -> Result<(), Self::InvalidationError>;

    /// Takes the requester's entry away and asks the unit nothing, for a unit that is dead: what it does not remember it
    /// blocks from now on.
    fn block_unconfirmed(&mut self, source: SourceId);

    /// The domain that a requester's entry leads to.
    fn domain_of(&self, source: SourceId) -> Option<DomainId>;

    /// Has it forget a domain for good: id and tables may be used again once this returns.
    ///
    /// # Errors
    /// A requester is attached to it, or the unit did not confirm: both may still be in use.
    fn retire(&mut self, domain: DomainId) -> Result<(), Error<Self::InvalidationError>>;
}
