//! The steps of one attack.

use alloc::vec::Vec;

use dma_types::Access;
use options::Target;

use crate::contents::complement;
use crate::{Judgement, Meaning, Progress, Reached, Skill, Traces, WaitsFor, is_telling};

/// Times an attack is tried while its fault is not seen: another device's record may have been in the way.
const TRIES: u8 = 3;

/// The steps of one attack: what its device does next, by what came of the step before.
#[derive(Clone, Debug)]
pub struct Script {
    kind: Kind,
    access: Access,
    target: Target,
    stage: Stage,
    tries: u8,
}

/// What the device is able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Copies,
    Recognises,
}

/// A buffer of the device's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnBuffer {
    /// Holds the pattern.
    Source,
    /// Holds anything but the pattern.
    Decoy,
    /// Gets what the device writes; before that it holds anything but the pattern.
    Landing,
}

impl OwnBuffer {
    /// What it begins with before the attack. Where that is not the pattern it differs in every byte, also where the
    /// pattern is all zeros, as fresh memory is: a device that does nothing would seem alive.
    pub fn prepared(self, pattern: &[u8]) -> Vec<u8> {
        match self {
            Self::Source => pattern.into(),
            Self::Decoy | Self::Landing => complement(pattern),
        }
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The device makes a transfer that it may make.
    Transfer(Access, OwnBuffer),
    /// The device overreaches; once it is told so, [`struck`](Script::struck) has to follow.
    Strike,
    /// What it left behind is to be [judged](Script::judge).
    Judge(Reached),
}

/// What is seen of an attack in memory.
pub trait Sight {
    /// What lies in the landing buffer.
    ///
    /// # Errors
    /// If the attack has none.
    fn landed(&self) -> Result<Vec<u8>, Judgement>;

    /// What lies at the target now, as far as a leak would show it.
    fn at_target(&self) -> Vec<u8>;
}

/// Where an attack stands: what the device does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing yet.
    Begin,
    /// It fetches the pattern.
    Fetch,
    /// It stores the pattern in a buffer of its own.
    Store,
    /// It reads the key, which it must recognise.
    Recognise,
    /// It reads something else, which it must not.
    Reject,
    /// It overreaches.
    Strike,
    /// It did, and no fault was seen: it does so again.
    Again,
    /// It stores what it may have read, in a buffer of its own.
    Reveal,
}

impl Script {
    /// An attack that has not begun.
    pub const fn new(skill: &Skill, access: Access, target: Target) -> Self {
        let kind = match skill {
            Skill::Copies { .. } => Kind::Copies,
            Skill::Recognises { .. } => Kind::Recognises,
        };
        Self { kind, access, target, stage: Stage::Begin, tries: 0 }
    }

    /// Tells whether it has yet to [begin](Self::begin).
    pub const fn is_to_begin(&self) -> bool {
        matches!(self.stage, Stage::Begin)
    }

    /// The first step, once the device has its buffers: the control transfer.
    pub fn begin(&mut self) -> Next {
        match (self.kind, self.access) {
            (Kind::Copies, _) => self.transfer(Stage::Fetch),
            (Kind::Recognises, Access::Read) => self.transfer(Stage::Recognise),
            (Kind::Recognises, _) => self.transfer(Stage::Store),
        }
    }

    /// The step after one that has ended as `progress` says. `pattern` is what the device was given.
    ///
    /// # Errors
    /// Where it is over without having been tried: the device does not do what it can.
    pub fn next(
        &mut self,
        progress: Progress,
        pattern: &[u8],
        sight: &impl Sight,
    ) -> Result<Next, Judgement> {
        match self.stage {
            Stage::Begin => Ok(self.begin()),
            Stage::Fetch => Ok(self.transfer(Stage::Store)),
            Stage::Store if sight.landed()? != pattern => Err(Judgement::DeadDevice),
            Stage::Recognise if progress != Progress::Recognised => Err(Judgement::DeadDevice),
            Stage::Recognise => Ok(self.transfer(Stage::Reject)),
            Stage::Reject if progress != Progress::NotRecognised => Err(Judgement::DeadDevice),
            Stage::Store | Stage::Reject | Stage::Again => Ok(Next::Strike),
            Stage::Strike if self.access != Access::Read => Ok(Next::Judge(Reached::No)),
            Stage::Strike if self.kind == Kind::Copies => Ok(self.transfer(Stage::Reveal)),
            Stage::Strike => {
                let known = sight.at_target() == pattern;
                let shown = progress == Progress::Recognised && known && is_telling(pattern);
                Ok(Next::Judge(if shown { Reached::Yes } else { Reached::No }))
            }
            Stage::Reveal => {
                let landed = sight.landed()?;
                // Beside a buffer there must be zeros; anything else is somebody's.
                let known = self.target == Target::Neighbour || landed == sight.at_target();
                let shown = known && is_telling(&landed);
                Ok(Next::Judge(if shown { Reached::Yes } else { Reached::No }))
            }
        }
    }

    /// The device was told to overreach.
    pub const fn struck(&mut self) {
        self.stage = Stage::Strike;
        self.tries = self.tries.saturating_add(1);
    }

    /// What it left behind means. Where it is to be tried again, [`next`](Self::next) goes on.
    pub fn judge(&mut self, evidence: Traces) -> Meaning {
        let meaning = evidence.meaning(self.tries < TRIES);
        if meaning == Meaning::Again {
            self.stage = Stage::Again;
        }
        meaning
    }

    /// What the overreach, if it is the next step, has to wait for.
    pub const fn waits_for(&self) -> WaitsFor {
        match self.stage {
            Stage::Store | Stage::Reject => WaitsFor::Pause,
            Stage::Again => WaitsFor::Solitude,
            _ => WaitsFor::Nothing,
        }
    }

    /// Tells whether the device overreaches.
    pub fn is_striking(&self) -> bool {
        self.stage == Stage::Strike
    }

    /// Tells whether it does so for want of a fault record, which nobody may take from it again.
    pub fn is_striking_again(&self) -> bool {
        self.is_striking() && self.tries > 1
    }

    /// Tells whether it has overreached.
    pub const fn has_struck(&self) -> bool {
        self.tries > 0
    }

    fn transfer(&mut self, stage: Stage) -> Next {
        self.stage = stage;
        match stage {
            Stage::Reject => Next::Transfer(Access::Read, OwnBuffer::Decoy),
            Stage::Store | Stage::Reveal => Next::Transfer(Access::Write, OwnBuffer::Landing),
            _ => Next::Transfer(Access::Read, OwnBuffer::Source),
        }
    }
}
