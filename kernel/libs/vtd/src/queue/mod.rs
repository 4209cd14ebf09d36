//! The invalidation queue: a ring of descriptors in memory (VT-d "Queued Invalidation Interface").
//!
//! ```text
//!           head (unit reads here)      tail (software writes here)
//!             v                           v
//!   . . . . . [inv][inv][wait 7][inv][wait 8] . . . .        status word: 6
//! ```
//!
//! A submission is some invalidations and one wait, whose number the unit writes to the status word once
//! everything before it is done. Software never writes that word, so no late answer can be taken for a
//! newer one. One slot stays free, because a full ring would look like an empty one.

mod recovery;

use core::sync::atomic::{Ordering, fence};

use dma_types::{PAGE_SIZE, PhysAddr};
use mmio_regs::{Registers, TypedAccess};

use crate::TableMemory;
use crate::spec::descriptor::{DESCRIPTOR_SIZE, Descriptor};
use crate::spec::queue_registers::QueuePosition;
use crate::spec::registers::{IQH, IQT};
use crate::tables::Coherence;

pub use recovery::QueueError;

/// Descriptors in the ring: one page.
const SLOTS: usize = (PAGE_SIZE / DESCRIPTOR_SIZE) as usize;

/// The most invalidations of one submission: beside them there is the wait, and the slot that stays free.
pub const MAX_BATCH: usize = SLOTS - 2;

/// Offset in the status page of a word that nobody reads, for waits that replace bad descriptors.
const SCRATCH: u64 = 64;

/// The ring, its status word, and how far both sides are.
#[derive(Debug)]
pub(crate) struct Queue {
    ring: PhysAddr,
    status: PhysAddr,
    coherence: Coherence,
    /// Slots from here to `tail` may still be unread.
    head: usize,
    tail: usize,
    /// The number of the last wait.
    issued: u32,
    /// How often the queue was recovered.
    recoveries: u32,
    last_error: Option<QueueError>,
}

/// A submission under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Submission {
    wait: u32,
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
    pub(crate) fn allocate(memory: &mut impl TableMemory, coherence: Coherence) -> Option<Self> {
        let ring = memory.allocate()?;
        let Some(status) = memory.allocate() else {
            memory.free(ring);
            return None;
        };
        if coherence == Coherence::NonCoherent {
            // Written back once, so that no later eviction covers what the unit has written.
            memory.flush(status, PAGE_SIZE);
        }
        Some(Self { ring, status, coherence, head: 0, tail: 0, issued: 0, recoveries: 0, last_error: None })
    }

    pub(crate) const fn ring(&self) -> PhysAddr {
        self.ring
    }

    /// Starts at slot 0 again, as the unit does when the queue is turned on.
    pub(crate) const fn restart(&mut self) {
        self.head = 0;
        self.tail = 0;
    }

    /// Puts descriptors and their wait into the ring and tells the unit.
    ///
    /// `None` if there is no room for all of them for now.
    pub(crate) fn submit(
        &mut self,
        descriptors: impl ExactSizeIterator<Item = Descriptor>,
        registers: &impl Registers,
        memory: &mut impl TableMemory,
    ) -> Option<Submission> {
        let needed = descriptors.len() + 1;
        if self.room() < needed {
            self.head = registers.get(IQH).index() % SLOTS;
            if self.room() < needed {
                return None;
            }
        }
        let first = self.tail;
        for descriptor in descriptors {
            self.push(descriptor, memory);
        }
        self.issued = self.issued.wrapping_add(1);
        self.push(Descriptor::wait(self.status, self.issued), memory);
        self.flush(first, memory);
        self.tell(registers);
        Some(Submission { wait: self.issued, recoveries: self.recoveries })
    }

    /// [`submit`](Self::submit) for a single descriptor: the fast path.
    ///
    /// `None` where it is not so simple: by what is known without asking the unit there is no room, or the
    /// ring ends between the two.
    #[inline(always)]
    pub(crate) fn submit_one(
        &mut self,
        descriptor: Descriptor,
        registers: &impl Registers,
        memory: &mut impl TableMemory,
    ) -> Option<Submission> {
        let (first, behind) = (self.tail, self.tail.wrapping_add(2));
        if self.room() < 2 || behind >= SLOTS {
            return None;
        }
        self.issued = self.issued.wrapping_add(1);
        let wait = Descriptor::wait(self.status, self.issued);
        let at = self.slot(first);
        memory.write_two(at, [descriptor.low, descriptor.high, wait.low, wait.high]);
        if self.coherence == Coherence::NonCoherent {
            memory.flush(at, 2 * DESCRIPTOR_SIZE);
        }
        self.tail = behind;
        self.tell(registers);
        Some(Submission { wait: self.issued, recoveries: self.recoveries })
    }

    /// Puts one descriptor into the ring as it is, with no wait behind it, and tells the unit.
    ///
    /// Tells whether there was room.
    pub(crate) fn submit_raw(
        &mut self,
        descriptor: Descriptor,
        registers: &impl Registers,
        memory: &mut impl TableMemory,
    ) -> bool {
        if self.room() == 0 {
            return false;
        }
        let first = self.tail;
        self.push(descriptor, memory);
        self.flush(first, memory);
        self.tell(registers);
        true
    }

    /// Looks how far a submission is; whoever finds the queue stopped recovers it.
    ///
    /// A queue error since the submission fails it, whoever recovered, and whatever the status word says:
    /// the wait may have passed over a descriptor that was never carried out.
    pub(crate) fn poll(
        &mut self,
        submission: Submission,
        registers: &impl Registers,
        memory: &mut impl TableMemory,
    ) -> Progress {
        if submission.recoveries == self.recoveries {
            if self.has_finished(submission, memory) {
                return Progress::Done;
            }
            if self.recover(registers, memory).is_none() {
                return Progress::Pending;
            }
        }
        self.last_error.map_or(Progress::Pending, Progress::Failed)
    }

    /// The last error that was recovered, and how many there were.
    pub(crate) const fn errors(&self) -> (u32, Option<QueueError>) {
        (self.recoveries, self.last_error)
    }

    /// Tells whether a submission that no queue error has hit is done, by its status word alone.
    #[inline]
    pub(crate) fn has_finished(&mut self, submission: Submission, memory: &impl TableMemory) -> bool {
        let done = memory.read(self.status) as u32;
        // Nothing that follows is looked at before the answer.
        fence(Ordering::Acquire);
        if done == self.issued {
            self.head = self.tail;
        }
        // Waits finish in order, so a later number counts too.
        done.wrapping_sub(submission.wait) < 1 << 31
    }

    #[inline]
    const fn room(&self) -> usize {
        // Both are below the number of slots, a power of two.
        self.head.wrapping_sub(self.tail).wrapping_sub(1) % SLOTS
    }

    /// Tells the unit where the ring ends now. Whatever was written before, to the ring and to the tables, is there
    /// before.
    #[inline(always)]
    fn tell(&self, registers: &impl Registers) {
        fence(Ordering::Release);
        registers.set(IQT, QueuePosition::at(self.tail));
    }

    fn push(&mut self, descriptor: Descriptor, memory: &mut impl TableMemory) {
        self.write(self.tail, descriptor, memory);
        self.tail = (self.tail + 1) % SLOTS;
    }

    fn write(&self, index: usize, descriptor: Descriptor, memory: &mut impl TableMemory) {
        let at = self.slot(index).as_u64();
        memory.write(PhysAddr::new(at), descriptor.low);
        memory.write(PhysAddr::new(at + 8), descriptor.high);
    }

    const fn slot(&self, index: usize) -> PhysAddr {
        let offset = (index % SLOTS) as u64 * DESCRIPTOR_SIZE;
        PhysAddr::new(self.ring.as_u64() | offset)
    }

    /// Writes the slots from `first` to the tail back for a unit that does not snoop.
    fn flush(&self, first: usize, memory: &impl TableMemory) {
        if self.coherence == Coherence::Coherent {
            return;
        }
        let bytes = |slots: usize| slots as u64 * DESCRIPTOR_SIZE;
        if first < self.tail {
            memory.flush(self.slot(first), bytes(self.tail - first));
        } else {
            memory.flush(self.slot(first), bytes(SLOTS - first));
            memory.flush(self.ring, bytes(self.tail));
        }
    }
}
