//! The words of a verdict: what is checked, how it came out, what that rests on.

use core::fmt;

use crate::remedy::Remedy;
use crate::sentence::Sentence;

/// The answer. The best comes first, so the worst of several is their maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Every device is held to what it was given, and was seen to be.
    Protected,
    /// Units enforce, but not everything is covered or known.
    Gaps,
    /// A device may reach memory that it was not given.
    NotProtected,
}

impl Word {
    /// The word that is shown so; `None` if there is no such word, as in a report of a later version.
    pub fn named(text: &str) -> Option<Self> {
        [Self::Protected, Self::Gaps, Self::NotProtected].into_iter().find(|word| word.as_str() == text)
    }

    /// The word as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protected => "PROTECTED",
            Self::Gaps => "GAPS",
            Self::NotProtected => "NOT PROTECTED",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is checked, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// Requests of every device pass a unit that enforces.
    DmaCovered,
    /// Devices told to overreach got nowhere.
    Drill,
    /// No device can raise another's interrupt.
    Interrupts,
    /// What comes in by an external port stays blocked.
    ExternalPorts,
    /// DMA was kept out before the operating system.
    BootWindow,
    /// The firmware's table is sound.
    FirmwareTable,
}

impl Id {
    /// Its name in the report, where it is a contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DmaCovered => "dma-covered",
            Self::Drill => "drill",
            Self::Interrupts => "interrupts",
            Self::ExternalPorts => "external-ports",
            Self::BootWindow => "boot-window",
            Self::FirmwareTable => "firmware-table",
        }
    }
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It does not hold.
    Fail,
    /// Nobody can tell.
    Unknown,
    /// It holds.
    Pass,
}

impl Outcome {
    /// The sign that stands before the sentence.
    pub const fn sign(self) -> char {
        match self {
            Self::Pass => '✔',
            Self::Fail => '✘',
            Self::Unknown => '?',
        }
    }
}

/// What a check rests on: the ladder, from its lowest rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Somebody says so: the firmware's table.
    Claimed,
    /// Registers or buses were read.
    Measured,
    /// A device tried.
    Seen,
    /// Units do it at this moment, by tables of this kernel.
    Enforced,
}

impl Evidence {
    /// Its name in the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Measured => "measured",
            Self::Seen => "seen",
            Self::Enforced => "enforced",
        }
    }
}

/// One check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Check {
    /// What.
    pub id: Id,
    /// How it came out.
    pub outcome: Outcome,
    /// What that rests on.
    pub evidence: Evidence,
    /// The same in a sentence.
    pub sentence: Sentence,
    /// What would mend it, if anything can.
    pub remedy: Option<Remedy>,
    /// The best word that it leaves.
    pub at_best: Word,
}

/// The sign and the sentence.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.outcome.sign(), self.sentence)
    }
}
