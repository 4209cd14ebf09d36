//! The unit by itself: what it punishes.

use dma_types::{Access, Iova, PhysAddr, SourceId};
use iommu::TableMemory;
use iommu::testing::FakeMemory;
use mmio_regs::TypedAccess;

use super::*;
use crate::spec::command::Command;
use crate::spec::registers::{COMMAND_TAIL, COMMANDS, CONTROL, DEVICE_TABLE, EVENTS, STATUS};
use crate::spec::ring::RingPosition;

const DEVICE: SourceId = SourceId::from_bits(0x18);
const IOVA: Iova = Iova::new(0x5000);

/// A unit that runs, with one page each for device table, commands and events.
fn running() -> (FakeUnit, FakeMemory, PhysAddr) {
    let mut memory = FakeMemory::new();
    let unit = FakeUnit::new(FakeConfig::default(), memory.clone());
    let [table, commands, events] = [(); 3].map(|()| memory.allocate().unwrap());
    unit.set(DEVICE_TABLE, DeviceTableBase::new(table, 0));
    unit.set(COMMANDS, RingBase::one_page(commands));
    unit.set(EVENTS, RingBase::one_page(events));
    unit.set(CONTROL, Control::ENFORCING | Control::EVENT_INTERRUPT);
    (unit, memory, table)
}

fn entry_at(table: PhysAddr, word: u64) -> PhysAddr {
    PhysAddr::new(table.as_u64() + 0x18 * 32 + word * 8)
}

fn submit(unit: &FakeUnit, memory: &mut FakeMemory, command: Command) {
    let (at, tail) = {
        let state = unit.state.borrow();
        (state.commands.base.address().as_u64() + state.commands.tail as u64 * 16, state.commands.tail)
    };
    memory.write(PhysAddr::new(at), command.low);
    memory.write(PhysAddr::new(at + 8), command.high);
    unit.set(COMMAND_TAIL, RingPosition::at(tail + 1));
}

#[test]
fn a_device_entry_is_remembered_until_it_is_to_be_forgotten() {
    let (unit, mut memory, table) = running();
    // Nothing written: every requester passes. That is what makes a forgotten invalidation dangerous.
    assert_eq!(unit.dma(DEVICE, IOVA, Access::Write), Ok(PhysAddr::new(0x5000)));
    memory.write(entry_at(table, 0), 1);
    assert_eq!(unit.dma(DEVICE, IOVA, Access::Write), Ok(PhysAddr::new(0x5000)));
    submit(&unit, &mut memory, Command::device_entry(SourceId::from_bits(0x19)));
    assert!(unit.dma(DEVICE, IOVA, Access::Write).is_ok());
    submit(&unit, &mut memory, Command::device_entry(DEVICE));
    assert_eq!(unit.dma(DEVICE, IOVA, Access::Write), Err(Blocked::Closed));
}

#[test]
fn an_unknown_command_stops_the_buffer_and_is_logged() {
    let (unit, mut memory, _) = running();
    submit(&unit, &mut memory, Command { low: 0xf000_0000_0000_0000, high: 0 });
    assert!(!unit.get(STATUS).contains(Status::COMMANDS_RUN));
    assert_eq!((unit.messages(), unit.lost_events()), (1, 0));
    submit(&unit, &mut memory, Command::all());
    assert_eq!(unit.state.borrow().commands.head, 0);
}

#[test]
fn reserved_bits_make_a_command_unknown() {
    for command in [
        Command { low: Command::all().low | 1, high: 0 },
        Command { low: Command::device_entry(DEVICE).low | 1 << 16, high: 0 },
        Command { low: Command::pages(dma_types::DomainId(1), IOVA, 0).low, high: 8 },
    ] {
        let (unit, mut memory, _) = running();
        submit(&unit, &mut memory, command);
        assert!(!unit.get(STATUS).contains(Status::COMMANDS_RUN), "{command:?}");
    }
}

#[test]
fn a_full_log_stays_off_until_it_was_off_and_on() {
    let (unit, mut memory, table) = running();
    memory.write(entry_at(table, 0), 4 | 1);
    for _ in 0..300 {
        assert_eq!(unit.dma(DEVICE, IOVA, Access::Read), Err(Blocked::IllegalEntry));
    }
    assert_eq!(unit.lost_events(), 45);
    assert!(unit.get(STATUS).contains(Status::EVENT_OVERFLOW));
    unit.set(CONTROL, Control::UNIT | Control::COMMANDS);
    unit.set(CONTROL, Control::ENFORCING);
    assert!(!unit.get(STATUS).contains(Status::EVENTS_RUN), "the overflow was not cleared");
}

#[test]
#[should_panic(expected = "the command buffer is moved while it is on")]
fn a_ring_in_use_is_not_moved() {
    let (unit, ..) = running();
    unit.set(COMMANDS, RingBase::one_page(PhysAddr::new(0x10_0000)));
}
