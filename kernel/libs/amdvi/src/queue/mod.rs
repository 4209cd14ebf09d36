//! The command buffer: a ring of commands in memory (AMD I/O Virtualization "Command Buffer").
//!
//! A submission is some commands and one completion wait, whose number the unit stores once everything before it is done.
//! Software never writes that word, so no late answer can be taken for a newer one. One slot stays free, because a full
//! ring would look like an empty one.

mod recovery;

use core::sync::atomic::{Ordering, fence};

use dma_types::{PAGE_SIZE, PhysAddr};
use iommu::TableMemory;
use mmio_regs::{Registers, TypedAccess};

use crate::spec::command::Command;
use crate::spec::registers::{COMMAND_HEAD, COMMAND_TAIL};
use crate::spec::ring::{ENTRY_BYTES, RingBase, RingPosition};

pub use recovery::QueueError;

/// Commands in the ring: one page.
const SLOTS: usize = (PAGE_SIZE / ENTRY_BYTES) as usize;

/// The most commands of one submission: beside them there is the wait, and the slot that stays free.
pub const MAX_BATCH: usize = SLOTS - 2;

/// The ring, its answer word, and how far both sides are.
#[derive(Debug)]
pub(crate) struct Queue {
    ring: PhysAddr,
    answer: PhysAddr,
    /// Slots from here to `tail` may still be unread.
    head: usize,
    tail: usize,
    /// The number of the last wait.
    issued: u64,
    /// How often the buffer was started anew.
    recoveries: u32,
    last_error: Option<QueueError>,
}

/// A submission under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Submission {
    wait: u64,
    recoveries: u32,
}

/// How far a submission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Pending,
    Done,
    /// Some of it may never have been carried out. It must be submitted again.
    Failed(QueueError),
}

impl Queue {
    /// Takes two pages; if the second is missing the first goes back.
    pub(crate) fn allocate(memory: &mut impl TableMemory) -> Option<Self> {
        let ring = memory.allocate()?;
        let Some(answer) = memory.allocate() else {
            memory.free(ring);
            return None;
        };
        Some(Self { ring, answer, head: 0, tail: 0, issued: 0, recoveries: 0, last_error: None })
    }

    pub(crate) const fn base(&self) -> RingBase {
        RingBase::one_page(self.ring)
    }

    /// Starts at slot 0 again, on both sides; the unit must not be fetching.
    pub(crate) fn restart(&mut self, registers: &impl Registers) {
        self.head = 0;
        self.tail = 0;
        registers.set(COMMAND_HEAD, RingPosition::at(0));
        registers.set(COMMAND_TAIL, RingPosition::at(0));
    }

    /// Puts commands and their wait into the ring and tells the unit.
    ///
    /// `None` if there is no room for all of them for now.
    pub(crate) fn submit(
        &mut self,
        commands: impl ExactSizeIterator<Item = Command>,
        registers: &impl Registers,
        memory: &mut impl TableMemory,
    ) -> Option<Submission> {
        let needed = commands.len() + 1;
        if self.room() < needed {
            self.head = registers.get(COMMAND_HEAD).index() % SLOTS;
            if self.room() < needed {
                return None;
            }
        }
        for command in commands {
            self.push(command, memory);
        }
        self.issued += 1;
        self.push(Command::completion_wait(self.answer, self.issued), memory);
        // Whatever was written before, to the ring and to the tables, is there before.
        fence(Ordering::Release);
        registers.set(COMMAND_TAIL, RingPosition::at(self.tail));
        Some(Submission { wait: self.issued, recoveries: self.recoveries })
    }

    /// Looks how far a submission is.
    ///
    /// A stop since the submission fails it, whoever started the buffer anew, and whatever the answer word says: the wait
    /// may have passed over a command that was never carried out.
    pub(crate) fn poll(&mut self, submission: Submission, memory: &impl TableMemory) -> Progress {
        if submission.recoveries != self.recoveries {
            return self.last_error.map_or(Progress::Pending, Progress::Failed);
        }
        if self.has_finished(submission, memory) { Progress::Done } else { Progress::Pending }
    }

    /// How often the buffer was started anew, and what was found last.
    pub(crate) const fn errors(&self) -> (u32, Option<QueueError>) {
        (self.recoveries, self.last_error)
    }

    /// Tells whether a submission that no stop has hit is done, by the answer word alone.
    #[inline]
    pub(crate) fn has_finished(&mut self, submission: Submission, memory: &impl TableMemory) -> bool {
        let done = memory.read(self.answer);
        // Nothing that follows is looked at before the answer.
        fence(Ordering::Acquire);
        if done == self.issued {
            self.head = self.tail;
        }
        // Waits finish in order, so a later number counts too.
        done >= submission.wait && done <= self.issued
    }

    const fn room(&self) -> usize {
        // Both are below the number of slots, a power of two.
        self.head.wrapping_sub(self.tail).wrapping_sub(1) % SLOTS
    }

    fn push(&mut self, command: Command, memory: &mut impl TableMemory) {
        let at = self.slot(self.tail).as_u64();
        memory.write(PhysAddr::new(at), command.low);
        memory.write(PhysAddr::new(at + 8), command.high);
        self.tail = (self.tail + 1) % SLOTS;
    }

    const fn slot(&self, index: usize) -> PhysAddr {
        PhysAddr::new(self.ring.as_u64() + (index % SLOTS) as u64 * ENTRY_BYTES)
    }
}
