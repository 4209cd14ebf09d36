//! A unit at work, its memory and clock, and what devices reach.

use dma_types::{Access, Iova, MsiMessage, PAGE_SIZE, Permissions, PhysAddr, SourceId};
use iommu::Controller;
use vtd::testing::fake_unit::{FakeConfig, FakeUnit, Stuck};
use vtd::testing::walker::{WalkMemory, walk};
use vtd::testing::{FakeClock, FakeMemory, View};
use vtd::{ActiveUnit, DomainTables, Unit};

pub const MESSAGE: MsiMessage = MsiMessage { address: 0xfee0_1000, data: 0x4031 };
/// The first two share a bus.
pub const REQUESTERS: [SourceId; 3] =
    [SourceId::from_bits(0x0018), SourceId::from_bits(0x0020), SourceId::from_bits(0x4100)];
pub const IOVA: Iova = Iova::new(0x20_0000);
pub const TARGET: PhysAddr = PhysAddr::new(0x8000_0000);

pub type Domain = iommu::Domain<DomainTables<FakeMemory>>;

pub struct Machine {
    pub memory: FakeMemory,
    pub clock: FakeClock,
    pub fake: FakeUnit,
    pub controller: Controller<ActiveUnit<FakeUnit, FakeMemory, FakeClock>>,
}

/// Memory as the walker judges it: without anything remembered.
struct Truth<'m>(&'m FakeMemory);

impl WalkMemory for Truth<'_> {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        self.0.device_read(at, View::Coherent)
    }
}

impl Machine {
    /// A unit that enforces and permits nothing.
    pub fn new(config: FakeConfig) -> Self {
        let (memory, clock) = (FakeMemory::new(), FakeClock::new());
        let fake = FakeUnit::new(config, memory.clone());
        let stepped = fake.clone();
        clock.on_relax(move || stepped.step());
        let unit = Unit::probe(fake.clone()).unwrap();
        let active = ActiveUnit::enable(unit, MESSAGE, memory.clone(), clock.clone()).unwrap();
        Self { memory, clock, fake, controller: Controller::new(active) }
    }

    /// A domain with nothing in it.
    pub fn domain(&mut self) -> Domain {
        self.controller.new_domain().unwrap()
    }

    /// A domain with a page of memory mapped at [`IOVA`].
    pub fn mapped(&mut self, target: PhysAddr) -> Domain {
        let mut domain = self.domain();
        domain.map(&mut self.controller, (IOVA, target), PAGE_SIZE, Permissions::READ_WRITE).unwrap();
        domain
    }

    /// Has every invalidation fail from now on, until the unit is mended.
    pub fn refuse(&self) {
        let parts = [Stuck::Descriptors, Stuck::ContextRefusal, Stuck::IotlbRefusal];
        parts.into_iter().for_each(|part| self.fake.break_part(part));
    }

    /// Brings a unit up anew that did not answer.
    pub fn bring_up_again(&mut self) -> bool {
        self.controller.unit_mut().bring_up_again(MESSAGE).is_ok()
    }

    /// What a request reaches by the unit, whatever it remembers.
    pub fn reached(&self, source: SourceId, iova: Iova, access: Access) -> Option<PhysAddr> {
        self.fake.dma(source, iova, access).ok()
    }

    /// What a request reaches by the tables in memory.
    pub fn walked(&self, source: SourceId, iova: Iova, access: Access) -> Option<PhysAddr> {
        let root = self.controller.unit().roots().address();
        let limits = self.fake.walk_limits();
        walk(&Truth(&self.memory), root, source, iova, access, &limits).ok().map(|found| found.phys)
    }

    pub fn reads(&self, source: SourceId, iova: Iova) -> bool {
        self.reached(source, iova, Access::Read).is_some()
    }

    /// Takes the faults off the unit, so that it has room for more.
    pub fn drain_faults(&self) {
        let _ = self.controller.unit().unit().fault_port().drain(&mut |_| {}, 256);
    }
}

/// The page so many GiB behind [`IOVA`], below other tables.
pub fn far(number: u64) -> Iova {
    Iova::new(IOVA.as_u64() + (number << 30))
}

/// The page behind.
pub fn beside(iova: Iova) -> Iova {
    Iova::new(iova.as_u64() + PAGE_SIZE)
}
