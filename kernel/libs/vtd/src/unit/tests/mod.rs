//! A unit of the library against a unit in software.

mod bring_up;
mod dead;
mod end_to_end;
mod enforcement;
mod faults;
mod interleavings;
mod interrupts;
mod invalidation;
mod probe;
mod recovery;
mod take_over;
mod unconfirmed;

use dma_types::{Access, DomainId, Iova, MsiMessage, PAGE_SIZE, Permissions, PhysAddr, SourceId};

use crate::invalidation::InvalidationError;
use crate::spec::capability::SupportedPageSizes;
use crate::spec::fault_event::FaultStatus;
use crate::spec::fault_reason::FaultReason;
use crate::tables::{Coherence, Format, RootTable, SecondStage};
use crate::testing::fake_unit::{Blocked, FakeConfig, FakeUnit, Leftovers};
use crate::testing::{FakeClock, FakeMemory};

use super::{BringUp, Unit, UnitError};

const MESSAGE: MsiMessage = MsiMessage { address: 0xfee0_1000, data: 0x4031 };
const DEVICE: SourceId = SourceId::from_bits(0x0018);
const OTHER_DEVICE: SourceId = SourceId::from_bits(0x0020);
const DOMAIN: DomainId = DomainId(5);
const OTHER_DOMAIN: DomainId = DomainId(6);
const IOVA: Iova = Iova::new(0x20_0000);
const TARGET: PhysAddr = PhysAddr::new(0x8000_0000);

/// Everything around a unit.
struct Bench {
    memory: FakeMemory,
    clock: FakeClock,
    root: RootTable,
    fake: FakeUnit,
    unit: Unit<FakeUnit>,
}

impl Bench {
    /// A unit that was probed and not touched.
    fn probed(config: FakeConfig, left: &Leftovers) -> Self {
        let mut memory = FakeMemory::new();
        let coherence = Coherence::of_unit(config.extended_capabilities());
        let root = RootTable::new(&mut memory, coherence).unwrap();
        let fake = FakeUnit::left_by_firmware(config, memory.clone(), left);
        let unit = Unit::probe(fake.clone()).unwrap();
        Self { memory, clock: FakeClock::new(), root, fake, unit }
    }

    /// A unit that enforces and permits nothing.
    fn enforcing(config: FakeConfig) -> Self {
        let mut bench = Self::probed(config, &Leftovers::default());
        assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
        bench
    }

    fn bring_up(&mut self) -> Result<FaultStatus, UnitError> {
        let config = BringUp { root: self.root.address(), fault_message: MESSAGE };
        self.unit.bring_up(&config, &mut self.memory, &self.clock)
    }

    /// A domain for `source` with nothing in it.
    fn domain(&mut self, source: SourceId, domain: DomainId) -> SecondStage {
        let format = Format {
            page_sizes: SupportedPageSizes::from_bits(0b01),
            ..Format::of_unit(
                self.unit.levels().unwrap(),
                self.unit.capabilities(),
                self.unit.extended_capabilities(),
            )
        };
        let stage = SecondStage::new(&mut self.memory, format).unwrap();
        self.attach((source, domain), &stage).unwrap();
        stage
    }

    fn attach(
        &mut self,
        who: (SourceId, DomainId),
        stage: &SecondStage,
    ) -> Result<(), iommu::Error<InvalidationError>> {
        let tables = (stage.root(), stage.levels());
        self.unit.attach(&mut self.root, who, tables, &mut self.memory, &self.clock)
    }

    fn block(&mut self, source: SourceId) -> Result<(), InvalidationError> {
        self.unit.block(&mut self.root, source, &mut self.memory, &self.clock)
    }

    /// Maps pages for reading and writing.
    fn map(&mut self, (stage, domain): (&mut SecondStage, DomainId), iova: Iova, pages: u64) {
        let bytes = pages * PAGE_SIZE;
        let phys = PhysAddr::new(TARGET.as_u64() + iova.as_u64());
        stage.map(&mut self.memory, iova, phys, bytes, Permissions::READ_WRITE).unwrap();
        self.unit.after_map(domain, (iova, pages), &mut self.memory, &self.clock).unwrap();
    }

    /// A domain of [`DEVICE`] with [`IOVA`] mapped and remembered by the unit.
    fn warm_page(&mut self) -> SecondStage {
        let mut stage = self.domain(DEVICE, DOMAIN);
        self.map((&mut stage, DOMAIN), IOVA, 1);
        assert!(self.reaches(DEVICE, IOVA));
        stage
    }

    /// Clears the entries of a page and tells the unit nothing.
    fn unmap_silently(&mut self, stage: &mut SecondStage, iova: Iova) {
        let unmapped = stage.unmap(&mut self.memory, iova, PAGE_SIZE).unwrap();
        unmapped.release(&mut self.memory);
    }

    fn reaches(&self, source: SourceId, iova: Iova) -> bool {
        self.fake.dma(source, iova, Access::Read).is_ok()
    }

    fn is_blocked(&self, source: SourceId, iova: Iova, reason: FaultReason) -> bool {
        self.fake.dma(source, iova, Access::Read) == Err(Blocked::Fault(reason))
    }
}
