//! One attack, step by step.
#![expect(unsafe_code, reason = "UNSAFETY: maps what a device must not reach, to see that it shows")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use ::attack::{
    Judgement, Meaning, Next, NotPossible, OwnBuffer, Progress, Reached, Script, Sight, Skill, StartRefused,
    Traces, WaitsFor, contents,
};
use diagnosis::Verdict;
use dma_types::{Access, PAGE_SIZE, Permissions};
use options::Target;
use report::DrillResult;

use super::aim::{Aim, Hold, Load, bytes_at};
use super::flight::{self, Flight, FlightId};
use super::kept;
use super::loans::Loans;
use super::order::{Order, Sabotage};
use super::step::{Advance, Attempt};
use crate::devices::Overreach;
use crate::dma::inspect;
use crate::faults::predict;
use crate::memory::direct;

/// Times a target is chosen anew because the attack's own buffers took or neighbour its number.
const AIMS: u8 = 8;

/// An attack on memory by one device.
pub struct Attack {
    device: &'static dyn Overreach,
    skill: Skill,
    order: Order,
    script: Script,
    /// What the device is given to read, and what it writes.
    pattern: Vec<u8>,
    /// What lies in memory that is made for being aimed at.
    secret: Vec<u8>,
    loans: Loans,
    aim: Option<Aim>,
    flight: Option<FlightId>,
    target_is_mapped: bool,
}

impl Attack {
    /// Prepares an attack. `seed` makes its patterns differ from those of others.
    pub fn new(device: &'static dyn Overreach, order: Order, seed: u64) -> Self {
        let skill = device.skill();
        let (pattern, secret) = contents(&skill, order.access, seed);
        Self {
            device,
            script: Script::new(&skill, order.access, order.target),
            skill,
            order,
            pattern,
            secret,
            loans: Loans::default(),
            aim: None,
            flight: None,
            target_is_mapped: false,
        }
    }

    fn try_advance(&mut self, progress: Progress) -> Result<Advance, Judgement> {
        let next = if self.script.is_to_begin() {
            self.begin()?
        } else {
            let seen = Seen { loans: &self.loans, aim: self.aim.as_ref(), secret: &self.secret };
            self.script.next(progress, &self.pattern, &seen)?
        };
        match next {
            Next::Transfer(access, place) => self.transfer(access, place),
            Next::Strike => self.strike(),
            Next::Judge(reached) => self.judge(reached),
        }
    }

    /// Takes aim, and gives the device its buffers.
    fn begin(&mut self) -> Result<Next, Judgement> {
        if !self.device.dma().is_open() {
            return Err(Judgement::NotPossible(NotPossible::NoAddressSpace));
        }
        for _ in 0..AIMS {
            self.take_aim()?;
            self.loans = Loans::lend(self.device.dma(), &self.skill, &self.pattern)?;
            if self.aim_stands()? {
                return Ok(self.script.begin());
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

    /// Starts a transfer that the device may make.
    fn transfer(&self, access: Access, place: OwnBuffer) -> Result<Advance, Judgement> {
        self.device.start(access, self.loans.at(place)?).map_err(|_| Judgement::DeadDevice)?;
        Ok(Advance::Wait)
    }

    /// Bytes that the overreach moves.
    fn length(&self) -> u32 {
        self.skill.bytes(self.order.access)
    }

    /// Lets the device overreach.
    fn strike(&mut self) -> Result<Advance, Judgement> {
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
            entry: None,
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
        self.script.struck();
        Ok(Advance::Struck)
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

    /// Judges by the fault record and by memory.
    fn judge(&mut self, reached: Reached) -> Result<Advance, Judgement> {
        let aim = self.aim.as_ref().ok_or(Judgement::Broken)?;
        let flight = self.flight.take().and_then(flight::land).ok_or(Judgement::Broken)?;
        let made_for_it = !matches!(aim.hold, Hold::Nothing);
        let now = aim.memory.and_then(|memory| bytes_at(memory, self.secret.len()));
        let changed = made_for_it && now.is_some_and(|now| now != self.secret);
        let traces = Traces { seen: flight.seen, expected: flight.expected, changed, reached };
        let judgement = match self.script.judge(traces) {
            Meaning::Over(judgement) => judgement,
            Meaning::Again => return Ok(Advance::Wait),
            Meaning::LookAround => self.judge_neighbour()?,
        };
        if judgement == Judgement::DeadDevice {
            return Err(judgement);
        }
        report(&flight, judgement);
        Ok(Advance::Over(judgement))
    }

    /// Judges an access beside a buffer that has neither shown nor changed what its neighbour holds.
    fn judge_neighbour(&mut self) -> Result<Judgement, Judgement> {
        match self.aim.as_mut().map(|aim| &mut aim.hold) {
            Some(Hold::Neighbour(neighbour)) => neighbour.judge(&self.pattern),
            _ => Err(Judgement::Broken),
        }
    }

    fn unmap_target(&self) -> bool {
        let Some(aim) = &self.aim else { return true };
        self.device.dma().domain().space().unmap(aim.iova.page(), PAGE_SIZE).is_ok()
    }
}

impl Attempt for Attack {
    fn advance(&mut self) -> Advance {
        let progress = self.device.poll();
        if progress == Progress::Busy {
            return Advance::Wait;
        }
        self.try_advance(progress).unwrap_or_else(Advance::Over)
    }

    fn waits_for(&self) -> WaitsFor {
        self.script.waits_for()
    }

    fn is_striking(&self) -> bool {
        self.script.is_striking()
    }

    fn is_striking_again(&self) -> bool {
        self.script.is_striking_again()
    }

    /// Takes the buffers back, and keeps the target of an attack that was reported. A failure there is the unit's, and
    /// is reported where it arises.
    fn finish(mut self: Box<Self>) {
        if let Some(id) = self.flight.take() {
            flight::land(id);
        }
        if self.target_is_mapped && !self.unmap_target() {
            // The device may still reach it, so it is never used again.
            mem::forget(self.aim.take());
        }
        let is_reported = self.script.has_struck() && self.order.command.is_some();
        if let Some(aim) = self.aim.take().filter(|_| is_reported) {
            kept::keep(aim.hold);
        }
    }
}

/// What is seen of an attack in memory.
struct Seen<'a> {
    loans: &'a Loans,
    aim: Option<&'a Aim>,
    secret: &'a [u8],
}

impl Sight for Seen<'_> {
    fn landed(&self) -> Result<Vec<u8>, Judgement> {
        // Pattern and secret are of one length.
        self.loans.landed(self.secret.len())
    }

    fn at_target(&self) -> Vec<u8> {
        let there = self.aim.and_then(|aim| bytes_at(aim.memory?, self.secret.len()));
        there.unwrap_or_else(|| self.secret.into())
    }
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
