//! What a hostile controller does that an honest one does not.

/// A misbehaviour. Everything else about the controller is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::evil) enum Trick {
    /// None.
    None,
    /// Another one at every command.
    Moody,
    /// It falls silent for good at a step: for devices that are pulled out there.
    StopsAt(Step),
    ForeignId,
    IdOfNobody,
    DoubleCompletion,
    WrongPhase,
    EarlyCompletion,
    QueueHeadOutside,
    UnknownQueue,
    CompletionFlood,
    EveryCommandFails,
    Silence,
    NeverReady,
    NeverResets,
    FatalStatus,
    OnesOnceEnabled,
    SlowRegisters,
    InterruptStorm,
    LateWrite,
    PastTheEnd,
    AgainstTheDirection,
    WriteAfterReset,
    EndlessNamespaces,
    HugeNamespace,
    OddBlocks,
    GarbageIdentity,
    ChangesAfterCheck,
    AbsurdCapabilities,
    TinyQueues,
    EverythingElse,
}

/// A step of a driver's work with a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::evil) enum Step {
    /// The driver resets it, before it is given any memory.
    Reset,
    /// The driver has it create a queue.
    QueueCreation,
    /// The driver asks what it is.
    Identify,
    /// Blocks are read that the driver does not read for its own start.
    Read,
}

/// Every misbehaviour, with its words.
pub(super) const TRICKS: &[(Trick, &str)] = &[
    (Trick::ForeignId, "completes a command that was not given"),
    (Trick::IdOfNobody, "completes command 0xffff"),
    (Trick::DoubleCompletion, "completes every command twice"),
    (Trick::WrongPhase, "writes completions with the wrong phase"),
    (Trick::EarlyCompletion, "completes first, and writes the data later"),
    (Trick::QueueHeadOutside, "says that the queue's head is outside the queue"),
    (Trick::UnknownQueue, "completes for a queue that does not exist"),
    (Trick::CompletionFlood, "fills the completion queue at every command"),
    (Trick::EveryCommandFails, "fails every command"),
    (Trick::Silence, "completes nothing"),
    (Trick::NeverReady, "never gets ready"),
    (Trick::NeverResets, "never resets"),
    (Trick::FatalStatus, "says that it has failed for good"),
    (Trick::OnesOnceEnabled, "reads as ones once it is enabled"),
    (Trick::SlowRegisters, "takes a tenth of a second for each register"),
    (Trick::InterruptStorm, "raises its interrupt 10,000 times at every command"),
    (Trick::LateWrite, "writes its buffers again after they were taken back"),
    (Trick::PastTheEnd, "writes past the end of its buffers"),
    (Trick::AgainstTheDirection, "writes what it may only read"),
    (Trick::WriteAfterReset, "writes after it was reset"),
    (Trick::EndlessNamespaces, "lists 1,024 namespaces, downwards"),
    (Trick::HugeNamespace, "has a namespace of 2^64-1 blocks"),
    (Trick::OddBlocks, "has blocks of 2^63 bytes"),
    (Trick::GarbageIdentity, "describes itself in bytes of chance"),
    (Trick::ChangesAfterCheck, "changes what it said once it was read"),
    (Trick::AbsurdCapabilities, "claims all that registers can say"),
    (Trick::TinyQueues, "has queues of one entry"),
    (Trick::EverythingElse, "writes all over memory at every command"),
];

impl Trick {
    /// Whether a driver has to wait for the end of its patience, so that the machine stands idle for long.
    pub(super) fn tries_patience(self) -> bool {
        use Trick::*;
        matches!(
            self,
            ForeignId | IdOfNobody | WrongPhase | EarlyCompletion | QueueHeadOutside | UnknownQueue | Silence
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trick_has_words_of_its_own() {
        for (index, (trick, words)) in TRICKS.iter().enumerate() {
            assert!(!matches!(trick, Trick::None | Trick::Moody) && !words.is_empty());
            assert!(TRICKS[..index].iter().all(|(other, text)| other != trick && text != words));
        }
    }
}
