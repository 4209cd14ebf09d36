//! What the unit has to forget for each change of a domain's tables. [`iommu::Domain`] has the order of steps.
//!
//! What it did not confirm may be reached for good: whoever has the range mapped keeps its memory for ever.

use dma_types::{DomainId, Iova};
use mmio_regs::{Clock, Registers};

use crate::TableMemory;
use crate::invalidation::{BatchPlan, Changed, Invalidation, InvalidationError};
use crate::tables::Stale;

use super::Unit;

impl<R: Registers> Unit<R> {
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
            && self.run_fast(|limits| limits.descriptor(Invalidation::IotlbDomain(domain)), memory)
        {
            return Ok(());
        }
        let plan = plan.requests(&self.limits);
        self.invalidate_all(plan.as_slice(), memory, clock)
    }
}
