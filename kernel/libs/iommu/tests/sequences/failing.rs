//! Random sequences on a unit of which any invalidation may fail, at any step, and any allocation: what was handed back
//! is reached by nobody, neither by what the unit remembers nor by the tables in memory.
//!
//! Memory that is handed back is never lent again, so whoever still reaches it shows; a table that was freed panics
//! when the unit reads it. A few thousand operations by default, a million with `IVT_FULL=1`.

use std::collections::BTreeSet;
use std::ops::Range;

use dma_types::{Access, Iova, PAGE_SIZE, PageSize, Permissions, PhysAddr, SourceId};
use iommu::{Error, FastUnmap, MapError, RemappingUnit, TableError};
use iova::{IovaAllocator, IovaRange};
use vtd::testing::fake_unit::{FakeConfig, Injection, Offer, Stuck};

use super::dice::{Dice, operations};
use super::machine::*;

/// Operations by default, and in the full run.
const OPERATIONS: (usize, usize) = (16_000, 1_000_000);
/// Operations on one unit; the next is another.
const PER_UNIT: usize = 400;

/// Room for a few pages in each of more tables than stay linked when they are empty.
const TABLES: u64 = 8;
const PER_TABLE: u64 = 6;
/// Mappings that one batch takes back at most.
const MOST_IN_BATCH: u64 = 5;

/// What may fail for a while, and is mended at some time.
const PARTS: [Stuck; 3] = [Stuck::Descriptors, Stuck::ContextRefusal, Stuck::IotlbRefusal];
/// What never answers, so that the unit is dead until it is brought up anew.
const DEATHS: [Stuck; 4] =
    [Stuck::QueueHead, Stuck::ContextInvalidation, Stuck::IotlbInvalidation, Stuck::WriteBuffer];
const KINDS: [Injection; 3] = [Injection::BadDescriptor, Injection::AbortedWait, Injection::WrongCompletion];

#[test]
fn nothing_that_was_handed_back_is_reached_whatever_fails() {
    let mut ends = Ends::default();
    for (number, config) in (0..operations(OPERATIONS) / PER_UNIT).zip(configs().into_iter().cycle()) {
        let mut world = World::new(config, number as u64);
        for _ in 0..PER_UNIT {
            world.operate();
            world.check();
        }
        world.take_down();
        ends.add(&world.ends);
    }
    // The test tests nothing unless all of this happens.
    assert!(ends.0.iter().all(|(_, count)| *count > 5), "{ends:?}");
}

fn configs() -> [FakeConfig; 5] {
    let config = FakeConfig::default();
    [
        config,
        FakeConfig { queue: Offer::No, ..config },
        FakeConfig { caching_mode: Offer::Yes, coherent_walks: Offer::Yes, ..config },
        FakeConfig { caching_mode: Offer::Yes, queue: Offer::No, ..config },
        FakeConfig { write_buffer_flush: Offer::Yes, page_selective: Offer::No, ..config },
    ]
}

/// The ways in which operations end.
const ENDS: [&str; 14] = [
    "mapped",
    "mapped fast",
    "taken back",
    "lost",
    "no memory",
    "unmapped",
    "unmapped fast",
    "kept",
    "batch",
    "batch kept",
    "blocked",
    "not blocked",
    "attached",
    "retired",
];

/// How often operations ended in which way.
#[derive(Clone, Debug)]
struct Ends([(&'static str, usize); ENDS.len()]);

impl Default for Ends {
    fn default() -> Self {
        Self(ENDS.map(|end| (end, 0)))
    }
}

impl Ends {
    fn note(&mut self, end: &str) {
        self.0.iter_mut().find(|(name, _)| *name == end).unwrap().1 += 1;
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|((_, all), (_, count))| *all += count);
    }
}

/// A domain, and what should hold in it.
struct Space {
    domain: Domain,
    room: IovaAllocator,
    lent: Vec<(IovaRange, PhysAddr)>,
    /// The unit may walk tables that were unlinked, and block what is mapped beside.
    tainted: bool,
}

struct World {
    machine: Machine,
    config: FakeConfig,
    spaces: Vec<Space>,
    /// By requester: the domain that it was put into.
    attached: [Option<usize>; REQUESTERS.len()],
    handed_back: BTreeSet<u64>,
    next_page: u64,
    dice: Dice,
    ends: Ends,
}

fn window(table: u64) -> Range<Iova> {
    far(table)..Iova::new(far(table).as_u64() + PER_TABLE * PAGE_SIZE)
}

/// Room in each table, and none between.
fn room() -> IovaAllocator {
    let between = (1..TABLES).map(|table| window(table - 1).end..window(table).start);
    IovaAllocator::new(window(0).start..window(TABLES - 1).end, between, window(0).start).unwrap()
}

impl Space {
    fn new(domain: Domain) -> Self {
        Self { domain, room: room(), lent: Vec::new(), tainted: false }
    }
}

impl World {
    fn new(config: FakeConfig, seed: u64) -> Self {
        let mut machine = Machine::new(config);
        let spaces = (0..2).map(|_| Space::new(machine.domain())).collect();
        Self {
            machine,
            config,
            spaces,
            attached: [None; REQUESTERS.len()],
            handed_back: BTreeSet::new(),
            next_page: TARGET.as_u64(),
            dice: Dice::new(seed),
            ends: Ends::default(),
        }
    }

    fn operate(&mut self) {
        let domain = self.dice.below(self.spaces.len() as u64) as usize;
        match self.dice.below(22) {
            0..=6 => self.map(domain),
            7..=9 => self.unmap(domain),
            10..=11 => self.unmap_batch(domain),
            12..=13 => self.block(),
            14..=15 => self.attach(domain),
            16 => self.retire(domain),
            17 => self.fail(),
            18..=19 => self.mend(),
            20 => self.machine.memory.fail_allocation(self.dice.below(4) as usize),
            _ => {}
        }
    }

    /// Has something go wrong from here on.
    fn fail(&mut self) {
        match self.dice.below(8) {
            0..=3 => self.machine.fake.break_part(self.dice.pick(&PARTS)),
            4 => self.machine.fake.break_part(self.dice.pick(&DEATHS)),
            _ if self.config.queue == Offer::Yes => {
                let kind = self.dice.pick(&KINDS);
                // Three are as many as one invalidation is tried.
                let errors = self.dice.pick(&[1, 2, 3, 3, 3, 4]);
                (0..errors).for_each(|_| self.machine.fake.inject(kind));
            }
            _ => {}
        }
    }

    fn mend(&mut self) {
        self.machine.fake.mend();
        if self.machine.controller.unit().is_dead() {
            // As an error of the old queue may still come, so may the next bring-up fail.
            let _ = self.machine.bring_up_again();
        }
    }

    fn map(&mut self, domain: usize) {
        let space = &mut self.spaces[domain];
        let Ok(range) = space.room.allocate(1, PageSize::Size4K) else { return };
        let phys = PhysAddr::new(self.next_page);
        self.next_page += PAGE_SIZE;
        let (at, rw) = ((range.start(), phys), Permissions::READ_WRITE);
        if space.domain.map_fast(at, PAGE_SIZE, rw) {
            space.lent.push((range, phys));
            return self.ends.note("mapped fast");
        }
        match space.domain.map(&mut self.machine.controller, at, PAGE_SIZE, rw) {
            Ok(()) => {
                space.lent.push((range, phys));
                self.ends.note("mapped");
            }
            Err(Error::NotNoted(_)) => {
                self.handed_back.insert(phys.as_u64());
                space.room.free(range).unwrap();
                self.ends.note("taken back");
            }
            Err(Error::Map(MapError::OutOfMemory)) => {
                self.handed_back.insert(phys.as_u64());
                space.room.free(range).unwrap();
                self.ends.note("no memory");
            }
            // The range is nobody's any more.
            Err(Error::Unconfirmed(_)) => {
                space.tainted = true;
                self.ends.note("lost");
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// A mapping of a domain, taken from the model.
    fn pick(&mut self, domain: usize) -> Option<(IovaRange, PhysAddr)> {
        let lent = &mut self.spaces[domain].lent;
        (!lent.is_empty()).then(|| lent.swap_remove(self.dice.below(lent.len() as u64) as usize))
    }

    fn unmap(&mut self, domain: usize) {
        let Some((range, phys)) = self.pick(domain) else { return };
        let (space, controller) = (&mut self.spaces[domain], &mut self.machine.controller);
        let progress = space.domain.unmap_fast(controller, range.start(), PAGE_SIZE);
        match space.domain.unmap_slow(controller, progress, range.start(), PAGE_SIZE) {
            Ok(()) => {
                self.handed_back.insert(phys.as_u64());
                space.room.free(range).unwrap();
                self.ends.note(if progress == FastUnmap::Done { "unmapped fast" } else { "unmapped" });
            }
            Err(Error::Unconfirmed(_)) => {
                space.tainted = true;
                self.ends.note("kept");
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn unmap_batch(&mut self, domain: usize) {
        let most = 1 + self.dice.below(MOST_IN_BATCH);
        let picked = (0..most).map_while(|_| self.pick(domain));
        let (ranges, memory): (Vec<_>, Vec<_>) = picked.collect::<Vec<_>>().into_iter().unzip();
        let space = &mut self.spaces[domain];
        match space.domain.unmap_all(&mut self.machine.controller, &ranges) {
            Ok(()) => {
                self.handed_back.extend(memory.into_iter().map(PhysAddr::as_u64));
                space.room.free_all(ranges).unwrap();
                self.ends.note("batch");
            }
            Err(Error::Unconfirmed(_)) => {
                space.tainted = true;
                self.ends.note("batch kept");
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Blocks one requester, or several that are cut off together.
    fn block(&mut self) {
        let first = self.dice.below(REQUESTERS.len() as u64) as usize;
        let together = first..(first + 1 + self.dice.below(2) as usize).min(REQUESTERS.len());
        let sources = REQUESTERS[together.clone()].iter().copied();
        let blocked = self.machine.controller.block(sources);
        together.for_each(|requester| self.attached[requester] = None);
        self.ends.note(if blocked.is_ok() { "blocked" } else { "not blocked" });
    }

    fn attach(&mut self, domain: usize) {
        let requester = self.dice.below(REQUESTERS.len() as u64) as usize;
        let attached = self.machine.controller.attach(&self.spaces[domain].domain, REQUESTERS[requester]);
        match (attached, self.attached[requester]) {
            (Ok(()), before) => {
                assert!(before.is_none_or(|before| before == domain));
                self.attached[requester] = Some(domain);
                self.ends.note("attached");
            }
            (Err(Error::Tables(TableError::AlreadyAttached(_))), Some(before)) => assert_ne!(before, domain),
            (Err(Error::Unconfirmed(_) | Error::Tables(TableError::OutOfMemory)), before) => {
                assert!(before != Some(domain));
            }
            (Err(error), _) => panic!("{error}"),
        }
    }

    /// Ends a domain, if the unit has forgotten it, and makes another.
    fn retire(&mut self, domain: usize) {
        let Self { machine, spaces, .. } = self;
        match machine.controller.retire(&mut spaces[domain].domain) {
            Ok(()) => {
                let next = [(); 9].into_iter().find_map(|()| machine.controller.new_domain().ok());
                let old = core::mem::replace(&mut spaces[domain], Space::new(next.unwrap()));
                self.handed_back.extend(old.lent.into_iter().map(|(_, phys)| phys.as_u64()));
                self.ends.note("retired");
            }
            Err(Error::StillAttached(source)) => {
                let attached = REQUESTERS.iter().position(|requester| *requester == source).unwrap();
                assert_eq!(self.attached[attached], Some(domain));
            }
            Err(Error::Unconfirmed(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Has everybody ask for everything.
    fn check(&mut self) {
        for (source, attached) in REQUESTERS.into_iter().zip(self.attached) {
            for table in 0..TABLES {
                for page in 0..PER_TABLE {
                    self.check_page(source, Iova::new(far(table).as_u64() + page * PAGE_SIZE));
                }
            }
            self.check_lent(source, attached);
        }
        self.machine.drain_faults();
    }

    fn check_page(&self, source: SourceId, iova: Iova) {
        let reached = self.machine.reached(source, iova, Access::Read);
        let walked = self.machine.walked(source, iova, Access::Read);
        for phys in [reached, walked].into_iter().flatten() {
            let back = self.handed_back.contains(&phys.as_u64());
            assert!(!back, "{source} reaches {phys} at {iova}, {:?}", self.config);
        }
    }

    /// What is lent and was confirmed is reached, so that the test does not pass because nothing is.
    fn check_lent(&self, source: SourceId, attached: Option<usize>) {
        let space = attached.map(|domain| &self.spaces[domain]).filter(|space| !space.tainted);
        for (range, phys) in space.into_iter().flat_map(|space| &space.lent) {
            let (iova, expected) = (range.start(), Some(*phys));
            assert_eq!(self.machine.reached(source, iova, Access::Read), expected, "{:?}", self.config);
            assert_eq!(self.machine.walked(source, iova, Access::Read), expected, "{:?}", self.config);
        }
    }

    /// Once all is mended, everything that was not lost comes back.
    fn take_down(&mut self) {
        self.machine.fake.mend();
        // Errors that are still to come hit some of the first tries.
        let tries = 0..10;
        assert!(tries.clone().any(|_| self.machine.bring_up_again()), "{:?}", self.config);
        assert!(tries.clone().any(|_| self.machine.controller.block(REQUESTERS).is_ok()));
        self.attached = [None; REQUESTERS.len()];
        for space in &mut self.spaces {
            let Space { domain, lent, .. } = space;
            assert!(tries.clone().any(|_| self.machine.controller.retire(domain).is_ok()));
            self.handed_back.extend(lent.drain(..).map(|(_, phys)| phys.as_u64()));
        }
        assert_eq!(self.machine.controller.domains(), 0);
        self.check();
    }
}
