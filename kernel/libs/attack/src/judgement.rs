//! What came of an attack.

use diagnosis::Verdict;

use crate::NotPossible;

/// What came of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The fault came, and memory is untouched.
    Blocked {
        /// The verdict on the fault.
        verdict: Verdict,
        /// The verdict that it should have got.
        expected: Verdict,
    },
    /// No fault could come, and the device found nothing and changed nothing.
    Harmless,
    /// The device got there.
    Leaked,
    /// The device got nowhere, but no fault was seen.
    Silent,
    /// Its interrupt message raised nothing, but no fault was seen: some units refuse without a word.
    Unheard,
    /// The same transfer with memory of its own did not arrive: the device proves nothing.
    DeadDevice,
    /// It could not be tried.
    NotPossible(NotPossible),
    /// The kernel's own steps failed.
    Broken,
}

/// Whether the device is seen to hold the target's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It showed them.
    Yes,
    /// It showed something else, or nothing.
    No,
}

/// What an attack left behind.
#[derive(Clone, Copy, Debug)]
pub struct Traces {
    /// The verdict that its first fault got.
    pub seen: Option<Verdict>,
    /// The verdict that the fault must get; none where no fault can come.
    pub expected: Option<Verdict>,
    /// Memory that was made for being aimed at holds something else now.
    pub changed: bool,
    /// What the device shows.
    pub reached: Reached,
}

/// What the evidence of an attack means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is over.
    Over(Judgement),
    /// No fault was seen, and another device's record may have been in the way: it is tried again.
    Again,
    /// No fault could come: what lies around the target has to be looked at.
    LookAround,
}

impl Traces {
    /// What it means where the attack may be tried again, or may not. Memory speaks first: whatever fault was recorded, a
    /// device that got there got there.
    pub(crate) const fn meaning(self, tries_left: bool) -> Meaning {
        let Self { seen, expected, changed, reached } = self;
        match (seen, expected) {
            _ if changed || matches!(reached, Reached::Yes) => Meaning::Over(Judgement::Leaked),
            (Some(verdict), Some(expected)) => Meaning::Over(Judgement::Blocked { verdict, expected }),
            (_, None) => Meaning::LookAround,
            (None, Some(_)) if tries_left => Meaning::Again,
            (None, Some(_)) => Meaning::Over(Judgement::Silent),
        }
    }
}

impl Judgement {
    /// What a neighbour's memory says of an access beside a buffer that has neither shown nor changed it: what the device
    /// was told to write must have come to lie in the mapped page (`arrived`), or the access proves nothing, and the
    /// buffer must be as it was (`intact`).
    pub const fn of_neighbour(arrived: bool, intact: bool) -> Self {
        match (intact, arrived) {
            (true, true) => Self::Harmless,
            (true, false) => Self::DeadDevice,
            (false, _) => Self::Leaked,
        }
    }

    /// Why the run fails for it where the attack's own line does not say so: it proves nothing.
    pub const fn failure(self) -> Option<&'static str> {
        match self {
            Self::Silent => Some("memory is untouched, but no fault was recorded"),
            Self::DeadDevice => Some("the device does not even reach the memory it was given"),
            Self::Broken => Some("the attack's own steps failed"),
            Self::Blocked { .. } | Self::Harmless | Self::Unheard | Self::Leaked | Self::NotPossible(_) => {
                None
            }
        }
    }
}
