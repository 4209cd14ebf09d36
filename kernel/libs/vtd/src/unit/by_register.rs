//! Invalidation by register, one at a time, for units without a queue.

use core::sync::atomic::{Ordering, fence};

use dma_types::DomainId;
use mmio_regs::{Clock, Registers, TypedAccess};

use crate::invalidation::{Changed, Invalidation, InvalidationError};
use crate::spec::register_invalidation::{ContextCommand, Granularity, InvalidateAddress, IotlbCommand};
use crate::spec::registers::{CCMD, iotlb, iva};
use iommu::wait::{ANSWER_LIMIT_NS, wait_for};

use super::Unit;

impl<R: Registers> Unit<R> {
    /// Has one thing forgotten and waits for the answer.
    pub(super) fn by_register(
        &self,
        request: Invalidation,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        match self.limits.widen(request) {
            Invalidation::ContextGlobal => self.context_command(ContextCommand::global(), clock),
            Invalidation::ContextDomain(domain) => {
                self.context_command(ContextCommand::domain(domain), clock)
            }
            Invalidation::ContextDevice { domain, source } => {
                self.context_command(ContextCommand::device(domain, source), clock)
            }
            Invalidation::IotlbGlobal => self.iotlb_command(Granularity::GLOBAL, DomainId(0), None, clock),
            Invalidation::IotlbDomain(domain) => self.iotlb_command(Granularity::DOMAIN, domain, None, clock),
            Invalidation::IotlbPages { domain, pages, changed } => {
                let address = InvalidateAddress::new(pages.start(), pages.order());
                let address = match changed {
                    Changed::Leaves => address.with_leaf_hint(),
                    Changed::Tables => address,
                };
                self.iotlb_command(Granularity::SELECTIVE, domain, Some(address), clock)
            }
            // There is no register for them (VT-d "Interrupt Entry Cache").
            Invalidation::InterruptGlobal | Invalidation::InterruptEntries(_) => {
                Err(InvalidationError::QueueOnly)
            }
        }
    }

    fn context_command(&self, command: ContextCommand, clock: &impl Clock) -> Result<(), InvalidationError> {
        let idle = (ContextCommand::BUSY, ContextCommand::IDLE);
        wait_for(&self.registers, CCMD, idle, ANSWER_LIMIT_NS, clock)?;
        // What was written to the tables is there before.
        fence(Ordering::Release);
        self.registers.set(CCMD, command);
        let answer = wait_for(&self.registers, CCMD, idle, ANSWER_LIMIT_NS, clock)?;
        check_answer(command.requested(), answer.done())
    }

    fn iotlb_command(
        &self,
        granularity: Granularity,
        domain: DomainId,
        address: Option<InvalidateAddress>,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        let base = self.extended.iotlb_offset();
        let idle = (IotlbCommand::BUSY, IotlbCommand::IDLE);
        let mut command = IotlbCommand::new(granularity, domain);
        if self.limits.drains_reads {
            command = command.with_read_drain();
        }
        if self.limits.drains_writes {
            command = command.with_write_drain();
        }
        wait_for(&self.registers, iotlb(base), idle, ANSWER_LIMIT_NS, clock)?;
        if let Some(address) = address {
            self.registers.set(iva(base), address);
        }
        fence(Ordering::Release);
        self.registers.set(iotlb(base), command);
        let answer = wait_for(&self.registers, iotlb(base), idle, ANSWER_LIMIT_NS, clock)?;
        check_answer(granularity, answer.done())
    }
}

/// A unit may do more than it was asked, never less.
fn check_answer(requested: Granularity, done: Granularity) -> Result<(), InvalidationError> {
    if done == Granularity::REFUSED || done.0 > requested.0 {
        return Err(InvalidationError::Refused { requested, done });
    }
    Ok(())
}
