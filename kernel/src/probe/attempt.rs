//! One probe, step by step.

use core::mem;

use diagnosis::Verdict;
use dma_types::{Access, PAGE_SIZE, Permissions, PhysAddr};
use options::Target;
use report::{DrillCommand, DrillResult};

use super::Overreach;
use super::aim::{Aim, Hold, NotPossible};
use super::flight::{self, Flight, FlightId, Notice};
use crate::diagnosis::predict;
use crate::dma::{FromDevice, Mapping, PageBuffer, ToDevice, inspect};
use crate::memory::direct;

/// Bytes that every transfer of a probe moves.
pub const LENGTH: u32 = 64;

/// Times a target is chosen anew because the probe's own buffers took or neighbour its number.
const AIMS: u8 = 8;

type Block = [u8; LENGTH as usize];

/// Times a probe is tried while its fault is not seen: another device's record may have been in the way.
const TRIES: u8 = 3;

/// How a probe was asked for.
#[derive(Clone, Copy)]
pub struct Order {
    /// The command behind it; none for a self-test.
    pub command: Option<DrillCommand>,
    /// Whether the fault is known to come.
    pub notice: Notice,
    /// What the device is told to do.
    pub access: Access,
    /// What it is aimed at.
    pub target: Target,
    /// What is done to it.
    pub sabotage: Sabotage,
}

/// What is done to a probe so that it must go wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    None,
    /// The target is mapped for the device.
    MapTarget,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The fault came, and memory is untouched.
    Blocked {
        /// The verdict on the fault.
        verdict: Verdict,
        /// The verdict that it should have got.
        expected: Verdict,
    },
    /// The device got there.
    Leaked,
    /// The device got nowhere, but no fault was seen.
    Silent,
    /// The same transfer with memory of its own did not arrive: the device proves nothing.
    DeadDevice,
    /// It could not be tried.
    NotPossible(NotPossible),
    /// The kernel's own steps failed.
    Broken,
}

/// What the next step of a probe is.
pub enum Step {
    /// Wait until the device is idle.
    Wait,
    /// The overreach begins; others hold theirs back for a moment.
    Struck,
    /// It is over.
    Over(Judgement),
}

/// A probe of one device.
pub struct Attempt {
    device: &'static dyn Overreach,
    order: Order,
    stage: Stage,
    pattern: Block,
    secret: Block,
    source: Option<Mapping<ToDevice>>,
    landing: Option<Mapping<FromDevice>>,
    aim: Option<Aim>,
    flight: Option<FlightId>,
    tries: u8,
    target_is_mapped: bool,
}

/// Where a probe stands: what the device does now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing yet.
    Begin,
    /// It fetches the pattern.
    Fetch,
    /// It stores the pattern in a buffer of its own.
    Store,
    /// It overreaches.
    Strike,
    /// It stores what it may have read, in a buffer of its own.
    Reveal,
}

impl Attempt {
    /// Prepares a probe. `seed` makes its patterns differ from those of others.
    pub fn new(device: &'static dyn Overreach, order: Order, seed: u64) -> Self {
        Self {
            device,
            order,
            stage: Stage::Begin,
            pattern: pattern(seed),
            secret: pattern(!seed),
            source: None,
            landing: None,
            aim: None,
            flight: None,
            tries: 0,
            target_is_mapped: false,
        }
    }

    /// Tells whether the next step may be the overreach.
    pub fn about_to_strike(&self) -> bool {
        self.stage == Stage::Store
    }

    /// Goes on as far as possible without waiting. To be called again and again until it is over.
    pub fn advance(&mut self) -> Step {
        if self.device.is_busy() {
            return Step::Wait;
        }
        match self.try_advance() {
            Ok(step) => step,
            Err(judgement) => Step::Over(judgement),
        }
    }

    fn try_advance(&mut self) -> Result<Step, Judgement> {
        match self.stage {
            Stage::Begin => self.begin(),
            Stage::Fetch => self.store(Stage::Store),
            Stage::Store => {
                if self.landed()? != self.pattern {
                    return Err(Judgement::DeadDevice);
                }
                self.strike()
            }
            Stage::Strike if self.order.access == Access::Read => self.store(Stage::Reveal),
            Stage::Strike => self.judge(Reached::No),
            Stage::Reveal => {
                let landed = self.landed()?;
                // Zeros prove nothing: a blocked read may give them too.
                let shown = landed == self.target_bytes() && landed.iter().any(|byte| *byte != 0);
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
            self.lend_buffers()?;
            if self.aim_stands()? {
                let source = self.source.as_ref().ok_or(Judgement::Broken)?;
                self.device.start(Access::Read, source.iova(), LENGTH).map_err(|_| Judgement::Broken)?;
                self.stage = Stage::Fetch;
                return Ok(Step::Wait);
            }
            (self.source, self.landing, self.aim) = (None, None, None);
        }
        Err(Judgement::NotPossible(NotPossible::Numbers))
    }

    /// Prepares the target; one that is made of the probe's own buffers comes later.
    fn take_aim(&mut self) -> Result<(), Judgement> {
        if self.order.target == Target::Freed {
            return Ok(());
        }
        let aim = Aim::prepare(self.device, self.order.access, self.order.target, &self.secret)
            .map_err(Judgement::NotPossible)?;
        match (&aim.hold, aim.memory, self.order.access) {
            // A real page: what is sent is what stands there, so that even a hit changes nothing.
            (Hold::Nothing, Some(memory), Access::Write) => {
                direct::read(memory, &mut self.pattern).map_err(|_| Judgement::Broken)?;
            }
            (Hold::Nothing, None, _) => self.pattern = [0; LENGTH as usize],
            _ => {}
        }
        self.aim = Some(aim);
        Ok(())
    }

    /// Gives the device a buffer with the pattern and one to store it in.
    fn lend_buffers(&mut self) -> Result<(), Judgement> {
        let page = |bytes: &Block| {
            let mut page = PageBuffer::new(0).map_err(|_| Judgement::NotPossible(NotPossible::Memory))?;
            page.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
            Ok(page)
        };
        let dma = self.device.dma();
        let source = dma.map(page(&self.pattern)?, "probe source").map_err(|_| Judgement::Broken)?;
        // Not what the pattern is, even where that is all zeros.
        let landing = dma.map(page(&self.pattern.map(|byte| !byte))?, "probe landing");
        (self.source, self.landing) = (Some(source), Some(landing.map_err(|_| Judgement::Broken)?));
        Ok(())
    }

    /// Tells whether the number aimed at still means what it meant before the probe's own buffers were
    /// mapped. An address that was given stays, with the verdict that it would get now.
    fn aim_stands(&mut self) -> Result<bool, Judgement> {
        let Some(aim) = &mut self.aim else { return Ok(true) };
        let now = predict(self.device.record(), aim.iova, self.order.access);
        if matches!(self.order.target, Target::Address(_)) {
            aim.check_address(self.device).map_err(Judgement::NotPossible)?;
            aim.expected = now;
        }
        Ok(now == aim.expected)
    }

    /// Lets the device store what it holds where it may.
    fn store(&mut self, stage: Stage) -> Result<Step, Judgement> {
        let landing = self.landing.as_ref().ok_or(Judgement::Broken)?;
        self.device.start(Access::Write, landing.iova(), LENGTH).map_err(|_| Judgement::Broken)?;
        self.stage = stage;
        Ok(Step::Wait)
    }

    /// What lies in the landing buffer.
    fn landed(&self) -> Result<Block, Judgement> {
        let landing = self.landing.as_ref().ok_or(Judgement::Broken)?;
        block_at(inspect::mapping(landing)).ok_or(Judgement::Broken)
    }

    /// Lets the device overreach.
    fn strike(&mut self) -> Result<Step, Judgement> {
        if self.order.target == Target::Freed && self.aim.is_none() {
            self.aim = Some(self.free_a_warm_buffer()?);
        }
        let aim = self.aim.as_ref().ok_or(Judgement::Broken)?;
        let mut flight = Flight {
            command: self.order.command,
            notice: self.order.notice,
            device: self.device.record(),
            access: self.order.access,
            target: self.order.target,
            iova: aim.iova,
            memory: aim.memory,
            length: LENGTH,
            before: None,
            expected: aim.expected,
            seen: None,
        };
        if self.order.sabotage == Sabotage::MapTarget && !self.target_is_mapped {
            let memory = aim.memory.ok_or(Judgement::Broken)?;
            let domain = self.device.dma().domain();
            let mapped =
                domain.space().map(aim.iova.page(), memory.page(), PAGE_SIZE, Permissions::READ_WRITE);
            mapped.map_err(|_| Judgement::Broken)?;
            self.target_is_mapped = true;
        }
        flight.before = flight.look();
        let too_many = Judgement::NotPossible(NotPossible::Memory);
        self.flight = Some(flight::launch(flight).ok_or(too_many)?);
        self.device.start(self.order.access, aim.iova, LENGTH).map_err(|_| Judgement::Broken)?;
        self.tries += 1;
        self.stage = Stage::Strike;
        Ok(Step::Struck)
    }

    /// Takes back the buffer that the device has just used the same way, so that its entry is warm.
    fn free_a_warm_buffer(&mut self) -> Result<Aim, Judgement> {
        let freed = if self.order.access == Access::Write {
            let old = self.landing.take().ok_or(Judgement::Broken)?;
            (old.iova(), old.unmap())
        } else {
            let old = self.source.take().ok_or(Judgement::Broken)?;
            (old.iova(), old.unmap())
        };
        let (iova, page) = freed;
        let mut page = page.map_err(|_| Judgement::Broken)?;
        page.bytes_mut()[..self.secret.len()].copy_from_slice(&self.secret);
        let memory = Some(inspect::buffer(&page));
        Ok(Aim { iova, memory, expected: Verdict::Stale, hold: Hold::Page(page) })
    }

    /// What lies at the target now, as far as a leak would show it.
    fn target_bytes(&self) -> Block {
        self.aim.as_ref().and_then(|aim| block_at(aim.memory?)).unwrap_or(self.secret)
    }

    /// Judges by the fault record and by memory.
    fn judge(&mut self, reached: Reached) -> Result<Step, Judgement> {
        let aim = self.aim.as_ref().ok_or(Judgement::Broken)?;
        let flight = self.flight.take().and_then(flight::land).ok_or(Judgement::Broken)?;
        let made_for_it = !matches!(aim.hold, Hold::Nothing);
        let changed = made_for_it && aim.memory.and_then(block_at).is_some_and(|now| now != self.secret);
        let judgement = match flight.seen {
            _ if changed || reached == Reached::Yes => Judgement::Leaked,
            Some(verdict) => Judgement::Blocked { verdict, expected: flight.expected },
            None if self.tries < TRIES => return self.strike(),
            None => Judgement::Silent,
        };
        report(&flight, judgement);
        Ok(Step::Over(judgement))
    }

    /// Takes the buffers back. A failure there is the unit's, and is reported where it arises.
    pub fn finish(mut self) {
        if let Some(id) = self.flight.take() {
            flight::land(id);
        }
        if self.target_is_mapped && !self.unmap_target() {
            // The device may still reach it, so it is never used again.
            mem::forget(self.aim.take());
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

fn block_at(memory: PhysAddr) -> Option<Block> {
    let mut block = [0; LENGTH as usize];
    direct::read(memory, &mut block).ok()?;
    Some(block)
}

/// Bytes that do not stand anywhere else (xorshift64*).
fn pattern(seed: u64) -> Block {
    let mut state = seed | 1;
    let mut block = [0; LENGTH as usize];
    for chunk in block.chunks_mut(8) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        chunk.copy_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    block
}
