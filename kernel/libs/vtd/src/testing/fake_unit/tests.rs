//! The fake unit is as strict as it says.

use dma_types::{Access, DomainId, Iova, PAGE_SIZE, Permissions, SourceId};
use mmio_regs::TypedAccess;

use super::*;
use crate::TableMemory;
use crate::spec::descriptor::Descriptor;
use crate::spec::queue_registers::QueuePosition;
use crate::spec::registers::{FSTS, GCMD, GSTS, IQA, IQH, IQT, RTADDR, fault_record_high, iotlb};
use crate::tables::{Coherence, Format, RootTable, SecondStage};

const DEVICE: SourceId = SourceId::from_bits(0x0018);
const DOMAIN: DomainId = DomainId(5);
const IOVA: Iova = Iova::new(0x20_0000);

fn coherent() -> FakeConfig {
    FakeConfig { coherent_walks: Offer::Yes, ..FakeConfig::default() }
}

fn fresh() -> FakeUnit {
    FakeUnit::new(coherent(), FakeMemory::new())
}

/// A unit that translates for one device with one page mapped, and whose queue is on.
struct Running {
    unit: FakeUnit,
    memory: FakeMemory,
    root: RootTable,
    stage: SecondStage,
    ring: PhysAddr,
    tail: usize,
}

fn running() -> Running {
    running_as(coherent())
}

fn running_as(config: FakeConfig) -> Running {
    let mut memory = FakeMemory::new();
    let mut root = RootTable::new(&mut memory, Coherence::Coherent).unwrap();
    let levels = config.capabilities().table_levels().preferred().unwrap();
    let format = Format::of_unit(levels, config.capabilities(), config.extended_capabilities());
    let mut stage = SecondStage::new(&mut memory, format).unwrap();
    let _ = root.attach(&mut memory, DEVICE, DOMAIN, stage.root(), levels).unwrap();
    let target = PhysAddr::new(0x8000_0000);
    stage.map(&mut memory, IOVA, target, PAGE_SIZE, Permissions::READ_WRITE).unwrap();
    let left = Leftovers { root: Some(root.address()), ..Leftovers::default() };
    let unit = FakeUnit::left_by_firmware(config, memory.clone(), &left);
    let ring = memory.allocate().unwrap();
    unit.set(IQA, QueueAddress::one_page(ring));
    unit.set(GCMD, GlobalCommand::TRANSLATION | GlobalCommand::QUEUE);
    Running { unit, memory, root, stage, ring, tail: 0 }
}

impl Running {
    fn submit(&mut self, descriptor: Descriptor) {
        let at = self.ring.as_u64() + self.tail as u64 * 16;
        self.memory.write(PhysAddr::new(at), descriptor.low);
        self.memory.write(PhysAddr::new(at + 8), descriptor.high);
        self.tail += 1;
        self.unit.set(IQT, QueuePosition::at(self.tail));
    }

    fn stopped(&self) -> bool {
        self.unit.get(FSTS).contains(FaultStatus::QUEUE_ERROR)
    }

    fn reaches(&self) -> bool {
        self.unit.dma(DEVICE, IOVA, Access::Read).is_ok()
    }
}

#[test]
#[should_panic(expected = "more than one change")]
fn two_commands_in_one_write_are_a_bug() {
    running().unit.set(GCMD, GlobalCommand::SET_ROOT | GlobalCommand::TRANSLATION);
}

#[test]
#[should_panic(expected = "translation without a root table")]
fn translation_without_a_root_table_is_a_bug() {
    fresh().set(GCMD, GlobalCommand::TRANSLATION);
}

#[test]
#[should_panic(expected = "IQA while the queue is on")]
fn a_queue_does_not_move_while_it_is_on() {
    running().unit.set(IQA, QueueAddress(0));
}

#[test]
#[should_panic(expected = "no 32-bit register to write")]
fn a_read_only_register_is_not_written() {
    use mmio_regs::Registers;
    fresh().write32(GSTS.offset(), 0);
}

#[test]
fn the_root_pointer_counts_once_it_is_set() {
    let unit = fresh();
    unit.set(RTADDR, RootTableAddress(0x5000));
    assert_eq!(unit.history().last().unwrap().root, PhysAddr::new(0));
    unit.set(GCMD, GlobalCommand::SET_ROOT);
    assert_eq!(unit.history().last().unwrap().root, PhysAddr::new(0x5000));
    assert!(unit.get(GSTS).contains(GlobalStatus::ROOT_SET));
}

#[test]
fn status_bits_clear_by_writing_one_and_pending_by_the_records_alone() {
    let running = running();
    let nobody = SourceId::from_bits(0x0500);
    (0..5).for_each(|_| assert!(running.unit.dma(nobody, IOVA, Access::Read).is_err()));
    let both = FaultStatus::PENDING | FaultStatus::OVERFLOW;
    assert!(running.unit.get(FSTS).contains(both));
    running.unit.clear(FSTS, FaultStatus::empty());
    assert!(running.unit.get(FSTS).contains(both));
    running.unit.clear(FSTS, both);
    assert_eq!(running.unit.get(FSTS).conditions(), FaultStatus::PENDING);
    let first = running.unit.state.borrow().config.record_offset;
    (0..4).for_each(|n| running.unit.clear(fault_record_high(first + n * 16), 1 << 31));
    assert_eq!(running.unit.get(FSTS).conditions(), FaultStatus::empty());
}

#[test]
fn the_leaf_hint_leaves_upper_tables_remembered() {
    let mut running = running();
    assert!(running.reaches());
    // The whole domain goes elsewhere: an upper table changes, which the hint denies.
    let replacement = SecondStage::new(
        &mut running.memory,
        Format::of_unit(
            running.stage.levels(),
            coherent().capabilities(),
            coherent().extended_capabilities(),
        ),
    )
    .unwrap();
    let first = running.memory.read(running.stage.root());
    assert_ne!(first, 0);
    running.memory.write(running.stage.root(), running.memory.read(replacement.root()));
    running.submit(Descriptor::iotlb_pages(DOMAIN, IOVA, 0).with_leaf_hint());
    assert!(running.reaches());
    running.submit(Descriptor::iotlb_pages(DOMAIN, IOVA, 0));
    assert!(!running.reaches());
    assert!(running.root.page_count() > 2);
}

#[test]
fn what_is_no_descriptor_stops_the_queue() {
    let good = Descriptor::iotlb_pages(DOMAIN, IOVA, 0);
    let misaligned = Descriptor::iotlb_pages(DOMAIN, Iova::new(0x1000), 1);
    for bad in [
        Descriptor { low: 0, high: 0 },
        Descriptor { low: 0xe, high: 0 },
        Descriptor { low: good.low | 1 << 8, ..good },
        Descriptor { high: good.high | 1 << 7, ..good },
        Descriptor { high: 1, ..Descriptor::context_global() },
        // No wait at all.
        Descriptor { low: 5, high: 0 },
        Descriptor::device_tlb_page(DEVICE, IOVA),
        misaligned,
        Descriptor::iotlb_pages(DOMAIN, Iova::new(0), 10),
    ] {
        let mut running = running();
        running.submit(good);
        assert!(!running.stopped());
        running.submit(bad);
        assert!(running.stopped(), "{bad:?}");
        assert_eq!(running.unit.get(IQH).index(), 1);
        // Cleared, it starts again at the next write of the tail, at the same descriptor.
        running.unit.clear(FSTS, FaultStatus::QUEUE_ERROR);
        assert!(!running.stopped());
        running.unit.set(IQT, QueuePosition::at(running.tail));
        assert!(running.stopped());
    }
}

#[test]
#[should_panic(expected = "both flags")]
fn a_wait_with_both_flags_is_a_bug() {
    let mut running = running();
    let wait = Descriptor::wait(running.ring, 1);
    running.submit(Descriptor { low: wait.low | 1 << 4, ..wait });
}

#[test]
fn with_the_queue_on_an_invalidation_by_register_never_ends() {
    let running = running();
    let register = iotlb(coherent().iotlb_offset);
    running
        .unit
        .set(register, IotlbCommand::new(crate::spec::register_invalidation::Granularity::GLOBAL, DOMAIN));
    assert!((0..100).all(|_| running.unit.get(register).busy()));
}

#[test]
fn an_empty_queue_turns_off_only_behind_a_wait() {
    let mut running = running();
    running.submit(Descriptor::iotlb_global());
    running.unit.set(GCMD, GlobalCommand::TRANSLATION);
    assert!(running.unit.get(GSTS).contains(GlobalStatus::QUEUE));
    let status = PhysAddr::new(running.ring.as_u64() + 0x800);
    running.submit(Descriptor::wait(status, 7));
    assert_eq!(running.memory.read(status), 7);
    running.unit.set(GCMD, GlobalCommand::TRANSLATION);
    assert!(!running.unit.get(GSTS).contains(GlobalStatus::QUEUE));
}

#[test]
fn protected_memory_blocks_without_translation() {
    let left = Leftovers { protected_memory: true, ..Leftovers::default() };
    let unit = FakeUnit::left_by_firmware(coherent(), FakeMemory::new(), &left);
    assert_eq!(unit.dma(DEVICE, IOVA, Access::Write), Err(Blocked::ProtectedMemory));
    assert_eq!(fresh().dma(DEVICE, IOVA, Access::Write), Ok(PhysAddr::new(IOVA.as_u64())));
}

#[test]
fn what_is_written_behind_the_tail_comes_too_late_for_a_unit_that_fetches_ahead() {
    let lazy = FakeConfig { pace: Pace::Stepped, ..coherent() };
    for (config, too_late) in [(lazy, false), (FakeConfig { prefetch: 2, ..lazy }, true)] {
        let mut running = running_as(config);
        running.submit(Descriptor::iotlb_global());
        running.tail += 1;
        running.unit.set(IQT, QueuePosition::at(running.tail));
        let second = Descriptor::context_global();
        running.memory.write(PhysAddr::new(running.ring.as_u64() + 16), second.low);
        (0..2).for_each(|_| running.unit.step());
        assert_eq!(running.stopped(), too_late, "{config:?}");
        // Cleared, it fetches again, and what it then finds is there.
        running.unit.clear(FSTS, FaultStatus::QUEUE_ERROR);
        running.unit.set(IQT, QueuePosition::at(running.tail));
        running.unit.step();
        assert!(!running.stopped());
        assert_eq!(running.unit.get(IQH).index(), 2);
    }
}

/// The upper half of a context entry, written behind the lower one.
#[test]
#[should_panic(expected = "changes while it is present")]
fn an_entry_that_counts_before_it_is_whole_is_a_bug() {
    let Running { unit, mut memory, root, .. } = running();
    let other = SourceId::from_bits(DEVICE.bits() + 1);
    unit.let_ask_meanwhile(other, IOVA);
    let (from, to) = (root.entry(&memory, DEVICE), root.entry_address(&memory, other));
    memory.write(to, from.low());
    memory.write(to.checked_add(8).unwrap(), from.high());
}

/// An entry that is taken out, and whose rest is cleared before the unit was told to forget it.
#[test]
#[should_panic(expected = "never stood there")]
fn an_entry_that_is_cleared_before_it_is_forgotten_is_a_bug() {
    let Running { unit, mut memory, mut root, .. } = running();
    unit.let_ask_meanwhile(DEVICE, IOVA);
    let at = root.entry_address(&memory, DEVICE);
    // Any store: the unit fetches the lower half of the whole entry.
    memory.write(at, memory.read(at));
    assert_eq!(root.block(&mut memory, DEVICE), Some(DOMAIN));
    root.forget_blocked(&mut memory, DEVICE);
}

/// The same in the order in which it has to be.
#[test]
fn an_entry_that_is_whole_before_it_counts_is_none() {
    let Running { unit, mut memory, root, .. } = running();
    let other = SourceId::from_bits(DEVICE.bits() + 1);
    unit.let_ask_meanwhile(other, IOVA);
    let (from, to) = (root.entry(&memory, DEVICE), root.entry_address(&memory, other));
    memory.write(to.checked_add(8).unwrap(), from.high());
    memory.write(to, from.low());
    assert!(unit.dma(other, IOVA, Access::Read).is_ok());
}
