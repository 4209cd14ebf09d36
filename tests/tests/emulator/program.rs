//! Random programs for both units at once, compared at every request of a device.

use std::collections::BTreeMap;

use dma_types::{Access, Iova, PAGE_SIZE, Permissions, PhysAddr, SourceId};
use vtd::spec::fault_reason::FaultReason;
use vtd::spec::fault_record::FaultRecord;
use vtd::testing::fake_unit::{Blocked, FakeUnit};
use vtd::testing::walker::{WalkMemory, walk};
use vtd::testing::{FakeMemory, View};

use super::devices::{Equipment, Member, Standing};
use super::differences::Known;
use super::machine::Port;
use super::side::{MachineMemory, Side, Window, fake_like};
use super::tally::Tally;

/// Domains, and the frames that they are given.
const DOMAINS: usize = 2;
const FRAMES: u64 = 0x400_0000;
const FRAME_COUNT: u64 = 24;
/// Large pages, two of them.
const LARGE_FRAMES: u64 = 0x800_0000;
const LARGE_PAGES: u64 = 512;
/// Mapped in every domain for as long as it lives: what a device fetched is looked at there.
const SCRATCH: (Iova, PhysAddr) = (Iova::new(0x5_0000_0000), PhysAddr::new(0x700_0000));
/// Where the devices find what they send.
const MARK_AT: PhysAddr = SCRATCH.1;

/// Where the library is told to map: the edges of tables, and all levels of them.
const PLACES: [u64; 5] = [0x10_0000, 0x1f_e000, 0x3fff_e000, 0x4000_0000, 0x1f_ffff_e000];

/// Numbers that look random and are the same in every run (xorshift).
pub struct Dice(u64);

impl Dice {
    /// Different seeds give different numbers.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below another.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// A place in a list of so many.
    pub fn index(&mut self, limit: usize) -> usize {
        self.below(limit as u64) as usize
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It reached this memory.
    Reached(PhysAddr),
    /// It was blocked, for this reason by the record that was made.
    Recorded(FaultReason),
    /// It was blocked, and nothing tells of it.
    Silent,
}

/// What the unit is told after an unmap.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// To forget the range, as the library has it.
    Forget,
    /// Nothing, as by a driver that forgets to.
    SayNothing,
}

/// Memory behind a mapping.
#[derive(Clone, Copy)]
struct Extent {
    pages: u64,
    phys: u64,
}

/// The memory that one of the mappings has behind an address, for whatever direction.
fn behind(mapped: &BTreeMap<u64, Extent>, iova: Iova) -> Option<PhysAddr> {
    let (first, extent) = mapped.range(..=iova.as_u64()).next_back()?;
    let offset = iova.as_u64() - first;
    (offset < extent.pages * PAGE_SIZE).then(|| PhysAddr::new(extent.phys + offset))
}

/// Two units under one program.
pub struct World {
    port: Port,
    real: Side<Window, MachineMemory>,
    fake: Side<FakeUnit, FakeMemory>,
    unit: FakeUnit,
    members: Vec<Member>,
    attached: Vec<Option<usize>>,
    /// Of each domain, the pages of each live mapping by its first address.
    mapped: [BTreeMap<u64, Extent>; DOMAINS],
    /// The same of mappings that were taken out silently: a unit may still remember them.
    lingering: [BTreeMap<u64, Extent>; DOMAINS],
    seed: u64,
    dice: Dice,
    /// What came of the requests.
    pub tally: Tally,
}

impl World {
    /// Brings both units up. Every device is outside of every domain.
    pub fn new(port: Port, equipment: Equipment, seed: u64) -> Self {
        let members = equipment.open(&port, SCRATCH, MARK_AT);
        let memory = MachineMemory::new(port.clone());
        let real = Side::new(Window(port.clone()), memory, DOMAINS as u16);
        let (unit, memory) = fake_like(&real.unit);
        let fake = Side::new(unit.clone(), memory, DOMAINS as u16);
        let mut world = Self {
            port,
            real,
            fake,
            unit,
            attached: vec![None; members.len()],
            members,
            mapped: Default::default(),
            lingering: Default::default(),
            seed,
            dice: Dice::new(seed),
            tally: Tally::default(),
        };
        (0..FRAME_COUNT).for_each(|frame| world.restore(frame));
        for domain in 0..DOMAINS {
            assert!(world.fake.map(domain, SCRATCH, 1, Permissions::READ_WRITE));
            assert!(world.real.map(domain, SCRATCH, 1, Permissions::READ_WRITE));
        }
        world
    }

    /// Takes one step.
    pub fn step(&mut self) {
        let domain = self.dice.index(DOMAINS);
        match self.dice.below(20) {
            0..=5 => self.map(domain),
            6..=7 => self.unmap(domain, Then::Forget),
            8 => self.unmap(domain, Then::SayNothing),
            9..=10 => self.attach_or_block(),
            11 => self.forget_all(),
            _ => self.request(),
        }
    }

    fn map(&mut self, domain: usize) {
        let place = PLACES[self.dice.index(PLACES.len())];
        let (iova, phys, pages) = if self.dice.below(6) == 0 {
            let iova = (place & !0x1f_ffff) + (self.dice.below(4) << 21);
            (iova, LARGE_FRAMES + (self.dice.below(2) << 21), LARGE_PAGES)
        } else {
            let pages = 1 + self.dice.below(4);
            let frame = self.dice.below(FRAME_COUNT - pages);
            (place + self.dice.below(12) * PAGE_SIZE, FRAMES + frame * PAGE_SIZE, pages)
        };
        let to = [Permissions::READ, Permissions::WRITE, Permissions::READ_WRITE][self.dice.index(3)];
        let at = (Iova::new(iova), PhysAddr::new(phys));
        let mapped = self.fake.map(domain, at, pages, to);
        assert_eq!(self.real.map(domain, at, pages, to), mapped);
        if mapped {
            self.mapped[domain].insert(iova, Extent { pages, phys });
        }
    }

    /// A live mapping of a domain.
    fn pick(&mut self, domain: usize) -> Option<(Iova, Extent)> {
        let from = PLACES[self.dice.index(PLACES.len())];
        let mapped = &self.mapped[domain];
        let (&iova, &extent) = mapped.range(from..).chain(mapped.iter()).next()?;
        Some((Iova::new(iova), extent))
    }

    /// Unmaps a range that the devices of the domain have just used, and has them ask for it again.
    fn unmap(&mut self, domain: usize, then: Then) {
        let Some((iova, extent)) = self.pick(domain) else { return };
        let pages = extent.pages;
        self.all_ask(domain, iova);
        self.mapped[domain].remove(&iova.as_u64());
        match then {
            Then::Forget => {
                self.fake.unmap(domain, iova, pages);
                self.real.unmap(domain, iova, pages);
            }
            Then::SayNothing => {
                self.fake.unmap_silently(domain, iova, pages);
                self.real.unmap_silently(domain, iova, pages);
                self.lingering[domain].insert(iova.as_u64(), extent);
            }
        }
        self.all_ask(domain, iova);
    }

    /// Every device of a domain asks for a page, in each direction that it can.
    fn all_ask(&mut self, domain: usize, iova: Iova) {
        for member in 0..self.members.len() {
            if self.attached[member] == Some(domain) {
                let accesses = self.members[member].device.accesses();
                accesses.iter().for_each(|access| self.ask(member, iova, *access));
            }
        }
    }

    fn forget_all(&mut self) {
        self.fake.forget_all();
        self.real.forget_all();
        self.lingering = Default::default();
    }

    fn attach_or_block(&mut self) {
        let member = self.dice.index(self.members.len());
        let source = self.source(member);
        if self.attached[member].is_some() {
            if self.dice.below(4) == 0 {
                self.attached[member] = None;
                self.fake.block(source);
                self.real.block(source);
            }
        } else {
            let domain = self.dice.index(DOMAINS);
            self.fake.attach(source, domain);
            self.real.attach(source, domain);
            self.attached[member] = Some(domain);
        }
    }

    /// Has a device ask for a page: mapped, beside a mapping, or anywhere.
    fn request(&mut self) {
        let member = self.dice.index(self.members.len());
        let accesses = self.members[member].device.accesses();
        let (iova, access) = (self.aim(member), accesses[self.dice.index(accesses.len())]);
        self.ask(member, iova, access);
    }

    /// Has a device ask for a page, of both units, and compares what comes of it.
    fn ask(&mut self, member: usize, iova: Iova, access: Access) {
        let source = self.source(member);
        let fresh = self.fresh(source, iova, access);
        let remembered = fate_of(self.unit.dma(source, iova, access));
        let expected_records = self.fake.drain();
        let seen = match access {
            Access::Write => self.send(member, iova, remembered),
            _ => self.fetch(member, iova, remembered),
        };
        let records = self.real.drain();
        self.judge_records(&records, (source, iova, access));
        let seen = match (seen, records.first()) {
            (None, Some(record)) => Fate::Recorded(record.reason()),
            (None, None) => Fate::Silent,
            (Some(phys), None) => Fate::Reached(phys),
            (Some(phys), Some(record)) => panic!("{source} reached {phys} and was recorded: {record:?}"),
        };
        let what = (source, iova, access);
        let stale = self.lingering.iter().any(|of_domain| !of_domain.is_empty());
        if seen == remembered {
            assert_eq!(expected_records.len(), records.len(), "{what:?}");
            self.tally.agreed(self.members[member].device.name(), seen, fresh);
        } else if stale && seen == fresh {
            self.tally.differed(Known::RemembersLess);
        } else if let Some(known) = Known::explain(seen, remembered, self.covers(member, iova)) {
            self.tally.differed(known);
        } else if self.lingers(member, iova, seen) {
            self.tally.differed(Known::RemembersMore);
        } else if stale && let Some(known) = Known::explain(seen, fresh, self.covers(member, iova)) {
            // Both at once: it has already remembered what stands in the tables now.
            self.tally.differed(Known::RemembersLess);
            self.tally.differed(known);
        } else {
            let seed = self.seed;
            panic!(
                "seed {seed}, {what:?}: QEMU {seen:?}, the fake unit {remembered:?}, the walker {fresh:?}"
            );
        }
        if !stale {
            assert_eq!(remembered, fresh, "the fake unit and the walker: {what:?}");
        }
    }

    fn source(&self, member: usize) -> SourceId {
        SourceId::from_bits(self.members[member].source)
    }

    fn aim(&mut self, member: usize) -> Iova {
        let place = PLACES[self.dice.index(PLACES.len())];
        let anywhere = place + self.dice.below(16) * PAGE_SIZE;
        let mapped = self.attached[member].map(|domain| &self.mapped[domain]);
        let page = match mapped.and_then(|mapped| mapped.range(place..).next()) {
            Some((first, extent)) if self.dice.below(5) > 0 => {
                first + self.dice.below(extent.pages + 1) * PAGE_SIZE
            }
            _ if self.dice.below(12) == 0 => 1 << (40 + self.dice.below(20)),
            _ => anywhere,
        };
        Iova::new(page)
    }

    /// What the tables say, whatever anybody remembers.
    fn fresh(&self, source: SourceId, iova: Iova, access: Access) -> Fate {
        let limits = self.unit.walk_limits();
        let truth = Truth(&self.fake.memory);
        match walk(&truth, self.fake.root.address(), source, iova, access, &limits) {
            Ok(found) => Fate::Reached(found.phys),
            Err(fault) => Fate::Recorded(FaultReason(fault.reason)),
        }
    }

    /// Tells whether a mapping of the device's domain, live or lingering, covers an address, for whatever direction.
    fn covers(&self, member: usize, iova: Iova) -> bool {
        let Some(domain) = self.attached[member] else { return false };
        [&self.mapped[domain], &self.lingering[domain]].iter().any(|mapped| behind(mapped, iova).is_some())
    }

    /// Tells whether memory is what a lingering mapping of the device's domain has behind an address.
    fn lingers(&self, member: usize, iova: Iova, fate: Fate) -> bool {
        let there = self.attached[member].and_then(|domain| behind(&self.lingering[domain], iova));
        there.is_some_and(|phys| fate == Fate::Reached(phys))
    }

    /// A write: the memory that it changed.
    fn send(&mut self, member: usize, iova: Iova, expected: Fate) -> Option<PhysAddr> {
        let device = &self.members[member].device;
        device.send(iova);
        let frames = (0..FRAME_COUNT).map(|frame| FRAMES + frame * PAGE_SIZE);
        let also = if let Fate::Reached(phys) = expected { phys.as_u64() } else { FRAMES };
        let hit: Vec<_> = frames
            .filter(|at| *at != also)
            .chain([also])
            .filter(|at| self.port.read64(*at) == device.mark())
            .collect();
        assert!(hit.len() <= 1, "one write changed {hit:#x?}");
        let hit = *hit.first()?;
        match hit.checked_sub(FRAMES).map(|offset| offset / PAGE_SIZE) {
            Some(frame) if frame < FRAME_COUNT => self.restore(frame),
            _ => self.port.write64(hit, 0),
        }
        Some(PhysAddr::new(hit))
    }

    /// A read: the memory whose content the device then has, as far as it can be had from the device.
    fn fetch(&mut self, member: usize, iova: Iova, expected: Fate) -> Option<PhysAddr> {
        if let Fate::Reached(phys) = expected {
            self.port.write64(phys.as_u64(), phys.as_u64() | 1);
        }
        let standing = if self.attached[member].is_some() { Standing::Inside } else { Standing::Outside };
        let fetched = self.members[member].device.fetch(iova, standing)?;
        (fetched & 1 == 1).then(|| PhysAddr::new(fetched & !1))
    }

    /// Writes into a frame where it lies, so that it is known by its content.
    fn restore(&mut self, frame: u64) {
        let at = FRAMES + frame * PAGE_SIZE;
        self.port.write64(at, at | 1);
    }

    /// A record says who asked for what.
    fn judge_records(&self, records: &[FaultRecord], (source, iova, access): (SourceId, Iova, Access)) {
        assert!(records.len() <= 1, "one request, {records:?}");
        for record in records {
            let told = (record.source(), record.page(), record.access());
            assert_eq!(told, (source, Some(Iova::new(iova.as_u64() & !(PAGE_SIZE - 1))), access));
        }
    }
}

fn fate_of(result: Result<PhysAddr, Blocked>) -> Fate {
    match result {
        Ok(phys) => Fate::Reached(phys),
        Err(Blocked::Fault(reason)) => Fate::Recorded(reason),
        Err(Blocked::OtherMode | Blocked::ProtectedMemory) => Fate::Silent,
    }
}

/// Memory as the walker judges it: without anything remembered.
struct Truth<'m>(&'m FakeMemory);

impl WalkMemory for Truth<'_> {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        self.0.device_read(at, View::Coherent)
    }
}
