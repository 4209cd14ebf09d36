//! What a hostile network card does that an honest one does not, and what has to become of it.

use crate::evil::faithful::Fate;

/// A misbehaviour. Everything else about the card is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trick {
    /// None.
    None,
    NeverResets,
    NeverLoads,
    NeverRests,
    Ones,
    OnesOnceUp,
    ValuesOfChance,
    SlowRegisters,
    HeadsOutside,
    AlwaysACause,
    NoAddress,
    AddressOfOnes,
    AddressOfAGroup,
    NoLink,
    LinkFlaps,
    EmptyFrames,
    HugeFrames,
    LongFrames,
    EndlessFrame,
    EveryError,
    Backwards,
    DoneUngiven,
    DoneEverywhere,
    FlickeringDescriptors,
    OtherAddresses,
    BytesThatChange,
    NoiseWithoutEnd,
    BadLease,
    LateWrite,
    BehindBuffers,
    BehindRings,
    AgainstTheDirection,
    WriteAfterReset,
    EverythingElse,
    NeverSends,
    SentBeforeRead,
    SentUngiven,
    MessageStorm,
    NoMessages,
    ForgedMessages,
    /// At once, and again ten seconds after it was released.
    AfterRelease,
}

/// Every misbehaviour of a card that stays in its place, with its words.
pub(super) const TRICKS: &[(Trick, &str)] = &[
    (Trick::NeverResets, "never resets"),
    (Trick::NeverLoads, "never loads what its NVM holds"),
    (Trick::NeverRests, "never comes to rest before a reset"),
    (Trick::Ones, "reads as ones"),
    (Trick::OnesOnceUp, "reads as ones once it is up"),
    (Trick::ValuesOfChance, "reads as chance has it once it is up"),
    (Trick::SlowRegisters, "takes a twentieth of a second for each register"),
    (Trick::HeadsOutside, "says that its heads are outside the rings"),
    (Trick::AlwaysACause, "has every cause of an interrupt, always"),
    (Trick::NoAddress, "has an address of zeros"),
    (Trick::AddressOfOnes, "has an address of ones"),
    (Trick::AddressOfAGroup, "has a group's address"),
    (Trick::NoLink, "has no link"),
    (Trick::LinkFlaps, "loses its link at every look, and says so 2,000 times"),
    (Trick::EmptyFrames, "receives frames of no bytes"),
    (Trick::HugeFrames, "receives frames of 65,535 bytes"),
    (Trick::LongFrames, "receives frames that are a byte longer than a buffer"),
    (Trick::EndlessFrame, "receives a frame that never ends"),
    (Trick::EveryError, "receives every frame with every error"),
    (Trick::Backwards, "fills the ring backwards"),
    (Trick::DoneUngiven, "describes a frame where it was given no buffer"),
    (Trick::DoneEverywhere, "describes frames in the whole ring, again and again"),
    (Trick::FlickeringDescriptors, "changes a descriptor 2,000 times once it was written"),
    (Trick::OtherAddresses, "puts other addresses into its descriptors"),
    (Trick::BytesThatChange, "changes a frame once it was checked"),
    (Trick::NoiseWithoutEnd, "receives noise without end"),
    (Trick::BadLease, "receives an address that nobody can have"),
    (Trick::LateWrite, "writes its buffers again after they were taken back"),
    (Trick::BehindBuffers, "writes past the end of its buffers"),
    (Trick::BehindRings, "writes past the end of its rings"),
    (Trick::AgainstTheDirection, "writes what it may only read"),
    (Trick::WriteAfterReset, "writes after it was reset"),
    (Trick::EverythingElse, "reads and writes all over memory at every frame"),
    (Trick::NeverSends, "sends nothing"),
    (Trick::SentBeforeRead, "says that it has sent what it reads later"),
    (Trick::SentUngiven, "says that it has sent the whole ring"),
    (Trick::MessageStorm, "interrupts 10,000 times at every frame"),
    (Trick::NoMessages, "never interrupts"),
    (Trick::ForgedMessages, "sends the messages of every vector"),
];

impl Trick {
    /// Whether a driver has to wait for the end of its patience, so that the machine stands idle for long.
    pub(super) fn tries_patience(self) -> bool {
        use Trick::*;
        matches!(self, EveryError | Backwards | BadLease | NeverSends | SentBeforeRead)
    }

    /// What has to become of the card. Where chance has it who is quicker, and whether faults become a storm, anything
    /// but harm may.
    pub(super) fn fate(self) -> Fate {
        use Trick::*;
        match self {
            NeverResets | NeverLoads | Ones | NoAddress | AddressOfOnes | AddressOfAGroup => Fate::Refused,
            OnesOnceUp | EmptyFrames | HugeFrames | LongFrames | EndlessFrame | NeverSends => Fate::CutOff,
            NoLink | EveryError | Backwards | BadLease => Fate::Unserved,
            None | NeverRests | SlowRegisters | HeadsOutside | AlwaysACause | OtherAddresses
            | BehindBuffers | BehindRings | AgainstTheDirection | NoMessages => Fate::Served,
            ValuesOfChance
            | LinkFlaps
            | DoneUngiven
            | DoneEverywhere
            | FlickeringDescriptors
            | BytesThatChange
            | NoiseWithoutEnd
            | SentBeforeRead
            | MessageStorm
            | ForgedMessages
            | SentUngiven
            | LateWrite
            | WriteAfterReset
            | EverythingElse
            | AfterRelease => Fate::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trick_has_words_of_its_own() {
        assert!(TRICKS.len() >= 15);
        for (index, (trick, words)) in TRICKS.iter().enumerate() {
            assert!(!matches!(trick, Trick::None | Trick::AfterRelease) && !words.is_empty());
            assert!(TRICKS[..index].iter().all(|(other, text)| other != trick && text != words));
        }
    }
}
