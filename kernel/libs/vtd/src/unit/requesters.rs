//! Which domain a requester belongs to, in the tables and in what the unit remembers.
//!
//! What the unit did not confirm is remembered in the requester's entry until it does: no second attempt, no error
//! and no domain that goes away forgets it.

use dma_types::{DomainId, PhysAddr, SourceId};
use iommu::Error;
use mmio_regs::{Clock, Registers};

use crate::TableMemory;
use crate::invalidation::{Invalidation, InvalidationError};
use crate::spec::second_stage::TableLevels;
use crate::tables::{Attached, RootTable};

use super::Unit;

impl<R: Registers> Unit<R> {
    /// Puts a requester into a domain: its requests translate once this returns.
    ///
    /// What the unit may still remember of the requester is forgotten first.
    ///
    /// # Errors
    ///
    /// The requester is attached already; or there is no memory, or the unit did not confirm: it is blocked then,
    /// and what the unit may remember of it stands in its entry, until [`Unit::block`] has it confirmed.
    pub fn attach(
        &mut self,
        roots: &mut RootTable,
        (source, domain): (SourceId, DomainId),
        (table, levels): (PhysAddr, TableLevels),
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), Error<InvalidationError>> {
        self.make_ready(roots, source, memory, clock).map_err(Error::Unconfirmed)?;
        let attached = roots.attach(memory, source, domain, table, levels)?;
        self.take_note(roots, attached, (source, domain), memory, clock)
    }

    /// Lets a requester pass untranslated: for measuring what translation costs. As [`Unit::attach`] otherwise.
    ///
    /// # Errors
    ///
    /// As [`Unit::attach`].
    pub fn pass_through(
        &mut self,
        roots: &mut RootTable,
        (source, domain): (SourceId, DomainId),
        levels: TableLevels,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), Error<InvalidationError>> {
        self.make_ready(roots, source, memory, clock).map_err(Error::Unconfirmed)?;
        let attached = roots.pass_through(memory, source, domain, levels)?;
        self.take_note(roots, attached, (source, domain), memory, clock)
    }

    /// Has the unit forget the last domain of a requester that is blocked, where it has not yet.
    fn make_ready(
        &mut self,
        roots: &mut RootTable,
        source: SourceId,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        if self.is_dead() {
            return Err(InvalidationError::Dead);
        }
        if roots.entry(memory, source).is_present() {
            Ok(())
        } else {
            self.block(roots, source, memory, clock)
        }
    }

    /// Has the unit take note of an entry; takes it back where that is not confirmed.
    fn take_note(
        &mut self,
        roots: &mut RootTable,
        attached: Attached,
        who: (SourceId, DomainId),
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), Error<InvalidationError>> {
        let noted = self.after_attach(attached, who, memory, clock);
        if noted.is_err() {
            // The unit may have used the entry already. If it does not confirm this either, the entry says so.
            let _ = self.block(roots, who.0, memory, clock);
        }
        noted.map_err(Error::Unconfirmed)
    }

    /// Blocks a requester, whatever domain it is in: no request of it passes any more once this returns.
    ///
    /// # Errors
    ///
    /// The requester may still reach everything that the domain maps. That stands in its entry, and this asks the
    /// unit again each time until it has confirmed.
    pub fn block(
        &mut self,
        roots: &mut RootTable,
        source: SourceId,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        if let Some(domain) = roots.block(memory, source) {
            self.invalidate_all(&Invalidation::of_device(domain, source), memory, clock)?;
            roots.forget_blocked(memory, source);
        }
        Ok(())
    }

    /// Has the unit forget a domain for good: its number and its tables may be used again once this returns.
    ///
    /// # Errors
    ///
    /// A requester is attached to it, or the unit did not confirm that it forgot the domain or a requester of it:
    /// number and tables may still be in use.
    pub fn retire(
        &mut self,
        roots: &mut RootTable,
        domain: DomainId,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), Error<InvalidationError>> {
        while let Some(source) = roots.named_in(memory, domain) {
            if roots.entry(memory, source).is_present() {
                return Err(Error::StillAttached(source));
            }
            self.block(roots, source, memory, clock).map_err(Error::Unconfirmed)?;
        }
        self.invalidate(Invalidation::IotlbDomain(domain), memory, clock).map_err(Error::Unconfirmed)
    }

    /// After a requester was put into a domain: its requests translate once this returns.
    ///
    /// # Errors
    ///
    /// The unit may still block the requester, or use what it remembers of its bus.
    fn after_attach(
        &mut self,
        attached: Attached,
        (source, domain): (SourceId, DomainId),
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        match attached {
            Attached::RootEntry => {
                let everything = [Invalidation::ContextGlobal, Invalidation::IotlbGlobal];
                self.invalidate_all(&everything, memory, clock)
            }
            Attached::ContextEntry => {
                // Entries that are not present are cached for domain 0.
                let absent = Invalidation::ContextDevice { domain: DomainId(0), source };
                self.publish(&[absent, Invalidation::IotlbDomain(domain)], memory, clock)
            }
        }
    }
}
