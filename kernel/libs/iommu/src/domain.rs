//! A domain: its tables and its number, and the sequences that change what its devices reach.
//!
//! One order holds throughout: change the tables, have the unit invalidate what it cached, *wait until it has
//! confirmed*, and only then give memory or tables back. What was not confirmed is given up for good.

use dma_types::{DomainId, Iova, PAGE_SIZE, Permissions, PhysAddr};
use iova::IovaRange;

use crate::{Controller, Error, IoPageTables, MapError, RemappingUnit, Stale};

/// The tables of one domain and its number on its unit. Made by [`Controller::new_domain`], ended by
/// [`Controller::retire`]; dropped before that, its id and tables are lost.
#[must_use = "dropping it loses its id and its tables"]
#[derive(Debug)]
pub struct Domain<T> {
    id: DomainId,
    tables: T,
    /// Whether the unit is told of what was mapped, or finds it by itself.
    maps: Maps,
}

/// What a unit wants to know of new mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the unit may have to be told"]
pub enum Maps {
    /// Nothing.
    Found,
    /// All: it remembers what was not there, or a buffer before it holds writes back.
    Announced,
}

/// How far the fast path of an unmap came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "unless it is done, the slow path goes on from here"]
pub enum FastUnmap {
    /// All is done, and the unit has confirmed.
    Done,
    /// The entries are cleared, but the unit may still use them.
    Cleared,
    /// Nothing has changed.
    NotBegun,
}

impl<T: IoPageTables> Domain<T> {
    pub(crate) const fn new(id: DomainId, tables: T, notes_maps: bool) -> Self {
        Self { id, tables, maps: if notes_maps { Maps::Announced } else { Maps::Found } }
    }

    /// Its number on the unit.
    pub const fn id(&self) -> DomainId {
        self.id
    }

    /// Its tables, to be read.
    pub const fn tables(&self) -> &T {
        &self.tables
    }

    /// Lets requests to `[iova, iova + bytes)` reach the memory at `phys`, in one direction or both.
    ///
    /// # Errors
    /// If the range is taken or out of reach, or there is no memory; nothing has changed then. A mapping of which the
    /// unit did not take note is taken back; where it confirmed neither the mapping nor its end, the memory
    /// [may be reached](Error::may_be_reached) and must never be used again.
    pub fn map<U: RemappingUnit<Tables = T>>(
        &mut self,
        controller: &mut Controller<U>,
        at: (Iova, PhysAddr),
        bytes: u64,
        permissions: Permissions,
    ) -> Result<(), Error<U::InvalidationError>> {
        match self.map_tables(at, bytes, permissions)? {
            Maps::Found => Ok(()),
            Maps::Announced => self.announce(controller, at.0, bytes),
        }
    }

    /// The first half of [`map`](Self::map), for who locks the unit only where it has to take note. With
    /// [`Maps::Announced`], [`announce`](Self::announce) has to follow.
    ///
    /// # Errors
    /// As [`MapError`] says; nothing has changed then.
    pub fn map_tables(
        &mut self,
        (iova, phys): (Iova, PhysAddr),
        bytes: u64,
        permissions: Permissions,
    ) -> Result<Maps, MapError> {
        self.tables.map(iova, phys, bytes, permissions)?;
        Ok(self.maps)
    }

    /// The fast path of [`map`](Self::map), for units that find mappings by themselves. Tells whether it was taken; if
    /// not, nothing has changed.
    #[must_use = "if it was not, take the slow path"]
    #[inline(always)]
    pub fn map_fast(&mut self, (iova, phys): (Iova, PhysAddr), bytes: u64, permissions: Permissions) -> bool {
        self.maps == Maps::Found && self.tables.map_fast(iova, phys, bytes, permissions)
    }

    /// The second half of [`map`](Self::map): has the unit take note of what was mapped; otherwise it is unmapped again.
    ///
    /// # Errors
    /// As for [`map`](Self::map).
    #[cold]
    pub fn announce<U: RemappingUnit<Tables = T>>(
        &mut self,
        controller: &mut Controller<U>,
        iova: Iova,
        bytes: u64,
    ) -> Result<(), Error<U::InvalidationError>> {
        let Err(error) = controller.unit_mut().after_map(self.id, iova, bytes / PAGE_SIZE) else {
            return Ok(());
        };
        match self.unmap(controller, iova, bytes) {
            Ok(()) => Err(Error::NotNoted(error)),
            Err(_) => Err(Error::Unconfirmed(error)),
        }
    }

    /// Ends what [`map`](Self::map) began. When this returns, the unit has confirmed that it forgot the range, and
    /// requests that were under way have drained.
    ///
    /// # Errors
    /// If the range is not mapped as a whole; nothing has changed then. If the unit did not confirm, the memory may still
    /// be reached and must never be used again, and tables that became empty stay taken for good.
    pub fn unmap<U: RemappingUnit<Tables = T>>(
        &mut self,
        controller: &mut Controller<U>,
        iova: Iova,
        bytes: u64,
    ) -> Result<(), Error<U::InvalidationError>> {
        let unlinked = self.tables.unmap(iova, bytes)?;
        let stale = T::stale(&unlinked);
        match controller.unit_mut().after_unmap(self.id, iova, bytes / PAGE_SIZE, stale) {
            Ok(()) => {
                self.tables.free(unlinked);
                Ok(())
            }
            Err(error) => {
                T::give_up(unlinked);
                Err(Error::Unconfirmed(error))
            }
        }
    }

    /// The fast path of [`unmap`](Self::unmap), as far as it goes; [`unmap_slow`](Self::unmap_slow) goes on.
    #[inline(always)]
    pub fn unmap_fast<U: RemappingUnit<Tables = T>>(
        &mut self,
        controller: &mut Controller<U>,
        iova: Iova,
        bytes: u64,
    ) -> FastUnmap {
        if !self.clear_fast(iova, bytes) {
            return FastUnmap::NotBegun;
        }
        self.invalidate_fast(controller, iova, bytes)
    }

    /// The first half of [`unmap_fast`](Self::unmap_fast), for who locks the unit only after it: tells whether the entries
    /// are cleared, so that [`invalidate_fast`](Self::invalidate_fast) has to follow. If not, nothing has changed.
    #[must_use = "if it did, the unit still uses the entries"]
    #[inline(always)]
    pub fn clear_fast(&mut self, iova: Iova, bytes: u64) -> bool {
        self.tables.unmap_fast(iova, bytes)
    }

    /// The second half of [`unmap_fast`](Self::unmap_fast).
    #[inline(always)]
    pub fn invalidate_fast<U: RemappingUnit<Tables = T>>(
        &self,
        controller: &mut Controller<U>,
        iova: Iova,
        bytes: u64,
    ) -> FastUnmap {
        if controller.unit_mut().after_unmap_fast(self.id, iova, bytes / PAGE_SIZE) {
            FastUnmap::Done
        } else {
            FastUnmap::Cleared
        }
    }

    /// The slow path of an unmap, from where the fast one ended.
    ///
    /// # Errors
    /// As for [`unmap`](Self::unmap).
    pub fn unmap_slow<U: RemappingUnit<Tables = T>>(
        &mut self,
        controller: &mut Controller<U>,
        progress: FastUnmap,
        iova: Iova,
        bytes: u64,
    ) -> Result<(), Error<U::InvalidationError>> {
        match progress {
            FastUnmap::Done => Ok(()),
            FastUnmap::Cleared => controller
                .unit_mut()
                .after_unmap(self.id, iova, bytes / PAGE_SIZE, Stale::Range)
                .map_err(Error::Unconfirmed),
            FastUnmap::NotBegun => self.unmap(controller, iova, bytes),
        }
    }

    /// Unmaps many ranges. When this returns, the unit has confirmed that it forgot all of them, after one wait.
    ///
    /// # Errors
    /// If one is not mapped or the unit did not confirm: all of the memory may still be reached and must never be used
    /// again.
    pub fn unmap_all<U: RemappingUnit<Tables = T>>(
        &mut self,
        controller: &mut Controller<U>,
        ranges: &[IovaRange],
    ) -> Result<(), Error<U::InvalidationError>> {
        let mut batch = U::new_batch(self.id, ranges.len());
        let mut unlinked: Option<T::Unlinked> = None;
        let mut result = Ok(());
        let mut rest = ranges;
        while let [next, ..] = rest {
            let bounds = rest.iter().map(|range| (range.start(), range.length()));
            let (mut done, now) = self.tables.unmap_run(bounds);
            let mut stale = T::stale(&now);
            self.join(&mut unlinked, now);
            if done == 0 {
                done = 1;
                match self.tables.unmap(next.start(), next.length()) {
                    Ok(now) => {
                        stale = T::stale(&now);
                        self.join(&mut unlinked, now);
                    }
                    Err(error) => result = Err(error.into()),
                }
            }
            let (together, behind) = rest.split_at(done);
            U::add_to_batch(&mut batch, together.iter().map(|range| (range.start(), range.pages())), stale);
            rest = behind;
        }
        let confirmed = controller.unit_mut().after_batch(&batch);
        match (unlinked, &confirmed) {
            (Some(unlinked), Ok(())) => self.tables.free(unlinked),
            (Some(unlinked), Err(_)) => T::give_up(unlinked),
            (None, _) => {}
        }
        confirmed.map_err(Error::Unconfirmed).and(result)
    }

    /// Puts the tables that an unmap unlinked to those of the unmaps before.
    fn join(&mut self, all: &mut Option<T::Unlinked>, next: T::Unlinked) {
        match all {
            Some(all) => self.tables.join(all, next),
            None => *all = Some(next),
        }
    }

    pub(crate) fn free_tables(&mut self) {
        self.tables.free_all();
    }
}
