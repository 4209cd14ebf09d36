//! What to do after a change of the tables: the one place that knows which change needs which invalidation.

use dma_types::{DomainId, Iova, SourceId};

use crate::hardware::{Clock, Registers, TableMemory};
use crate::invalidation::{BatchPlan, Changed, Invalidation, InvalidationError};
use crate::spec::context_entry::ContextEntry;
use crate::tables::{Attached, Stale};

use super::Unit;

impl<R: Registers> Unit<R> {
    /// After a requester was put into a domain: its requests translate once this returns.
    ///
    /// # Errors
    ///
    /// The unit may still block the requester, or use what it remembers of its bus.
    pub fn after_attach(
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

    /// After a requester was blocked, whose entry was `previous`: no request of it passes any more once
    /// this returns.
    ///
    /// # Errors
    ///
    /// The requester may still reach everything that its domain maps.
    pub fn after_block(
        &mut self,
        previous: ContextEntry,
        source: SourceId,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        if !previous.is_present() {
            return Ok(());
        }
        self.invalidate_all(&Invalidation::of_device(previous.domain(), source), memory, clock)
    }

    /// Tells whether [`Unit::after_map`] has anything to do on this unit.
    pub const fn notes_maps(&self) -> bool {
        self.capabilities.caching_mode() || self.capabilities.write_buffer_flush_required()
    }

    /// After `pages` pages from `start` were mapped: they translate once this returns.
    ///
    /// # Errors
    ///
    /// The unit may still block them.
    pub fn after_map(
        &mut self,
        domain: DomainId,
        (start, pages): (Iova, u64),
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        if !self.capabilities.caching_mode() {
            return self.drain_write_buffer(clock);
        }
        let plan = self.plan_range(domain, (start, pages), Changed::Tables);
        self.invalidate_all(plan.as_slice(), memory, clock)
    }

    /// After `pages` pages from `start` were unmapped: their memory and the unlinked tables may be used
    /// again once this returns.
    ///
    /// # Errors
    ///
    /// The devices of the domain may still reach them.
    pub fn after_unmap(
        &mut self,
        domain: DomainId,
        range: (Iova, u64),
        stale: Stale,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        match stale {
            Stale::Range => self.invalidate_range(domain, range, Changed::Leaves, memory, clock),
            Stale::Domain => self.invalidate(Invalidation::IotlbDomain(domain), memory, clock),
        }
    }

    /// After many unmaps in one domain: the memory of all of them and the tables that they unlinked may be
    /// used again once this returns. There is one wait for everything.
    ///
    /// # Errors
    ///
    /// The devices of the domain may still reach any of them.
    pub fn after_batch(
        &mut self,
        plan: &BatchPlan,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        if let Some(domain) = plan.whole_domain()
            && self.run_at_once(|limits| limits.descriptor(Invalidation::IotlbDomain(domain)), memory)
        {
            return Ok(());
        }
        let plan = plan.requests(&self.limits);
        self.invalidate_all(plan.as_slice(), memory, clock)
    }
}
