//! A queue pair in memory that the driver shares with its controller.

use core::sync::atomic::{Ordering, fence};

use dma_types::Iova;
use nvme::spec::command::{NewQueue, SubmissionEntry};
use nvme::spec::completion::CompletionEntry;
use nvme::spec::registers::QueueId;
use nvme::{CommandId, Completions, Finished, Nonsense, QueuePair, Refusal};

use super::controller::Controller;
use crate::dma::{self, DmaError, FromDevice, Shared, ToDevice};

/// A submission queue that the device reads, and a completion queue that it writes.
pub struct Queue {
    id: QueueId,
    entries: u16,
    pair: QueuePair,
    submissions: Shared<SubmissionEntry, ToDevice>,
    completions: Shared<CompletionEntry, FromDevice>,
    /// Where the controller finds them.
    bases: (Iova, Iova),
}

impl Queue {
    /// Makes an empty pair of `entries` entries each, for as many commands at once as it holds.
    ///
    /// # Errors
    /// If the device is cut off, or there is no memory.
    pub fn new(dma: &dma::Device, id: QueueId, entries: u16) -> Result<Self, DmaError> {
        let submissions = dma.share(usize::from(entries), "nvme submission queue")?;
        let completions = dma.share(usize::from(entries), "nvme completion queue")?;
        let pair = QueuePair::new(id, entries, entries);
        let bases = (submissions.iova(), completions.iova());
        Ok(Self { id, entries, pair, submissions, completions, bases })
    }

    /// The submission queue, as the controller is told of it.
    pub fn submission(&self) -> NewQueue {
        NewQueue { id: self.id, base: self.bases.0, entries: self.entries }
    }

    /// The completion queue, as the controller is told of it.
    pub fn completion(&self) -> NewQueue {
        NewQueue { id: self.id, base: self.bases.1, entries: self.entries }
    }

    /// Ends every command, because the controller will not. They keep their slots until they are released.
    pub fn end_all(&mut self) {
        self.pair.end_all();
    }

    /// Empties both queues after a reset of the controller, which finds them at other numbers now. Commands keep their
    /// slots until they are released.
    pub fn restart(&mut self, as_sent: &dyn Fn(Iova) -> Iova) {
        self.bases = (as_sent(self.submissions.iova()), as_sent(self.completions.iova()));
        self.pair.restart();
        let nothing: CompletionEntry = zerocopy::FromZeros::new_zeroed();
        (0..self.completions.len()).for_each(|place| self.completions.write(place, nothing));
    }

    /// Takes the place of a command; `None` if there is no room.
    pub fn begin(&mut self) -> Option<(CommandId, u16)> {
        self.pair.begin()
    }

    /// Hands a command over that was begun: the last thing it does is to write the doorbell.
    #[inline]
    pub fn submit(&self, controller: &Controller, (id, place): (CommandId, u16), entry: SubmissionEntry) {
        self.submissions.write(usize::from(place), entry.with_id(id));
        // What the command names must be in memory before the device hears of it.
        fence(Ordering::Release);
        controller.ring_submission(self.id, self.pair.tail());
    }

    /// Tells whether the controller has completed something that was not taken yet.
    pub fn has_news(&self) -> bool {
        self.pair.is_new(self.completions.read(usize::from(self.pair.head())))
    }

    /// Takes the next completion that makes sense; its command keeps its slot until it is released.
    ///
    /// # Errors
    /// [`Nonsense`]: the controller has to be reset.
    #[inline]
    pub fn next(&mut self, controller: &Controller) -> Result<Option<Finished>, Nonsense> {
        let Self { id, pair, completions, .. } = self;
        pair.next(&Ring { id: *id, completions, controller })
    }

    /// Frees the slot of a command that has ended.
    pub fn release(&mut self, id: CommandId) {
        self.pair.release(id);
    }
}

/// A completion queue as the controller's other side sees it.
struct Ring<'q> {
    id: QueueId,
    completions: &'q Shared<CompletionEntry, FromDevice>,
    controller: &'q Controller,
}

impl Completions for Ring<'_> {
    #[inline]
    fn read(&self, place: u16) -> CompletionEntry {
        let entry = self.completions.read(usize::from(place));
        fence(Ordering::Acquire);
        entry
    }

    #[inline]
    fn free(&self, head: u16) {
        self.controller.ring_completion(self.id, head);
    }

    fn refused(&self, refusal: Refusal, so_far: u64) {
        log::warn!("nvme: {refusal}; {so_far} so far");
    }
}
