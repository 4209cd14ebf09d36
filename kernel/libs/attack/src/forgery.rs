//! The steps of an attack by interrupt: a device raises its own, and then another's.

use diagnosis::Verdict;

use crate::{Judgement, WaitsFor};

/// Times a message is sent while its fault is not seen: another device's record may have been in the way.
const TRIES: u8 = 3;

/// The steps of one attack by interrupt. First comes the twin: the device's own message, which must arrive, or the silence
/// of the other proves nothing.
#[derive(Clone, Debug, Default)]
pub struct Forgery {
    stage: Stage,
    tries: u8,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing yet.
    #[default]
    Begin,
    /// It has sent its own message.
    Own,
    /// Its own message arrived.
    Alive,
    /// It has sent another's.
    Forged,
    /// It has, and no fault was seen.
    Again,
}

/// Whether there is still time for a message or a fault to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It may be under way.
    Lasts,
    /// Whatever was sent has arrived by now.
    Over,
}

/// What was heard since the last message was sent.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Interrupts of the device's own.
    pub own: u64,
    /// Interrupts of the other, which nobody else raises.
    pub others: u64,
    /// The verdict on the fault, if one came.
    pub seen: Option<Verdict>,
    /// Whether more may come.
    pub wait: Wait,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhatNext {
    /// The device sends its own message.
    SendOwn,
    /// The device sends another's message.
    SendOthers,
    /// Something may be under way.
    Wait,
    /// It is over.
    Over(Judgement),
}

impl Forgery {
    /// The next step, by what was heard since the one before. An interrupt speaks first: whatever fault was recorded, a
    /// message that arrived got through.
    pub fn next(&mut self, heard: &Heard) -> WhatNext {
        match self.stage {
            Stage::Begin => self.go(Stage::Own, WhatNext::SendOwn),
            Stage::Own if heard.own > 0 => self.go(Stage::Alive, WhatNext::Wait),
            Stage::Own if heard.wait == Wait::Lasts => WhatNext::Wait,
            Stage::Own => WhatNext::Over(Judgement::DeadDevice),
            Stage::Alive | Stage::Again => {
                self.tries = self.tries.saturating_add(1);
                self.go(Stage::Forged, WhatNext::SendOthers)
            }
            Stage::Forged if heard.others > 0 => WhatNext::Over(Judgement::Leaked),
            Stage::Forged => match (heard.seen, heard.wait) {
                (Some(verdict), _) => {
                    WhatNext::Over(Judgement::Blocked { verdict, expected: Verdict::Interrupt })
                }
                (None, Wait::Lasts) => WhatNext::Wait,
                (None, Wait::Over) if self.tries < TRIES => self.go(Stage::Again, WhatNext::Wait),
                (None, Wait::Over) => WhatNext::Over(Judgement::Unheard),
            },
        }
    }

    const fn go(&mut self, stage: Stage, next: WhatNext) -> WhatNext {
        self.stage = stage;
        next
    }

    /// What its next step has to wait for, if that is the overreach.
    pub const fn waits_for(&self) -> WaitsFor {
        match self.stage {
            Stage::Alive => WaitsFor::Pause,
            Stage::Again => WaitsFor::Solitude,
            Stage::Begin | Stage::Own | Stage::Forged => WaitsFor::Nothing,
        }
    }

    /// Tells whether the device overreaches.
    pub fn is_striking(&self) -> bool {
        self.stage == Stage::Forged
    }

    /// Tells whether it does so for want of a fault record, which nobody may take from it again.
    pub fn is_striking_again(&self) -> bool {
        self.is_striking() && self.tries > 1
    }
}
