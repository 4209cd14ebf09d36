//! Random operations on a unit of which any invalidation may fail, at any step, and later succeed: what was handed
//! back is reached by nobody, neither by what the unit remembers nor by the tables in memory.
//!
//! Memory that is handed back is never lent again, so whoever still reaches it shows; a table that was freed panics
//! when the unit reads it. A few thousand operations by default, a million with `IVT_FULL=1`.

use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use super::random::{Dice, Truth};
use super::*;
use crate::tables::Stale;
use crate::testing::fake_unit::{Injection, Offer, Stuck};
use crate::testing::walker::walk;
use crate::unit::{AnnounceError, RetireError, TakeBackError};

/// Operations by default, and in the full run.
const OPERATIONS: (usize, usize) = (16_000, 1_000_000);
/// Operations on one unit; the next is another.
const PER_UNIT: usize = 400;

/// Buses with one requester and with two.
const REQUESTERS: [SourceId; 3] = [DEVICE, OTHER_DEVICE, SourceId::from_bits(0x4100)];
const DOMAINS: [DomainId; 2] = [DOMAIN, OTHER_DOMAIN];

/// Pages that are played with: few of each of more tables than stay linked when they are empty.
const TABLES: u64 = 8;
const PER_TABLE: u64 = 3;
const PAGES: u64 = TABLES * PER_TABLE;

/// What may fail for a while, and is mended at some time.
const PARTS: [Stuck; 3] = [Stuck::Descriptors, Stuck::ContextRefusal, Stuck::IotlbRefusal];
/// What never answers, so that the unit is dead until it is brought up anew.
const DEATHS: [Stuck; 4] =
    [Stuck::QueueHead, Stuck::ContextInvalidation, Stuck::IotlbInvalidation, Stuck::WriteBuffer];
const KINDS: [Injection; 3] = [Injection::BadDescriptor, Injection::AbortedWait, Injection::WrongCompletion];

#[test]
fn nothing_that_was_handed_back_is_reached_whatever_fails() {
    let full = std::env::var("IVT_FULL").is_ok_and(|value| value == "1");
    let operations = if full { OPERATIONS.1 } else { OPERATIONS.0 };
    let mut ends = Ends::default();
    for (number, config) in (0..operations / PER_UNIT).zip(configs().into_iter().cycle()) {
        let mut world = World::new(config, number as u64);
        for _ in 0..PER_UNIT {
            world.operate();
            world.check();
        }
        world.take_down();
        ends.add(&world.ends);
    }
    // The test tests nothing unless all of this happens.
    let Ends { mapped, taken_back, lost, unmapped, kept, blocked, unblocked, attached, refused, retired } =
        ends;
    for count in [mapped, taken_back, lost, unmapped, kept, blocked, unblocked, attached, refused, retired] {
        assert!(count > 5, "{ends:?}");
    }
}

fn configs() -> Vec<FakeConfig> {
    let config = FakeConfig::default();
    std::vec![
        config,
        FakeConfig { queue: Offer::No, ..config },
        FakeConfig { caching_mode: Offer::Yes, coherent_walks: Offer::Yes, ..config },
        FakeConfig { caching_mode: Offer::Yes, queue: Offer::No, ..config },
        FakeConfig { write_buffer_flush: Offer::Yes, page_selective: Offer::No, ..config },
    ]
}

/// How often operations ended in which way.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    mapped: usize,
    taken_back: usize,
    lost: usize,
    unmapped: usize,
    kept: usize,
    blocked: usize,
    unblocked: usize,
    attached: usize,
    refused: usize,
    retired: usize,
}

impl Ends {
    fn add(&mut self, other: &Self) {
        self.mapped += other.mapped;
        self.taken_back += other.taken_back;
        self.lost += other.lost;
        self.unmapped += other.unmapped;
        self.kept += other.kept;
        self.blocked += other.blocked;
        self.unblocked += other.unblocked;
        self.attached += other.attached;
        self.refused += other.refused;
        self.retired += other.retired;
    }
}

/// A domain of the model.
struct Space {
    stage: SecondStage,
    /// Page to the memory that is lent there.
    lent: BTreeMap<u64, PhysAddr>,
    /// Pages that are nobody's any more.
    lost: BTreeSet<u64>,
    /// The unit may walk tables that were unlinked, and block what is mapped beside.
    tainted: bool,
}

struct World {
    bench: Bench,
    config: FakeConfig,
    spaces: Vec<Space>,
    /// By requester: the domain that it was put into, and whose table.
    attached: [Option<usize>; REQUESTERS.len()],
    handed_back: BTreeSet<u64>,
    next_page: u64,
    dice: Dice,
    ends: Ends,
}

fn iova_of(page: u64) -> Iova {
    let (table, index) = (page / PER_TABLE, page % PER_TABLE);
    Iova::new(IOVA.as_u64() + (table << 30) + index * PAGE_SIZE)
}

impl World {
    fn new(config: FakeConfig, seed: u64) -> Self {
        let mut bench = Bench::enforcing(config);
        let spaces = DOMAINS.map(|_| Self::space(&mut bench)).into();
        let dice = Dice::new(seed);
        let (attached, handed_back, ends) = ([None; REQUESTERS.len()], BTreeSet::new(), Ends::default());
        Self { bench, config, spaces, attached, handed_back, next_page: TARGET.as_u64(), dice, ends }
    }

    fn space(bench: &mut Bench) -> Space {
        let unit = &bench.unit;
        let format =
            Format::of_unit(unit.levels().unwrap(), unit.capabilities(), unit.extended_capabilities());
        let stage = SecondStage::new(&mut bench.memory, format).unwrap();
        Space { stage, lent: BTreeMap::new(), lost: BTreeSet::new(), tainted: false }
    }

    fn operate(&mut self) {
        let domain = self.dice.below(DOMAINS.len() as u64) as usize;
        match self.dice.below(20) {
            0..=4 => self.map(domain),
            5..=8 => self.unmap(domain),
            9..=10 => self.block(),
            11..=12 => self.attach(domain),
            13 => self.retire(domain),
            14 => self.fail(),
            15..=16 => self.mend(),
            _ => {}
        }
    }

    /// Has something go wrong from here on.
    fn fail(&mut self) {
        match self.dice.below(8) {
            0..=3 => self.bench.fake.break_part(PARTS[self.dice.below(3) as usize]),
            4 => self.bench.fake.break_part(DEATHS[self.dice.below(4) as usize]),
            _ if self.config.queue == Offer::Yes => {
                let kind = KINDS[self.dice.below(3) as usize];
                (0..=self.dice.below(4)).for_each(|_| self.bench.fake.inject(kind));
            }
            _ => {}
        }
    }

    fn mend(&mut self) {
        self.bench.fake.mend();
        if self.bench.unit.is_dead() {
            // As an error of the old queue may still come, so may the next bring-up fail.
            let _ = self.bench.bring_up();
        }
    }

    fn map(&mut self, domain: usize) {
        let page = self.dice.below(PAGES);
        let space = &mut self.spaces[domain];
        if space.lent.contains_key(&page) || space.lost.contains(&page) {
            return;
        }
        let phys = PhysAddr::new(self.next_page);
        self.next_page += PAGE_SIZE;
        let Bench { unit, memory, clock, .. } = &mut self.bench;
        space.stage.map(memory, iova_of(page), phys, PAGE_SIZE, Permissions::READ_WRITE).unwrap();
        let range = (iova_of(page), PAGE_SIZE);
        match unit.announce(&mut space.stage, DOMAINS[domain], range, memory, clock) {
            Ok(()) => {
                space.lent.insert(page, phys);
                self.ends.mapped += 1;
            }
            Err(AnnounceError::TakenBack(_)) => {
                self.handed_back.insert(phys.as_u64());
                self.ends.taken_back += 1;
            }
            Err(AnnounceError::Unconfirmed(_)) => {
                space.lost.insert(page);
                space.tainted = true;
                self.ends.lost += 1;
            }
        }
    }

    /// Unmaps as the kernel does: in few steps where that goes, else the general way.
    fn unmap(&mut self, domain: usize) {
        let from = self.dice.below(PAGES);
        let space = &mut self.spaces[domain];
        let Some((&page, &phys)) = space.lent.range(from..).next() else { return };
        space.lent.remove(&page);
        let (id, iova) = (DOMAINS[domain], iova_of(page));
        let Bench { unit, memory, clock, .. } = &mut self.bench;
        let forgotten = if space.stage.unmap_at_once(memory, iova, PAGE_SIZE) {
            let range = (iova, 1);
            if unit.after_unmap_at_once(id, range, memory) {
                Ok(())
            } else {
                unit.after_unmap(id, range, Stale::Range, memory, clock).map_err(TakeBackError::from)
            }
        } else {
            unit.unmap(&mut space.stage, id, (iova, PAGE_SIZE), memory, clock)
        };
        match forgotten {
            Ok(()) => {
                self.handed_back.insert(phys.as_u64());
                self.ends.unmapped += 1;
            }
            Err(TakeBackError::Invalidation(_)) => {
                space.lost.insert(page);
                space.tainted = true;
                self.ends.kept += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn block(&mut self) {
        let requester = self.dice.requester();
        let blocked = self.bench.block(REQUESTERS[requester]);
        self.attached[requester] = None;
        match blocked {
            Ok(()) => self.ends.blocked += 1,
            Err(_) => self.ends.unblocked += 1,
        }
    }

    fn attach(&mut self, domain: usize) {
        let requester = self.dice.requester();
        if self.attached[requester].is_some() {
            return;
        }
        let who = (REQUESTERS[requester], DOMAINS[domain]);
        match self.bench.attach(who, &self.spaces[domain].stage) {
            Ok(()) => {
                self.attached[requester] = Some(domain);
                self.ends.attached += 1;
            }
            Err(AttachError::Invalidation(_)) => self.ends.refused += 1,
            Err(error) => panic!("{error}"),
        }
    }

    /// Ends a domain and makes another of the same number, if the unit has forgotten it.
    fn retire(&mut self, domain: usize) {
        let Bench { unit, root, memory, clock, .. } = &mut self.bench;
        match unit.retire(root, DOMAINS[domain], memory, clock) {
            Ok(()) => {
                let next = Self::space(&mut self.bench);
                let mut old = core::mem::replace(&mut self.spaces[domain], next);
                old.stage.release(&mut self.bench.memory);
                self.handed_back.extend(old.lent.into_values().map(PhysAddr::as_u64));
                self.ends.retired += 1;
            }
            Err(RetireError::StillAttached(source)) => {
                let attached = REQUESTERS.iter().position(|requester| *requester == source).unwrap();
                assert_eq!(self.attached[attached], Some(domain));
            }
            Err(RetireError::Invalidation(_)) => {}
        }
    }

    /// Has everybody ask for everything.
    fn check(&mut self) {
        let limits = self.bench.fake.walk_limits();
        for (source, attached) in REQUESTERS.into_iter().zip(self.attached) {
            for page in 0..PAGES {
                let reached = self.bench.fake.dma(source, iova_of(page), Access::Read).ok();
                let truth = Truth(&self.bench.memory);
                let root = self.bench.root.address();
                let walked = walk(&truth, root, source, iova_of(page), Access::Read, &limits);
                let walked = walked.ok().map(|found| found.phys);
                for phys in [reached, walked].into_iter().flatten() {
                    let back = self.handed_back.contains(&phys.as_u64());
                    assert!(!back, "{source} reaches {phys}, page {page}, {:?}", self.config);
                }
                self.check_lent(attached, page, (reached, walked));
            }
        }
        let _ = self.bench.unit.fault_port().drain(&mut |_| {}, 256);
    }

    /// What is lent and was confirmed is reached, so that the test does not pass because nothing is.
    fn check_lent(&self, attached: Option<usize>, page: u64, found: (Option<PhysAddr>, Option<PhysAddr>)) {
        let space = attached.map(|domain| &self.spaces[domain]).filter(|space| !space.tainted);
        if let Some(phys) = space.and_then(|space| space.lent.get(&page)) {
            assert_eq!(found, (Some(*phys), Some(*phys)), "page {page}, {:?}", self.config);
        }
    }

    /// Once all is mended, everything that was not lost comes back.
    fn take_down(&mut self) {
        self.bench.fake.mend();
        // Errors that are still to come hit some of the first tries.
        let tries = 0..10;
        assert!(tries.clone().any(|_| self.bench.bring_up().is_ok()), "{:?}", self.config);
        for source in REQUESTERS {
            assert!(tries.clone().any(|_| self.bench.block(source).is_ok()), "{:?}", self.config);
        }
        for id in DOMAINS {
            let Bench { unit, root, memory, clock, .. } = &mut self.bench;
            assert!(tries.clone().any(|_| unit.retire(root, id, memory, clock).is_ok()));
        }
        for space in &mut self.spaces {
            space.stage.release(&mut self.bench.memory);
        }
        self.attached = [None; REQUESTERS.len()];
        self.spaces.clear();
        self.check();
    }
}
