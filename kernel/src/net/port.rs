//! A driver's network card as the `network` library needs it.

use core::cell::Cell;
use core::time;

use network::{Conversation, Instant, Port, Received, Sent, Step};

use crate::devices::{self, Nic, NicError};
use crate::platform::cancel;
use crate::platform::clock::{self, Deadline};

use super::NetError;

/// How long a command rests at most before it looks whether the user wants it to end.
const LONGEST_REST: time::Duration = time::Duration::from_millis(100);

/// A network card, and what it last refused.
pub(super) struct NicPort<'n> {
    nic: &'n dyn Nic,
    failure: Cell<Option<NicError>>,
}

impl<'n> NicPort<'n> {
    pub const fn new(nic: &'n dyn Nic) -> Self {
        Self { nic, failure: Cell::new(None) }
    }

    /// Holds a conversation to its end; the processor halts while there is nothing to do.
    ///
    /// # Errors
    /// If the card refuses to send, or the user ends the command.
    pub fn hold<C: Conversation>(&self, mut conversation: C) -> Result<C::Outcome, NetError> {
        let messages = self.nic.messages();
        loop {
            // Noted before the step: a message that comes during it may be for what the step did not see.
            let before = messages.arrived();
            let step = conversation.step(self, now());
            if let Some(failure) = self.failure.take() {
                return Err(failure.into());
            }
            if cancel::is_requested() {
                return Err(NetError::Cancelled);
            }
            match step {
                Step::Done(outcome) => return Ok(outcome),
                Step::More => {}
                Step::Rest(rest) => {
                    let rest = time::Duration::from(rest).min(LONGEST_REST);
                    messages.wait_until(Deadline::after(rest), || messages.arrived() != before);
                }
            }
        }
    }
}

impl Port for NicPort<'_> {
    fn address(&self) -> [u8; 6] {
        self.nic.address()
    }

    fn receive(&self, take: &mut dyn FnMut(&[u8])) -> Received {
        match self.nic.receive(take) {
            devices::Received::Frame => Received::Frame,
            devices::Received::Nothing => Received::Nothing,
        }
    }

    fn send(&self, frame: &[u8]) -> Sent {
        match self.nic.send(frame) {
            Ok(()) => Sent::Taken,
            Err(NicError::Busy) => Sent::NoRoom,
            Err(failure) => {
                self.failure.set(Some(failure));
                Sent::Taken
            }
        }
    }
}

/// The kernel's time, as the library counts it.
pub(super) fn now() -> Instant {
    Instant::from_micros(i64::try_from(clock::now_ns() / 1000).unwrap_or(i64::MAX))
}
