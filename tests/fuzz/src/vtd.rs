//! A unit of which any invalidation may fail, at any step, and later succeed.
//!
//! Memory that was handed back is never lent again, so whoever still reaches it shows; a table that was freed panics
//! when the unit reads it.

use std::collections::{BTreeMap, BTreeSet};

use dma_types::{Access, DomainId, Iova, MsiMessage, PAGE_SIZE, Permissions, PhysAddr, SourceId};
use vtd::tables::{Coherence, Format, RootTable, SecondStage, Stale};
use vtd::testing::fake_unit::{FakeConfig, FakeUnit, Injection, Leftovers, Offer, Stuck};
use vtd::testing::walker::{WalkMemory, walk};
use vtd::testing::{FakeClock, FakeMemory, View};
use vtd::{AnnounceError, AttachError, BatchPlan, BringUp, RetireError, TakeBackError, Unit};

use crate::Bytes;

/// Operations at most.
const MOST: usize = 400;
const MESSAGE: MsiMessage = MsiMessage { address: 0xfee0_1000, data: 0x4031 };
/// Buses with two requesters and with one.
const REQUESTERS: [SourceId; 3] =
    [SourceId::from_bits(0x0018), SourceId::from_bits(0x0020), SourceId::from_bits(0x4100)];
const DOMAINS: [DomainId; 2] = [DomainId(5), DomainId(6)];

/// Pages that are played with: few of each of more tables than stay linked when they are empty.
const TABLES: usize = 8;
const PER_TABLE: usize = 3;
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
    stage: SecondStage,
    /// Page to the memory that is lent there.
    lent: BTreeMap<usize, PhysAddr>,
    /// Pages that are nobody's any more.
    lost: BTreeSet<usize>,
    /// The unit may walk tables that were unlinked, and block what is mapped beside.
    tainted: bool,
}

struct World {
    config: FakeConfig,
    memory: FakeMemory,
    clock: FakeClock,
    root: RootTable,
    fake: FakeUnit,
    unit: Unit<FakeUnit>,
    spaces: Vec<Space>,
    /// By requester: the domain that it was put into.
    attached: [Option<usize>; REQUESTERS.len()],
    handed_back: BTreeSet<u64>,
    next_page: u64,
}

fn iova_of(page: usize) -> Iova {
    let (table, index) = (page as u64 / PER_TABLE as u64, page as u64 % PER_TABLE as u64);
    Iova::new(0x20_0000 + (table << 30) + index * PAGE_SIZE)
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
        let mut memory = FakeMemory::new();
        let root = RootTable::new(&mut memory, Coherence::of_unit(config.extended_capabilities()));
        let root = root.expect("memory that does not run out");
        let fake = FakeUnit::left_by_firmware(config, memory.clone(), &Leftovers::default());
        let unit = Unit::probe(fake.clone()).expect("a unit that answers");
        let mut world = Self {
            config,
            memory,
            clock: FakeClock::new(),
            root,
            fake,
            unit,
            spaces: Vec::new(),
            attached: [None; REQUESTERS.len()],
            handed_back: BTreeSet::new(),
            next_page: 0x8000_0000,
        };
        assert!(world.bring_up(), "a unit that works is taken");
        world.spaces = DOMAINS.map(|_| world.space()).into();
        world
    }

    fn bring_up(&mut self) -> bool {
        let config = BringUp { root: self.root.address(), fault_message: MESSAGE };
        self.unit.bring_up(&config, &mut self.memory, &self.clock).is_ok()
    }

    fn space(&mut self) -> Space {
        let unit = &self.unit;
        let levels = unit.levels().expect("levels that are supported");
        let format = Format::of_unit(levels, unit.capabilities(), unit.extended_capabilities());
        let stage = SecondStage::new(&mut self.memory, format).expect("memory that does not run out");
        Space { stage, lent: BTreeMap::new(), lost: BTreeSet::new(), tainted: false }
    }

    fn operate(&mut self, bytes: &mut Bytes<'_>) {
        let what = bytes.byte();
        let domain = usize::from(what >> 7);
        match what & 0xf {
            0..=3 => self.map(domain, bytes),
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
            _ => self.mend(),
        }
    }

    fn mend(&mut self) {
        self.fake.mend();
        if self.unit.is_dead() {
            // As an error of the old queue may still come, so may this fail.
            let _ = self.bring_up();
        }
    }

    fn map(&mut self, domain: usize, bytes: &mut Bytes<'_>) {
        let page = bytes.below(PAGES);
        let space = &mut self.spaces[domain];
        if space.lent.contains_key(&page) || space.lost.contains(&page) {
            return;
        }
        let phys = PhysAddr::new(self.next_page);
        self.next_page += PAGE_SIZE;
        let (iova, memory) = (iova_of(page), &mut self.memory);
        if !space.stage.map_at_once(memory, (iova, phys), PAGE_SIZE, Permissions::READ_WRITE) {
            let mapped = space.stage.map(memory, iova, phys, PAGE_SIZE, Permissions::READ_WRITE);
            mapped.expect("what is free can be mapped");
        }
        let range = (iova, PAGE_SIZE);
        match self.unit.announce(&mut space.stage, DOMAINS[domain], range, memory, &self.clock) {
            Ok(()) => {
                space.lent.insert(page, phys);
            }
            Err(AnnounceError::TakenBack(_)) => {
                self.handed_back.insert(phys.as_u64());
            }
            Err(AnnounceError::Unconfirmed(_)) => {
                space.lost.insert(page);
                space.tainted = true;
            }
        }
    }

    /// A page that is lent, from this one on.
    fn pick(&mut self, domain: usize, from: usize) -> Option<(usize, PhysAddr)> {
        let lent = &mut self.spaces[domain].lent;
        let page = *lent.range(from..).next()?.0;
        lent.remove_entry(&page)
    }

    /// Unmaps a page as the kernel does: in few steps where that goes, else the general way.
    fn unmap(&mut self, domain: usize, bytes: &mut Bytes<'_>) {
        let Some(picked) = self.pick(domain, bytes.below(PAGES)) else { return };
        let (id, iova) = (DOMAINS[domain], iova_of(picked.0));
        let Self { unit, memory, clock, .. } = self;
        let stage = &mut self.spaces[domain].stage;
        let forgotten = if stage.unmap_at_once(memory, iova, PAGE_SIZE) {
            if unit.after_unmap_at_once(id, (iova, 1), memory) {
                Ok(())
            } else {
                unit.after_unmap(id, (iova, 1), Stale::Range, memory, clock).map_err(TakeBackError::from)
            }
        } else {
            unit.unmap(stage, id, (iova, PAGE_SIZE), memory, clock)
        };
        match forgotten {
            Ok(()) => self.hand_back(&[picked]),
            Err(TakeBackError::Invalidation(_)) => self.lose(domain, &[picked]),
            Err(error) => panic!("{error}"),
        }
    }

    /// Unmaps several pages with one wait for all.
    fn unmap_many(&mut self, domain: usize, bytes: &mut Bytes<'_>) {
        let most = 1 + bytes.below(2 * PER_TABLE);
        let from = bytes.below(PAGES);
        let picked: Vec<_> = (0..most).map_while(|_| self.pick(domain, from)).collect();
        let mut plan = BatchPlan::new(DOMAINS[domain], picked.len());
        let mut unlinked: Option<vtd::tables::Unmapped> = None;
        for (page, _) in &picked {
            let unmapped = self.spaces[domain].stage.unmap(&mut self.memory, iova_of(*page), PAGE_SIZE);
            let unmapped = unmapped.expect("what is lent is mapped");
            plan.add((iova_of(*page), 1), unmapped.stale());
            match &mut unlinked {
                Some(all) => all.join(&mut self.memory, unmapped),
                None => unlinked = Some(unmapped),
            }
        }
        let Some(unlinked) = unlinked else { return };
        match self.unit.after_batch(&plan, &mut self.memory, &self.clock) {
            Ok(()) => {
                unlinked.release(&mut self.memory);
                self.hand_back(&picked);
            }
            Err(_) => {
                unlinked.give_up();
                self.lose(domain, &picked);
            }
        }
    }

    fn hand_back(&mut self, pages: &[(usize, PhysAddr)]) {
        self.handed_back.extend(pages.iter().map(|(_, phys)| phys.as_u64()));
    }

    fn lose(&mut self, domain: usize, pages: &[(usize, PhysAddr)]) {
        self.spaces[domain].lost.extend(pages.iter().map(|(page, _)| *page));
        self.spaces[domain].tainted = true;
    }

    fn block(&mut self, requester: usize) {
        let source = REQUESTERS[requester];
        let _ = self.unit.block(&mut self.root, source, &mut self.memory, &self.clock);
        self.attached[requester] = None;
    }

    fn attach(&mut self, requester: usize, domain: usize) {
        if self.attached[requester].is_some() {
            return;
        }
        let (who, stage) = ((REQUESTERS[requester], DOMAINS[domain]), &self.spaces[domain].stage);
        let tables = (stage.root(), stage.levels());
        match self.unit.attach(&mut self.root, who, tables, &mut self.memory, &self.clock) {
            Ok(()) => self.attached[requester] = Some(domain),
            Err(AttachError::Invalidation(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Ends a domain and makes another of the same number, if the unit has forgotten it.
    fn retire(&mut self, domain: usize) {
        match self.unit.retire(&mut self.root, DOMAINS[domain], &mut self.memory, &self.clock) {
            Ok(()) => {
                let next = self.space();
                let mut old = core::mem::replace(&mut self.spaces[domain], next);
                old.stage.release(&mut self.memory);
                self.handed_back.extend(old.lent.into_values().map(PhysAddr::as_u64));
            }
            Err(RetireError::StillAttached(source)) => {
                let at = REQUESTERS.iter().position(|requester| *requester == source);
                assert_eq!(at.and_then(|at| self.attached[at]), Some(domain));
            }
            Err(RetireError::Invalidation(_)) => {}
        }
    }

    /// Has everybody ask for everything.
    fn check(&mut self) {
        let limits = self.fake.walk_limits();
        for (source, attached) in REQUESTERS.into_iter().zip(self.attached) {
            for page in 0..PAGES {
                let reached = self.fake.dma(source, iova_of(page), Access::Read).ok();
                let truth = Truth(&self.memory);
                let walked = walk(&truth, self.root.address(), source, iova_of(page), Access::Read, &limits);
                let walked = walked.ok().map(|found| found.phys);
                for phys in [reached, walked].into_iter().flatten() {
                    let back = self.handed_back.contains(&phys.as_u64());
                    assert!(!back, "{source} reaches {phys}, page {page}, {:?}", self.config);
                }
                self.check_lent(attached, page, (reached, walked));
            }
        }
        let _ = self.unit.fault_port().drain(&mut |_| {}, 256);
    }

    /// What is lent and was confirmed is reached, so that this does not hold because nothing is.
    fn check_lent(&self, attached: Option<usize>, page: usize, found: (Option<PhysAddr>, Option<PhysAddr>)) {
        let space = attached.map(|domain| &self.spaces[domain]).filter(|space| !space.tainted);
        if let Some(phys) = space.and_then(|space| space.lent.get(&page)) {
            assert_eq!(found, (Some(*phys), Some(*phys)), "page {page}, {:?}", self.config);
        }
    }

    /// Once all is mended, everything that was not lost comes back.
    fn take_down(&mut self) {
        self.fake.mend();
        // Errors that are still to come hit some of the first tries.
        let tries = 0..=MOST;
        assert!(tries.clone().any(|_| self.bring_up()), "{:?}", self.config);
        let Self { unit, root, memory, clock, .. } = self;
        for source in REQUESTERS {
            assert!(tries.clone().any(|_| unit.block(root, source, memory, clock).is_ok()));
        }
        for id in DOMAINS {
            assert!(tries.clone().any(|_| unit.retire(root, id, memory, clock).is_ok()));
        }
        for space in &mut self.spaces {
            space.stage.release(&mut self.memory);
        }
        self.attached = [None; REQUESTERS.len()];
        self.spaces.clear();
        self.check();
    }
}
