//! From reset, or from what firmware left, to a unit that enforces; and what happens when it does not.

use super::*;
use crate::testing::fake_unit::{Offer, Pace, Protection, Stuck};
use crate::unit::InvalidationPath;
use std::vec::Vec;

/// Units of every kind that bringing up depends on.
fn kinds() -> Vec<FakeConfig> {
    let mut kinds = Vec::new();
    for queue in Offer::BOTH {
        for coherent_walks in Offer::BOTH {
            for protected_memory in Offer::BOTH {
                for write_buffer_flush in Offer::BOTH {
                    for (drains, delay) in [(Offer::Yes, 0), (Offer::No, 3)] {
                        kinds.push(FakeConfig {
                            queue,
                            coherent_walks,
                            protected_memory,
                            write_buffer_flush,
                            drains,
                            delay,
                            ..FakeConfig::default()
                        });
                    }
                }
            }
        }
    }
    kinds
}

/// Never open between two protected moments, and never without translation once it was on.
fn check_history(history: &[Protection]) {
    for pair in history.windows(2) {
        let closed = |moment: &Protection| moment.translation || moment.protected_memory;
        assert!(closed(&pair[1]) || !closed(&pair[0]), "an open moment: {history:?}");
        assert!(pair[1].translation || !pair[0].translation, "translation went off: {history:?}");
    }
}

#[test]
fn every_kind_of_unit_comes_to_deny_by_default() {
    for config in kinds() {
        let protected_memory = config.protected_memory == Offer::Yes;
        let left = Leftovers { protected_memory, ..Leftovers::default() };
        let mut bench = Bench::probed(config, &left);
        assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
        assert!(bench.unit.is_enforcing());
        assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::CONTEXT_NOT_PRESENT));
        let now = Protection { translation: true, protected_memory: false, root: bench.root.address() };
        assert_eq!(bench.fake.history().last(), Some(&now));
        check_history(&bench.fake.history());
        let queued = config.queue == Offer::Yes;
        let path = if queued { InvalidationPath::Queue } else { InvalidationPath::Registers };
        assert_eq!(bench.unit.invalidation_path(), path);
    }
}

#[test]
fn faults_are_told_by_the_message_given() {
    let bench = Bench::enforcing(FakeConfig::default());
    assert!(bench.fake.messages().is_empty());
    assert!(!bench.reaches(DEVICE, IOVA));
    assert_eq!(bench.fake.messages(), [MESSAGE]);
}

#[test]
fn a_fault_before_the_interrupt_is_armed_is_not_lost() {
    let mut memory = FakeMemory::new();
    let old = RootTable::new(&mut memory, Coherence::NonCoherent).unwrap();
    let left = Leftovers { root: Some(old.address()), ..Leftovers::default() };
    let mut bench = Bench::probed(FakeConfig::default(), &left);
    bench.fake = FakeUnit::left_by_firmware(FakeConfig::default(), memory.clone(), &left);
    bench.unit = Unit::probe(bench.fake.clone()).unwrap();
    bench.root = RootTable::new(&mut memory, Coherence::NonCoherent).unwrap();
    bench.memory = memory;
    assert!(!bench.reaches(DEVICE, IOVA));
    assert_eq!(bench.bring_up().map(|status| status.contains(FaultStatus::PENDING)), Ok(true));
    assert_eq!(bench.fake.waiting_records().len(), 1);
}

#[test]
fn messages_that_the_unit_cannot_send_are_refused_before_anything_is_touched() {
    let try_message = |config, message| {
        let mut bench = Bench::probed(config, &Leftovers::default());
        let config = BringUp { root: bench.root.address(), fault_message: message };
        let result = bench.unit.bring_up(&config, &mut bench.memory, &bench.clock);
        (result, bench.fake.history().len(), bench.fake)
    };
    let plain = FakeConfig::default();
    let far = MsiMessage { address: 0x1_fee0_0000, data: 0x31 };
    for message in [far, MsiMessage { address: 0xfee0_0002, data: 0x31 }] {
        let (result, moments, _) = try_message(plain, message);
        assert!(matches!(result, Err(UnitError::MessageUnsupported { .. })));
        assert_eq!(moments, 1);
    }
    let extended = FakeConfig { extended_interrupts: Offer::Yes, ..plain };
    let (result, _, fake) = try_message(extended, far);
    assert!(result.is_ok());
    assert!(fake.dma(DEVICE, IOVA, Access::Write).is_err());
    assert_eq!(fake.messages(), [far]);
    // Told so, the kernel would wait for messages that go to another processor.
    let forgetful = FakeConfig { upper_message_address: Offer::No, ..extended };
    let (result, _, fake) = try_message(forgetful, far);
    assert!(matches!(result, Err(UnitError::MessageUnsupported { .. })));
    assert!(fake.dma(DEVICE, IOVA, Access::Write).is_err());
    assert_eq!(try_message(forgetful, MESSAGE).0, Ok(FaultStatus::empty()));
    // Sixteen bits of data are kept: found out by reading back, with translation on already.
    let (result, _, _) = try_message(plain, MsiMessage { address: 0xfee0_0000, data: 0x1_0031 });
    assert!(matches!(result, Err(UnitError::MessageUnsupported { .. })));
}

#[test]
fn a_root_table_beside_a_page_is_refused() {
    let mut bench = Bench::probed(FakeConfig::default(), &Leftovers::default());
    let root = PhysAddr::new(bench.root.address().as_u64() + 8);
    let config = BringUp { root, fault_message: MESSAGE };
    let result = bench.unit.bring_up(&config, &mut bench.memory, &bench.clock);
    assert_eq!(result, Err(UnitError::RootUnaligned { root }));
}

#[test]
fn without_memory_for_the_queue_nothing_is_touched() {
    for nth in [0, 1] {
        let mut bench = Bench::probed(FakeConfig::default(), &Leftovers::default());
        let pages = bench.memory.live_pages();
        bench.memory.fail_allocation(nth);
        assert_eq!(bench.bring_up(), Err(UnitError::OutOfMemory));
        assert_eq!(bench.memory.live_pages(), pages);
        assert_eq!(bench.fake.history().len(), 1);
        assert!(bench.bring_up().is_ok());
    }
}

#[test]
fn a_stuck_part_ends_in_a_bounded_error_and_leaves_nothing_open() {
    let registers = FakeConfig { queue: Offer::No, write_buffer_flush: Offer::Yes, ..FakeConfig::default() };
    let queue = FakeConfig { queue: Offer::Yes, ..registers };
    for (config, part, register) in [
        (queue, Stuck::Translation, "GSTS"),
        (queue, Stuck::RootPointer, "GSTS"),
        (queue, Stuck::Queue, "GSTS"),
        (queue, Stuck::WriteBuffer, "GSTS"),
        (queue, Stuck::ProtectedMemory, "PMEN"),
        (queue, Stuck::QueueHead, "the queue"),
        (registers, Stuck::ContextInvalidation, "CCMD"),
        (registers, Stuck::IotlbInvalidation, "IOTLB"),
    ] {
        let left = Leftovers { protected_memory: true, ..Leftovers::default() };
        let mut bench = Bench::probed(config, &left);
        bench.fake.break_part(part);
        let named = match bench.bring_up() {
            Err(UnitError::TimedOut(error)) => error.register,
            Err(UnitError::Invalidation(InvalidationError::RegisterTimedOut(error))) => error.register,
            Err(UnitError::Invalidation(InvalidationError::QueueTimedOut { .. })) => "the queue",
            other => panic!("{part:?}: {other:?}"),
        };
        assert_eq!(named, register, "{part:?}");
        assert!(bench.clock.rounds() <= 1001, "{part:?}: {} rounds", bench.clock.rounds());
        check_history(&bench.fake.history());
        assert!(bench.fake.history().last().unwrap().protected_memory);
        assert!(bench.fake.dma(DEVICE, IOVA, Access::Write).is_err(), "{part:?}");
    }
}

#[test]
fn a_unit_that_was_mended_is_brought_up_with_the_same_memory() {
    let mut bench = Bench::probed(FakeConfig::default(), &Leftovers::default());
    bench.fake.break_part(Stuck::Translation);
    assert!(bench.bring_up().is_err());
    let pages = bench.memory.live_pages();
    bench.fake.mend();
    assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
    assert_eq!(bench.memory.live_pages(), pages);
}

#[test]
fn a_refused_invalidation_stops_bringing_up() {
    let config = FakeConfig { queue: Offer::No, ..FakeConfig::default() };
    let mut bench = Bench::probed(config, &Leftovers::default());
    bench.fake.break_part(Stuck::IotlbRefusal);
    let refused = matches!(bench.bring_up(), Err(UnitError::Invalidation(InvalidationError::Refused { .. })));
    assert!(refused);
    assert!(!bench.unit.is_enforcing());
}

#[test]
fn a_queue_that_works_slowly_is_waited_for() {
    let config = FakeConfig { pace: Pace::Stepped, ..FakeConfig::default() };
    let mut bench = Bench::probed(config, &Leftovers::default());
    let fake = bench.fake.clone();
    bench.clock.on_relax(move || fake.step());
    assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
    assert_eq!(bench.clock.rounds(), 3, "two invalidations and their wait");
}
