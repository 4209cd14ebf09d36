//! What a hostile virtio device does that an honest one does not.

use crate::evil::faithful::Fate;

/// A misbehaviour. Everything else about the device is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::evil) enum Trick {
    /// None.
    None,
    /// Writes what was taken back, whatever becomes of it meanwhile.
    WritesOn,
    // What it says in the used ring.
    IdBeyondQueue,
    IdOfOnes,
    IdOfNobody,
    IdTwice,
    IndexAhead,
    IndexBack,
    LengthTooLong,
    LengthZero,
    LengthOfOnes,
    EarlyCompletion,
    ChangesAfterCheck,
    Silence,
    CompletesAfterReset,
    // Where it reaches.
    WritesRings,
    ReadsPastRings,
    AgainstTheDirection,
    PastTheEnd,
    LateWrite,
    WriteAfterReset,
    EverythingElse,
    // What its registers say.
    NoQueue,
    OddQueue,
    HugeQueue,
    AbsurdQueueCount,
    NotifiedOutside,
    RestlessConfig,
    NeverResets,
    RefusesFeatures,
    OtherFeatures,
    PassesBy,
    RefusesVector,
    OnesOnceReady,
    SlowRegisters,
    StatusOfChance,
    // Interrupts.
    InterruptStorm,
    InterruptsWhileIdle,
    // A disk's own.
    NoCapacity,
    HugeCapacity,
    OtherCapacity,
    OddBlocks,
    StatusOfNoMeaning,
    EveryRequestFails,
    HalfTheData,
    NoStatus,
    NameOfChance,
    // A network card's own.
    NoAddress,
    GroupAddress,
    OtherAddress,
    AbsurdMtu,
    FrameTooLong,
    FrameBelowHeader,
    EmptyFrames,
    GarbageHeader,
    FramesWithoutLink,
    FrameFlood,
    FramesOfChance,
    HostileLease,
}

/// A misbehaviour with its words.
pub(super) type Told = (Trick, &'static str);

/// Misbehaviours of any virtio device.
const COMMON: &[Told] = &[
    (Trick::IdBeyondQueue, "gives back an id beyond the queue"),
    (Trick::IdOfOnes, "gives back id 2^32-1"),
    (Trick::IdOfNobody, "gives back a request that was not given"),
    (Trick::IdTwice, "gives every request back twice"),
    (Trick::IndexAhead, "moves its index 1,000 ahead"),
    (Trick::IndexBack, "moves its index back"),
    (Trick::LengthTooLong, "says that it wrote more than there is room for"),
    (Trick::LengthZero, "says that it wrote nothing"),
    (Trick::LengthOfOnes, "says that it wrote 2^32-1 bytes"),
    (Trick::EarlyCompletion, "gives back first, and writes the data later"),
    (Trick::ChangesAfterCheck, "changes ring and data while they are read"),
    (Trick::Silence, "gives nothing back"),
    (Trick::CompletesAfterReset, "wants a reset, and gives back after it"),
    (Trick::WritesRings, "writes descriptors and the driver's ring"),
    (Trick::ReadsPastRings, "reads descriptors beyond their table"),
    (Trick::AgainstTheDirection, "writes what it may only read"),
    (Trick::PastTheEnd, "reads and writes past the end of its buffers"),
    (Trick::LateWrite, "writes its buffers again after they were taken back"),
    (Trick::WriteAfterReset, "writes after it was reset"),
    (Trick::EverythingElse, "writes all over memory at every request"),
    (Trick::NoQueue, "has queues of no entry"),
    (Trick::OddQueue, "has queues of 33 entries"),
    (Trick::HugeQueue, "has queues of 32,768 entries"),
    (Trick::AbsurdQueueCount, "has 65,535 queues"),
    (Trick::NotifiedOutside, "wants to be notified outside its window"),
    (Trick::RestlessConfig, "changes its configuration at each look"),
    (Trick::NeverResets, "never resets"),
    (Trick::RefusesFeatures, "refuses the features that it offers"),
    (Trick::OtherFeatures, "offers other features at each look"),
    (Trick::PassesBy, "does not offer to pass through the IOMMU"),
    (Trick::RefusesVector, "takes no interrupt vector"),
    (Trick::OnesOnceReady, "reads as ones once it is ready"),
    (Trick::SlowRegisters, "takes a tenth of a second for each register"),
    (Trick::StatusOfChance, "has another status at each look"),
    (Trick::InterruptStorm, "raises its interrupt 10,000 times at every request"),
    (Trick::InterruptsWhileIdle, "raises its interrupt without end, unasked"),
];

const DISK: &[Told] = &[
    (Trick::NoCapacity, "has no blocks"),
    (Trick::HugeCapacity, "has 2^64-1 blocks"),
    (Trick::OtherCapacity, "has another capacity at each look"),
    (Trick::OddBlocks, "has blocks of three bytes"),
    (Trick::StatusOfNoMeaning, "answers with a status that means nothing"),
    (Trick::EveryRequestFails, "fails every request"),
    (Trick::HalfTheData, "moves half of the data, and says so"),
    (Trick::NoStatus, "leaves the status out"),
    (Trick::NameOfChance, "has a name of bytes of chance"),
];

const NIC: &[Told] = &[
    (Trick::NoAddress, "has an address of zeros"),
    (Trick::GroupAddress, "has the address of a group"),
    (Trick::OtherAddress, "has another address at each look"),
    (Trick::AbsurdMtu, "offers frames of no bytes"),
    (Trick::FrameTooLong, "receives frames longer than its buffers"),
    (Trick::FrameBelowHeader, "receives frames shorter than their header"),
    (Trick::EmptyFrames, "receives frames of no bytes"),
    (Trick::GarbageHeader, "puts nonsense before each frame"),
    (Trick::FramesWithoutLink, "receives without a link"),
    (Trick::FrameFlood, "fills every buffer that it gets"),
    (Trick::FramesOfChance, "receives frames of bytes of chance"),
    (Trick::HostileLease, "hands out an address that is none"),
];

/// Every misbehaviour of a disk.
pub(super) const OF_DISKS: [Told; COMMON.len() + DISK.len()] = joined(COMMON, DISK);

/// Every misbehaviour of a network card.
pub(super) const OF_NICS: [Told; COMMON.len() + NIC.len()] = joined(COMMON, NIC);

const fn joined<const N: usize>(first: &[Told], second: &[Told]) -> [Told; N] {
    let mut all = [(Trick::None, ""); N];
    let mut index = 0;
    while index < N {
        all[index] = if index < first.len() { first[index] } else { second[index - first.len()] };
        index += 1;
    }
    all
}

impl Trick {
    /// What has to become of a device of either kind.
    pub(super) fn fate(self) -> Fate {
        match self {
            Self::None
            | Self::PastTheEnd
            | Self::AgainstTheDirection
            | Self::OddQueue
            | Self::HugeQueue
            | Self::AbsurdQueueCount
            | Self::SlowRegisters
            | Self::OddBlocks
            | Self::HugeCapacity
            | Self::NameOfChance
            | Self::AbsurdMtu
            | Self::GarbageHeader => Fate::Served,
            Self::NoQueue
            | Self::NotifiedOutside
            | Self::RestlessConfig
            | Self::NeverResets
            | Self::RefusesFeatures
            | Self::PassesBy
            | Self::RefusesVector => Fate::Refused,
            Self::IdBeyondQueue
            | Self::IdOfOnes
            | Self::IdOfNobody
            | Self::IndexAhead
            | Self::IndexBack
            | Self::LengthTooLong
            | Self::LengthZero
            | Self::LengthOfOnes
            | Self::EarlyCompletion
            | Self::Silence
            | Self::CompletesAfterReset
            | Self::OnesOnceReady
            | Self::NoCapacity
            | Self::StatusOfNoMeaning
            | Self::EveryRequestFails
            | Self::HalfTheData
            | Self::NoStatus
            | Self::NoAddress
            | Self::GroupAddress
            | Self::FrameTooLong
            | Self::FrameBelowHeader
            | Self::EmptyFrames
            | Self::FramesWithoutLink
            | Self::HostileLease => Fate::Unserved,
            _ => Fate::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trick_has_words_of_its_own() {
        for tricks in [&OF_DISKS[..], &OF_NICS] {
            for (index, (trick, words)) in tricks.iter().enumerate() {
                assert!(*trick != Trick::None && !words.is_empty());
                assert!(tricks[..index].iter().all(|(other, text)| other != trick && text != words));
            }
        }
    }
}
