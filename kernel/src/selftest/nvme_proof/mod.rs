//! Random transfers of an NVMe controller, to memory that it was given and to memory that it was not.
//!
//! Every allowed one must arrive, byte for byte, and cause no fault. Every forbidden one must leave memory as it was,
//! must not tell the controller what stands there, and must be recorded as this controller's, at the right page, with
//! the right verdict. The medium is never written to: memory is written by reading the medium, and read by comparing
//! it with the medium.

mod outcome;
mod target;
mod twin;

use alloc::vec::Vec;
use core::time::Duration;

use dma_types::{Access, Iova, PAGE_SIZE};
use nvme::spec::command::Transfer;
use nvme::spec::status::Status;
use report::Outcome;

use self::outcome::{Failure, Mishap, Tally};
use self::target::{Duty, Kind, Target};
use super::random::Random;
use crate::attack::{Notice, announce, land};
use crate::devices::nvme::{self as driver, Io, Nvme, NvmeError};
use crate::devices::{Disk, Namespace, Overreach};
use crate::dma::PageBuffer;
use crate::faults;
use crate::platform::clock;
use crate::{journal, println};

/// Transfers of the short proof and of the long one.
const SHORT: u32 = 1_000;
const LONG: u32 = 10_000;

/// What of the medium is used, as a power of two of pages.
const REFERENCE_EXPONENT: u8 = 5;

/// Most bytes of a transfer.
const MOST_BYTES: u64 = 16 << 10;

/// Time for a fault's interrupt, where looking at the unit did not show the fault yet.
const INTERRUPT: Duration = Duration::from_millis(20);

/// What the name of the check is in the report.
const NAME: &str = "nvme-proof";

pub(super) fn run() {
    prove(SHORT);
}

pub(super) fn run_long() {
    prove(LONG);
}

fn prove(transfers: u32) {
    let Some(nvme) = driver::all().find(|nvme| Overreach::dma(*nvme).is_open()) else {
        return super::skip(NAME, "no NVMe controller has a driver");
    };
    let mut tally = Tally::default();
    let outcome = Proof::new(nvme).and_then(|mut proof| {
        twin::sees_leaks(&mut proof).map_err(Failure::Twin)?;
        (0..transfers).try_for_each(|_| proof.one(&mut tally))
    });
    let (result, detail) = match outcome {
        Ok(()) => (Outcome::Pass, alloc::format!("{tally}, none wrong")),
        Err(Failure::Blank) => return super::skip(NAME, "the medium begins with zeros, which prove nothing"),
        Err(failure) => (Outcome::Fail, alloc::format!("{failure}; {tally}")),
    };
    println!("{NAME}: {detail}");
    journal::check(NAME, result, Some(&detail));
}

/// What all transfers have in common.
struct Proof {
    nvme: &'static Nvme,
    /// The namespace, as far as its first blocks are not all zeros.
    namespace: Namespace,
    /// What stands there, as it was read before.
    reference: PageBuffer,
    /// A block that is all zeros, if one was seen.
    zeros: Option<u64>,
    random: Random,
}

/// One transfer: what is moved, and how far into a page it begins.
#[derive(Clone, Copy)]
struct Plan {
    access: Access,
    block: u64,
    blocks: u32,
    bytes: u64,
    offset: u64,
}

impl Proof {
    fn new(nvme: &'static Nvme) -> Result<Self, Failure> {
        let suits = |namespace: &&Namespace| u64::from(namespace.block_bytes) <= PAGE_SIZE;
        let namespace = *nvme.namespaces().iter().find(suits).ok_or(Failure::Blank)?;
        let buffer = PageBuffer::new(REFERENCE_EXPONENT).map_err(|_| Failure::Memory)?;
        let blocks = namespace.blocks.min(buffer.len() / u64::from(namespace.block_bytes));
        let reference = nvme.read(namespace.id, 0, buffer, blocks as u32).map_err(Failure::Medium)?;
        let is_zeros = |block: &[u8]| block.iter().all(|byte| *byte == 0);
        let read = reference.bytes().chunks(namespace.block_bytes as usize).take(blocks as usize);
        let zeros = read.zip(0..).find(|(block, _)| is_zeros(block)).map(|(_, number)| number);
        let blocks = zeros.unwrap_or(blocks);
        if blocks == 0 {
            return Err(Failure::Blank);
        }
        Ok(Self {
            nvme,
            namespace: Namespace { blocks, ..namespace },
            reference,
            zeros,
            random: Random::new(clock::now_ns()),
        })
    }

    /// Tries one transfer.
    fn one(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        let place = self.random.within(0..Kind::ALL.len() as u64) as usize;
        // Every other transfer is an allowed one.
        let place = place * self.random.within(0..2) as usize;
        let kind = Kind::ALL[place];
        let plan = self.plan();
        let tried = self.try_one(kind, plan);
        let number = tally.count(kind);
        tried.map_err(|mishap| Failure::Transfer { number, kind, access: plan.access, mishap })
    }

    fn plan(&mut self) -> Plan {
        let access = *self.random.choose(&[Access::Read, Access::Write]);
        let block_bytes = self.block_bytes();
        let most = (MOST_BYTES / block_bytes).min(self.namespace.blocks);
        let blocks = self.random.within(1..most + 1);
        let block = self.random.within(0..self.namespace.blocks - blocks + 1);
        let offset = 4 * self.random.within(0..PAGE_SIZE / 4);
        Plan { access, block, blocks: blocks as u32, bytes: blocks * block_bytes, offset }
    }

    fn try_one(&mut self, kind: Kind, plan: Plan) -> Result<(), Mishap> {
        if kind == Kind::Own {
            return self.allowed(plan);
        }
        let target = Target::prepare(self, kind, self.in_whole_blocks(plan))?;
        let outcome = self.forbidden(&target);
        target.finish()?;
        outcome
    }

    /// The plan, where memory is to be written beginning at a multiple of a block: QEMU's disks move what is blocked in
    /// pieces, and never end a transfer of which a piece is no whole number of blocks.
    fn in_whole_blocks(&self, plan: Plan) -> Plan {
        match plan.access {
            Access::Write => Plan { offset: plan.offset - plan.offset % self.block_bytes(), ..plan },
            _ => plan,
        }
    }

    fn block_bytes(&self) -> u64 {
        u64::from(self.namespace.block_bytes)
    }

    /// What stands in the blocks of a plan.
    fn content(&self, plan: &Plan) -> &[u8] {
        let start = (plan.block * self.block_bytes()) as usize;
        self.reference.bytes().get(start..start + plan.bytes as usize).unwrap_or_default()
    }

    /// Runs a transfer at an address to its end.
    fn transfer(&self, plan: &Plan, at: Iova) -> Result<(), NvmeError> {
        let transfer = if plan.access == Access::Read { Transfer::Compare } else { Transfer::Read };
        let io = Io { transfer, namespace: self.namespace, block: plan.block, blocks: plan.blocks };
        self.nvme.wait(self.nvme.submit_at(&io, at)?).result
    }

    /// A transfer with a buffer of the controller's own.
    fn allowed(&mut self, plan: Plan) -> Result<(), Mishap> {
        let faults = journal::faults();
        match plan.access {
            Access::Write => self.fill_own(&plan)?,
            _ => self.compare_own(&plan)?,
        }
        faults::poll();
        if journal::faults() == faults { Ok(()) } else { Err(Mishap::Blocked) }
    }

    /// The blocks must arrive where they should, and nothing beside them may change.
    fn fill_own(&self, plan: &Plan) -> Result<(), Mishap> {
        const FILL: u8 = 0xa5;
        let mut buffer = target::room(plan)?;
        buffer.bytes_mut().fill(FILL);
        let mapping = target::lend_to_write(self, buffer)?;
        let at = Iova::new(mapping.iova().as_u64() + plan.offset);
        self.transfer(plan, at).map_err(Mishap::NotDone)?;
        let buffer = mapping.unmap().map_err(|_| Mishap::Broken("unmapping"))?;
        let (before, rest) = buffer.bytes().split_at(plan.offset as usize);
        let (arrived, behind) = rest.split_at(plan.bytes as usize);
        let beside = before.iter().chain(behind);
        let all = arrived == self.content(plan) && beside.clone().all(|byte| *byte == FILL);
        if all { Ok(()) } else { Err(Mishap::NotArrived) }
    }

    /// The controller must tell what is equal from what is not.
    fn compare_own(&mut self, plan: &Plan) -> Result<(), Mishap> {
        let mut buffer = target::room(plan)?;
        target::put(&mut buffer, plan.offset, self.content(plan));
        let spoilt = self.random.within(0..2 * plan.bytes);
        let byte = (plan.offset + spoilt) as usize;
        let equal = spoilt >= plan.bytes;
        if !equal && let Some(byte) = buffer.bytes_mut().get_mut(byte) {
            *byte = !*byte;
        }
        let mapping = target::lend_to_read(self, buffer)?;
        let told = self.transfer(plan, Iova::new(mapping.iova().as_u64() + plan.offset));
        mapping.unmap().map_err(|_| Mishap::Broken("unmapping"))?;
        match (told, equal) {
            (Ok(()), true) => Ok(()),
            (Err(NvmeError::Status(status)), false) if status.code() == Status::COMPARE_FAILURE => Ok(()),
            (Ok(()), false) => Err(Mishap::NotArrived),
            (Err(error), _) => Err(Mishap::NotDone(error)),
        }
    }

    /// A transfer with memory that the controller may not use, or not this way.
    fn forbidden(&self, target: &Target) -> Result<(), Mishap> {
        let Target { plan, at, .. } = target;
        let (record, before) = (Overreach::record(self.nvme), target.look());
        let flights: Vec<_> = target
            .pages()
            .filter_map(|page| announce(record, plan.access, page, Notice::Announced))
            .collect();
        let result = self.transfer(plan, *at);
        faults::poll();
        if journal::faults() == target.faults_before && target.duty == Duty::Recorded {
            clock::sleep(INTERRUPT);
            faults::poll();
        }
        // The first page is the one that the controller meets first; of the others a unit may record none.
        let seen: Vec<_> = flights.into_iter().map(|id| land(id).and_then(|f| f.seen)).collect();
        if target.look() != before {
            return Err(Mishap::Changed);
        }
        if plan.access == Access::Read && result.is_ok() {
            return Err(Mishap::Told);
        }
        match (seen.first().copied().flatten(), target.duty) {
            (Some(found), _) if found == target.expected => Ok(()),
            (Some(found), _) => Err(Mishap::Verdict { found, expected: target.expected }),
            (None, Duty::Harmless) => Ok(()),
            (None, Duty::Recorded) => Err(Mishap::Silent),
        }
    }
}
