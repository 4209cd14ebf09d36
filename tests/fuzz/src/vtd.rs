//! A unit of which any invalidation may fail, at any step, and later succeed.
//!
//! Memory that was handed back is never lent again, so whoever still reaches it shows; a table that was freed panics
//! when the unit reads it.

use std::collections::BTreeSet;

use dma_types::{Access, Iova, MsiMessage, PAGE_SIZE, PageSize, Permissions, PhysAddr, SourceId};
use iommu::{Controller, Domain, Error, MapError, RemappingUnit, TableError};
use iova::{IovaAllocator, IovaRange};
use vtd::testing::fake_unit::{FakeConfig, FakeUnit, Injection, Offer, Stuck};
use vtd::testing::walker::{WalkMemory, walk};
use vtd::testing::{FakeClock, FakeMemory, View};
use vtd::{ActiveUnit, DomainTables, Unit};

use crate::Bytes;

/// Operations at most.
const MOST: usize = 400;
const MESSAGE: MsiMessage = MsiMessage { address: 0xfee0_1000, data: 0x4031 };
/// Buses with two requesters and with one.
const REQUESTERS: [SourceId; 3] =
    [SourceId::from_bits(0x0018), SourceId::from_bits(0x0020), SourceId::from_bits(0x4100)];
const DOMAINS: usize = 2;

/// Pages that are played with: few of each of more tables than stay linked when they are empty.
const TABLES: usize = 8;
const PER_TABLE: usize = 6;
const PAGES: usize = TABLES * PER_TABLE;

/// What may not work for a while: the first three refuse, the others never answer.
const PARTS: [Stuck; 7] = [
    Stuck::Descriptors,
    Stuck::ContextRefusal,
    Stuck::IotlbRefusal,
    Stuck::QueueHead,
    Stuck::ContextInvalidation,
    Stuck::IotlbInvalidation,
    Stuck::WriteBuffer,
];
const ERRORS: [Injection; 3] = [Injection::BadDescriptor, Injection::AbortedWait, Injection::WrongCompletion];

/// Whatever fails: nothing that was handed back is reached, neither by what the unit remembers nor by the tables.
pub fn check(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut world = World::new(config(bytes.byte()));
    for _ in 0..MOST {
        if bytes.is_empty() {
            break;
        }
        world.operate(&mut bytes);
        world.check();
    }
    world.take_down();
}

fn config(bits: u8) -> FakeConfig {
    let offer = |bit: u32| if bits >> bit & 1 == 0 { Offer::No } else { Offer::Yes };
    FakeConfig {
        queue: if bits & 1 == 0 { Offer::Yes } else { Offer::No },
        caching_mode: offer(1),
        coherent_walks: offer(2),
        write_buffer_flush: offer(3),
        page_selective: offer(4),
        drains: offer(5),
        table_levels: if bits & 0x40 == 0 { 0b0110 } else { 0b1000 },
        max_address_mask: if bits & 0x80 == 0 { 9 } else { 0 },
        ..FakeConfig::default()
    }
}

/// A domain, and what should hold in it.
struct Space {
    domain: Domain<DomainTables<FakeMemory>>,
    room: IovaAllocator,
    lent: Vec<(IovaRange, PhysAddr)>,
    /// The unit may walk tables that were unlinked, and block what is mapped beside.
    tainted: bool,
}

struct World {
    config: FakeConfig,
    memory: FakeMemory,
    fake: FakeUnit,
    controller: Controller<ActiveUnit<FakeUnit, FakeMemory, FakeClock>>,
    spaces: Vec<Space>,
    /// By requester: the domain that it was put into.
    attached: [Option<usize>; REQUESTERS.len()],
    handed_back: BTreeSet<u64>,
    next_page: u64,
}

/// The pages of the window, by number; behind each that is mapped is one that is not.
fn iova_of(page: usize) -> Iova {
    let (table, index) = (page as u64 / PER_TABLE as u64, page as u64 % PER_TABLE as u64);
    Iova::new(0x20_0000 + (table << 30) + index * PAGE_SIZE)
}

/// Room in each table, and none between.
fn room() -> IovaAllocator {
    let end = |table: usize| Iova::new(iova_of(table * PER_TABLE).as_u64() + PER_TABLE as u64 * PAGE_SIZE);
    let between = (1..TABLES).map(|table| end(table - 1)..iova_of(table * PER_TABLE));
    let room = IovaAllocator::new(iova_of(0)..end(TABLES - 1), between, iova_of(0));
    room.expect("a window with room")
}

/// Memory as the walker judges it: without anything remembered.
struct Truth<'m>(&'m FakeMemory);

impl WalkMemory for Truth<'_> {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        self.0.device_read(at, View::Coherent)
    }
}

impl World {
    fn new(config: FakeConfig) -> Self {
        let memory = FakeMemory::new();
        let fake = FakeUnit::new(config, memory.clone());
        let unit = Unit::probe(fake.clone()).expect("a unit that answers");
        let active = ActiveUnit::enable(unit, MESSAGE, memory.clone(), FakeClock::new());
        let mut world = Self {
            config,
            memory,
            fake,
            controller: Controller::new(active.expect("a unit that works is taken")),
            spaces: Vec::new(),
            attached: [None; REQUESTERS.len()],
            handed_back: BTreeSet::new(),
            next_page: 0x8000_0000,
        };
        world.spaces = (0..DOMAINS).map(|_| world.space()).collect();
        world
    }

    fn bring_up(&mut self) -> bool {
        self.controller.unit_mut().bring_up_again(MESSAGE).is_ok()
    }

    fn space(&mut self) -> Space {
        // An allocation that was to fail does so once.
        let domain = self.controller.new_domain().or_else(|_| self.controller.new_domain());
        let domain = domain.expect("memory that does not run out");
        Space { domain, room: room(), lent: Vec::new(), tainted: false }
    }

    fn operate(&mut self, bytes: &mut Bytes<'_>) {
        let what = bytes.byte();
        let domain = usize::from(what >> 7);
        match what & 0xf {
            0..=3 => self.map(domain),
            4..=5 => self.unmap(domain, bytes),
            6 => self.unmap_many(domain, bytes),
            7 => self.block(bytes.below(REQUESTERS.len())),
            8..=9 => self.attach(bytes.below(REQUESTERS.len()), domain),
            10 => self.retire(domain),
            11 => self.fake.break_part(PARTS[bytes.below(PARTS.len())]),
            12 if self.config.queue == Offer::Yes => self.fake.inject(ERRORS[bytes.below(ERRORS.len())]),
            13 => {
                let (requester, page) = (bytes.below(REQUESTERS.len()), bytes.below(PAGES));
                self.fake.let_ask_meanwhile(REQUESTERS[requester], iova_of(page));
            }
            14 => self.memory.fail_allocation(bytes.below(4)),
            _ => self.mend(),
        }
    }

    fn mend(&mut self) {
        self.fake.mend();
        if self.controller.unit().is_dead() {
            // As an error of the old queue may still come, so may this fail.
            let _ = self.bring_up();
        }
    }

    fn map(&mut self, domain: usize) {
        let space = &mut self.spaces[domain];
        let Ok(range) = space.room.allocate(1, PageSize::Size4K) else { return };
        let phys = PhysAddr::new(self.next_page);
        self.next_page += PAGE_SIZE;
        let (at, rw) = ((range.start(), phys), Permissions::READ_WRITE);
        let mapped = match space.domain.map_fast(at, PAGE_SIZE, rw) {
            true => Ok(()),
            false => space.domain.map(&mut self.controller, at, PAGE_SIZE, rw),
        };
        match mapped {
            Ok(()) => space.lent.push((range, phys)),
            Err(Error::NotNoted(_) | Error::Map(MapError::OutOfMemory)) => {
                space.room.free(range).expect("a range of this room");
                self.handed_back.insert(phys.as_u64());
            }
            // The range is nobody's any more.
            Err(Error::Unconfirmed(_)) => space.tainted = true,
            Err(error) => panic!("{error}"),
        }
    }

    /// A mapping, taken from the model.
    fn pick(&mut self, domain: usize, from: usize) -> Option<(IovaRange, PhysAddr)> {
        let lent = &mut self.spaces[domain].lent;
        (!lent.is_empty()).then(|| lent.swap_remove(from % lent.len()))
    }

    fn unmap(&mut self, domain: usize, bytes: &mut Bytes<'_>) {
        let Some((range, phys)) = self.pick(domain, bytes.below(PAGES)) else { return };
        let space = &mut self.spaces[domain];
        let progress = space.domain.unmap_fast(&mut self.controller, range.start(), PAGE_SIZE);
        match space.domain.unmap_slow(&mut self.controller, progress, range.start(), PAGE_SIZE) {
            Ok(()) => {
                space.room.free(range).expect("a range of this room");
                self.handed_back.insert(phys.as_u64());
            }
            Err(Error::Unconfirmed(_)) => space.tainted = true,
            Err(error) => panic!("{error}"),
        }
    }

    /// Unmaps several pages with one wait for all.
    fn unmap_many(&mut self, domain: usize, bytes: &mut Bytes<'_>) {
        let most = 1 + bytes.below(2 * PER_TABLE);
        let from = bytes.below(PAGES);
        let picked: Vec<_> = (0..most).map_while(|_| self.pick(domain, from)).collect();
        let (ranges, memory): (Vec<_>, Vec<_>) = picked.into_iter().unzip();
        let space = &mut self.spaces[domain];
        match space.domain.unmap_all(&mut self.controller, &ranges) {
            Ok(()) => {
                space.room.free_all(ranges).expect("ranges of this room");
                self.handed_back.extend(memory.into_iter().map(PhysAddr::as_u64));
            }
            Err(Error::Unconfirmed(_)) => space.tainted = true,
            Err(error) => panic!("{error}"),
        }
    }

    fn block(&mut self, requester: usize) {
        let _ = self.controller.block([REQUESTERS[requester]]);
        self.attached[requester] = None;
    }

    fn attach(&mut self, requester: usize, domain: usize) {
        match self.controller.attach(&self.spaces[domain].domain, REQUESTERS[requester]) {
            Ok(()) => self.attached[requester] = Some(domain),
            Err(Error::Unconfirmed(_) | Error::Tables(TableError::OutOfMemory)) => {}
            Err(Error::Tables(TableError::AlreadyAttached(_))) => {
                assert!(self.attached[requester].is_some_and(|before| before != domain));
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Ends a domain, if the unit has forgotten it, and makes another.
    fn retire(&mut self, domain: usize) {
        match self.controller.retire(&mut self.spaces[domain].domain) {
            Ok(()) => {
                let next = self.space();
                let old = core::mem::replace(&mut self.spaces[domain], next);
                self.handed_back.extend(old.lent.into_iter().map(|(_, phys)| phys.as_u64()));
            }
            Err(Error::StillAttached(source)) => {
                let at = REQUESTERS.iter().position(|requester| *requester == source);
                assert_eq!(at.and_then(|at| self.attached[at]), Some(domain));
            }
            Err(Error::Unconfirmed(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Has everybody ask for everything.
    fn check(&mut self) {
        let limits = self.fake.walk_limits();
        let root = self.controller.unit().roots().address();
        let reached = |source, iova| {
            let walked = walk(&Truth(&self.memory), root, source, iova, Access::Read, &limits);
            (self.fake.dma(source, iova, Access::Read).ok(), walked.ok().map(|found| found.phys))
        };
        for (source, attached) in REQUESTERS.into_iter().zip(self.attached) {
            for iova in (0..PAGES).map(iova_of) {
                let (by_unit, by_tables) = reached(source, iova);
                for phys in [by_unit, by_tables].into_iter().flatten() {
                    let back = self.handed_back.contains(&phys.as_u64());
                    assert!(!back, "{source} reaches {phys} at {iova}, {:?}", self.config);
                }
            }
            // What is lent and was confirmed is reached, so that this does not hold because nothing is.
            let space = attached.map(|domain| &self.spaces[domain]).filter(|space| !space.tainted);
            for (range, phys) in space.into_iter().flat_map(|space| &space.lent) {
                let expected = (Some(*phys), Some(*phys));
                assert_eq!(reached(source, range.start()), expected, "{:?}", self.config);
            }
        }
        let _ = self.controller.unit().unit().fault_port().drain(&mut |_| {}, 256);
    }

    /// Once all is mended, everything that was not lost comes back.
    fn take_down(&mut self) {
        self.fake.mend();
        // Errors that are still to come hit some of the first tries.
        let tries = 0..=MOST;
        assert!(tries.clone().any(|_| self.bring_up()), "{:?}", self.config);
        assert!(tries.clone().any(|_| self.controller.block(REQUESTERS).is_ok()));
        self.attached = [None; REQUESTERS.len()];
        for space in &mut self.spaces {
            let Space { domain, lent, .. } = space;
            assert!(tries.clone().any(|_| self.controller.retire(domain).is_ok()));
            self.handed_back.extend(lent.drain(..).map(|(_, phys)| phys.as_u64()));
        }
        self.check();
    }
}
