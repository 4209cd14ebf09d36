//! What is done over the network, one at a time, in steps that do not wait.

use smoltcp::time::{Duration, Instant};

use crate::Port;

/// Something done over the network.
pub trait Conversation {
    /// What comes of it.
    type Outcome;

    /// Takes in what has arrived and sends what there is to send, a bounded amount of both.
    ///
    /// `now` must not go back from one call to the next. After [`Step::Done`] the conversation is over.
    fn step(&mut self, port: &dyn Port, now: Instant) -> Step<Self::Outcome>;
}

/// What a step came to.
#[derive(Debug)]
pub enum Step<T> {
    /// The conversation is over.
    Done(T),
    /// There is more to do at once.
    More,
    /// Nothing to do until a frame arrives or this much time has gone by, whichever is first.
    Rest(Duration),
}
