//! Memory that a controller may not use, in every way that the proof knows.

use alloc::vec;
use alloc::vec::Vec;

use diagnosis::Verdict;
use dma_types::{Access, Iova, PAGE_SIZE, PhysAddr};

use super::outcome::Mishap;
use super::{Plan, Proof};
use crate::devices;
use crate::devices::Overreach;
use crate::dma::{Both, FromDevice, Mapping, PageBuffer, ToDevice, inspect};
use crate::faults::predict;
use crate::memory::{direct, map};
use crate::{iommu, journal};

/// Times a target is chosen anew because its number means something else as well.
const TRIES: usize = 64;

/// Where a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A buffer of the controller's own, in the right direction: allowed.
    Own,
    /// Memory that no device has.
    Unmapped,
    /// A buffer that was used the same way and taken back a moment ago.
    Freed,
    /// Past the end of a buffer: from within it, or from right behind it.
    PastEnd,
    /// A buffer of another device.
    Foreign,
    /// The kernel's code.
    KernelText,
    /// The remapping tables.
    Tables,
    /// The invalidation queue.
    InvalidationQueue,
    /// A buffer against its direction, never used before.
    ColdDirection,
    /// A buffer against its direction, used before: its translation is cached.
    WarmDirection,
}

impl Kind {
    pub(super) const ALL: [Self; 10] = [
        Self::Own,
        Self::Unmapped,
        Self::Freed,
        Self::PastEnd,
        Self::Foreign,
        Self::KernelText,
        Self::Tables,
        Self::InvalidationQueue,
        Self::ColdDirection,
        Self::WarmDirection,
    ];

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Own => "allowed",
            Self::Unmapped => "unmapped",
            Self::Freed => "freed",
            Self::PastEnd => "past the end",
            Self::Foreign => "another device's",
            Self::KernelText => "kernel text",
            Self::Tables => "remapping tables",
            Self::InvalidationQueue => "invalidation queue",
            Self::ColdDirection => "wrong direction",
            Self::WarmDirection => "wrong direction while cached",
        }
    }
}

/// What must come of a forbidden transfer besides memory that stays as it was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// A fault record.
    Recorded,
    /// Nothing: some units refuse in silence what they have cached with other permissions.
    Harmless,
}

/// A forbidden target.
pub(super) struct Target {
    pub(super) plan: Plan,
    pub(super) at: Iova,
    /// Where the transfer becomes a forbidden one.
    from: Iova,
    pub(super) expected: Verdict,
    pub(super) duty: Duty,
    pub(super) faults_before: u64,
    /// What must stay as it is.
    pub(super) memory: (PhysAddr, u64),
    hold: Hold,
}

/// What keeps a target as it is; what lies behind a mapping is only kept.
#[expect(dead_code, reason = "what lies behind is never looked at through this")]
enum Hold {
    Nothing,
    Page(PageBuffer),
    Readable(Mapping<ToDevice>, Option<PageBuffer>),
    Writable(Mapping<FromDevice>, Option<PageBuffer>),
    Foreign(Mapping<Both>),
}

impl Target {
    /// Prepares a target whose number means nothing else to the controller.
    pub(super) fn prepare(proof: &mut Proof, kind: Kind, plan: Plan) -> Result<Self, Mishap> {
        let mut misfits = Vec::new();
        for _ in 0..TRIES {
            let target = Self::once(proof, kind, plan)?;
            if target.stands(proof) {
                misfits.into_iter().try_for_each(Self::finish)?;
                return Ok(target);
            }
            // Kept, or the same memory would come again.
            misfits.push(target);
        }
        Err(Mishap::Broken("finding a target"))
    }

    fn once(proof: &mut Proof, kind: Kind, plan: Plan) -> Result<Self, Mishap> {
        match kind {
            Kind::Own | Kind::Unmapped => unmapped(proof, plan),
            Kind::Freed => freed(proof, plan),
            Kind::PastEnd => past_end(proof, plan),
            Kind::Foreign => foreign(proof, plan),
            Kind::KernelText => real(proof, plan, &map::kernel_text_pages().collect::<Vec<_>>()),
            Kind::Tables => {
                real(proof, plan, &iommu::table_pages(Overreach::record(proof.nvme)).collect::<Vec<_>>())
            }
            Kind::InvalidationQueue => {
                let unit = iommu::unit_of(Overreach::record(proof.nvme));
                let page =
                    unit.and_then(iommu::Unit::queue_page).ok_or(Mishap::Broken("finding the queue"))?;
                real(proof, plan, &[page])
            }
            Kind::ColdDirection => wrong_direction(proof, plan, Duty::Recorded),
            Kind::WarmDirection => wrong_direction(proof, plan, Duty::Harmless),
        }
    }

    fn new(plan: Plan, at: Iova, expected: Verdict, memory: (PhysAddr, u64), hold: Hold) -> Self {
        let faults_before = journal::faults();
        Self { plan, at, from: at, expected, duty: Duty::Recorded, faults_before, memory, hold }
    }

    /// Tells whether every page means what it should.
    fn stands(&self, proof: &Proof) -> bool {
        let record = Overreach::record(proof.nvme);
        let first = predict(record, self.from, self.plan.access) == self.expected;
        let may = |page: Iova| match self.expected {
            Verdict::WrongDirection => false,
            _ => Overreach::dma(proof.nvme).is_live(page),
        };
        first && !self.pages().any(may)
    }

    /// The forbidden pages.
    pub(super) fn pages(&self) -> impl Iterator<Item = Iova> {
        let last = Iova::new(self.at.as_u64() + self.plan.bytes - 1).page().as_u64();
        (self.from.page().as_u64()..=last).step_by(PAGE_SIZE as usize).map(Iova::new)
    }

    /// What stands there now.
    pub(super) fn look(&self) -> Vec<u8> {
        let (start, length) = self.memory;
        let mut bytes = vec![0; length as usize];
        if direct::read(start, &mut bytes).is_err() {
            bytes.clear();
        }
        bytes
    }

    /// Takes the memory back.
    pub(super) fn finish(self) -> Result<(), Mishap> {
        let unmapped = match self.hold {
            Hold::Nothing => Ok(()),
            Hold::Page(page) => {
                drop(page);
                Ok(())
            }
            Hold::Readable(mapping, _) => mapping.unmap().map(drop),
            Hold::Writable(mapping, _) => mapping.unmap().map(drop),
            Hold::Foreign(mapping) => mapping.unmap().map(drop),
        };
        unmapped.map_err(|_| Mishap::Broken("unmapping"))
    }
}

/// A buffer that holds a transfer from its offset on.
pub(super) fn room(plan: &Plan) -> Result<PageBuffer, Mishap> {
    pages_for(plan.offset + plan.bytes)
}

fn pages_for(bytes: u64) -> Result<PageBuffer, Mishap> {
    let exponent = bytes.div_ceil(PAGE_SIZE).next_power_of_two().ilog2() as u8;
    PageBuffer::new(exponent).map_err(|_| Mishap::Broken("taking memory"))
}

/// Puts bytes at an offset.
pub(super) fn put(buffer: &mut PageBuffer, offset: u64, bytes: &[u8]) {
    let place = buffer.bytes_mut().get_mut(offset as usize..).unwrap_or_default();
    place.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
}

/// Lends the controller a buffer that it may write.
pub(super) fn lend_to_write(proof: &Proof, buffer: PageBuffer) -> Result<Mapping<FromDevice>, Mishap> {
    Overreach::dma(proof.nvme).map(buffer, "nvme proof").map_err(|_| Mishap::Broken("mapping"))
}

/// Lends the controller a buffer that it may read.
pub(super) fn lend_to_read(proof: &Proof, buffer: PageBuffer) -> Result<Mapping<ToDevice>, Mishap> {
    Overreach::dma(proof.nvme).map(buffer, "nvme proof").map_err(|_| Mishap::Broken("mapping"))
}

/// Memory on which a forbidden transfer would show: what a reading controller would recognise, or what a writing one
/// would change.
fn bait(proof: &Proof, plan: &Plan, buffer: &mut PageBuffer, offset: u64) {
    let content = proof.content(plan);
    if plan.access == Access::Read {
        put(buffer, offset, content);
    } else {
        put(buffer, offset, &content.iter().map(|byte| !byte).collect::<Vec<_>>());
    }
}

/// Memory by its physical address, which means nothing to the controller.
fn unmapped(proof: &Proof, plan: Plan) -> Result<Target, Mishap> {
    let mut buffer = room(&plan)?;
    bait(proof, &plan, &mut buffer, plan.offset);
    let memory = (inspect::buffer(&buffer), buffer.len());
    let at = Iova::new(memory.0.as_u64() + plan.offset);
    Ok(Target::new(plan, at, Verdict::NeverMapped, memory, Hold::Page(buffer)))
}

/// A buffer that the controller has just used the same way.
fn freed(proof: &Proof, plan: Plan) -> Result<Target, Mishap> {
    let mut buffer = room(&plan)?;
    bait(proof, &plan, &mut buffer, plan.offset);
    let (at, buffer) = if plan.access == Access::Write {
        let mapping = lend_to_write(proof, buffer)?;
        let at = Iova::new(mapping.iova().as_u64() + plan.offset);
        proof.transfer(&plan, at).map_err(Mishap::NotDone)?;
        (at, mapping.unmap())
    } else {
        let mapping = lend_to_read(proof, buffer)?;
        let at = Iova::new(mapping.iova().as_u64() + plan.offset);
        proof.transfer(&plan, at).map_err(Mishap::NotDone)?;
        (at, mapping.unmap())
    };
    let mut buffer = buffer.map_err(|_| Mishap::Broken("unmapping"))?;
    bait(proof, &plan, &mut buffer, plan.offset);
    let memory = (inspect::buffer(&buffer), buffer.len());
    Ok(Target::new(plan, at, Verdict::Stale, memory, Hold::Page(buffer)))
}

/// The memory right behind a buffer, from within the buffer or from its end.
fn past_end(proof: &mut Proof, plan: Plan) -> Result<Target, Mishap> {
    let (mut buffer, behind) = pages_for(2 * (PAGE_SIZE + plan.bytes))?.halves();
    let mut behind = behind.ok_or(Mishap::Broken("taking memory"))?;
    // At least one step lies past the end, and at most all.
    let step = if plan.access == Access::Write { proof.block_bytes() } else { 4 };
    let within = step * proof.random.within(0..plan.bytes / step);
    let told = proof.content(&plan).iter().skip(within as usize).any(|byte| *byte != 0);
    let within = if told { within * proof.random.within(0..2) } else { 0 };
    let start = buffer.len() - within;
    bait(proof, &plan, &mut buffer, start);
    let rest: Vec<u8> = {
        let content = proof.content(&plan).iter().skip(within as usize);
        content.map(|byte| if plan.access == Access::Read { *byte } else { !byte }).collect()
    };
    put(&mut behind, 0, &rest);
    let memory = (inspect::buffer(&behind), behind.len());
    let (length, expected) = (buffer.len(), Verdict::Overrun);
    let (base, hold) = if plan.access == Access::Write {
        let mapping = lend_to_write(proof, buffer)?;
        (mapping.iova().as_u64(), Hold::Writable(mapping, Some(behind)))
    } else {
        let mapping = lend_to_read(proof, buffer)?;
        (mapping.iova().as_u64(), Hold::Readable(mapping, Some(behind)))
    };
    let target = Target::new(plan, Iova::new(base + start), expected, memory, hold);
    Ok(Target { from: Iova::new(base + length), ..target })
}

/// A buffer of another device, by the address that this device knows it by, or by its physical one.
fn foreign(proof: &mut Proof, plan: Plan) -> Result<Target, Mishap> {
    let group = Overreach::record(proof.nvme).group;
    let other = devices::capable().find(|other| other.record().group != group && other.dma().is_open());
    let other = other.ok_or(Mishap::Broken("finding another device"))?;
    let mut buffer = room(&plan)?;
    bait(proof, &plan, &mut buffer, plan.offset);
    let memory = (inspect::buffer(&buffer), buffer.len());
    let mapping =
        other.dma().map::<Both, _>(buffer, "nvme proof, foreign").map_err(|_| Mishap::Broken("mapping"))?;
    let base = *proof.random.choose(&[mapping.iova().as_u64(), memory.0.as_u64()]);
    let at = Iova::new(base + plan.offset);
    Ok(Target::new(plan, at, Verdict::Foreign, memory, Hold::Foreign(mapping)))
}

/// A page of the kernel, by its physical address, one block of it. It is written only where a hit would change nothing,
/// else read.
fn real(proof: &mut Proof, plan: Plan, pages: &[PhysAddr]) -> Result<Target, Mishap> {
    if pages.is_empty() {
        return Err(Mishap::Broken("finding the kernel's pages"));
    }
    let page = *proof.random.choose(pages);
    let bytes = proof.block_bytes();
    let wanted = plan.access;
    let plan = Plan { access: Access::Read, blocks: 1, bytes, ..plan };
    let memory = (page, PAGE_SIZE);
    let start = Iova::new(page.as_u64());
    let target = Target::new(plan, start, Verdict::NeverMapped, memory, Hold::Nothing);
    let zeros_at = target.look().chunks(bytes as usize).position(|block| block.iter().all(|byte| *byte == 0));
    Ok(match (wanted, zeros_at, proof.zeros) {
        (Access::Write, Some(place), Some(block)) => {
            let plan = Plan { access: Access::Write, block, ..plan };
            let at = Iova::new(page.as_u64() + place as u64 * bytes);
            Target { plan, at, from: at, ..target }
        }
        _ => target,
    })
}

/// A buffer that the controller may use the other way only.
fn wrong_direction(proof: &Proof, plan: Plan, duty: Duty) -> Result<Target, Mishap> {
    let mut buffer = room(&plan)?;
    bait(proof, &plan, &mut buffer, plan.offset);
    let memory = (inspect::buffer(&buffer), buffer.len());
    let (base, hold) = if plan.access == Access::Write {
        let mapping = lend_to_read(proof, buffer)?;
        (mapping.iova().as_u64(), Hold::Readable(mapping, None))
    } else {
        let mapping = lend_to_write(proof, buffer)?;
        (mapping.iova().as_u64(), Hold::Writable(mapping, None))
    };
    let at = Iova::new(base + plan.offset);
    if duty == Duty::Harmless {
        let other = if plan.access == Access::Write { Access::Read } else { Access::Write };
        // Used the right way: the translation is cached. A comparison need not find what it compares with.
        let _ = proof.transfer(&Plan { access: other, ..plan }, at);
    }
    let target = Target::new(plan, at, Verdict::WrongDirection, memory, hold);
    Ok(Target { duty, ..target })
}
