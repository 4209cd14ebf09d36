//! A unit at work: which domains it has, and who belongs to which.

use alloc::vec::Vec;

use dma_types::{DomainId, SourceId};

use crate::{Domain, Error, RemappingUnit, TableError};

/// A unit that enforces, and the ids of its domains. Everything that changes who may reach what goes through it, so that
/// nothing is used again before the unit has confirmed that it forgot it.
#[derive(Debug)]
pub struct Controller<U> {
    unit: U,
    /// The first domain id that was never used.
    next: u32,
    /// Domain ids that came back.
    free: Vec<DomainId>,
}

impl<U: RemappingUnit> Controller<U> {
    /// A unit with every requester blocked and no domain.
    pub const fn new(unit: U) -> Self {
        // Domain 0 tags entries that are not present where those are cached, so it is nobody's.
        Self { unit, next: 1, free: Vec::new() }
    }

    /// The unit.
    #[inline(always)]
    pub const fn unit(&self) -> &U {
        &self.unit
    }

    /// The unit, to be asked or told what is no sequence of this library.
    #[inline(always)]
    pub const fn unit_mut(&mut self) -> &mut U {
        &mut self.unit
    }

    /// Makes a domain with nothing in it and nobody attached. It ends with [`retire`](Self::retire).
    ///
    /// # Errors
    /// If no domain id or no memory is left; nothing has changed then.
    pub fn new_domain(&mut self) -> Result<Domain<U::Tables>, Error<U::InvalidationError>> {
        let id = self.take_id()?;
        match self.unit.new_tables() {
            Ok(tables) => Ok(Domain::new(id, tables, self.unit.notes_maps())),
            Err(error) => {
                self.free.push(id);
                Err(error.into())
            }
        }
    }

    /// Ends a domain: its id and tables are given back once the unit has forgotten both.
    ///
    /// # Errors
    /// If a requester is attached to it, or the unit did not confirm. Id and tables stay taken then, and this may be
    /// tried again.
    pub fn retire(&mut self, domain: &mut Domain<U::Tables>) -> Result<(), Error<U::InvalidationError>> {
        self.retire_id(domain.id())?;
        domain.free_tables();
        Ok(())
    }

    /// Leads a requester into a domain: its requests translate by it once this returns. One that is there already stays.
    ///
    /// # Errors
    /// If it is in another domain, there is no memory, or the unit did not take note; it is blocked then, as far as the
    /// unit has confirmed that.
    pub fn attach(
        &mut self,
        domain: &Domain<U::Tables>,
        source: SourceId,
    ) -> Result<(), Error<U::InvalidationError>> {
        if self.unit.domain_of(source) == Some(domain.id()) {
            return Ok(());
        }
        self.unit.attach(source, domain.id(), domain.tables())
    }

    /// Blocks requesters, whatever domains they are in: no request of theirs passes any more once this returns. All are
    /// tried, whatever comes of the first.
    ///
    /// # Errors
    /// The first that the unit did not confirm; bus mastering of all must stay off. The unit is asked again each time,
    /// until it has confirmed.
    pub fn block(
        &mut self,
        sources: impl IntoIterator<Item = SourceId>,
    ) -> Result<(), Error<U::InvalidationError>> {
        let blocked = sources.into_iter().map(|source| self.unit.block(source)).fold(Ok(()), Result::and);
        blocked.map_err(Error::Unconfirmed)
    }

    /// Takes a domain id that nobody has.
    ///
    /// # Errors
    /// If none is left, or no memory for taking it back.
    pub fn take_id(&mut self) -> Result<DomainId, Error<U::InvalidationError>> {
        if let Some(id) = self.free.pop() {
            return Ok(id);
        }
        // Room for it to come back, which must not fail.
        let room = (self.next as usize).saturating_sub(self.free.len());
        self.free.try_reserve(room).map_err(|_| TableError::OutOfMemory)?;
        let id = u16::try_from(self.next).ok().filter(|id| u32::from(*id) < self.unit.domain_ids());
        let id = id.ok_or(Error::NoDomainId)?;
        self.next = self.next.saturating_add(1);
        Ok(DomainId(id))
    }

    /// Gives a domain id back, once the unit has forgotten the domain.
    ///
    /// # Errors
    /// If a requester's entry still names it, or the unit did not confirm: the id stays taken.
    pub fn retire_id(&mut self, id: DomainId) -> Result<(), Error<U::InvalidationError>> {
        self.unit.retire(id)?;
        self.free.push(id);
        Ok(())
    }

    /// Domain ids in use.
    pub fn domains(&self) -> usize {
        (self.next as usize).saturating_sub(self.free.len().saturating_add(1))
    }
}
