//! What a unit can be asked to forget, and why it is not known to have.

use core::fmt;

use dma_types::{DomainId, Iova, PAGE_SIZE, SourceId};
use iommu::Stale;

use crate::queue::QueueError;
use crate::spec::command::Command;
use crate::spec::control::Control;
use crate::spec::status::Status;

/// The largest block of pages that is asked for; beyond it, the whole domain.
const MAX_ORDER: u32 = 30;

/// One thing to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// Everything that is remembered of a requester's device entry.
    DeviceEntry(SourceId),
    /// Every translation of a domain, with what leads to tables.
    Domain(DomainId),
    /// The translations of a block of pages.
    Pages {
        /// The domain.
        domain: DomainId,
        /// The first page, a multiple of the block's size.
        start: Iova,
        /// Power of two of pages.
        order: u8,
    },
    /// Everything that is remembered of a requester's interrupt entries.
    InterruptTable(SourceId),
    /// Everything.
    All,
}

impl Invalidation {
    /// The smallest block that holds some pages of a domain, or all of it. Forgetting more than was changed does no harm.
    pub const fn of_pages(domain: DomainId, start: Iova, pages: u64) -> Self {
        let first = start.as_u64() / PAGE_SIZE;
        let last = first.saturating_add(pages.saturating_sub(1));
        let order = u64::BITS - (first ^ last).leading_zeros();
        if order > MAX_ORDER {
            return Self::Domain(domain);
        }
        let start = Iova::new((first >> order << order) * PAGE_SIZE);
        Self::Pages { domain, start, order: order as u8 }
    }

    /// What an unmap asks for.
    pub const fn after_unmap(domain: DomainId, (start, pages): (Iova, u64), stale: Stale) -> Self {
        match stale {
            Stale::Range => Self::of_pages(domain, start, pages),
            Stale::Domain => Self::Domain(domain),
        }
    }

    /// The command that asks for it.
    pub const fn command(self) -> Command {
        match self {
            Self::DeviceEntry(source) => Command::device_entry(source),
            Self::Domain(domain) => Command::domain_pages(domain),
            Self::Pages { domain, start, order } => Command::pages(domain, start, order),
            Self::InterruptTable(source) => Command::interrupt_table(source),
            Self::All => Command::all(),
        }
    }
}

/// The ranges that a batch of unmaps has left in one domain: from the first page to the last, or the whole domain.
#[derive(Clone, Copy, Debug)]
pub struct BatchPlan {
    domain: DomainId,
    range: Option<(u64, u64)>,
    stale: Stale,
}

impl BatchPlan {
    /// A plan for a domain, with no range added yet.
    pub const fn new(domain: DomainId) -> Self {
        Self { domain, range: None, stale: Stale::Range }
    }

    /// Adds the pages of several unmaps: first page and number of each.
    pub fn add_all(&mut self, ranges: impl Iterator<Item = (Iova, u64)>, stale: Stale) {
        if stale == Stale::Domain {
            self.stale = stale;
        }
        for (start, pages) in ranges {
            let first = start.as_u64() / PAGE_SIZE;
            let last = first.saturating_add(pages.saturating_sub(1));
            let (lowest, highest) = self.range.unwrap_or((first, last));
            self.range = Some((lowest.min(first), highest.max(last)));
        }
    }

    /// What the unit has to be asked for; `None` where nothing was unmapped.
    pub fn request(&self) -> Option<Invalidation> {
        let (first, last) = self.range?;
        let range = (Iova::new(first * PAGE_SIZE), last - first + 1);
        Some(Invalidation::after_unmap(self.domain, range, self.stale))
    }
}

/// Why an invalidation is not known to have happened. The caller must treat the pages as still reachable; it may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidationError {
    /// The unit was not brought up.
    NotBroughtUp,
    /// The unit once did not answer in time and is asked nothing any more.
    Dead,
    /// The command buffer stopped, and submitting again did not help.
    Queue(QueueError),
    /// The unit did not work through its commands in time.
    TimedOut {
        /// Which command it stands at.
        head: usize,
        /// Where the commands end.
        tail: usize,
        /// The control register.
        control: Control,
        /// The status register.
        status: Status,
    },
}

impl fmt::Display for InvalidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBroughtUp => f.write_str("the unit was not brought up"),
            Self::Dead => f.write_str("the unit once did not answer in time, and is asked nothing any more"),
            Self::Queue(error) => error.fmt(f),
            Self::TimedOut { head, tail, control, status } => write!(
                f,
                "the command buffer stands at {head} of {tail}, control {:#x}, status {:#x}",
                control.bits(),
                status.bits()
            ),
        }
    }
}

impl core::error::Error for InvalidationError {}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: DomainId = DomainId(3);

    fn block(start: u64, order: u8) -> Invalidation {
        Invalidation::Pages { domain: DOMAIN, start: Iova::new(start), order }
    }

    #[test]
    fn the_block_holds_every_page_that_was_unmapped() {
        let of = |start, pages| Invalidation::of_pages(DOMAIN, Iova::new(start), pages);
        assert_eq!(of(0x5000, 1), block(0x5000, 0));
        assert_eq!(of(0x4000, 2), block(0x4000, 1));
        assert_eq!(of(0x5000, 2), block(0x4000, 2));
        assert_eq!(of(0x20_0000, 512), block(0x20_0000, 9));
        assert_eq!(of(0x1f_f000, 2), block(0, 10));
        assert_eq!(of(0, 1 << 40), Invalidation::Domain(DOMAIN));
    }

    #[test]
    fn a_batch_asks_once_for_all_of_it() {
        let mut plan = BatchPlan::new(DOMAIN);
        assert_eq!(plan.request(), None);
        plan.add_all([(Iova::new(0x8000), 1), (Iova::new(0xa000), 2)].into_iter(), Stale::Range);
        assert_eq!(plan.request(), Some(block(0x8000, 2)));
        plan.add_all(core::iter::once((Iova::new(0xc000), 1)), Stale::Domain);
        assert_eq!(plan.request(), Some(Invalidation::Domain(DOMAIN)));
    }
}
