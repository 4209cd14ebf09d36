//! Telling the unit to forget, and knowing that it has.

use core::task::Poll;

use dma_types::{DomainId, Iova};
use mmio_regs::{Clock, Registers, TypedAccess};

use crate::TableMemory;
use crate::invalidation::{Changed, Invalidation, InvalidationError, Limits, RangePlan};
use crate::queue::{MAX_BATCH, Progress, QueueError, Submission};
use crate::spec::descriptor::Descriptor;
use crate::spec::fault_event::FaultStatus;
use crate::spec::queue_registers::QueuePosition;
use crate::spec::registers::{FSTS, IQH, IQT};
use iommu::wait::{ANSWER_LIMIT_NS, Deadline};

use super::{InvalidationPath, Unit};

/// How often a batch is submitted again after a queue error.
///
/// Once for the error itself, once more for another of a kind that came with it.
const RESUBMISSIONS: usize = 2;

/// How often the common case looks at the queue before it leaves the wait to the general one, which knows of
/// time and errors.
const LOOKS: usize = 10_000;

/// A batch under way. Nothing it names may be reused until [`Unit::poll`] says it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the invalidation is done only once polling says so"]
pub struct Ticket(Option<Submission>);

impl<R: Registers> Unit<R> {
    /// Has one thing forgotten and returns once it is.
    ///
    /// # Errors
    ///
    /// See [`Unit::invalidate_all`].
    pub fn invalidate(
        &mut self,
        request: Invalidation,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        self.invalidate_all(&[request], memory, clock)
    }

    /// Has the translations of a range of pages forgotten and returns once they are.
    ///
    /// # Errors
    ///
    /// See [`Unit::invalidate_all`].
    pub fn invalidate_range(
        &mut self,
        domain: DomainId,
        (start, pages): (Iova, u64),
        changed: Changed,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        let plan = self.plan_range(domain, (start, pages), changed);
        self.invalidate_all(plan.as_slice(), memory, clock)
    }

    /// The fast path of [`Unit::after_unmap`]: leaf entries of one block of pages were cleared,
    /// and the queue is done within some looks. Tells whether it was; if not, the translations may still be
    /// in use, and the slow path has to be taken.
    #[must_use = "if it was not, take the slow path"]
    #[inline(always)]
    pub fn after_unmap_fast(
        &mut self,
        domain: DomainId,
        (start, pages): (Iova, u64),
        memory: &mut impl TableMemory,
    ) -> bool {
        let Some(block) = self.limits.single_block(start, pages) else { return false };
        self.run_fast(|limits| limits.block_descriptor(domain, block), memory)
    }

    /// Runs a single descriptor on the fast path. Tells whether it is known to be done.
    #[inline(always)]
    pub(super) fn run_fast(
        &mut self,
        descriptor: impl FnOnce(&Limits) -> Descriptor,
        memory: &mut impl TableMemory,
    ) -> bool {
        let (InvalidationPath::Queue, Some(queue)) = (self.path, &mut self.queue) else { return false };
        let descriptor = descriptor(&self.limits);
        let Some(submission) = queue.submit_one(descriptor, &self.registers, memory) else { return false };
        (0..LOOKS).any(|_| queue.has_finished(submission, memory))
    }

    /// The invalidations for `pages` pages from the one around `start`: exact blocks, or the whole domain
    /// where the unit cannot be exact or the blocks are too many.
    pub fn plan_range(&self, domain: DomainId, (start, pages): (Iova, u64), changed: Changed) -> RangePlan {
        self.limits.plan(domain, start, pages, changed)
    }

    /// Has all of it forgotten, in order, with one wait per [`MAX_BATCH`], and returns once it is; reads
    /// and writes under way have then drained, where the unit offers that.
    ///
    /// A batch that a queue error hit is submitted again, a bounded number of times.
    ///
    /// # Errors
    ///
    /// None of the batch is known to be forgotten. Calling again is harmless.
    pub fn invalidate_all(
        &mut self,
        requests: &[Invalidation],
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        for batch in requests.chunks(MAX_BATCH) {
            let mut submissions_left = 1 + RESUBMISSIONS;
            loop {
                submissions_left -= 1;
                match self.run(batch, memory, clock) {
                    Err(InvalidationError::Queue(_)) if submissions_left > 0 => {}
                    Err(error) => return Err(error),
                    Ok(()) => break,
                }
            }
        }
        Ok(())
    }

    /// Makes new entries visible after mapping: what was not present may have been cached (caching mode),
    /// or the change may hang in the chipset's write buffer. Does nothing on most machines.
    ///
    /// # Errors
    ///
    /// The new entries are not known to be visible.
    pub fn publish(
        &mut self,
        requests: &[Invalidation],
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        if self.capabilities.caching_mode() {
            self.invalidate_all(requests, memory, clock)
        } else {
            self.drain_write_buffer(clock)
        }
    }

    /// [`Unit::flush_write_buffer`] of a unit that is at work.
    pub(super) fn drain_write_buffer(&mut self, clock: &impl Clock) -> Result<(), InvalidationError> {
        if self.is_dead() {
            return Err(InvalidationError::Dead);
        }
        let flushed = self.flush_write_buffer(clock);
        flushed.map_err(|error| self.dies_of(error.into()))
    }

    /// Takes note that the unit did not answer in time. Whoever asks it after this does not wait.
    #[cold]
    fn dies_of(&mut self, error: InvalidationError) -> InvalidationError {
        self.path = InvalidationPath::Dead;
        error
    }

    /// Submits up to [`MAX_BATCH`] invalidations and does not wait for the queue.
    ///
    /// For callers that give the unit free between looks. Without a queue everything is done here.
    ///
    /// # Errors
    ///
    /// Nothing was submitted; with [`InvalidationError::QueueFull`] there is room again later.
    pub fn submit(
        &mut self,
        requests: &[Invalidation],
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<Ticket, InvalidationError> {
        if requests.len() > MAX_BATCH {
            return Err(InvalidationError::BatchTooLong { requests: requests.len() });
        }
        let limits = self.limits;
        match (self.path, &mut self.queue) {
            (InvalidationPath::Queue, Some(queue)) => {
                let descriptors = requests.iter().map(|&request| limits.descriptor(request));
                let submission = queue.submit(descriptors, &self.registers, memory);
                submission.map(|submission| Ticket(Some(submission))).ok_or(InvalidationError::QueueFull)
            }
            (InvalidationPath::Registers, _) => {
                for &request in requests {
                    self.by_register(request, clock).map_err(|error| match error {
                        InvalidationError::RegisterTimedOut(_) => self.dies_of(error),
                        other => other,
                    })?;
                }
                Ok(Ticket(None))
            }
            (path, _) => Err(path.refusal()),
        }
    }

    /// Hands the unit one descriptor as it is, and waits for nothing: to see what the unit, and the recovery
    /// of its queue, make of a bad one.
    ///
    /// # Errors
    ///
    /// The unit has no queue, or there is no room in it; nothing was submitted.
    pub fn submit_raw(
        &mut self,
        descriptor: Descriptor,
        memory: &mut impl TableMemory,
    ) -> Result<(), InvalidationError> {
        match (self.path, &mut self.queue) {
            (InvalidationPath::Queue, Some(queue)) => {
                let submitted = queue.submit_raw(descriptor, &self.registers, memory);
                if submitted { Ok(()) } else { Err(InvalidationError::QueueFull) }
            }
            (path, _) => Err(path.refusal()),
        }
    }

    /// Looks how far a submission is, and recovers the queue if it has stopped.
    ///
    /// A queue error since the submission fails it, even if somebody else recovered the queue meanwhile:
    /// the error is then [`InvalidationError::Queue`], and the batch must be submitted again.
    pub fn poll(
        &mut self,
        ticket: Ticket,
        memory: &mut impl TableMemory,
    ) -> Poll<Result<(), InvalidationError>> {
        let (Some(submission), Some(queue)) = (ticket.0, &mut self.queue) else {
            return Poll::Ready(Ok(()));
        };
        match queue.poll(submission, &self.registers, memory) {
            Progress::Pending if self.path == InvalidationPath::Dead => {
                Poll::Ready(Err(InvalidationError::Dead))
            }
            Progress::Pending => Poll::Pending,
            Progress::Done => Poll::Ready(Ok(())),
            Progress::Failed(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// Gets the queue going again if it has stopped; `None` if it has not.
    ///
    /// For the fault interrupt's dispatcher. Those who wait learn of it at their next look.
    pub fn recover_queue(&mut self, memory: &mut impl TableMemory) -> Option<QueueError> {
        match (self.path, &mut self.queue) {
            (InvalidationPath::Queue, Some(queue)) => queue.recover(&self.registers, memory),
            _ => None,
        }
    }

    /// How often the queue had to be recovered, and what was found last.
    pub fn queue_errors(&self) -> (u32, Option<QueueError>) {
        self.queue.as_ref().map_or((0, None), |queue| queue.errors())
    }

    /// Submits one batch and waits for it, once.
    fn run(
        &mut self,
        batch: &[Invalidation],
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        let mut deadline = None;
        let mut ticket = None;
        loop {
            // The clock is not read for a batch that is done at the first look, as most are.
            let last_chance = deadline.as_ref().is_some_and(|limit: &Deadline| limit.has_passed(clock));
            match ticket {
                None => match self.submit(batch, memory, clock) {
                    Ok(submitted) => {
                        ticket = Some(submitted);
                        continue;
                    }
                    Err(InvalidationError::QueueFull) => {
                        // What blocks the queue may be an error that nobody waits for.
                        self.recover_queue(memory);
                    }
                    Err(error) => return Err(error),
                },
                Some(submitted) => {
                    if let Poll::Ready(result) = self.poll(submitted, memory) {
                        return result;
                    }
                }
            }
            if last_chance {
                let error = self.queue_timed_out();
                return Err(self.dies_of(error));
            }
            if deadline.is_none() {
                deadline = Some(Deadline::after(ANSWER_LIMIT_NS, clock));
            }
            clock.relax();
        }
    }

    fn queue_timed_out(&self) -> InvalidationError {
        let index = |position: QueuePosition| position.index();
        let status: FaultStatus = self.registers.get(FSTS);
        InvalidationError::QueueTimedOut {
            head: index(self.registers.get(IQH)),
            tail: index(self.registers.get(IQT)),
            status,
        }
    }
}

impl InvalidationPath {
    /// Why nothing can be asked for.
    const fn refusal(self) -> InvalidationError {
        match self {
            Self::Dead => InvalidationError::Dead,
            Self::None | Self::Registers | Self::Queue => InvalidationError::NotBroughtUp,
        }
    }
}
