//! One attack, step by step.
#![expect(unsafe_code, reason = "UNSAFETY: maps what a device must not reach, to see that it shows")]

use alloc::vec::Vec;
use core::mem;

use diagnosis::Verdict;
use dma_types::{Access, Iova, PAGE_SIZE, Permissions};
use options::Target;
use report::DrillResult;

use super::aim::{Aim, Hold, Load, NotPossible};
use super::contents::{bytes_at, contents, is_telling};
use super::flight::{self, Flight, FlightId};
use super::kept;
use super::loans::Loans;
use super::order::{Judgement, Order, Sabotage};
use super::{Overreach, Progress, Skill, StartRefused};
use crate::dma::inspect;
use crate::faults::predict;
use crate::memory::direct;

/// Times a target is chosen anew because the attack's own buffers took or neighbour its number.
const AIMS: u8 = 8;

/// Times an attack is tried while its fault is not seen: another device's record may have been in the way.
const TRIES: u8 = 3;

/// What the next step of an attack is.
pub enum Step {
    /// Wait until the device is idle.
    Wait,
    /// The overreach begins; others hold theirs back for a moment.
    Struck,
    /// It is over.
    Over(Judgement),
}

/// What an attack's next step waits for, so that a unit with one fault record has it free for the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Nothing: it is no overreach.
    Nothing,
    /// A pause behind the overreach of another.
    Pause,
    /// The end of all others' overreaches.
    Solitude,
}

/// An attack of one device.
pub struct Attempt {
    device: &'static dyn Overreach,
    skill: Skill,
    order: Order,
    stage: Stage,
    /// What the device is given to read, and what it writes.
    pattern: Vec<u8>,
    /// What lies in memory that is made for being aimed at.
    secret: Vec<u8>,
    loans: Loans,
    aim: Option<Aim>,
    flight: Option<FlightId>,
    tries: u8,
    target_is_mapped: bool,
}

/// Where an attack stands: what the device does now.
#[derive(Clone, Copy, PartialEq, Eq)]
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

impl Attempt {
    /// Prepares an attack. `seed` makes its patterns differ from those of others.
    pub fn new(device: &'static dyn Overreach, order: Order, seed: u64) -> Self {
        let skill = device.skill();
        let (pattern, secret) = contents(&skill, order.access, seed);
        Self {
            device,
            skill,
            order,
            stage: Stage::Begin,
            pattern,
            secret,
            loans: Loans::default(),
            aim: None,
            flight: None,
            tries: 0,
            target_is_mapped: false,
        }
    }

    /// What the overreach, if it is the next step, has to wait for.
    pub fn waits_for(&self) -> WaitsFor {
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

    /// Goes on as far as possible without waiting. To be called again and again until it is over.
    pub fn advance(&mut self) -> Step {
        let progress = self.device.poll();
        if progress == Progress::Busy {
            return Step::Wait;
        }
        match self.try_advance(progress) {
            Ok(step) => step,
            Err(judgement) => Step::Over(judgement),
        }
    }

    fn try_advance(&mut self, progress: Progress) -> Result<Step, Judgement> {
        match self.stage {
            Stage::Begin => self.begin(),
            Stage::Fetch => self.store(Stage::Store),
            Stage::Store if self.landed()? != self.pattern => Err(Judgement::DeadDevice),
            Stage::Recognise if progress != Progress::Recognised => Err(Judgement::DeadDevice),
            Stage::Recognise => self.read_decoy(),
            Stage::Reject if progress != Progress::NotRecognised => Err(Judgement::DeadDevice),
            Stage::Store | Stage::Reject | Stage::Again => self.strike(),
            Stage::Strike if self.order.access != Access::Read => self.judge(Reached::No),
            Stage::Strike => match self.skill {
                Skill::Copies { .. } => self.store(Stage::Reveal),
                Skill::Recognises { .. } => {
                    let known = self.target_bytes() == self.pattern;
                    let shown = progress == Progress::Recognised && known && is_telling(&self.pattern);
                    self.judge(if shown { Reached::Yes } else { Reached::No })
                }
            },
            Stage::Reveal => {
                let landed = self.landed()?;
                // Beside a buffer there must be zeros; anything else is somebody's.
                let known = landed == self.target_bytes() || self.order.target == Target::Neighbour;
                let shown = known && is_telling(&landed);
                self.judge(if shown { Reached::Yes } else { Reached::No })
            }
        }
    }

    /// Takes aim, gives the device its buffers, and lets it fetch the pattern.
    fn begin(&mut self) -> Result<Step, Judgement> {
        if !self.device.dma().is_open() {
            return Err(Judgement::NotPossible(NotPossible::NoAddressSpace));
        }
        for _ in 0..AIMS {
            self.take_aim()?;
            self.loans = Loans::lend(self.device.dma(), &self.skill, &self.pattern)?;
            if self.aim_stands()? {
                return match (&self.skill, self.order.access) {
                    (Skill::Copies { .. }, _) => self.fetch(Stage::Fetch),
                    (Skill::Recognises { .. }, Access::Read) => self.fetch(Stage::Recognise),
                    (Skill::Recognises { .. }, _) => self.store(Stage::Store),
                };
            }
            (self.loans, self.aim) = (Loans::default(), None);
        }
        Err(Judgement::NotPossible(NotPossible::Numbers))
    }

    /// Prepares the target; one that is made of the attack's own buffers comes later.
    fn take_aim(&mut self) -> Result<(), Judgement> {
        if self.order.target == Target::Freed {
            return Ok(());
        }
        let stamp = match &self.skill {
            Skill::Recognises { stamp, .. } if self.order.access == Access::Write => Some(stamp.as_slice()),
            _ => None,
        };
        let sabotage = self.order.sabotage;
        let load = Load { length: self.length(), secret: &self.secret, stamp, sabotage };
        let aim = Aim::prepare(self.device, self.order.access, self.order.target, &load)
            .map_err(Judgement::NotPossible)?;
        match (&aim.hold, aim.memory, self.order.access) {
            _ if !matches!(self.skill, Skill::Copies { .. }) => {}
            // A real page: what is sent is what stands there, so that even a hit changes nothing.
            (Hold::Nothing, Some(memory), Access::Write) => {
                direct::read(memory, &mut self.pattern).map_err(|_| Judgement::Broken)?;
            }
            (Hold::Nothing, None, _) => self.pattern.fill(0),
            _ => {}
        }
        self.aim = Some(aim);
        Ok(())
    }

    /// Tells whether the number aimed at still means what it meant before the attack's own buffers were
    /// mapped. An address that was given stays, with the verdict that it would get now.
    fn aim_stands(&mut self) -> Result<bool, Judgement> {
        let Some(aim) = self.aim.as_mut().filter(|aim| aim.expected.is_some()) else { return Ok(true) };
        let now = predict(self.device.record(), aim.iova, self.order.access);
        if matches!(self.order.target, Target::Address(_)) {
            aim.check_address(self.device, self.skill.bytes(self.order.access))
                .map_err(Judgement::NotPossible)?;
            aim.expected = Some(now);
        }
        Ok(aim.expected == Some(now))
    }

    /// Lets the device read the pattern.
    fn fetch(&mut self, stage: Stage) -> Result<Step, Judgement> {
        self.transfer(Access::Read, self.loans.source()?, stage)
    }

    /// Lets the device read what is not the pattern.
    fn read_decoy(&mut self) -> Result<Step, Judgement> {
        self.transfer(Access::Read, self.loans.decoy()?, Stage::Reject)
    }

    /// Lets the device store what it writes where it may.
    fn store(&mut self, stage: Stage) -> Result<Step, Judgement> {
        self.transfer(Access::Write, self.loans.landing()?, stage)
    }

    /// Starts a transfer that the device may make.
    fn transfer(&mut self, access: Access, iova: Iova, stage: Stage) -> Result<Step, Judgement> {
        self.device.start(access, iova).map_err(|_| Judgement::DeadDevice)?;
        self.stage = stage;
        Ok(Step::Wait)
    }

    /// What lies in the landing buffer.
    fn landed(&self) -> Result<Vec<u8>, Judgement> {
        self.loans.landed(self.pattern.len())
    }

    /// Bytes that the overreach moves.
    fn length(&self) -> u32 {
        self.skill.bytes(self.order.access)
    }

    /// Lets the device overreach.
    fn strike(&mut self) -> Result<Step, Judgement> {
        if self.order.target == Target::Freed && self.aim.is_none() {
            self.aim = Some(self.free_a_warm_buffer()?);
        }
        self.map_target_for_sabotage()?;
        let aim = self.aim.as_ref().ok_or(Judgement::Broken)?;
        let mut flight = Flight {
            command: self.order.command,
            notice: self.order.notice,
            device: self.device.record(),
            access: self.order.access,
            target: self.order.target,
            iova: aim.iova,
            memory: aim.memory,
            length: self.length(),
            before: None,
            expected: aim.expected,
            seen: None,
            expectation: None,
        };
        flight.before = flight.look();
        let too_many = Judgement::NotPossible(NotPossible::Memory);
        self.flight = Some(flight::launch(flight).ok_or(too_many)?);
        self.device.start(self.order.access, aim.iova).map_err(|refused| match refused {
            StartRefused::Address(_) => Judgement::NotPossible(NotPossible::Refused),
            _ => Judgement::Broken,
        })?;
        self.tries += 1;
        self.stage = Stage::Strike;
        Ok(Step::Struck)
    }

    /// Maps the target for the device where the attack must go wrong.
    fn map_target_for_sabotage(&mut self) -> Result<(), Judgement> {
        let to_map = self.order.sabotage == Sabotage::MapTarget && self.order.target != Target::Neighbour;
        if to_map && !self.target_is_mapped {
            let aim = self.aim.as_ref().ok_or(Judgement::Broken)?;
            let memory = aim.memory.ok_or(Judgement::Broken)?;
            let domain = self.device.dma().domain();
            let (at, memory) = (aim.iova.page(), memory.page());
            // SAFETY: the aim holds the memory until it is unmapped, and is forgotten where it may still be reached.
            let mapped = unsafe { domain.space().map(at, memory, PAGE_SIZE, Permissions::READ_WRITE) };
            if let Err(error) = mapped {
                if error.may_be_reached() {
                    mem::forget(self.aim.take());
                }
                return Err(Judgement::Broken);
            }
            self.target_is_mapped = true;
        }
        Ok(())
    }

    /// Takes back the buffer that the device has just used the same way, so that its entry is warm.
    fn free_a_warm_buffer(&mut self) -> Result<Aim, Judgement> {
        let (iova, mut page) = self.loans.take_back(self.order.access)?;
        let start = page.bytes_mut().get_mut(..self.secret.len()).ok_or(Judgement::Broken)?;
        start.copy_from_slice(&self.secret);
        let memory = Some(inspect::buffer(&page));
        Ok(Aim { iova, memory, expected: Some(Verdict::Stale), hold: Hold::Page(page) })
    }

    /// What lies at the target now, as far as a leak would show it.
    fn target_bytes(&self) -> Vec<u8> {
        let there = self.aim.as_ref().and_then(|aim| bytes_at(aim.memory?, self.secret.len()));
        there.unwrap_or_else(|| self.secret.clone())
    }

    /// Judges by the fault record and by memory.
    fn judge(&mut self, reached: Reached) -> Result<Step, Judgement> {
        let aim = self.aim.as_ref().ok_or(Judgement::Broken)?;
        let flight = self.flight.take().and_then(flight::land).ok_or(Judgement::Broken)?;
        let made_for_it = !matches!(aim.hold, Hold::Nothing);
        let now = aim.memory.and_then(|memory| bytes_at(memory, self.secret.len()));
        let changed = made_for_it && now.is_some_and(|now| now != self.secret);
        let judgement = match (flight.seen, flight.expected) {
            _ if changed || reached == Reached::Yes => Judgement::Leaked,
            (Some(verdict), Some(expected)) => Judgement::Blocked { verdict, expected },
            (_, None) => self.judge_neighbour()?,
            (None, Some(_)) if self.tries < TRIES => {
                self.stage = Stage::Again;
                return Ok(Step::Wait);
            }
            (None, Some(_)) => Judgement::Silent,
        };
        report(&flight, judgement);
        Ok(Step::Over(judgement))
    }

    /// Judges an access beside a buffer that has neither shown nor changed what its neighbour holds.
    fn judge_neighbour(&mut self) -> Result<Judgement, Judgement> {
        match self.aim.as_mut().map(|aim| &mut aim.hold) {
            Some(Hold::Neighbour(neighbour)) => neighbour.judge(&self.pattern),
            _ => Err(Judgement::Broken),
        }
    }

    /// Takes the buffers back, and keeps the target of an attack that was reported. A failure there is the unit's, and
    /// is reported where it arises.
    pub fn finish(mut self) {
        if let Some(id) = self.flight.take() {
            flight::land(id);
        }
        if self.target_is_mapped && !self.unmap_target() {
            // The device may still reach it, so it is never used again.
            mem::forget(self.aim.take());
        }
        let is_reported = self.tries > 0 && self.order.command.is_some();
        if let Some(aim) = self.aim.take().filter(|_| is_reported) {
            kept::keep(aim.hold);
        }
    }

    fn unmap_target(&self) -> bool {
        let Some(aim) = &self.aim else { return true };
        self.device.dma().domain().space().unmap(aim.iova.page(), PAGE_SIZE).is_ok()
    }
}

/// Whether the device is seen to hold the target's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    Yes,
    No,
}

fn report(flight: &Flight, judgement: Judgement) {
    match judgement {
        Judgement::Leaked => flight.report(DrillResult::Leaked, Some("the device reached the target")),
        Judgement::Silent => {
            flight.report(DrillResult::Blocked, Some("memory is untouched, but no fault was recorded"))
        }
        _ => flight.report(DrillResult::Blocked, None),
    }
}
