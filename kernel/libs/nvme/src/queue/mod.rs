//! Queues: what software and controller tell each other through memory and doorbells.

mod commands;
mod completion;
mod pair;
mod submission;
#[cfg(test)]
mod tests;

pub use commands::{CommandId, CommandTable, MAX_COMMANDS};
pub use completion::CompletionRing;
pub use pair::{Completions, Finished, Nonsense, QueuePair, Refusal, Taken};
pub use submission::SubmissionRing;
