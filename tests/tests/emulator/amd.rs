//! AMD's unit: the sequences of the shipped library on QEMU's, through random programs. What devices reach must be what the
//! walker says of the tables in the machine's memory, and what was mapped.
//!
//! QEMU's unit enforces a leaf's permissions and logs what it blocks, with the requester of a device on the root bus, and
//! neither address nor direction; a device entry counts for it from its invalidation on, and until then every request passes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use amdvi::spec::control::Control;
use amdvi::testing::walker::{WalkMemory, WalkStart, device_entry, walk};
use amdvi::{ActiveUnit, Announced, Caching, DomainTables, FaultRecord, Registers, Unit};
use dma_types::{Access, Iova, PAGE_SIZE, Permissions, PhysAddr, SourceId};
use iommu::{Controller, Domain, RemappingUnit, Stale, TableMemory};

use super::devices::{Member, ON_ROOT_BUS, Standing, open_on_root_bus};
use super::machine::Port;
use super::program::Dice;
use super::side::{MachineMemory, Patience};
use super::unpacked;

/// QEMU's words for the unit; without the first it lets every request pass.
const DEVICE: &str = "amd-iommu,dma-remap=on,intremap=on,xtsup=on";
/// Where its registers lie.
const UNIT: u64 = 0xfed8_0000;
/// What its header says of caching (QEMU "hw/i386/amd_iommu.h"): entries that were not present too.
const ANNOUNCED: Announced = Announced { caching: Caching::Everything, features: None };

/// Steps of a program by default, and in the full run.
const STEPS: (usize, usize) = (600, 20_000);
/// The domains, and the memory that is mapped in them.
const DOMAINS: usize = 2;
const FRAMES: u64 = 0x400_0000;
const FRAME_COUNT: u64 = 24;
/// Mapped in every domain for as long as it lives: what a device fetched is looked at there.
const SCRATCH: (Iova, PhysAddr) = (Iova::new(0x5_0000_0000), PhysAddr::new(0x700_0000));
/// Where the library is told to map: the edges of tables, and all levels of them.
const PLACES: [u64; 5] = [0x10_0000, 0x1f_e000, 0x3fff_e000, 0x4000_0000, 0x1f_ffff_e000];
const BOTH: Permissions = Permissions::READ_WRITE;

/// The registers of QEMU's unit.
#[derive(Clone)]
struct Window(Port);

impl Registers for Window {
    fn len(&self) -> usize {
        0x4000
    }

    fn read32(&self, offset: usize) -> u32 {
        self.0.read32(UNIT + offset as u64)
    }

    fn write32(&self, offset: usize, value: u32) {
        self.0.write32(UNIT + offset as u64, value);
    }

    fn read64(&self, offset: usize) -> u64 {
        self.0.read64(UNIT + offset as u64)
    }

    fn write64(&self, offset: usize, value: u64) {
        self.0.write64(UNIT + offset as u64, value);
    }
}

/// Memory as the walker reads it.
struct Truth<'p>(&'p Port);

impl WalkMemory for Truth<'_> {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        Some(self.0.read64(at.as_u64()))
    }
}

/// A domain, and the frames that its pages lead to.
struct Space {
    domain: Domain<DomainTables<MachineMemory>>,
    /// First address to pages, first frame and what is permitted.
    mapped: BTreeMap<u64, (u64, u64, Permissions)>,
}

/// A machine whose unit enforces.
struct World {
    port: Port,
    memory: MachineMemory,
    controller: Controller<ActiveUnit<Window, MachineMemory, Patience>>,
    members: [Member; 2],
    attached: [Option<usize>; 2],
    spaces: Vec<Space>,
    dice: Dice,
    reached: usize,
    blocked: usize,
}

impl World {
    /// Brings the unit up. Every device is outside of every domain.
    fn new(seed: u64) -> Self {
        let devices = ON_ROOT_BUS.map(str::to_owned);
        let port = Port::start(&unpacked("11.1"), DEVICE, &devices);
        let members = open_on_root_bus(&port, SCRATCH, SCRATCH.1);
        let memory = MachineMemory::new(port.clone());
        let unit = Unit::probe(Window(port.clone()), ANNOUNCED).unwrap();
        assert!(!unit.firmware_state().translation);
        let active = ActiveUnit::enable(unit, Control::empty(), memory.clone(), Patience::new())
            .unwrap_or_else(|refused| panic!("{}", refused.error));
        let mut controller = Controller::new(active);
        let spaces = (0..DOMAINS)
            .map(|_| {
                let mut domain = controller.new_domain().unwrap();
                domain.map(&mut controller, SCRATCH, PAGE_SIZE, BOTH).unwrap();
                Space { domain, mapped: BTreeMap::new() }
            })
            .collect();
        let dice = Dice::new(seed);
        let attached = [None; 2];
        let world =
            Self { port, memory, controller, members, attached, spaces, dice, reached: 0, blocked: 0 };
        (0..FRAME_COUNT).for_each(|frame| world.restore(frame));
        world
    }

    fn step(&mut self) {
        let space = self.dice.index(DOMAINS);
        match self.dice.below(16) {
            0..=4 => self.map(space),
            5..=6 => self.unmap(space),
            7..=8 => self.attach_or_block(),
            _ => self.request(),
        }
    }

    fn map(&mut self, space: usize) {
        let place = PLACES[self.dice.index(PLACES.len())] + self.dice.below(12) * PAGE_SIZE;
        let pages = 1 + self.dice.below(4);
        let frame = self.dice.below(FRAME_COUNT - pages);
        let to = [Permissions::READ, Permissions::WRITE, BOTH][self.dice.index(3)];
        let Space { domain, mapped } = &mut self.spaces[space];
        let free = (0..pages).all(|page| behind(mapped, place + page * PAGE_SIZE).is_none());
        let at = (Iova::new(place), PhysAddr::new(FRAMES + frame * PAGE_SIZE));
        let result = domain.map(&mut self.controller, at, pages * PAGE_SIZE, to);
        assert_eq!(result.is_ok(), free, "{result:?}");
        if free {
            mapped.insert(place, (pages, frame, to));
        }
    }

    /// Unmaps a range that the devices of the domain have just used, and has them ask for it again.
    fn unmap(&mut self, space: usize) {
        let from = PLACES[self.dice.index(PLACES.len())];
        let mapped = &self.spaces[space].mapped;
        let Some((&iova, &(pages, ..))) = mapped.range(from..).chain(mapped.iter()).next() else { return };
        self.all_ask(space, iova);
        let Space { domain, mapped } = &mut self.spaces[space];
        domain.unmap(&mut self.controller, Iova::new(iova), pages * PAGE_SIZE).unwrap();
        mapped.remove(&iova);
        self.all_ask(space, iova);
    }

    fn all_ask(&mut self, space: usize, iova: u64) {
        for member in 0..self.members.len() {
            if self.attached[member] == Some(space) {
                let accesses = self.members[member].device.accesses();
                accesses.iter().for_each(|access| self.ask(member, iova, *access));
            }
        }
    }

    fn attach_or_block(&mut self) {
        let member = self.dice.index(self.members.len());
        let source = self.source(member);
        match self.attached[member].take() {
            Some(_) => self.controller.block([source]).unwrap(),
            None => {
                let space = self.dice.index(DOMAINS);
                self.controller.attach(&self.spaces[space].domain, source).unwrap();
                self.attached[member] = Some(space);
            }
        }
    }

    /// Has a device ask for a page: mapped, beside a mapping, or anywhere.
    fn request(&mut self) {
        let member = self.dice.index(self.members.len());
        let accesses = self.members[member].device.accesses();
        let access = accesses[self.dice.index(accesses.len())];
        let place = PLACES[self.dice.index(PLACES.len())];
        let mapped = self.attached[member].map(|space| &self.spaces[space].mapped);
        let iova = match mapped.and_then(|mapped| mapped.range(place..).next()) {
            Some((first, (pages, ..))) if self.dice.below(5) > 0 => {
                first + self.dice.below(pages + 1) * PAGE_SIZE
            }
            _ => place + self.dice.below(16) * PAGE_SIZE,
        };
        self.ask(member, iova, access);
    }

    /// Has a device ask for a page, and compares what comes of it with what was mapped, with the walker, and with the log.
    fn ask(&mut self, member: usize, iova: u64, access: Access) {
        let source = self.source(member);
        let expected = self.attached[member]
            .and_then(|space| behind(&self.spaces[space].mapped, iova))
            .filter(|(_, permissions)| permissions.allow(access))
            .map(|(phys, _)| phys);
        let walked = self.walk(source, Iova::new(iova), access);
        assert_eq!(walked, expected, "the walker: {source}, {iova:#x}, {access}");
        let seen = match access {
            Access::Write => self.send(member, Iova::new(iova)),
            _ => self.fetch(member, Iova::new(iova), expected),
        };
        assert_eq!(seen, expected, "QEMU: {source}, {iova:#x}, {access}");
        let records = self.drain();
        match seen {
            Some(_) => assert_eq!(records, [], "{source} reached {iova:#x}"),
            // Where it remembers the page with other permissions it blocks without an event.
            None if self.covers(member, iova) => {}
            None => assert!(!records.is_empty(), "nothing tells of {source}, {iova:#x}, {access}"),
        }
        for record in records {
            let told = (record.source(), record.page(), record.access());
            assert_eq!(told, (Some(source), None, Access::Unknown), "{record:?}");
        }
        self.reached += usize::from(seen.is_some());
        self.blocked += usize::from(seen.is_none());
    }

    /// Tells whether a mapping of the device's domain covers an address, for whatever direction.
    fn covers(&self, member: usize, iova: u64) -> bool {
        self.attached[member].is_some_and(|space| behind(&self.spaces[space].mapped, iova).is_some())
    }

    fn walk(&self, source: SourceId, iova: Iova, access: Access) -> Option<PhysAddr> {
        let found = walk(&Truth(&self.port), &self.start(), source, iova, access);
        found.ok().map(|found| found.phys)
    }

    fn source(&self, member: usize) -> SourceId {
        SourceId::from_bits(self.members[member].source)
    }

    fn drain(&self) -> Vec<FaultRecord> {
        let records = RefCell::new(Vec::new());
        let mut port = self.controller.unit().unit().fault_port(self.memory.clone()).unwrap();
        let outcome = port.drain(&mut |record| records.borrow_mut().push(record), 256);
        assert!(!outcome.overflow && !outcome.pending_more);
        records.into_inner()
    }

    /// A write: the memory that it changed.
    fn send(&mut self, member: usize, iova: Iova) -> Option<PhysAddr> {
        let device = &self.members[member].device;
        device.send(iova);
        let is_hit = |frame: &u64| self.port.read64(FRAMES + frame * PAGE_SIZE) == device.mark();
        let hit: Vec<_> = (0..FRAME_COUNT).filter(is_hit).collect();
        assert!(hit.len() <= 1, "one write changed {hit:?}");
        // Nothing is where an address that passes untranslated leads.
        if iova.as_u64() < FRAMES {
            assert_ne!(self.port.read64(iova.as_u64()), device.mark(), "{iova} passed untranslated");
        }
        let frame = *hit.first()?;
        self.restore(frame);
        Some(PhysAddr::new(FRAMES + frame * PAGE_SIZE))
    }

    /// A read: the memory whose content the device then has, as far as it can be had from the device.
    fn fetch(&mut self, member: usize, iova: Iova, expected: Option<PhysAddr>) -> Option<PhysAddr> {
        let standing = if self.attached[member].is_some() { Standing::Inside } else { Standing::Outside };
        let fetched = self.members[member].device.fetch(iova, standing)?;
        assert!(expected.is_some() || fetched & 1 == 0, "{fetched:#x} was read");
        (fetched & 1 == 1).then(|| PhysAddr::new(fetched & !1))
    }

    /// Writes into a frame where it lies, so that it is known by its content.
    fn restore(&self, frame: u64) {
        let at = FRAMES + frame * PAGE_SIZE;
        self.port.write64(at, at | 1);
    }
}

/// The memory that a mapping has behind an address, and what it permits.
fn behind(mapped: &BTreeMap<u64, (u64, u64, Permissions)>, iova: u64) -> Option<(PhysAddr, Permissions)> {
    let (first, (pages, frame, permissions)) = mapped.range(..=iova).next_back()?;
    let page = (iova - first) / PAGE_SIZE;
    (page < *pages).then(|| (PhysAddr::new(FRAMES + (frame + page) * PAGE_SIZE), *permissions))
}

/// One machine for all: it is told of 65,536 device entries before it begins.
#[test]
fn release_11_1_lets_devices_reach_what_is_mapped_and_logs_the_rest() {
    let full = std::env::var("IVT_FULL").is_ok_and(|value| value == "1");
    let mut world = World::new(1);
    for _ in 0..if full { STEPS.1 } else { STEPS.0 } {
        world.step();
    }
    assert!(world.reached > 50 && world.blocked > 50, "{} and {}", world.reached, world.blocked);
    world.goes_on_by_what_it_remembers();
    world.starts_a_full_log_anew();
    assert_eq!(world.controller.unit().unit().queue_errors(), (0, None));
    assert!(world.controller.unit().unit().is_enforcing());
}

impl World {
    /// What the program rests on: a forgotten invalidation would show.
    fn goes_on_by_what_it_remembers(&mut self) {
        let source = self.source(1);
        self.controller.block([source]).unwrap();
        let mut domain = self.controller.new_domain().unwrap();
        let at = (Iova::new(PLACES[0]), PhysAddr::new(FRAMES));
        domain.map(&mut self.controller, at, PAGE_SIZE, BOTH).unwrap();
        self.controller.attach(&domain, source).unwrap();
        assert_eq!(self.send(1, at.0), Some(at.1));
        // The leaf alone, by hand, as a driver that forgets the rest.
        let leaf = self.leaf_of(source, at.0);
        self.memory.write(leaf, 0);
        assert_eq!(self.send(1, at.0), Some(at.1), "it is remembered");
        self.controller.unit_mut().after_unmap(domain.id(), at.0, 1, Stale::Range).unwrap();
        assert_eq!(self.send(1, at.0), None);
        assert!(!self.drain().is_empty());
        self.controller.block([source]).unwrap();
        self.controller.retire(&mut domain).unwrap();
    }

    fn starts_a_full_log_anew(&mut self) {
        (0..300).for_each(|_| assert_eq!(self.send(1, Iova::new(PLACES[0])), None));
        let mut port = self.controller.unit().unit().fault_port(self.memory.clone()).unwrap();
        let outcome = port.drain(&mut |_| {}, 1_000);
        assert!(outcome.overflow && outcome.drained >= 254, "{outcome:?}");
        assert_eq!(self.send(1, Iova::new(PLACES[0])), None);
        assert!(!self.drain().is_empty());
    }

    /// Where the entry of the lowest level stands.
    fn leaf_of(&self, source: SourceId, iova: Iova) -> PhysAddr {
        let [entry, ..] = device_entry(&Truth(&self.port), &self.start(), source).unwrap();
        let mut table = entry & 0x000f_ffff_ffff_f000;
        let mut level = entry >> 9 & 7;
        loop {
            let at = table + (iova.as_u64() >> (12 + 9 * (level - 1)) & 0x1ff) * 8;
            if level == 1 {
                return PhysAddr::new(at);
            }
            let next = self.port.read64(at);
            (table, level) = (next & 0x000f_ffff_ffff_f000, next >> 9 & 7);
        }
    }

    fn start(&self) -> WalkStart {
        WalkStart { table: self.controller.unit().table().base().0, deepest: 6 }
    }
}
