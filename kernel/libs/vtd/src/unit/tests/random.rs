//! Random operations in numbers: maps, unmaps one by one and in batches, attachments, queue errors, and devices
//! at work all the while. After each round the unit, whatever it remembers, the reference walker and a plain
//! model agree on what every requester may reach.
//!
//! A few thousand operations by default, a million with `IVT_FULL=1`.

use std::collections::BTreeMap;
use std::vec::Vec;

use super::*;
use crate::invalidation::BatchPlan;
use crate::tables::{Stale, Unmapped};
use crate::testing::View;
use crate::testing::fake_unit::{Injection, Offer};
use crate::testing::walker::{WalkMemory, walk};

/// Operations by default, and in the full run.
const OPERATIONS: (usize, usize) = (16_000, 1_000_000);
/// Operations on one unit; the next is another.
const PER_UNIT: usize = 1_000;
/// Operations between two comparisons, and requests in each.
const PER_ROUND: usize = 8;
const PROBES: usize = 12;
/// Mappings that one batch takes back at most: more than can be named one by one.
const MOST_IN_BATCH: usize = 12;

/// Who asks, and for which domain it may be attached.
const REQUESTERS: [(SourceId, usize); 3] = [(DEVICE, 0), (OTHER_DEVICE, 0), (SourceId::from_bits(0x4100), 1)];
const DOMAINS: [DomainId; 2] = [DOMAIN, OTHER_DOMAIN];

/// Pages from [`IOVA`] on that are played with: those of ten tables, the edges of tables most of all.
const PAGES: u64 = 5120;

#[test]
fn everyone_agrees_on_who_reaches_what_after_any_operations() {
    let full = std::env::var("IVT_FULL").is_ok_and(|value| value == "1");
    let operations = if full { OPERATIONS.1 } else { OPERATIONS.0 };
    for (number, config) in (0..operations / PER_UNIT).zip(configs().into_iter().cycle()) {
        let mut world = World::new(config, number as u64);
        for _ in 0..PER_UNIT / PER_ROUND {
            for _ in 0..PER_ROUND {
                world.operate();
            }
            world.compare();
        }
        world.take_down();
    }
}

/// Units with and without a queue, drains, page-selective invalidation, caching mode and coherent walks.
fn configs() -> Vec<FakeConfig> {
    let config = FakeConfig::default();
    std::vec![
        config,
        FakeConfig { coherent_walks: Offer::Yes, max_address_mask: 18, ..config },
        FakeConfig { caching_mode: Offer::Yes, ..config },
        FakeConfig { page_selective: Offer::No, table_levels: 0b0010, ..config },
        FakeConfig { drains: Offer::No, max_address_mask: 0, ..config },
        FakeConfig { queue: Offer::No, ..config },
        FakeConfig { queue: Offer::No, drains: Offer::No, caching_mode: Offer::Yes, ..config },
        FakeConfig { table_levels: 0b1000, large_pages: 0, prefetch: 16, ..config },
    ]
}

/// Numbers that look random and are the same in every run (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn page(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(8),
            // The last pages of a table and the first of the next.
            1 => (1 + self.below(PAGES / 512 - 1)) * 512 + self.below(4) - 2,
            _ => self.below(PAGES),
        }
    }

    fn access(&mut self) -> Access {
        [Access::Read, Access::Write, Access::Atomic][self.below(3) as usize]
    }

    pub(super) fn requester(&mut self) -> usize {
        self.below(REQUESTERS.len() as u64) as usize
    }
}

/// A mapping of the model.
#[derive(Clone, Copy)]
struct Mapped {
    pages: u64,
    phys: u64,
    permissions: Permissions,
}

/// A domain: its tables, and what they should hold, by first page.
struct Space {
    stage: SecondStage,
    mapped: BTreeMap<u64, Mapped>,
}

impl Space {
    /// The mapping around a page, and its first page.
    fn around(&self, page: u64) -> Option<(u64, Mapped)> {
        let (&first, &mapping) = self.mapped.range(..=page).next_back()?;
        (page < first + mapping.pages).then_some((first, mapping))
    }

    fn is_free(&self, first: u64, pages: u64) -> bool {
        (first..first + pages).all(|page| self.around(page).is_none())
    }
}

struct World {
    bench: Bench,
    config: FakeConfig,
    spaces: Vec<Space>,
    attached: [bool; REQUESTERS.len()],
    dice: Dice,
}

fn iova_of(page: u64) -> Iova {
    Iova::new(IOVA.as_u64() + page * PAGE_SIZE)
}

/// Memory as the walker judges it: without anything remembered.
pub(super) struct Truth<'m>(pub(super) &'m FakeMemory);

impl WalkMemory for Truth<'_> {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        self.0.device_read(at, View::Coherent)
    }
}

impl World {
    fn new(config: FakeConfig, seed: u64) -> Self {
        let mut bench = Bench::enforcing(config);
        let unit = &bench.unit;
        let format =
            Format::of_unit(unit.levels().unwrap(), unit.capabilities(), unit.extended_capabilities());
        let spaces = DOMAINS.map(|_| Space {
            stage: SecondStage::new(&mut bench.memory, format).unwrap(),
            mapped: BTreeMap::new(),
        });
        let dice = Dice::new(seed);
        let mut world = Self { bench, config, spaces: spaces.into(), attached: [false; 3], dice };
        (0..REQUESTERS.len()).for_each(|requester| world.attach(requester));
        world
    }

    fn operate(&mut self) {
        let domain = self.dice.below(2) as usize;
        match self.dice.below(16) {
            0..=4 => self.map(domain),
            5..=6 => self.unmap(domain),
            7 => self.unmap_batch(domain),
            8 => {
                let requester = self.dice.requester();
                if self.attached[requester] { self.block(requester) } else { self.attach(requester) }
            }
            9 => self.start_write(),
            10 if self.config.queue == Offer::Yes && !self.spaces[domain].mapped.is_empty() => {
                let kinds = [Injection::BadDescriptor, Injection::AbortedWait, Injection::WrongCompletion];
                self.bench.fake.inject(kinds[self.dice.below(3) as usize]);
                self.unmap(domain);
            }
            _ => {
                // Warms caches for what comes.
                let (requester, page) = self.aim();
                let access = self.dice.access();
                let _ = self.bench.fake.dma(REQUESTERS[requester].0, iova_of(page), access);
            }
        }
    }

    /// A requester and a page for it to ask for: most often one that it may reach, or beside such a one.
    fn aim(&mut self) -> (usize, u64) {
        let (requester, page) = (self.dice.requester(), self.dice.page());
        let mapped = &self.spaces[REQUESTERS[requester].1].mapped;
        match mapped.range(page..).next() {
            Some((first, mapping)) if self.dice.below(4) > 0 => {
                (requester, first + self.dice.below(mapping.pages + 1))
            }
            _ => (requester, page),
        }
    }

    fn map(&mut self, domain: usize) {
        let (pages, first) = match self.dice.below(8) {
            0 => (512, self.dice.below(PAGES / 512) * 512),
            _ => (1 + self.dice.below(5), self.dice.page()),
        };
        let phys = TARGET.as_u64() + (self.dice.below(64) << 21) + first * PAGE_SIZE;
        let permissions = [Permissions::READ, Permissions::WRITE, Permissions::READ_WRITE];
        let permissions = permissions[self.dice.below(3) as usize];
        let space = &mut self.spaces[domain];
        let (iova, bytes) = (iova_of(first), pages * PAGE_SIZE);
        let memory = &mut self.bench.memory;
        let phys_start = PhysAddr::new(phys);
        let mapped = if space.stage.map_at_once(memory, (iova, phys_start), bytes, permissions) {
            Ok(())
        } else {
            space.stage.map(memory, iova, phys_start, bytes, permissions)
        };
        assert_eq!(mapped.is_ok(), space.is_free(first, pages), "{pages} pages from {first}");
        if mapped.is_ok() {
            space.mapped.insert(first, Mapped { pages, phys, permissions });
            let (unit, clock) = (&mut self.bench.unit, &self.bench.clock);
            unit.announce(&mut space.stage, DOMAINS[domain], (iova, bytes), memory, clock).unwrap();
        }
    }

    /// A mapping of a domain, taken from the model.
    fn pick(&mut self, domain: usize) -> Option<(Iova, u64)> {
        let from = self.dice.page();
        let mapped = &mut self.spaces[domain].mapped;
        let first = *mapped.range(from..).chain(mapped.iter()).next()?.0;
        Some((iova_of(first), mapped.remove(&first)?.pages))
    }

    /// Unmaps as the kernel does: in few steps where that goes, else the general way.
    fn unmap(&mut self, domain: usize) {
        let Some((iova, pages)) = self.pick(domain) else { return };
        let Bench { unit, memory, clock, .. } = &mut self.bench;
        let stage = &mut self.spaces[domain].stage;
        let bytes = pages * PAGE_SIZE;
        let (id, range) = (DOMAINS[domain], (iova, pages));
        if stage.unmap_at_once(memory, iova, bytes) {
            if !unit.after_unmap_at_once(id, range, memory) {
                unit.after_unmap(id, range, Stale::Range, memory, clock).unwrap();
            }
        } else {
            unit.unmap(stage, id, (iova, bytes), memory, clock).unwrap();
        }
        self.check_drained();
    }

    fn unmap_batch(&mut self, domain: usize) {
        let most = self.dice.below(MOST_IN_BATCH as u64) + 1;
        let picked: Vec<_> = (0..most).map_while(|_| self.pick(domain)).collect();
        let Bench { unit, memory, clock, .. } = &mut self.bench;
        let mut plan = BatchPlan::new(DOMAINS[domain], picked.len());
        let mut unlinked: Option<Unmapped> = None;
        let mut rest = &picked[..];
        while let [(iova, pages), ..] = rest {
            let stage = &mut self.spaces[domain].stage;
            let ranges = rest.iter().map(|(iova, pages)| (*iova, pages * PAGE_SIZE));
            let (done, unmapped) = match stage.unmap_run(memory, ranges) {
                (0, _) => (1, stage.unmap(memory, *iova, pages * PAGE_SIZE).unwrap()),
                run => run,
            };
            let (together, behind) = rest.split_at(done);
            together.iter().for_each(|range| plan.add(*range, unmapped.stale()));
            rest = behind;
            match &mut unlinked {
                Some(all) => all.join(memory, unmapped),
                None => unlinked = Some(unmapped),
            }
        }
        unit.after_batch(&plan, memory, clock).unwrap();
        if let Some(unlinked) = unlinked {
            unlinked.release(memory);
            self.check_drained();
        }
    }

    /// A write of an attached device under way: it lands whatever is unmapped meanwhile, unless drained.
    fn start_write(&mut self) {
        let (requester, page) = self.aim();
        let before = self.bench.fake.writes_in_flight();
        let started = self.bench.fake.start_write(REQUESTERS[requester].0, iova_of(page)).is_ok();
        assert_eq!(started, self.expected(requester, page, Access::Write).is_some());
        assert_eq!(self.bench.fake.writes_in_flight(), before + usize::from(started));
    }

    /// After an unmap no write is under way to what it gave back, if the unit can promise that.
    fn check_drained(&self) {
        if self.config.drains == Offer::Yes {
            assert_eq!(self.bench.fake.writes_in_flight(), 0);
        }
    }

    fn attach(&mut self, requester: usize) {
        let (source, domain) = REQUESTERS[requester];
        self.bench.attach((source, DOMAINS[domain]), &self.spaces[domain].stage).unwrap();
        self.attached[requester] = true;
    }

    fn block(&mut self, requester: usize) {
        let source = REQUESTERS[requester].0;
        self.bench.block(source).unwrap();
        self.attached[requester] = false;
    }

    /// What a request should reach.
    fn expected(&self, requester: usize, page: u64, access: Access) -> Option<PhysAddr> {
        let space = &self.spaces[REQUESTERS[requester].1];
        let (first, mapping) = space.around(page).filter(|_| self.attached[requester])?;
        let phys = PhysAddr::new(mapping.phys + (page - first) * PAGE_SIZE);
        mapping.permissions.allow(access).then_some(phys)
    }

    /// Compares unit, walker and model, and counts the pages.
    fn compare(&mut self) {
        let limits = self.bench.fake.walk_limits();
        for _ in 0..PROBES {
            let (requester, page) = self.aim();
            let access = self.dice.access();
            let (source, iova) = (REQUESTERS[requester].0, iova_of(page));
            let expected = self.expected(requester, page, access);
            let what = std::format!("{source}, page {page}, {access}, {:?}", self.config);
            assert_eq!(self.bench.fake.dma(source, iova, access).ok(), expected, "the unit: {what}");
            let truth = Truth(&self.bench.memory);
            let walked = walk(&truth, self.bench.root.address(), source, iova, access, &limits);
            assert_eq!(walked.ok().map(|found| found.phys), expected, "the walker: {what}");
        }
        let _ = self.bench.unit.fault_port().drain(&mut |_| {}, 256);
        let tables: u64 = self.spaces.iter().map(|space| space.stage.table_pages()).sum();
        assert_eq!(self.bench.memory.live_pages() as u64, tables + self.fixed_pages());
        let mapped =
            |space: &Space| space.mapped.values().map(|mapping| mapping.pages * PAGE_SIZE).sum::<u64>();
        assert!(self.spaces.iter().all(|space| space.stage.mapped_bytes() == mapped(space)));
    }

    /// Pages of the root table and the queue.
    fn fixed_pages(&self) -> u64 {
        let queue = if self.config.queue == Offer::Yes { 2 } else { 0 };
        self.bench.root.page_count() + queue
    }

    /// Gives everything back: nothing is left but what the unit itself needs.
    fn take_down(mut self) {
        for domain in 0..DOMAINS.len() {
            while !self.spaces[domain].mapped.is_empty() {
                self.unmap(domain);
            }
        }
        for requester in 0..REQUESTERS.len() {
            if self.attached[requester] {
                self.block(requester);
            }
        }
        self.compare();
        for space in &mut self.spaces {
            space.stage.release(&mut self.bench.memory);
        }
        assert_eq!(self.bench.memory.live_pages() as u64, self.fixed_pages());
    }
}
