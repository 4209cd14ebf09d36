//! The event log: read, full, late, and lying.

use super::*;
use crate::spec::registers::{EVENT_TAIL, STATUS as STATUS_REGISTER};
use crate::spec::ring::RingPosition;
use crate::{DrainOutcome, FaultRecord};
use dma_types::FaultKind;
use std::vec::Vec;

fn drain(machine: &Machine, limit: usize) -> (Vec<FaultRecord>, DrainOutcome) {
    let mut port = machine.controller.unit().unit().fault_port(machine.memory.clone()).unwrap();
    let mut records = Vec::new();
    let outcome = port.drain(&mut |record| records.push(record), limit);
    (records, outcome)
}

#[test]
fn each_blocked_request_is_told_once() {
    let machine = Machine::new(FakeConfig::default());
    assert_eq!(machine.reads(DEVICE, IOVA), None);
    assert!(machine.fake.dma(OTHER, Iova::new(0xdead_b123), Access::Write).is_err());
    assert_eq!(machine.fake.messages(), 2);
    let (records, outcome) = drain(&machine, 100);
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.source().unwrap(), record.page().unwrap(), record.access(), record.kind()))
        .collect();
    assert_eq!(
        told,
        [
            (DEVICE, IOVA, Access::Read, FaultKind::NoReadPermission),
            (OTHER, Iova::new(0xdead_b000), Access::Write, FaultKind::NoWritePermission),
        ]
    );
    assert_eq!(outcome, DrainOutcome { drained: 2, overflow: false, pending_more: false });
    assert_eq!(drain(&machine, 100).1.drained, 0);
    assert!(!machine.fake.get(STATUS_REGISTER).contains(Status::EVENT_INTERRUPT));
}

#[test]
fn a_log_that_overflowed_goes_on_and_says_that_something_is_lost() {
    let machine = Machine::new(FakeConfig::default());
    for _ in 0..400 {
        assert_eq!(machine.reads(DEVICE, IOVA), None);
    }
    assert_eq!(machine.fake.lost_events(), 400 - 255);
    // Not before all of it is read.
    assert_eq!(drain(&machine, 100).1, DrainOutcome { drained: 100, overflow: false, pending_more: true });
    assert_eq!(drain(&machine, 500).1, DrainOutcome { drained: 155, overflow: true, pending_more: false });
    assert!(machine.controller.unit().unit().is_enforcing());
    assert_eq!(machine.reads(DEVICE, IOVA), None);
    assert_eq!(drain(&machine, 500).1.drained, 1);
    // The ring ends and begins again.
    for _ in 0..3 {
        (0..200).for_each(|_| assert_eq!(machine.reads(DEVICE, IOVA), None));
        assert_eq!(
            drain(&machine, 500).1,
            DrainOutcome { drained: 200, overflow: false, pending_more: false }
        );
    }
}

#[test]
fn an_event_that_is_announced_and_not_written_waits_for_the_next_look() {
    let machine = Machine::new(FakeConfig::default());
    machine.fake.announce_event();
    assert_eq!(drain(&machine, 10).1, DrainOutcome { drained: 0, overflow: false, pending_more: true });
    machine.fake.write_late_event(0x2020_0001_0000_0018, 0x7000);
    let (records, outcome) = drain(&machine, 10);
    assert_eq!((records[0].page(), outcome.drained), (Some(Iova::new(0x7000)), 1));
}

#[test]
fn of_an_event_that_contradicts_itself_the_requester_alone_is_taken() {
    let machine = Machine::new(FakeConfig::default());
    machine.fake.announce_event();
    machine.fake.write_late_event(0x200a_0000_0000_0018, 0);
    let (records, _) = drain(&machine, 10);
    let record = records[0];
    assert_eq!((record.source(), record.page(), record.access()), (Some(DEVICE), None, Access::Unknown));
    assert_eq!(record.kind(), FaultKind::NoPermission);
}

#[test]
fn positions_that_no_log_has_are_bounded() {
    let machine = Machine::new(FakeConfig::default());
    machine.fake.control_by_a_stranger(Control::UNIT);
    machine.fake.set(EVENT_TAIL, RingPosition(0x7_fff0));
    let (records, outcome) = drain(&machine, 10_000);
    assert_eq!((records.len(), outcome.pending_more), (0, true));
}

#[test]
fn a_unit_that_is_gone_tells_nothing() {
    #[derive(Clone)]
    struct Gone;
    impl Registers for Gone {
        fn len(&self) -> usize {
            0x4000
        }
        fn read32(&self, _: usize) -> u32 {
            u32::MAX
        }
        fn write32(&self, _: usize, _: u32) {}
    }
    let mut port = FaultPort::new(Gone, FakeMemory::new(), PhysAddr::new(0), Control::empty());
    assert_eq!(port.drain(&mut |_| {}, 10).drained, 0);
}
