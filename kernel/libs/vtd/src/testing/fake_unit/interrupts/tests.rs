//! The interrupt path is as strict as it says: reasons 0x20 to 0x28, each with the twin that passes.

use dma_types::{ApicId, PAGE_SIZE};
use iommu::interrupts::{Route, Sender, Trigger};
use mmio_regs::TypedAccess;

use super::*;
use crate::TableMemory;
use crate::spec::command::GlobalCommand;
use crate::spec::descriptor::Descriptor;
use crate::spec::fault_event::FaultStatus;
use crate::spec::queue_registers::{QueueAddress, QueuePosition};
use crate::spec::registers::{FSTS, GCMD, GSTS, IQA, IQT, IRTA};
use crate::testing::FakeMemory;
use crate::testing::fake_unit::{FakeConfig, Leftovers, Offer};

const SENDER: SourceId = SourceId::from_bits(0x0218);
const OTHER: SourceId = SourceId::from_bits(0x0318);
const INDEX: InterruptIndex = InterruptIndex(5);
const ROUTE: Route = Route { vector: 0x61, destination: ApicId(3), trigger: Trigger::Edge };
const ARRIVED: Result<Delivery, FaultReason> = Ok(Delivery::Remapped { vector: 0x61, destination: 3 });
const QUEUE_ON: GlobalCommand = GlobalCommand::QUEUE;

/// A unit that remaps interrupts by a table of a page, and its queue.
struct Running {
    unit: FakeUnit,
    memory: FakeMemory,
    table: PhysAddr,
    ring: PhysAddr,
    tail: usize,
}

fn config() -> FakeConfig {
    FakeConfig { coherent_walks: Offer::Yes, extended_interrupts: Offer::Yes, ..FakeConfig::default() }
}

fn running(config: FakeConfig, mode: DestinationMode) -> Running {
    let mut memory = FakeMemory::new();
    let (table, ring) = (memory.allocate().unwrap(), memory.allocate().unwrap());
    let interrupt_table = Some(InterruptTableAddress::new(table, 8, mode));
    let left = Leftovers { interrupt_table, ..Leftovers::default() };
    let unit = FakeUnit::left_by_firmware(config, memory.clone(), &left);
    unit.set(IQA, QueueAddress::one_page(ring));
    unit.set(GCMD, GlobalCommand::INTERRUPT_REMAPPING | QUEUE_ON);
    let mut running = Running { unit, memory, table, ring, tail: 0 };
    running.write(INDEX, InterruptEntry::remapped(ROUTE, Sender::Exact(SENDER), mode));
    running
}

fn message(index: InterruptIndex) -> MsiMessage {
    InterruptRequest::remappable(index).message()
}

fn blocked(reason: u8) -> Result<Delivery, FaultReason> {
    Err(FaultReason(reason))
}

impl Running {
    fn write(&mut self, index: InterruptIndex, entry: InterruptEntry) {
        let at = self.table.as_u64() + u64::from(index.0) * 16;
        self.memory.write(PhysAddr::new(at + 8), entry.high());
        self.memory.write(PhysAddr::new(at), entry.low());
    }

    /// Changes an entry's words, and has the unit forget it.
    fn rewrite(&mut self, change: impl FnOnce(u64, u64) -> (u64, u64), mode: DestinationMode) {
        let (low, high) = {
            let entry = InterruptEntry::remapped(ROUTE, Sender::Exact(SENDER), mode);
            change(entry.low(), entry.high())
        };
        self.write(INDEX, InterruptEntry::from_words(low, high));
        self.submit(Descriptor::interrupt_global());
    }

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

    fn send(&self) -> Result<Delivery, FaultReason> {
        self.unit.interrupt(SENDER, message(INDEX))
    }

    /// The record of the only fault, and room for the next.
    fn record(&self) -> (FaultReason, Option<u16>, SourceId) {
        let records = self.unit.waiting_records();
        let [record] = records[..] else { panic!("{records:?}") };
        (record.reason(), record.interrupt_index().map(|index| index.0), record.source())
    }
}

#[test]
fn a_message_arrives_by_its_entry_from_its_sender_alone() {
    for mode in [DestinationMode::XApic, DestinationMode::X2Apic] {
        let running = running(config(), mode);
        assert_eq!(running.send(), ARRIVED);
        assert!(running.unit.waiting_records().is_empty());
        assert_eq!(running.unit.interrupt(OTHER, message(INDEX)), blocked(0x26));
        assert_eq!(running.record(), (FaultReason(0x26), Some(5), OTHER));
    }
}

#[test]
fn an_index_without_an_entry_and_one_beyond_the_table_are_blocked() {
    for (index, reason) in [(6, 0x22), (256, 0x21), (u16::MAX, 0x21)] {
        let running = running(config(), DestinationMode::XApic);
        assert_eq!(running.unit.interrupt(SENDER, message(InterruptIndex(index))), blocked(reason));
        assert_eq!(running.record(), (FaultReason(reason), Some(index), SENDER));
    }
    // Handle and data together may lead beyond what 16 bits hold.
    let far = MsiMessage { address: 0xfeef_fffc, data: 2 };
    assert_eq!(running(config(), DestinationMode::XApic).unit.interrupt(SENDER, far), blocked(0x21));
}

#[test]
fn the_number_of_a_message_is_added_to_the_index() {
    let running = running(config(), DestinationMode::XApic);
    let first = message(InterruptIndex(4));
    assert_eq!(running.unit.interrupt(SENDER, MsiMessage { data: 1, ..first }), ARRIVED);
    assert_eq!(running.unit.interrupt(SENDER, first), blocked(0x22));
    assert_eq!(running.unit.interrupt(SENDER, MsiMessage { data: 0x1_0001, ..first }), blocked(0x20));
    let reserved = MsiMessage { address: message(INDEX).address | 1, data: 0 };
    assert_eq!(running.unit.interrupt(SENDER, reserved), blocked(0x20));
}

#[test]
fn messages_of_the_compatibility_format_pass_by_permission_alone_and_never_in_extended_mode() {
    let plain = MsiMessage { address: 0xfee0_1000, data: 0x41 };
    let passes = Ok(Delivery::Plain { vector: 0x41, destination: 1 });
    for (mode, permitted, result) in [
        (DestinationMode::XApic, false, blocked(0x25)),
        (DestinationMode::XApic, true, passes),
        (DestinationMode::X2Apic, false, blocked(0x25)),
        (DestinationMode::X2Apic, true, blocked(0x25)),
    ] {
        let running = running(config(), mode);
        let all = GlobalCommand::INTERRUPT_REMAPPING | QUEUE_ON;
        if permitted {
            running.unit.set(GCMD, all | GlobalCommand::COMPATIBILITY_INTERRUPTS);
            assert!(running.unit.get(GSTS).contains(GlobalStatus::COMPATIBILITY_INTERRUPTS));
        }
        assert_eq!(running.unit.interrupt(SENDER, plain), result, "{mode:?} {permitted}");
    }
    let off = FakeUnit::new(config(), FakeMemory::new());
    assert_eq!(off.interrupt(SENDER, plain), passes);
    // What would name an entry is taken for what it does not say.
    assert_eq!(off.interrupt(SENDER, message(INDEX)), Ok(Delivery::Plain { vector: 0, destination: 0 }));
}

#[test]
fn reserved_bits_of_an_entry_block() {
    let x2apic_only = 1u64 << 32 | 1 << 48;
    for (low, high) in [
        (1u64 << 12, 0),
        (1 << 24, 0),
        (1 << 15, 0),
        (0b011 << 5, 0),
        (0b110 << 5, 0),
        (0, 1u64 << 20),
        (0, 1 << 63),
        (0, 0b10 << 18),
        (x2apic_only, 0),
    ] {
        let mut running = running(config(), DestinationMode::XApic);
        running.rewrite(|a, b| (a | low, b | high), DestinationMode::XApic);
        assert_eq!(running.send(), blocked(0x24), "{low:#x} {high:#x}");
    }
    // With all 32 bits for the processor, none of them is reserved.
    let mut running = running(config(), DestinationMode::X2Apic);
    running.rewrite(|low, high| (low | x2apic_only, high), DestinationMode::X2Apic);
    let far = Delivery::Remapped { vector: 0x61, destination: 0x1_0003 };
    assert_eq!(running.send(), Ok(far));
}

#[test]
fn a_table_that_cannot_be_read_blocks() {
    let nowhere = Some(InterruptTableAddress::new(PhysAddr::new(0x7000_0000), 8, DestinationMode::XApic));
    let left = Leftovers { interrupt_table: nowhere, ..Leftovers::default() };
    let unit = FakeUnit::left_by_firmware(config(), FakeMemory::new(), &left);
    assert_eq!(unit.interrupt(SENDER, message(INDEX)), blocked(0x23));
}

/// SVT and SQ: which of some senders pass.
#[test]
fn the_forms_of_the_check_let_exactly_their_senders_pass() {
    let ids = [0x0218, 0x0219, 0x021a, 0x021c, 0x021f, 0x0220, 0x0300, 0x0418, 0x0500];
    let exact = |qualifier: u64| 1 << 18 | qualifier << 16 | 0x0218;
    for (high, passing) in [
        (exact(0), &[0x0218][..]),
        (exact(1), &[0x0218, 0x021c]),
        (exact(2), &[0x0218, 0x021a, 0x021c]),
        (exact(3), &[0x0218, 0x0219, 0x021a, 0x021c, 0x021f]),
        (2 << 18 | 0x0304, &[0x0300, 0x0418]),
        (2 << 18 | 0x0403, &[]),
        (0x9999, &ids),
    ] {
        let mut running = running(config(), DestinationMode::XApic);
        running.rewrite(|low, _| (low, high), DestinationMode::XApic);
        for id in ids {
            let result = running.unit.interrupt(SourceId::from_bits(id), message(INDEX));
            let expected = if passing.contains(&id) { ARRIVED } else { blocked(0x26) };
            assert_eq!(result, expected, "{high:#x} {id:#x}");
        }
    }
}

#[test]
fn what_is_posted_needs_the_feature_and_a_descriptor() {
    let posted = |at: PhysAddr| {
        move |_: u64, high: u64| {
            (at.as_u64() << 32 & !0x3f_ffff_ffff | 1 << 15 | 1, high | at.as_u64() >> 32 << 32)
        }
    };
    let offered = FakeConfig { posted_interrupts: Offer::Yes, ..config() };
    let mut running = running(offered, DestinationMode::XApic);
    let page = running.memory.allocate().unwrap();
    running.rewrite(posted(page), DestinationMode::XApic);
    assert_eq!(running.send(), Ok(Delivery::Posted));
    running.memory.write(PhysAddr::new(page.as_u64() + 40), 1);
    assert_eq!(running.send(), blocked(0x28));
    running.rewrite(posted(PhysAddr::new(0x7000_0000)), DestinationMode::XApic);
    assert_eq!(running.send(), blocked(0x27));
    assert_eq!(running.unit.interrupt(OTHER, message(INDEX)), blocked(0x26), "the sender is checked first");
}

#[test]
fn an_entry_that_suppresses_faults_blocks_without_a_word() {
    for (present, sender, reason) in [(1, OTHER, 0x26), (0, SENDER, 0x22)] {
        let mut running = running(config(), DestinationMode::XApic);
        running.rewrite(|low, high| (low & !1 | present | 2, high), DestinationMode::XApic);
        assert_eq!(running.unit.interrupt(sender, message(INDEX)), blocked(reason));
        assert!(running.unit.waiting_records().is_empty());
    }
}

#[test]
fn only_the_right_invalidation_empties_the_cache() {
    let entries = |first, order| Descriptor::interrupt_entries(InterruptIndex(first), order);
    for (descriptor, empties) in [
        (Descriptor::interrupt_global(), true),
        (entries(5, 0), true),
        (entries(4, 1), true),
        (entries(0, 3), true),
        (entries(4, 0), false),
        (entries(8, 3), false),
        (Descriptor::context_global(), false),
        (Descriptor::iotlb_global(), false),
    ] {
        let mut running = running(config(), DestinationMode::XApic);
        assert_eq!(running.send(), ARRIVED);
        running.memory.write(PhysAddr::new(running.table.as_u64() + 5 * 16), 0);
        running.submit(descriptor);
        assert!(!running.stopped());
        let expected = if empties { blocked(0x22) } else { ARRIVED };
        assert_eq!(running.send(), expected, "{descriptor:?}");
    }
}

#[test]
fn what_is_not_present_is_remembered_in_caching_mode_alone() {
    for caching_mode in Offer::BOTH {
        let mut running = running(FakeConfig { caching_mode, ..config() }, DestinationMode::XApic);
        let other = InterruptIndex(6);
        assert_eq!(running.unit.interrupt(SENDER, message(other)), blocked(0x22));
        let entry = InterruptEntry::remapped(ROUTE, Sender::Exact(SENDER), DestinationMode::XApic);
        running.write(other, entry);
        let now = running.unit.interrupt(SENDER, message(other));
        assert_eq!(now, if caching_mode == Offer::Yes { blocked(0x22) } else { ARRIVED });
        running.submit(Descriptor::interrupt_entries(other, 0));
        assert_eq!(running.unit.interrupt(SENDER, message(other)), ARRIVED);
    }
}

#[test]
fn a_descriptor_for_interrupt_entries_must_be_one() {
    let entries = |first, order| Descriptor::interrupt_entries(InterruptIndex(first), order);
    for bad in [
        entries(5, 1),
        entries(0, 4),
        Descriptor { high: 1, ..entries(0, 0) },
        Descriptor { low: entries(0, 0).low | 1 << 5, high: 0 },
        Descriptor { low: Descriptor::interrupt_global().low | 1 << 32, high: 0 },
    ] {
        let mut running = running(config(), DestinationMode::XApic);
        running.submit(entries(0, 3));
        assert!(!running.stopped());
        running.submit(bad);
        assert!(running.stopped(), "{bad:?}");
    }
    let without = FakeConfig { interrupt_remapping: Offer::No, ..config() };
    let mut memory = FakeMemory::new();
    let ring = memory.allocate().unwrap();
    let unit = FakeUnit::new(without, memory.clone());
    unit.set(IQA, QueueAddress::one_page(ring));
    unit.set(GCMD, QUEUE_ON);
    memory.write(ring, Descriptor::interrupt_global().low);
    unit.set(IQT, QueuePosition::at(1));
    assert!(unit.get(FSTS).contains(FaultStatus::QUEUE_ERROR));
}

#[test]
fn a_new_table_counts_once_it_is_set_and_empties_the_cache_only_where_the_unit_says_so() {
    for forgets in Offer::BOTH {
        let config = FakeConfig { forgets_at_interrupt_table: forgets, ..config() };
        let mut running = running(config, DestinationMode::XApic);
        assert_eq!(running.send(), ARRIVED);
        let empty = running.memory.allocate().unwrap();
        running.unit.set(IRTA, InterruptTableAddress::new(empty, 8, DestinationMode::XApic));
        assert_eq!(running.unit.interrupt(SENDER, message(InterruptIndex(4))), blocked(0x22));
        let on = GlobalCommand::INTERRUPT_REMAPPING | QUEUE_ON;
        running.unit.set(GCMD, on | GlobalCommand::SET_INTERRUPT_TABLE);
        assert_eq!(running.send(), if forgets == Offer::Yes { blocked(0x22) } else { ARRIVED });
    }
}

#[test]
#[should_panic(expected = "interrupt remapping without a table")]
fn remapping_without_a_table_is_a_bug() {
    let unit = FakeUnit::new(config(), FakeMemory::new());
    unit.set(GCMD, QUEUE_ON);
    unit.set(GCMD, QUEUE_ON | GlobalCommand::INTERRUPT_REMAPPING);
}

#[test]
#[should_panic(expected = "interrupt remapping without a queue")]
fn remapping_without_a_queue_is_a_bug() {
    let unit = FakeUnit::new(config(), FakeMemory::new());
    unit.set(GCMD, GlobalCommand::SET_INTERRUPT_TABLE);
    unit.set(GCMD, GlobalCommand::INTERRUPT_REMAPPING);
}

#[test]
#[should_panic(expected = "another interrupt mode while remapping is on")]
fn another_mode_while_remapping_is_on_is_a_bug() {
    let running = running(config(), DestinationMode::XApic);
    running.unit.set(IRTA, InterruptTableAddress::new(running.table, 8, DestinationMode::X2Apic));
    running
        .unit
        .set(GCMD, GlobalCommand::INTERRUPT_REMAPPING | QUEUE_ON | GlobalCommand::SET_INTERRUPT_TABLE);
}

#[test]
#[should_panic(expected = "reserved bits of IRTA")]
fn extended_mode_where_there_is_none_is_a_bug() {
    let unit = FakeUnit::new(FakeConfig::default(), FakeMemory::new());
    unit.set(IRTA, InterruptTableAddress::new(PhysAddr::new(PAGE_SIZE), 8, DestinationMode::X2Apic));
}

/// The upper half of an entry, written behind the lower one.
#[test]
#[should_panic(expected = "changes while it is present")]
fn an_entry_that_counts_before_it_is_whole_is_a_bug() {
    let mut running = running(config(), DestinationMode::XApic);
    let other = InterruptIndex(6);
    running.unit.let_send_meanwhile(SENDER, message(other));
    let entry = InterruptEntry::remapped(ROUTE, Sender::Exact(SENDER), DestinationMode::XApic);
    let at = running.table.as_u64() + 6 * 16;
    running.memory.write(PhysAddr::new(at), entry.low());
    running.memory.write(PhysAddr::new(at + 8), entry.high());
}
