//! What a unit can be told to forget, and exactly how much of it.
//!
//! The context cache holds requester → domain, the IOTLB (domain, page) → memory; the upper tables may be
//! cached too. Dropping a context entry drops none of the translations tagged with its domain: a change of
//! a context entry needs both, in this order, see [`Invalidation::of_device`].

mod batch;
mod error;
mod pages;

use dma_types::{DomainId, Iova, SourceId};
use iommu::interrupts::IndexBlock;

use crate::spec::capability::{Capabilities, ExtendedCapabilities};
use crate::spec::descriptor::Descriptor;

pub use batch::BatchPlan;
pub use error::InvalidationError;
pub use pages::{Blocks, PageBlock};

/// Whether upper tables were changed along with leaf entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Leaf entries only. What the unit keeps of upper tables stands.
    Leaves,
    /// A table was linked, unlinked or replaced by a large page, too.
    Tables,
}

/// One thing to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// Every context entry, whatever domain it names.
    ContextGlobal,
    /// The context entries of a domain.
    ContextDomain(DomainId),
    /// The context entry of one requester.
    ContextDevice {
        /// The domain the entry named until now; 0 for an entry that was not present (caching mode).
        domain: DomainId,
        /// The requester whose entry was changed.
        source: SourceId,
    },
    /// Every translation of every domain.
    IotlbGlobal,
    /// The translations of a domain, and what is kept of its tables.
    IotlbDomain(DomainId),
    /// The translations of some pages of a domain. Widened to the domain where the unit cannot be so exact.
    IotlbPages {
        /// The domain that the pages were mapped in.
        domain: DomainId,
        /// The pages whose translations are to be forgotten.
        pages: PageBlock,
        /// What else was changed.
        changed: Changed,
    },
    /// Every interrupt entry.
    InterruptGlobal,
    /// Some interrupt entries. Widened to all of them where the unit cannot be so exact.
    InterruptEntries(IndexBlock),
}

impl Invalidation {
    /// What must be forgotten when the context entry of a requester was changed or removed: the entry
    /// itself, then the translations of the domain that it named until now.
    pub const fn of_device(domain: DomainId, source: SourceId) -> [Self; 2] {
        [Self::ContextDevice { domain, source }, Self::IotlbDomain(domain)]
    }
}

/// The most blocks that a range is cut into before its whole domain is invalidated instead.
///
/// A naturally aligned mapping is one block, one that starts anywhere usually below ten. Beyond, one
/// domain-wide descriptor costs the unit less than the list.
pub const MAX_BLOCKS: usize = 8;

/// The invalidations that cover a range of pages, no fewer and no more than the unit's precision allows.
#[derive(Clone, Copy, Debug)]
pub struct RangePlan {
    list: [Invalidation; MAX_BLOCKS],
    len: usize,
}

impl RangePlan {
    /// The translations of a domain, whatever the range.
    pub(crate) const fn whole(domain: DomainId) -> Self {
        Self { list: [Invalidation::IotlbDomain(domain); MAX_BLOCKS], len: 1 }
    }

    /// No invalidation at all.
    pub(crate) const fn nothing(domain: DomainId) -> Self {
        Self { len: 0, ..Self::whole(domain) }
    }

    /// Adds those of another plan. `false` if there is no room for all of them.
    pub(crate) fn append(&mut self, other: &Self) -> bool {
        for request in other.as_slice() {
            let Some(slot) = self.list.get_mut(self.len) else { return false };
            *slot = *request;
            self.len += 1;
        }
        true
    }

    /// The invalidations, in ascending order of pages.
    pub fn as_slice(&self) -> &[Invalidation] {
        self.list.get(..self.len).unwrap_or(&self.list)
    }
}

/// How exact a unit's invalidations are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    page_selective: bool,
    max_order: u8,
    pub(crate) drains_reads: bool,
    pub(crate) drains_writes: bool,
    max_index_order: u8,
}

impl Limits {
    pub(crate) const fn new(capabilities: Capabilities, extended: ExtendedCapabilities) -> Self {
        Self {
            page_selective: capabilities.page_selective_invalidation(),
            max_order: capabilities.max_address_mask(),
            drains_reads: capabilities.drains_reads(),
            drains_writes: capabilities.drains_writes(),
            max_index_order: extended.max_handle_mask(),
        }
    }

    /// The one block that a range is, if it is one that the unit takes; the common case.
    #[inline]
    pub(crate) const fn single_block(&self, start: Iova, pages: u64) -> Option<PageBlock> {
        if pages == 1 && self.page_selective {
            return Some(PageBlock::page(start));
        }
        let order = pages.trailing_zeros();
        if !self.page_selective || !pages.is_power_of_two() || order > self.max_order as u32 {
            return None;
        }
        PageBlock::new(start, order as u8)
    }

    /// Cuts a range into blocks, or gives the whole domain.
    pub(crate) fn plan(&self, domain: DomainId, start: Iova, pages: u64, changed: Changed) -> RangePlan {
        let whole = RangePlan::whole(domain);
        if !self.page_selective {
            return whole;
        }
        let mut plan = RangePlan { len: 0, ..whole };
        for block in Blocks::new(start, pages, self.max_order) {
            let Some(slot) = plan.list.get_mut(plan.len) else { return whole };
            *slot = Invalidation::IotlbPages { domain, pages: block, changed };
            plan.len += 1;
        }
        plan
    }

    /// Widens what the unit cannot do so exactly.
    pub(crate) const fn widen(&self, request: Invalidation) -> Invalidation {
        match request {
            Invalidation::IotlbPages { domain, pages, .. }
                if !self.page_selective || pages.order() > self.max_order =>
            {
                Invalidation::IotlbDomain(domain)
            }
            Invalidation::InterruptEntries(block) if block.order() > self.max_index_order => {
                Invalidation::InterruptGlobal
            }
            exact => exact,
        }
    }

    /// The descriptor for a block of pages that [`single_block`](Self::single_block) gave.
    #[inline]
    pub(crate) const fn block_descriptor(&self, domain: DomainId, pages: PageBlock) -> Descriptor {
        self.with_drains(Descriptor::iotlb_pages(domain, pages.start(), pages.order()).with_leaf_hint())
    }

    /// The descriptor for a request, with the drains that the unit offers.
    pub(crate) const fn descriptor(&self, request: Invalidation) -> Descriptor {
        let descriptor = match self.widen(request) {
            Invalidation::ContextGlobal => return Descriptor::context_global(),
            Invalidation::ContextDomain(domain) => return Descriptor::context_domain(domain),
            Invalidation::ContextDevice { domain, source } => {
                return Descriptor::context_device(domain, source);
            }
            Invalidation::InterruptGlobal => return Descriptor::interrupt_global(),
            Invalidation::InterruptEntries(block) => {
                return Descriptor::interrupt_entries(block.first(), block.order());
            }
            Invalidation::IotlbGlobal => Descriptor::iotlb_global(),
            Invalidation::IotlbDomain(domain) => Descriptor::iotlb_domain(domain),
            Invalidation::IotlbPages { domain, pages, changed } => {
                let exact = Descriptor::iotlb_pages(domain, pages.start(), pages.order());
                match changed {
                    Changed::Leaves => exact.with_leaf_hint(),
                    Changed::Tables => exact,
                }
            }
        };
        self.with_drains(descriptor)
    }

    const fn with_drains(&self, descriptor: Descriptor) -> Descriptor {
        let reads = if self.drains_reads { descriptor.with_read_drain() } else { descriptor };
        if self.drains_writes { reads.with_write_drain() } else { reads }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dma_types::InterruptIndex;

    const DOMAIN: DomainId = DomainId(3);
    const EXACT: Limits = Limits {
        page_selective: true,
        max_order: 9,
        drains_reads: true,
        drains_writes: true,
        max_index_order: 3,
    };

    #[test]
    fn an_aligned_range_is_one_block() {
        let plan = EXACT.plan(DOMAIN, Iova::new(0x20_0000), 512, Changed::Leaves);
        let pages = PageBlock::new(Iova::new(0x20_0000), 9).unwrap();
        let expected = Invalidation::IotlbPages { domain: DOMAIN, pages, changed: Changed::Leaves };
        assert_eq!(plan.as_slice(), [expected]);
    }

    #[test]
    fn what_takes_too_many_blocks_takes_the_domain() {
        let blunt = Limits { page_selective: false, ..EXACT };
        for (limits, pages) in [(EXACT, 512 * 9), (blunt, 1)] {
            let plan = limits.plan(DOMAIN, Iova::new(0), pages, Changed::Tables);
            assert_eq!(plan.as_slice(), [Invalidation::IotlbDomain(DOMAIN)]);
        }
        assert_eq!(EXACT.plan(DOMAIN, Iova::new(0), 512 * 8, Changed::Tables).as_slice().len(), 8);
        assert_eq!(EXACT.plan(DOMAIN, Iova::new(0), 0, Changed::Tables).as_slice(), []);
    }

    #[test]
    fn a_block_beyond_the_units_mask_is_widened() {
        let request = |order| Invalidation::IotlbPages {
            domain: DOMAIN,
            pages: PageBlock::new(Iova::new(0), order).unwrap(),
            changed: Changed::Tables,
        };
        assert_eq!(EXACT.widen(request(10)), Invalidation::IotlbDomain(DOMAIN));
        assert_eq!(EXACT.widen(request(9)), request(9));
    }

    #[test]
    fn interrupt_entries_beyond_the_units_mask_take_all_of_them() {
        let request =
            |order| Invalidation::InterruptEntries(IndexBlock::new(InterruptIndex(0x20), order).unwrap());
        assert_eq!(EXACT.descriptor(request(3)), Descriptor::interrupt_entries(InterruptIndex(0x20), 3));
        assert_eq!(EXACT.descriptor(request(4)), Descriptor::interrupt_global());
    }

    #[test]
    fn drains_are_asked_for_where_offered() {
        let both = EXACT.descriptor(Invalidation::IotlbGlobal);
        assert!(both.drains_reads() && both.drains_writes());
        let neither = Limits { drains_reads: false, drains_writes: false, ..EXACT };
        assert_eq!(neither.descriptor(Invalidation::IotlbGlobal), Descriptor::iotlb_global());
        assert_eq!(EXACT.descriptor(Invalidation::ContextGlobal), Descriptor::context_global());
    }
}
