//! Units at work, against one made of software.

mod batches;
mod bring_up;
mod commands;
mod end_to_end;
mod faults;
mod requesters;

use dma_types::{Access, DomainId, Iova, PAGE_SIZE, Permissions, PhysAddr, SourceId};
use iommu::testing::{FakeClock, FakeMemory};
use iommu::{Controller, Domain};

use super::*;
use crate::testing::fake_unit::{Entries, FakeConfig, FakeUnit, Injection, Leftovers, Offer, Pace, Stuck};
use crate::testing::walker::walk;
use crate::{ActiveUnit, DomainTables};

const DEVICE: SourceId = SourceId::from_bits(0x18);
const OTHER: SourceId = SourceId::from_bits(0xfff8);
const IOVA: Iova = Iova::new(0x20_0000);
const TARGET: PhysAddr = PhysAddr::new(0x8000_0000);
const BOTH: Permissions = Permissions::READ_WRITE;

type Active = ActiveUnit<FakeUnit, FakeMemory, FakeClock>;
type Space = Domain<DomainTables<FakeMemory>>;

fn announced(config: FakeConfig) -> Announced {
    Announced { caching: config.caching, features: None }
}

struct Machine {
    memory: FakeMemory,
    clock: FakeClock,
    fake: FakeUnit,
    controller: Controller<Active>,
}

impl Machine {
    /// A unit that enforces and permits nothing.
    fn new(config: FakeConfig) -> Self {
        let memory = FakeMemory::new();
        let fake = FakeUnit::new(config, memory.clone());
        Self::enabled(config, memory, fake)
    }

    fn enabled(config: FakeConfig, memory: FakeMemory, fake: FakeUnit) -> Self {
        let clock = FakeClock::new();
        let stepped = fake.clone();
        clock.on_relax(move || stepped.step());
        let unit = Unit::probe(fake.clone(), announced(config)).unwrap();
        let active = ActiveUnit::enable(unit, Control::empty(), memory.clone(), clock.clone()).unwrap();
        Self { memory, clock, fake, controller: Controller::new(active) }
    }

    /// A domain with a page of memory mapped, and a device in it.
    fn with_device(&mut self) -> Space {
        let mut space = self.controller.new_domain().unwrap();
        space.map(&mut self.controller, (IOVA, TARGET), PAGE_SIZE, BOTH).unwrap();
        self.controller.attach(&space, DEVICE).unwrap();
        space
    }

    fn reads(&self, source: SourceId, iova: Iova) -> Option<PhysAddr> {
        self.fake.dma(source, iova, Access::Read).ok()
    }

    fn walked(&self, source: SourceId, iova: Iova, access: Access) -> Option<PhysAddr> {
        let found = walk(&self.memory, &self.fake.walk_start(), source, iova, access);
        found.ok().map(|found| found.phys)
    }
}
