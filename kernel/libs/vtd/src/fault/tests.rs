use super::*;
use crate::testing::FakeMemory;
use crate::testing::fake_unit::{FakeConfig, FakeUnit, Injection, Leftovers, Offer};
use dma_types::{Access, Iova, PhysAddr, SourceId};
use std::vec::Vec;

/// A unit that translates with a root table that is not memory: whatever a device does is a fault.
fn faulting(config: FakeConfig) -> (FakeUnit, FaultPort<FakeUnit>) {
    let left = Leftovers { root: Some(PhysAddr::new(0x7000_0000)), ..Leftovers::default() };
    let unit = FakeUnit::left_by_firmware(config, FakeMemory::new(), &left);
    let port = FaultPort::new(unit.clone(), config.capabilities());
    (unit, port)
}

/// Page `n` is asked for by device `n`.
fn fault(unit: &FakeUnit, n: u16) {
    let page = Iova::new(u64::from(n) * 0x1000);
    assert!(unit.dma(SourceId::from_bits(n), page, Access::Write).is_err());
}

/// The requesters of everything that one drain hands out.
fn drain<R: Registers>(port: &FaultPort<R>, limit: usize) -> (Vec<u16>, DrainOutcome) {
    let mut sources = Vec::new();
    let outcome = port.drain(&mut |record| sources.push(record.source().bits()), limit);
    assert_eq!(outcome.drained, sources.len());
    (sources, outcome)
}

#[test]
fn nothing_waiting_is_a_spurious_interrupt() {
    let (_, port) = faulting(FakeConfig::default());
    let (sources, outcome) = drain(&port, 16);
    assert!(sources.is_empty() && !outcome.overflow && !outcome.pending_more);
    assert!(outcome.queue_errors.is_empty());
}

#[test]
fn records_come_oldest_first_across_the_end_of_the_ring() {
    for records in [1, 2, 4, 7] {
        for next_record in 0..records {
            let config = FakeConfig { records, next_record, ..FakeConfig::default() };
            let (unit, port) = faulting(config);
            let all: Vec<u16> = (0..records as u16).collect();
            for round in 0..3 {
                all.iter().for_each(|&n| fault(&unit, n));
                let (sources, outcome) = drain(&port, 16);
                assert_eq!(sources, all, "{records} records from {next_record}, round {round}");
                assert!(!outcome.overflow && !outcome.pending_more);
                assert!(unit.waiting_records().is_empty());
            }
        }
    }
}

#[test]
fn a_record_is_handed_out_as_the_hardware_wrote_it() {
    let (unit, port) = faulting(FakeConfig::default());
    let source = SourceId::new(2, 3, 1).unwrap();
    assert!(unit.dma(source, Iova::new(0xabc_d123), Access::Atomic).is_err());
    let mut records = Vec::new();
    let _ = port.drain(&mut |record| records.push(record), 16);
    let [record] = records[..] else { panic!("{records:?}") };
    assert!(record.is_valid());
    assert_eq!((record.source(), record.access()), (source, Access::Atomic));
    assert_eq!(record.page(), Some(Iova::new(0xabc_d000)));
    // The root entry could not be fetched.
    assert_eq!(record.reason().0, 8);
}

#[test]
fn a_limit_leaves_the_rest_for_the_next_time() {
    let (unit, port) = faulting(FakeConfig::default());
    (0..4).for_each(|n| fault(&unit, n));
    let (sources, outcome) = drain(&port, 3);
    assert_eq!((sources, outcome.pending_more), (Vec::from([0, 1, 2]), true));
    let (sources, outcome) = drain(&port, 3);
    assert_eq!((sources, outcome.pending_more), (Vec::from([3]), false));
}

#[test]
fn after_an_overflow_recording_goes_on() {
    let (unit, port) = faulting(FakeConfig::default());
    (0..7).for_each(|n| fault(&unit, n));
    assert_eq!(unit.lost_faults(), 3);
    let (sources, outcome) = drain(&port, 16);
    assert_eq!((sources, outcome.overflow), (Vec::from([0, 1, 2, 3]), true));
    fault(&unit, 9);
    let (sources, outcome) = drain(&port, 16);
    assert_eq!((sources, outcome.overflow), (Vec::from([9]), false));
}

#[test]
fn faults_merged_into_a_waiting_record_leave_one() {
    let (unit, port) = faulting(FakeConfig { merge_faults: Offer::Yes, ..FakeConfig::default() });
    for _ in 0..5 {
        fault(&unit, 1);
    }
    fault(&unit, 2);
    let (sources, outcome) = drain(&port, 16);
    assert_eq!((sources, outcome.overflow), (Vec::from([1, 2]), false));
    assert_eq!(unit.lost_faults(), 4);
}

#[test]
fn a_device_that_keeps_faulting_is_drained_within_the_limit() {
    let (unit, port) = faulting(FakeConfig::default());
    fault(&unit, 1);
    let mut handed_out = 0;
    let outcome = port.drain(
        &mut |_| {
            handed_out += 1;
            fault(&unit, 1);
        },
        50,
    );
    assert_eq!((outcome.drained, handed_out, outcome.pending_more), (50, 50, true));
}

#[test]
fn queue_errors_are_told_and_left_to_the_queue() {
    let config = FakeConfig::default();
    let (unit, port) = faulting(config);
    unit.inject(Injection::BadDescriptor);
    let mut memory = FakeMemory::new();
    let stopped = FakeUnit::left_by_firmware(
        config,
        memory.clone(),
        &Leftovers { queue: Some(crate::testing::fake_unit::LeftQueue::Stopped), ..Leftovers::default() },
    );
    assert!(crate::TableMemory::allocate(&mut memory).is_some());
    let stopped_port = FaultPort::new(stopped, config.capabilities());
    for _ in 0..2 {
        let (sources, outcome) = drain(&stopped_port, 16);
        assert!(sources.is_empty());
        assert_eq!(outcome.queue_errors, FaultStatus::QUEUE_ERROR);
    }
    assert!(drain(&port, 16).1.queue_errors.is_empty());
}

#[test]
fn the_mask_holds_an_interrupt_back_and_loses_none() {
    let (unit, port) = faulting(FakeConfig::default());
    port.mask_fault_event();
    fault(&unit, 1);
    assert!(unit.messages().is_empty());
    assert!(port.unmask_fault_event().contains(FaultStatus::PENDING));
    assert_eq!(unit.messages().len(), 1);
    // What stands already raises nothing more.
    fault(&unit, 2);
    assert_eq!(unit.messages().len(), 1);
    assert_eq!(drain(&port, 16).0, [1, 2]);
    // Serviced under the mask: nothing is held back any more.
    port.mask_fault_event();
    fault(&unit, 3);
    assert_eq!(drain(&port, 16).0, [3]);
    assert!(port.unmask_fault_event().is_empty());
    assert_eq!(unit.messages().len(), 1);
}

/// Registers whose fault status is changed on the way.
struct Disguised<F>(FakeUnit, F);

impl<F: Fn(u32) -> u32> Registers for Disguised<F> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read32(&self, offset: usize) -> u32 {
        let value = self.0.read32(offset);
        if offset == FSTS.offset() { (self.1)(value) } else { value }
    }

    fn write32(&self, offset: usize, value: u32) {
        self.0.write32(offset, value);
    }

    fn read64(&self, offset: usize) -> u64 {
        self.0.read64(offset)
    }

    fn write64(&self, offset: usize, value: u64) {
        self.0.write64(offset, value);
    }
}

#[test]
fn a_record_is_found_where_the_index_does_not_point() {
    for wrong_index in [0, 1, 3, 200] {
        let config = FakeConfig::default();
        let (unit, _) = faulting(config);
        let disguised = Disguised(unit.clone(), |value| value & 0xff | wrong_index << 8);
        let port = FaultPort::new(disguised, config.capabilities());
        fault(&unit, 1);
        assert_eq!(drain(&port, 16).0, [1]);
    }
}

#[test]
fn a_status_without_a_record_does_not_hold_anybody_up() {
    let config = FakeConfig::default();
    let (unit, _) = faulting(config);
    for lie in [u32::MAX, 0xff02, 0x0003] {
        let port = FaultPort::new(Disguised(unit.clone(), move |_| lie), config.capabilities());
        assert_eq!(drain(&port, 16).1.drained, 0);
    }
    // An overflow bit that stays is not cleared for ever.
    let port = FaultPort::new(Disguised(unit, |_| 1), config.capabilities());
    let (_, outcome) = drain(&port, 16);
    assert!(outcome.overflow && outcome.pending_more);
}
