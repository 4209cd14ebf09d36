//! Random sequences in numbers: maps, unmaps one by one and in batches, attachments, queue errors, and devices at work
//! all the while. After each round the unit, whatever it remembers, the reference walker and a plain model agree on
//! what every requester may reach.
//!
//! A few thousand operations by default, a million with `IVT_FULL=1`.

use dma_types::{Access, Iova, PAGE_SIZE, PageSize, Permissions, PhysAddr};
use iova::{IovaAllocator, IovaRange};
use vtd::testing::fake_unit::{FakeConfig, Injection, Offer};

use super::dice::{Dice, operations};
use super::machine::*;

/// Operations by default, and in the full run.
const OPERATIONS: (usize, usize) = (16_000, 1_000_000);
/// Operations on one unit; the next is another.
const PER_UNIT: usize = 1_000;
/// Operations between two comparisons, and requests in each.
const PER_ROUND: usize = 8;
const PROBES: usize = 12;
/// Mappings that one batch takes back at most: more than can be named one by one.
const MOST_IN_BATCH: u64 = 12;
/// Mappings of a domain at once: those of several tables.
const MOST_MAPPED: usize = 1_500;

/// The domain that each requester may be attached to.
const DOMAIN_OF: [usize; REQUESTERS.len()] = [0, 0, 1];

#[test]
fn everyone_agrees_on_who_reaches_what_after_any_operations() {
    for (number, config) in (0..operations(OPERATIONS) / PER_UNIT).zip(configs().into_iter().cycle()) {
        let mut world = World::new(config, number as u64);
        for _ in 0..PER_UNIT / PER_ROUND {
            (0..PER_ROUND).for_each(|_| world.operate());
            world.compare();
        }
        world.take_down();
    }
}

/// Units with and without a queue, drains, page-selective invalidation, caching mode and coherent walks.
fn configs() -> [FakeConfig; 8] {
    let config = FakeConfig::default();
    [
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

/// A mapping of the model.
struct Mapped {
    range: IovaRange,
    phys: u64,
    permissions: Permissions,
}

/// A domain, and what should hold in it.
struct Space {
    domain: Domain,
    room: IovaAllocator,
    mapped: Vec<Mapped>,
}

struct World {
    machine: Machine,
    config: FakeConfig,
    spaces: Vec<Space>,
    attached: [bool; REQUESTERS.len()],
    dice: Dice,
}

impl World {
    fn new(config: FakeConfig, seed: u64) -> Self {
        let mut machine = Machine::new(config);
        let window = IOVA..Iova::new(1 << 30);
        let mut space = |start| Space {
            domain: machine.domain(),
            room: IovaAllocator::new(window.clone(), [], start).unwrap(),
            mapped: Vec::new(),
        };
        // The second begins shortly before the end of a table.
        let spaces = vec![space(IOVA), space(Iova::new(0x3f_8000))];
        let mut world = Self { machine, config, spaces, attached: [false; 3], dice: Dice::new(seed) };
        (0..REQUESTERS.len()).for_each(|requester| world.attach(requester));
        // So many that the domains have several tables from the start.
        (0..600).for_each(|number| world.map(number % 2));
        world
    }

    fn operate(&mut self) {
        let domain = self.dice.below(2) as usize;
        match self.dice.below(16) {
            0..=4 => self.map(domain),
            5..=6 => self.unmap(domain),
            7 => self.unmap_batch(domain),
            8 => {
                let requester = self.requester();
                if self.attached[requester] { self.block(requester) } else { self.attach(requester) }
            }
            9 => self.start_write(),
            10 if self.config.queue == Offer::Yes && !self.spaces[domain].mapped.is_empty() => {
                let kinds = [Injection::BadDescriptor, Injection::AbortedWait, Injection::WrongCompletion];
                self.machine.fake.inject(self.dice.pick(&kinds));
                self.unmap(domain);
            }
            _ => {
                // Warms caches for what comes.
                let (requester, iova) = self.aim();
                let access = self.access();
                let _ = self.machine.reached(REQUESTERS[requester], iova, access);
            }
        }
    }

    fn requester(&mut self) -> usize {
        self.dice.below(REQUESTERS.len() as u64) as usize
    }

    fn access(&mut self) -> Access {
        self.dice.pick(&[Access::Read, Access::Write, Access::Atomic])
    }

    /// A requester and a page for it to ask for: most often one that it may reach, or beside such a one.
    fn aim(&mut self) -> (usize, Iova) {
        let requester = self.requester();
        let mapped = &self.spaces[DOMAIN_OF[requester]].mapped;
        if mapped.is_empty() || self.dice.below(8) == 0 {
            return (requester, Iova::new(IOVA.as_u64() + self.dice.below(5120) * PAGE_SIZE));
        }
        let range = &mapped[self.dice.below(mapped.len() as u64) as usize].range;
        (requester, Iova::new(range.start().as_u64() + self.dice.below(range.pages() + 1) * PAGE_SIZE))
    }

    fn map(&mut self, domain: usize) {
        let (pages, alignment) = match self.dice.below(16) {
            0 => (512, PageSize::Size2M),
            _ => (1 + self.dice.below(5), PageSize::Size4K),
        };
        let phys = TARGET.as_u64()
            + (self.dice.below(64) << 21)
            + if pages == 512 { 0 } else { self.dice.below(500) << 12 };
        let permissions = self.dice.pick(&[Permissions::READ, Permissions::WRITE, Permissions::READ_WRITE]);
        let space = &mut self.spaces[domain];
        if space.mapped.len() == MOST_MAPPED {
            return;
        }
        let Ok(range) = space.room.allocate(pages, alignment) else { return };
        let at = (range.start(), PhysAddr::new(phys));
        if !space.domain.map_fast(at, range.length(), permissions) {
            space.domain.map(&mut self.machine.controller, at, range.length(), permissions).unwrap();
        }
        space.mapped.push(Mapped { range, phys, permissions });
    }

    /// A mapping of a domain, taken from the model.
    fn pick(&mut self, domain: usize) -> Option<IovaRange> {
        let mapped = &mut self.spaces[domain].mapped;
        (!mapped.is_empty()).then(|| mapped.swap_remove(self.dice.below(mapped.len() as u64) as usize).range)
    }

    fn unmap(&mut self, domain: usize) {
        let Some(range) = self.pick(domain) else { return };
        let (space, controller) = (&mut self.spaces[domain], &mut self.machine.controller);
        let (start, bytes) = (range.start(), range.length());
        let progress = space.domain.unmap_fast(controller, start, bytes);
        space.domain.unmap_slow(controller, progress, start, bytes).unwrap();
        space.room.free(range).unwrap();
        self.check_drained();
    }

    fn unmap_batch(&mut self, domain: usize) {
        let most = 1 + self.dice.below(MOST_IN_BATCH);
        let mut picked: Vec<_> = (0..most).map_while(|_| self.pick(domain)).collect();
        if self.dice.below(2) == 0 {
            // Neighbours, so that runs are cleared at once.
            picked.sort_by_key(IovaRange::start);
        }
        let space = &mut self.spaces[domain];
        space.domain.unmap_all(&mut self.machine.controller, &picked).unwrap();
        space.room.free_all(picked).unwrap();
        self.check_drained();
    }

    /// A write of an attached device under way: it lands whatever is unmapped meanwhile, unless drained.
    fn start_write(&mut self) {
        let (requester, iova) = self.aim();
        let before = self.machine.fake.writes_in_flight();
        let started = self.machine.fake.start_write(REQUESTERS[requester], iova).is_ok();
        assert_eq!(started, self.expected(requester, iova, Access::Write).is_some());
        assert_eq!(self.machine.fake.writes_in_flight(), before + usize::from(started));
    }

    /// After an unmap no write is under way to what it gave back, if the unit can promise that.
    fn check_drained(&self) {
        if self.config.drains == Offer::Yes {
            assert_eq!(self.machine.fake.writes_in_flight(), 0);
        }
    }

    fn attach(&mut self, requester: usize) {
        let domain = &self.spaces[DOMAIN_OF[requester]].domain;
        self.machine.controller.attach(domain, REQUESTERS[requester]).unwrap();
        self.attached[requester] = true;
    }

    fn block(&mut self, requester: usize) {
        self.machine.controller.block([REQUESTERS[requester]]).unwrap();
        self.attached[requester] = false;
    }

    /// What a request should reach.
    fn expected(&self, requester: usize, iova: Iova, access: Access) -> Option<PhysAddr> {
        let mut mapped = self.spaces[DOMAIN_OF[requester]].mapped.iter().filter(|_| self.attached[requester]);
        let around = mapped.find(|mapped| (mapped.range.start()..mapped.range.end()).contains(&iova))?;
        let phys = around.phys + (iova.as_u64() - around.range.start().as_u64());
        around.permissions.allow(access).then_some(PhysAddr::new(phys))
    }

    /// Compares unit, walker and model, and counts the pages.
    fn compare(&mut self) {
        for _ in 0..PROBES {
            let (requester, iova) = self.aim();
            let access = self.access();
            let (source, expected) = (REQUESTERS[requester], self.expected(requester, iova, access));
            let what = format!("{source}, {iova}, {access}, {:?}", self.config);
            assert_eq!(self.machine.reached(source, iova, access), expected, "the unit: {what}");
            assert_eq!(self.machine.walked(source, iova, access), expected, "the walker: {what}");
        }
        self.machine.drain_faults();
        let stages = || self.spaces.iter().map(|space| space.domain.tables().stage());
        let tables: u64 = stages().map(|stage| stage.table_pages()).sum();
        assert_eq!(self.machine.memory.live_pages() as u64, tables + self.fixed_pages());
        let mapped = |space: &Space| space.mapped.iter().map(|mapped| mapped.range.length()).sum::<u64>();
        assert!(stages().map(|stage| stage.mapped_bytes()).eq(self.spaces.iter().map(mapped)));
    }

    /// Pages of the root table and the queue.
    fn fixed_pages(&self) -> u64 {
        let queue = if self.config.queue == Offer::Yes { 2 } else { 0 };
        self.machine.controller.unit().roots().page_count() + queue
    }

    /// Gives everything back: nothing is left but what the unit itself needs.
    fn take_down(mut self) {
        for domain in 0..self.spaces.len() {
            while !self.spaces[domain].mapped.is_empty() {
                self.unmap(domain);
            }
        }
        self.machine.controller.block(REQUESTERS).unwrap();
        self.attached = [false; REQUESTERS.len()];
        self.compare();
        for space in &mut self.spaces {
            self.machine.controller.retire(&mut space.domain).unwrap();
        }
        assert_eq!(self.machine.memory.live_pages() as u64, self.fixed_pages());
    }
}
