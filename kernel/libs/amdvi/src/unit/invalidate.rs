//! Telling the unit to forget, and knowing that it has.

use iommu::TableMemory;
use iommu::wait::{ANSWER_LIMIT_NS, Deadline};
use mmio_regs::{Clock, Registers, TypedAccess};

use crate::invalidation::{Invalidation, InvalidationError};
use crate::queue::{MAX_BATCH, Progress, Queue, QueueError};
use crate::spec::command::Command;
use crate::spec::registers::{COMMAND_HEAD, COMMAND_TAIL, CONTROL};

use super::{Path, Unit};

/// How often a batch is submitted again after the command buffer stopped.
const RESUBMISSIONS: usize = 2;

/// How often the common case looks at the answer before it leaves the wait to the general one, which knows of time and
/// errors.
const LOOKS: usize = 10_000;

impl<R: Registers> Unit<R> {
    /// Has all of it forgotten, in order, with one wait for [`MAX_BATCH`] of them, and returns once it is; translated
    /// requests that were under way have then arrived.
    ///
    /// A batch that a stop of the command buffer hit is submitted again, a bounded number of times.
    ///
    /// # Errors
    /// None of it is known to be forgotten. Calling again is harmless.
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

    /// The fast path of [`invalidate_all`](Self::invalidate_all) for one thing: tells whether the unit has confirmed within
    /// some looks. If not, it may still be in use, and the slow path has to be taken.
    #[must_use = "if it was not, take the slow path"]
    #[inline]
    pub fn invalidate_fast(&mut self, request: Invalidation, memory: &mut impl TableMemory) -> bool {
        let (Path::Commands, Some(queue)) = (self.path, &mut self.queue) else { return false };
        let command = core::iter::once(request.command());
        let Some(submission) = queue.submit(command, &self.registers, memory) else { return false };
        (0..LOOKS).any(|_| queue.has_finished(submission, memory))
    }

    /// Hands the unit one command as it is, with a wait behind it that nobody looks at: to see what the unit, and the
    /// recovery of its command buffer, make of a bad one.
    ///
    /// # Errors
    /// The unit is not at work; nothing was submitted.
    pub fn submit_raw(
        &mut self,
        command: Command,
        memory: &mut impl TableMemory,
    ) -> Result<(), InvalidationError> {
        let (Path::Commands, Some(queue)) = (self.path, &mut self.queue) else {
            return Err(self.path.refusal());
        };
        let _ = queue.submit(core::iter::once(command), &self.registers, memory);
        Ok(())
    }

    /// Starts the command buffer anew if it has stopped; `None` if it has not.
    pub fn recover_queue(&mut self, memory: &impl TableMemory) -> Option<QueueError> {
        match (self.path, &mut self.queue) {
            (Path::Commands, Some(queue)) => queue.recover(self.control, &self.registers, memory),
            _ => None,
        }
    }

    /// How often the command buffer had to be started anew, and what was found last.
    pub fn queue_errors(&self) -> (u32, Option<QueueError>) {
        self.queue.as_ref().map_or((0, None), Queue::errors)
    }

    /// Submits one batch and waits for it, once.
    fn run(
        &mut self,
        batch: &[Invalidation],
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        let mut deadline: Option<Deadline> = None;
        let mut submitted = None;
        loop {
            // The clock is not read for a batch that is done at the first look, as most are.
            let last_chance = deadline.is_some_and(|limit| limit.has_passed(clock));
            let (Path::Commands, Some(queue)) = (self.path, &mut self.queue) else {
                return Err(self.path.refusal());
            };
            if submitted.is_none() {
                let commands = batch.iter().map(|request| request.command());
                submitted = queue.submit(commands, &self.registers, memory);
            }
            if let Some(submission) = submitted {
                match queue.poll(submission, memory) {
                    Progress::Done => return Ok(()),
                    Progress::Failed(error) => return Err(InvalidationError::Queue(error)),
                    Progress::Pending => {}
                }
            }
            // What holds it up may be a stop that nobody has seen.
            if queue.recover(self.control, &self.registers, memory).is_some() {
                continue;
            }
            if last_chance {
                return Err(self.dies());
            }
            if deadline.is_none() {
                deadline = Some(Deadline::after(ANSWER_LIMIT_NS, clock));
            }
            clock.relax();
        }
    }

    /// Takes note that the unit did not answer in time. Whoever asks it after this does not wait.
    #[cold]
    fn dies(&mut self) -> InvalidationError {
        self.path = Path::Dead;
        InvalidationError::TimedOut {
            head: self.registers.get(COMMAND_HEAD).index(),
            tail: self.registers.get(COMMAND_TAIL).index(),
            control: self.registers.get(CONTROL),
            status: self.status(),
        }
    }
}

impl Path {
    /// Why nothing can be asked for.
    const fn refusal(self) -> InvalidationError {
        match self {
            Self::Dead => InvalidationError::Dead,
            Self::None | Self::Commands => InvalidationError::NotBroughtUp,
        }
    }
}
