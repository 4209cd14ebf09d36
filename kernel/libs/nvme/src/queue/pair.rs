//! A submission queue and the completion queue that answers it.

use core::fmt;

use super::commands::{CommandId, CommandTable};
use super::completion::CompletionRing;
use super::submission::SubmissionRing;
use crate::spec::completion::CompletionEntry;
use crate::spec::registers::QueueId;
use crate::spec::status::Status;

/// The logic of one queue pair: places, ids, and what of the controller's answers is believed.
#[derive(Clone, Debug)]
pub struct QueuePair {
    id: QueueId,
    entries: u16,
    submission: SubmissionRing,
    completion: CompletionRing,
    commands: CommandTable,
    refused: u64,
    /// Completions refused since the controller was reset.
    nonsense: u16,
}

/// A completion queue in memory that the controller writes at any time, and the doorbell that tells it how far it was
/// read.
pub trait Completions {
    /// Reads the entry at a place. What is read later was written no earlier.
    fn read(&self, place: u16) -> CompletionEntry;

    /// Tells the controller that the entries before this place were read.
    fn free(&self, head: u16);

    /// Takes note of a refusal, the `so_far`th; of many, only those whose number has doubled are told.
    fn refused(&self, refusal: Refusal, so_far: u64);
}

/// The controller goes on completing what it was not told to do. Only a reset ends that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonsense {
    /// How often it has since the reset before.
    pub completions: u16,
}

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the controller wrote {} completions that answer no command", self.completions)
    }
}

impl core::error::Error for Nonsense {}

/// What the entry at the head of the completion queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nothing new.
    Nothing,
    /// A command has ended.
    Finished(Finished),
    /// The controller wrote what cannot be. The entry is passed over.
    Refused(Refusal),
}

/// A command that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its id, taken until it is released.
    pub id: CommandId,
    /// How it ended.
    pub status: Status,
    /// What it returned.
    pub result: u32,
}

/// Why a completion is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It answers another queue.
    Queue {
        /// The queue that it names.
        found: QueueId,
    },
    /// The controller cannot have read so far.
    Head {
        /// How far it says that it has read.
        found: u16,
    },
    /// No command is outstanding under this id.
    Id {
        /// The id.
        found: CommandId,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue { found } => write!(f, "a completion names submission queue {}", found.0),
            Self::Head { found } => write!(f, "a completion names the impossible queue head {found}"),
            Self::Id { found } => {
                write!(f, "a completion names command {:#x}, which is not outstanding", found.bits())
            }
        }
    }
}

impl QueuePair {
    /// A new, empty pair of `entries` entries each, at least 2, for up to `depth` commands at once. There are
    /// never more than fit into the completion queue.
    pub fn new(id: QueueId, entries: u16, depth: u16) -> Self {
        Self {
            id,
            entries,
            submission: SubmissionRing::new(entries),
            completion: CompletionRing::new(entries),
            commands: CommandTable::new(depth.min(entries.saturating_sub(1))),
            refused: 0,
            nonsense: 0,
        }
    }

    /// Ends every command, because the controller will not. Completions that come late for one of them are still told
    /// apart from those of later commands.
    pub fn end_all(&mut self) {
        self.commands.end_all();
    }

    /// Empties both queues and ends every command, after a reset of the controller.
    pub fn restart(&mut self) {
        self.submission = SubmissionRing::new(self.entries);
        self.completion = CompletionRing::new(self.entries);
        self.commands.end_all();
        self.nonsense = 0;
    }

    /// Takes an id and the place of the next command; `None` if there is no room for one.
    ///
    /// The command is to be written there under that id, then [`tail`](Self::tail) to the doorbell.
    pub fn begin(&mut self) -> Option<(CommandId, u16)> {
        if self.submission.room() == 0 {
            return None;
        }
        let id = self.commands.begin()?;
        Some((id, self.submission.take()?))
    }

    /// What to write to the submission doorbell.
    pub const fn tail(&self) -> u16 {
        self.submission.tail()
    }

    /// The place of the next completion, and what to write to the completion doorbell.
    pub const fn head(&self) -> u16 {
        self.completion.head()
    }

    /// Tells whether the entry at [`head`](Self::head) is new, so that reading it again gives all of it.
    pub fn is_new(&self, entry: CompletionEntry) -> bool {
        self.completion.is_new(entry)
    }

    /// Takes the next completion that answers a command. What makes no sense is passed over, but from one reset to the
    /// next no more often than the queue has entries: late answers of a sound controller are fewer.
    ///
    /// # Errors
    /// [`Nonsense`], when there was more: nothing is taken any more before a [`restart`](Self::restart).
    #[inline]
    pub fn next(&mut self, completions: &impl Completions) -> Result<Option<Finished>, Nonsense> {
        while self.nonsense < self.entries {
            if !self.is_new(completions.read(self.head())) {
                return Ok(None);
            }
            // The phase tag was seen: only what is read from here on was written with it.
            let taken = self.take(completions.read(self.head()));
            completions.free(self.head());
            match taken {
                Taken::Finished(finished) => return Ok(Some(finished)),
                Taken::Nothing => return Ok(None),
                Taken::Refused(refusal) => {
                    self.nonsense += 1;
                    if self.refused.is_power_of_two() {
                        completions.refused(refusal, self.refused);
                    }
                }
            }
        }
        Err(Nonsense { completions: self.nonsense })
    }

    /// Takes the entry at [`head`](Self::head), if it is new.
    pub fn take(&mut self, entry: CompletionEntry) -> Taken {
        if !self.is_new(entry) {
            return Taken::Nothing;
        }
        self.completion.advance();
        match self.accept(entry) {
            Ok(finished) => Taken::Finished(finished),
            Err(refusal) => {
                self.refused += 1;
                Taken::Refused(refusal)
            }
        }
    }

    fn accept(&mut self, entry: CompletionEntry) -> Result<Finished, Refusal> {
        if entry.queue() != self.id {
            return Err(Refusal::Queue { found: entry.queue() });
        }
        if !self.commands.is_outstanding(entry.id()) {
            return Err(Refusal::Id { found: entry.id() });
        }
        if !self.submission.note_head(entry.submission_head()) {
            return Err(Refusal::Head { found: entry.submission_head() });
        }
        let (id, status, result) = (entry.id(), entry.status(), entry.result());
        if !self.commands.end(id) {
            return Err(Refusal::Id { found: id });
        }
        Ok(Finished { id, status, result })
    }

    /// Makes room for another command in place of one that has ended.
    pub fn release(&mut self, id: CommandId) {
        self.commands.release(id);
    }

    /// Commands outstanding.
    pub const fn outstanding(&self) -> u32 {
        self.commands.outstanding()
    }

    /// Completions refused so far.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}
