//! One of the two units, driven by the shipped library: its registers, its tables, its domains.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::time::Instant;

use dma_types::{DomainId, Iova, MsiMessage, PAGE_SIZE, Permissions, PhysAddr, SourceId};
use iommu::ContiguousMemory;
use vtd::spec::fault_record::FaultRecord;
use vtd::tables::{Coherence, Format, RootTable, SecondStage, Unmapped};
use vtd::testing::FakeMemory;
use vtd::testing::fake_unit::{FakeConfig, FakeUnit, Offer};
use vtd::{BringUp, Clock, Invalidation, Registers, TableMemory, Unit};

use super::machine::{Port, UNIT};

/// Bytes of the unit's window.
const WINDOW: usize = 0x1000;
/// Where tables lie in the machine's memory; what was freed last is handed out first.
const TABLES: u64 = 0x100_0000;

/// A domain as a side holds it.
pub struct Domain {
    pub id: DomainId,
    pub stage: SecondStage,
}

/// A unit that enforces.
pub struct Side<R, M> {
    pub memory: M,
    pub unit: Unit<R>,
    pub root: RootTable,
    pub domains: Vec<Domain>,
    /// Tables that were unlinked and may still be walked. A test that fails leaves them.
    unlinked: Vec<ManuallyDrop<Unmapped>>,
}

impl<R: Registers + Clone, M: TableMemory> Side<R, M> {
    /// Brings a unit up, and makes domains with nothing in them.
    pub fn new(registers: R, mut memory: M, domains: u16) -> Self {
        let mut unit = Unit::probe(registers).unwrap();
        let root = RootTable::new(&mut memory, Coherence::of_unit(unit.extended_capabilities())).unwrap();
        let fault_message = MsiMessage { address: 0xfee0_0000, data: 0x50 };
        let config = BringUp { root: root.address(), fault_message };
        let _ = unit.bring_up(&config, &mut memory, &Patience::new()).unwrap();
        let format =
            Format::of_unit(unit.levels().unwrap(), unit.capabilities(), unit.extended_capabilities());
        let domains = (1..=domains)
            .map(|id| Domain { id: DomainId(id), stage: SecondStage::new(&mut memory, format).unwrap() })
            .collect();
        Self { memory, unit, root, domains, unlinked: Vec::new() }
    }

    /// Maps pages; tells whether the library did.
    pub fn map(
        &mut self,
        domain: usize,
        (iova, phys): (Iova, PhysAddr),
        pages: u64,
        to: Permissions,
    ) -> bool {
        let Domain { id, stage } = &mut self.domains[domain];
        let mapped = stage.map(&mut self.memory, iova, phys, pages * PAGE_SIZE, to).is_ok();
        if mapped {
            self.unit.after_map(*id, (iova, pages), &mut self.memory, &Patience::new()).unwrap();
        }
        mapped
    }

    /// Unmaps pages, and has them forgotten.
    pub fn unmap(&mut self, domain: usize, iova: Iova, pages: u64) {
        let Domain { id, stage } = &mut self.domains[domain];
        let unmapped = stage.unmap(&mut self.memory, iova, pages * PAGE_SIZE).unwrap();
        let (range, stale) = ((iova, pages), unmapped.stale());
        self.unit.after_unmap(*id, range, stale, &mut self.memory, &Patience::new()).unwrap();
        unmapped.release(&mut self.memory);
    }

    /// Unmaps pages and tells the unit nothing, as a driver would that forgets to.
    pub fn unmap_silently(&mut self, domain: usize, iova: Iova, pages: u64) {
        let stage = &mut self.domains[domain].stage;
        let unmapped = stage.unmap(&mut self.memory, iova, pages * PAGE_SIZE).unwrap();
        self.unlinked.push(ManuallyDrop::new(unmapped));
    }

    /// Has everything forgotten.
    pub fn forget_all(&mut self) {
        let everything = [Invalidation::ContextGlobal, Invalidation::IotlbGlobal];
        self.unit.invalidate_all(&everything, &mut self.memory, &Patience::new()).unwrap();
        for unmapped in self.unlinked.drain(..) {
            ManuallyDrop::into_inner(unmapped).release(&mut self.memory);
        }
    }

    /// Puts a requester into a domain.
    pub fn attach(&mut self, source: SourceId, domain: usize) {
        let Domain { id, stage } = &self.domains[domain];
        let (who, tables) = ((source, *id), (stage.root(), stage.levels()));
        self.unit.attach(&mut self.root, who, tables, &mut self.memory, &Patience::new()).unwrap();
    }

    /// Takes a requester out of its domain.
    pub fn block(&mut self, source: SourceId) {
        self.unit.block(&mut self.root, source, &mut self.memory, &Patience::new()).unwrap();
    }

    /// The records that wait, and frees them.
    pub fn drain(&mut self) -> Vec<FaultRecord> {
        let mut records = Vec::new();
        let _ = self.unit.fault_port().drain(&mut |record| records.push(record), 16);
        records
    }
}

/// The fake unit, made like one that was probed.
pub fn fake_like(probed: &Unit<Window>) -> (FakeUnit, FakeMemory) {
    let (cap, ecap) = (probed.capabilities().0, probed.extended_capabilities().0);
    let field = |register: u64, shift: u32, bits: u32| (register >> shift & ((1 << bits) - 1)) as usize;
    let offer = |register: u64, bit: u32| if field(register, bit, 1) == 1 { Offer::Yes } else { Offer::No };
    let config = FakeConfig {
        table_levels: field(cap, 8, 5) as u8,
        address_width: field(cap, 16, 6) as u8 + 1,
        large_pages: field(cap, 34, 4) as u8,
        records: field(cap, 40, 8) + 1,
        record_offset: field(cap, 24, 10) * 16,
        next_record: 0,
        iotlb_offset: field(ecap, 8, 10) * 16,
        window: WINDOW,
        max_address_mask: field(cap, 48, 6) as u8,
        caching_mode: offer(cap, 7),
        coherent_walks: offer(ecap, 0),
        queue: offer(ecap, 1),
        write_buffer_flush: offer(cap, 4),
        protected_memory: offer(cap, 5),
        page_selective: offer(cap, 39),
        drains: offer(cap, 54),
        snoop_control: offer(ecap, 7),
        extended_interrupts: offer(ecap, 4),
        merge_faults: Offer::Yes,
        ..FakeConfig::default()
    };
    let memory = FakeMemory::new();
    (FakeUnit::new(config, memory.clone()), memory)
}

/// The registers of QEMU's unit.
#[derive(Clone)]
pub struct Window(pub Port);

impl Registers for Window {
    fn len(&self) -> usize {
        WINDOW
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

/// Tables in the machine's memory; clones are the same memory.
#[derive(Clone)]
pub struct MachineMemory {
    port: Port,
    taken: Rc<RefCell<Taken>>,
}

/// What of it is taken.
#[derive(Default)]
struct Taken {
    handed_out: u64,
    free: Vec<PhysAddr>,
}

impl MachineMemory {
    /// Memory of a machine from which nothing was taken.
    pub fn new(port: Port) -> Self {
        Self { port, taken: Rc::default() }
    }

    /// Takes pages in a row that were never taken.
    fn take_row(&self, pages: u64) -> PhysAddr {
        let mut taken = self.taken.borrow_mut();
        let first = PhysAddr::new(TABLES + taken.handed_out * PAGE_SIZE);
        taken.handed_out += pages;
        self.port.clear(first.as_u64(), pages * PAGE_SIZE);
        first
    }
}

impl ContiguousMemory for MachineMemory {
    fn allocate_row(&mut self, order: u8) -> Option<PhysAddr> {
        Some(self.take_row(1 << order))
    }

    fn free_row(&mut self, first: PhysAddr, order: u8) {
        (0..1 << order).for_each(|page| self.free(PhysAddr::new(first.as_u64() + page * PAGE_SIZE)));
    }
}

impl TableMemory for MachineMemory {
    fn allocate(&mut self) -> Option<PhysAddr> {
        let free = self.taken.borrow_mut().free.pop();
        let Some(page) = free else { return Some(self.take_row(1)) };
        self.port.clear(page.as_u64(), PAGE_SIZE);
        Some(page)
    }

    fn free(&mut self, page: PhysAddr) {
        self.taken.borrow_mut().free.push(page);
    }

    fn read(&self, at: PhysAddr) -> u64 {
        self.port.read64(at.as_u64())
    }

    fn write(&mut self, at: PhysAddr, value: u64) {
        self.port.write64(at.as_u64(), value);
    }

    fn flush(&self, _at: PhysAddr, _bytes: u64) {}
}

/// Real time, for bounded waits.
pub struct Patience(Instant);

impl Patience {
    /// A wait that begins now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Patience {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn relax(&self) {}
}
