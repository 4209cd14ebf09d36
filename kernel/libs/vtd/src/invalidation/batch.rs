//! What to forget after many unmaps in one domain.

use dma_types::{DomainId, Iova};

use crate::tables::Stale;

use super::{Changed, Limits, MAX_BLOCKS, RangePlan};

/// The ranges that a batch of unmaps has left, as long as they are few, or else their whole domain.
///
/// Many blocks cost the unit more than one domain-wide invalidation, and each of them a descriptor.
#[derive(Clone, Copy, Debug)]
pub struct BatchPlan {
    domain: DomainId,
    ranges: [(Iova, u64); MAX_BLOCKS],
    /// Above the number of ranges that fit: the whole domain.
    len: usize,
}

impl BatchPlan {
    /// A plan for `ranges` ranges of a domain, none of which is added yet.
    pub const fn new(domain: DomainId, ranges: usize) -> Self {
        let len = if ranges > MAX_BLOCKS { ranges } else { 0 };
        Self { domain, ranges: [(Iova::new(0), 0); MAX_BLOCKS], len }
    }

    /// Adds the pages of an unmap: so many from the one around the address.
    #[inline]
    pub fn add(&mut self, range: (Iova, u64), stale: Stale) {
        if stale == Stale::Domain {
            self.len = usize::MAX;
        } else if let Some(slot) = self.ranges.get_mut(self.len) {
            *slot = range;
            self.len += 1;
        } else {
            self.len = usize::MAX;
        }
    }

    /// Adds the pages of several unmaps, as [`add`](Self::add) does for each.
    #[inline]
    pub fn add_all(&mut self, ranges: impl Iterator<Item = (Iova, u64)>, stale: Stale) {
        if self.whole_domain().is_none() {
            ranges.for_each(|range| self.add(range, stale));
        }
    }

    /// The domain, if all of it is to be forgotten.
    #[inline]
    pub(crate) fn whole_domain(&self) -> Option<DomainId> {
        (self.len > MAX_BLOCKS).then_some(self.domain)
    }

    /// What the unit has to be asked for, by what it can do.
    pub(crate) fn requests(&self, limits: &Limits) -> RangePlan {
        let whole = RangePlan::whole(self.domain);
        let Some(ranges) = self.ranges.get(..self.len) else { return whole };
        let mut all = RangePlan::nothing(self.domain);
        for (start, pages) in ranges {
            let plan = limits.plan(self.domain, *start, *pages, Changed::Leaves);
            if plan.as_slice() == whole.as_slice() || !all.append(&plan) {
                return whole;
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::{Invalidation, PageBlock};
    use std::vec::Vec;

    const DOMAIN: DomainId = DomainId(3);
    const EXACT: Limits = Limits {
        page_selective: true,
        max_order: 9,
        drains_reads: true,
        drains_writes: true,
        max_index_order: 3,
    };

    fn plan(ranges: &[(u64, u64)]) -> BatchPlan {
        let mut plan = BatchPlan::new(DOMAIN, ranges.len());
        for (page, pages) in ranges {
            plan.add((Iova::new(page << 12), *pages), Stale::Range);
        }
        plan
    }

    #[test]
    fn few_ranges_are_named_exactly_and_in_order() {
        let requests = plan(&[(0x10, 1), (0x20, 3)]).requests(&EXACT);
        let block = |page: u64, order| Invalidation::IotlbPages {
            domain: DOMAIN,
            pages: PageBlock::new(Iova::new(page << 12), order).unwrap(),
            changed: Changed::Leaves,
        };
        assert_eq!(requests.as_slice(), [block(0x10, 0), block(0x20, 1), block(0x22, 0)]);
    }

    #[test]
    fn many_ranges_or_blocks_and_unlinked_tables_take_the_domain() {
        let whole = [Invalidation::IotlbDomain(DOMAIN)];
        let many: Vec<(u64, u64)> = (0..MAX_BLOCKS as u64 + 1).map(|n| (n * 2, 1)).collect();
        assert_eq!(plan(&many).requests(&EXACT).as_slice(), whole);
        // Six blocks each, and one that takes the domain by itself.
        assert_eq!(plan(&[(1, 63), (0x101, 63)]).requests(&EXACT).as_slice(), whole);
        assert_eq!(plan(&[(1, 1), (0x101, 126)]).requests(&EXACT).as_slice(), whole);
        let mut unlinking = BatchPlan::new(DOMAIN, 2);
        unlinking.add((Iova::new(0x1000), 1), Stale::Domain);
        unlinking.add((Iova::new(0x2000), 1), Stale::Range);
        assert_eq!(unlinking.requests(&EXACT).as_slice(), whole);
        assert_eq!(plan(&[]).requests(&EXACT).as_slice(), []);
    }
}
