//! Interrupt remapping turned on, taken over, and asked again.

use std::string::ToString;

use super::*;
use crate::spec::command::{GlobalCommand, GlobalStatus};
use crate::spec::interrupt_entry::{DestinationMode, InterruptEntry};
use crate::spec::interrupt_request::InterruptRequest;
use crate::spec::interrupt_table::InterruptTableAddress;
use crate::tables::InterruptTable;
use crate::testing::fake_unit::{Delivery, LeftQueue, Offer, Stuck};
use crate::unit::RemapError;
use dma_types::{ApicId, InterruptIndex};
use iommu::interrupts::{Route, Sender, Trigger};

const ALL_ON: GlobalCommand =
    GlobalCommand::TRANSLATION.union(GlobalCommand::QUEUE).union(GlobalCommand::INTERRUPT_REMAPPING);
const INDEX: InterruptIndex = InterruptIndex(7);
const ROUTE: Route = Route { vector: 0x61, destination: ApicId(3), trigger: Trigger::Edge };
const ARRIVED: Delivery = Delivery::Remapped { vector: 0x61, destination: 3 };
const PLAIN: MsiMessage = MsiMessage { address: 0xfee0_0000, data: 0x41 };

fn message(index: InterruptIndex) -> MsiMessage {
    InterruptRequest::remappable(index).message()
}

fn blocked(reason: u8) -> Result<Delivery, FaultReason> {
    Err(FaultReason(reason))
}

impl Bench {
    /// A table with one entry, of [`DEVICE`].
    fn interrupt_table(&mut self, mode: DestinationMode) -> InterruptTable {
        let coherence = Coherence::of_unit(self.unit.extended_capabilities());
        let mut table = InterruptTable::new(&mut self.memory, mode, coherence).unwrap();
        let entry = InterruptEntry::remapped(ROUTE, Sender::Exact(DEVICE), mode);
        table.write(&mut self.memory, INDEX, entry);
        table
    }

    fn remap(&mut self, table: &InterruptTable) -> Result<(), RemapError> {
        self.unit.remap_interrupts(table.address(), &mut self.memory, &self.clock)
    }
}

#[test]
fn once_it_is_on_nothing_passes_but_by_an_entry() {
    for extended_interrupts in Offer::BOTH {
        let config = FakeConfig { extended_interrupts, ..FakeConfig::default() };
        let mode = match extended_interrupts {
            Offer::Yes => DestinationMode::X2Apic,
            Offer::No => DestinationMode::XApic,
        };
        let mut bench = Bench::enforcing(config);
        assert!(
            bench.fake.interrupt(OTHER_DEVICE, PLAIN).is_ok(),
            "the twin: before, anybody raises anything"
        );
        let table = bench.interrupt_table(mode);
        assert_eq!(bench.remap(&table), Ok(()));
        assert!(bench.unit.remaps_interrupts());
        assert_eq!(bench.unit.interrupt_table(), Some(table.address()));
        assert_eq!(bench.fake.interrupt(DEVICE, message(INDEX)), Ok(ARRIVED));
        assert_eq!(bench.fake.interrupt(OTHER_DEVICE, message(INDEX)), blocked(0x26));
        assert_eq!(bench.fake.interrupt(DEVICE, PLAIN), blocked(0x25));
        assert_eq!(bench.fake.interrupt(DEVICE, message(InterruptIndex(8))), blocked(0x22));
    }
}

/// Every form of a message that a device can write: both formats, every delivery mode and vector, by physical and logical
/// id, with and without SHV, every index of the table and beyond. Its own entry's message alone arrives.
#[test]
fn of_every_message_that_a_device_can_write_its_own_alone_arrives() {
    const LOGICAL: u64 = 1 << 2;
    const ADDS_DATA: u64 = 1 << 3;
    let mut bench = Bench::enforcing(FakeConfig::default());
    let table = bench.interrupt_table(DestinationMode::XApic);
    bench.remap(&table).unwrap();
    let modes = (0..8u32).flat_map(|mode| (0..=0xff).map(move |vector| mode << 8 | vector));
    for data in modes.clone() {
        for address in [PLAIN.address, PLAIN.address | LOGICAL, 0xfeef_f000, 0xfeef_f008] {
            let plain = MsiMessage { address, data };
            for sender in [DEVICE, OTHER_DEVICE] {
                assert_eq!(bench.fake.interrupt(sender, plain), blocked(0x25), "{plain:?}");
            }
        }
    }
    for index in 0..=u16::MAX {
        let by_address = message(InterruptIndex(index));
        let by_data = MsiMessage { data: index.into(), ..message(InterruptIndex(0)) };
        let unadded = MsiMessage { address: by_address.address & !ADDS_DATA, data: 0x4e3 };
        for written in [by_address, by_data, unadded] {
            for sender in [DEVICE, OTHER_DEVICE] {
                let expected = match (index == INDEX.0, u32::from(index) < table.entries()) {
                    (true, _) if sender == DEVICE => Ok(ARRIVED),
                    (true, _) => blocked(0x26),
                    (false, true) => blocked(0x22),
                    (false, false) => blocked(0x21),
                };
                assert_eq!(bench.fake.interrupt(sender, written), expected, "{written:?} {sender}");
            }
        }
    }
    for data in modes.map(|data| 1 << 16 | data) {
        let reserved = MsiMessage { data, ..message(INDEX) };
        assert_eq!(bench.fake.interrupt(DEVICE, reserved), blocked(0x20));
    }
}

#[test]
fn a_unit_that_cannot_says_so_before_anything_is_touched() {
    let config = FakeConfig::default();
    for (config, mode, expected) in [
        (
            FakeConfig { interrupt_remapping: Offer::No, ..config },
            DestinationMode::XApic,
            RemapError::NotOffered,
        ),
        (FakeConfig { queue: Offer::No, ..config }, DestinationMode::XApic, RemapError::NoQueue),
        (config, DestinationMode::X2Apic, RemapError::NoExtendedMode),
    ] {
        let mut bench = Bench::enforcing(config);
        let table = bench.interrupt_table(mode);
        assert_eq!(bench.remap(&table), Err(expected));
        assert!(expected.is_unsupported() && !bench.unit.remaps_interrupts() && bench.unit.is_enforcing());
    }
    let mut bench = Bench::probed(config, &Leftovers::default());
    let table = bench.interrupt_table(DestinationMode::XApic);
    assert_eq!(bench.remap(&table), Err(RemapError::NoQueue), "not brought up");
}

#[test]
fn a_part_that_does_not_answer_is_told_and_nothing_counts_as_remapped() {
    let compatible = Leftovers { compatibility_interrupts: true, ..Leftovers::default() };
    for (part, left) in [
        (Stuck::InterruptTable, Leftovers::default()),
        (Stuck::InterruptRemapping, Leftovers::default()),
        (Stuck::QueueHead, Leftovers::default()),
        (Stuck::Descriptors, Leftovers::default()),
        (Stuck::CompatibilityInterrupts, compatible),
    ] {
        let mut bench = Bench::probed(FakeConfig::default(), &left);
        bench.bring_up().unwrap();
        bench.fake.break_part(part);
        let table = bench.interrupt_table(DestinationMode::XApic);
        let error = bench.remap(&table).unwrap_err();
        assert!(matches!(error, RemapError::TimedOut(_) | RemapError::Invalidation(_)), "{part:?}: {error}");
        assert!(!error.is_unsupported() && !bench.unit.remaps_interrupts());
        assert_eq!(bench.unit.interrupt_table(), None);
        assert!(bench.clock.rounds() <= 1001, "{part:?}");
    }
}

/// A unit that remaps by a table of somebody else, with [`DEVICE`] and [`OTHER_DEVICE`] sending all the while what that
/// table lets through.
fn left_remapping(mode: DestinationMode, config: FakeConfig) -> (Bench, InterruptTable) {
    let mut bench = Bench::probed(config, &Leftovers::default());
    let foreign = bench.interrupt_table(mode);
    let left = Leftovers {
        interrupt_table: Some(foreign.address()),
        queue: Some(LeftQueue::Idle),
        compatibility_interrupts: true,
        ..Leftovers::default()
    };
    bench.fake = FakeUnit::left_by_firmware(config, bench.memory.clone(), &left);
    bench.unit = Unit::probe(bench.fake.clone()).unwrap();
    (bench, foreign)
}

#[test]
fn a_foreign_table_is_replaced_without_a_moment_in_which_messages_hit_what_they_do_not_name() {
    let mode = DestinationMode::X2Apic;
    let config = FakeConfig { extended_interrupts: Offer::Yes, ..FakeConfig::default() };
    let (mut bench, _foreign) = left_remapping(mode, config);
    assert!(bench.unit.firmware_state().interrupt_remapping);
    bench.fake.let_send_meanwhile(DEVICE, message(INDEX));
    assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
    assert!(bench.unit.status().contains(GlobalStatus::INTERRUPT_REMAPPING), "on throughout");

    let coherence = Coherence::of_unit(config.extended_capabilities());
    let own = InterruptTable::new(&mut bench.memory, mode, coherence).unwrap();
    assert_eq!(bench.remap(&own), Ok(()));
    assert_eq!(bench.fake.delivered_meanwhile(), [ARRIVED], "as the old table says, or not at all");
    assert_eq!(bench.fake.interrupt(DEVICE, message(INDEX)), blocked(0x22), "the old entry is forgotten");
    assert!(!bench.unit.status().contains(GlobalStatus::COMPATIBILITY_INTERRUPTS));
}

#[test]
fn a_foreign_table_of_the_other_mode_goes_with_its_sources_masked() {
    for (foreign, own) in
        [(DestinationMode::X2Apic, DestinationMode::XApic), (DestinationMode::XApic, DestinationMode::X2Apic)]
    {
        let config = FakeConfig { extended_interrupts: Offer::Yes, ..FakeConfig::default() };
        let (mut bench, _foreign) = left_remapping(foreign, config);
        bench.bring_up().unwrap();
        let table = bench.interrupt_table(own);
        assert_eq!(bench.remap(&table), Ok(()));
        assert_eq!(bench.fake.interrupt(DEVICE, message(INDEX)), Ok(ARRIVED));
    }
}

#[test]
fn what_was_left_on_ends_where_it_is_not_wanted() {
    let (mut bench, _foreign) = left_remapping(DestinationMode::XApic, FakeConfig::default());
    bench.bring_up().unwrap();
    bench.unit.stop_remapping(&bench.clock).unwrap();
    assert!(!bench.unit.status().contains(GlobalStatus::INTERRUPT_REMAPPING));
    assert!(bench.unit.is_enforcing());
}

#[test]
fn a_unit_takes_its_own_table_over_without_losing_a_message() {
    let mut bench = Bench::enforcing(FakeConfig::default());
    let table = bench.interrupt_table(DestinationMode::XApic);
    bench.remap(&table).unwrap();
    bench.fake.let_send_meanwhile(DEVICE, message(INDEX));
    assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
    assert_eq!(bench.remap(&table), Ok(()));
    assert_eq!(bench.fake.delivered_meanwhile(), [ARRIVED]);
    assert!(bench.unit.is_enforcing() && bench.unit.remaps_interrupts());
}

#[test]
fn bringing_it_up_anew_has_it_forget_entries_too() {
    let mut bench = Bench::enforcing(FakeConfig::default());
    let mut table = bench.interrupt_table(DestinationMode::XApic);
    bench.remap(&table).unwrap();
    assert_eq!(bench.fake.interrupt(DEVICE, message(INDEX)), Ok(ARRIVED));
    table.clear(&mut bench.memory, INDEX);
    assert_eq!(bench.fake.interrupt(DEVICE, message(INDEX)), Ok(ARRIVED), "it remembers");
    bench.bring_up().unwrap();
    assert_eq!(bench.fake.interrupt(DEVICE, message(INDEX)), blocked(0x22));
}

/// Invariant: enforcement asked again notices each way of losing it, and only those.
#[test]
fn remapping_that_a_stranger_ends_is_noticed() {
    let mut bench = Bench::enforcing(FakeConfig::default());
    let table = bench.interrupt_table(DestinationMode::XApic);
    bench.remap(&table).unwrap();
    let port = bench.unit.enforcement_port().unwrap();
    bench.fake.command_by_a_stranger(ALL_ON);
    assert_eq!(port.ask(), Ok(()), "the twin: what stands there already changes nothing");

    let elsewhere = InterruptTableAddress(table.address().0 + 0x1000);
    for (register, words) in [
        (elsewhere, "the interrupt table is another one"),
        (InterruptTableAddress(table.address().0 & !0xf), "the interrupt table is another one"),
        (InterruptTableAddress(table.address().0 | 1 << 11), "the interrupt table is another one"),
    ] {
        bench.fake.interrupt_table_by_a_stranger(register);
        let lost = port.ask().unwrap_err();
        assert_eq!((lost.interrupts, lost.to_string().as_str()), (Some(register), words));
        assert!(!bench.unit.is_enforcing() && !bench.unit.remaps_interrupts());
    }
    bench.fake.interrupt_table_by_a_stranger(table.address());
    assert_eq!(port.ask(), Ok(()));

    bench.fake.command_by_a_stranger(ALL_ON.difference(GlobalCommand::INTERRUPT_REMAPPING));
    assert_eq!(port.ask().unwrap_err().to_string(), "interrupt remapping is off");
    assert!(bench.fake.interrupt(OTHER_DEVICE, PLAIN).is_ok(), "anybody raises anything");
}

#[test]
fn messages_of_the_compatibility_format_let_through_by_a_stranger_are_noticed() {
    let left = Leftovers { compatibility_interrupts: true, ..Leftovers::default() };
    let mut bench = Bench::probed(FakeConfig::default(), &left);
    bench.bring_up().unwrap();
    let table = bench.interrupt_table(DestinationMode::XApic);
    bench.remap(&table).unwrap();
    let port = bench.unit.enforcement_port().unwrap();
    assert_eq!(port.ask(), Ok(()));
    bench.fake.let_compatibility_interrupts_pass();
    assert_eq!(port.ask().unwrap_err().to_string(), "interrupts of the compatibility format pass");
}

#[test]
fn a_unit_that_was_not_told_to_remap_is_not_asked() {
    let bench = Bench::enforcing(FakeConfig::default());
    let port = bench.unit.enforcement_port().unwrap();
    bench.fake.interrupt_table_by_a_stranger(InterruptTableAddress(0x5000));
    assert_eq!(port.ask(), Ok(()));
    assert!(!bench.unit.remaps_interrupts());
}
