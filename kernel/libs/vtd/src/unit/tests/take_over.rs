//! Units that firmware, or an earlier kernel, left at work.

use super::*;
use crate::spec::command::GlobalStatus;
use crate::testing::fake_unit::{LeftQueue, Offer};

/// A unit that translates with tables of somebody else, which map [`IOVA`], and remembers them.
fn translating(config: FakeConfig, left: Leftovers) -> Bench {
    // The first kernel: its own bring-up is as good a firmware as any.
    let mut bench = Bench::enforcing(config);
    let stage = bench.warm_page();
    let left = Leftovers { root: Some(bench.root.address()), ..left };
    let fake = FakeUnit::left_by_firmware(config, bench.memory.clone(), &left);
    assert_eq!(
        fake.dma(DEVICE, IOVA, Access::Read).is_ok(),
        left.table_mode == 0 && stage.mapped_bytes() > 0
    );
    bench.root =
        RootTable::new(&mut bench.memory, Coherence::of_unit(config.extended_capabilities())).unwrap();
    bench.unit = Unit::probe(fake.clone()).unwrap();
    bench.fake = fake;
    bench
}

#[test]
fn translation_stays_on_while_the_tables_are_exchanged() {
    for queue in Offer::BOTH {
        let config = FakeConfig { queue, ..FakeConfig::default() };
        let mut bench = translating(config, Leftovers { protected_memory: true, ..Leftovers::default() });
        let state = bench.unit.firmware_state();
        assert!(state.translation && state.protected_memory);
        assert!(!state.queued_invalidation && !state.interrupt_remapping);
        assert!(bench.reaches(DEVICE, IOVA));

        assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
        let history = bench.fake.history();
        assert!(history.iter().all(|moment| moment.translation), "{history:?}");
        assert_eq!(history.last().unwrap().root, bench.root.address());
        assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::CONTEXT_NOT_PRESENT), "old caches");
    }
}

#[test]
fn whatever_else_was_left_on_is_ended() {
    for queue in [LeftQueue::Idle, LeftQueue::Stopped] {
        let left = Leftovers { fault_log: true, queue: Some(queue), ..Leftovers::default() };
        let mut bench = translating(FakeConfig::default(), left);
        let state = bench.unit.firmware_state();
        assert!(state.queued_invalidation);
        assert_eq!(state.fault_status.contains(FaultStatus::QUEUE_ERROR), queue == LeftQueue::Stopped);
        assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
        assert!(!bench.unit.status().contains(GlobalStatus::ADVANCED_FAULT_LOG));
        assert!(bench.unit.status().contains(GlobalStatus::QUEUE));
        assert!(bench.fake.history().iter().all(|moment| moment.translation));
        let _stage = bench.warm_page();
        assert_eq!(bench.unit.queue_errors(), (0, None), "the old queue's errors are not ours");
    }
}

#[test]
fn a_queue_that_cannot_be_turned_off_fails_closed() {
    let left = Leftovers { queue: Some(LeftQueue::EndsWithoutWait), ..Leftovers::default() };
    let mut bench = translating(FakeConfig::default(), left);
    let error = bench.bring_up().unwrap_err();
    assert!(matches!(error, UnitError::TimedOut(error) if error.register == "GSTS"), "{error}");
    assert!(bench.clock.rounds() <= 1001);
    assert!(bench.fake.history().iter().all(|moment| moment.translation));
    assert!(!bench.unit.is_enforcing());
}

/// Scalable and abort mode.
const OTHER_MODES: [u8; 2] = [1, 3];

#[test]
fn another_table_mode_is_left_while_translation_stays_on() {
    for table_mode in OTHER_MODES {
        for queue in [None, Some(LeftQueue::Idle), Some(LeftQueue::Stopped)] {
            let config = FakeConfig { table_mode_changes: Offer::Yes, ..FakeConfig::default() };
            let left = Leftovers { table_mode, queue, ..Leftovers::default() };
            let mut bench = translating(config, left);
            assert_eq!(bench.fake.dma(DEVICE, IOVA, Access::Read), Err(Blocked::OtherMode));
            assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
            assert!(bench.unit.is_enforcing());
            assert!(bench.fake.history().iter().all(|moment| moment.translation));
            assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::CONTEXT_NOT_PRESENT));
            let _stage = bench.warm_page();
        }
    }
}

#[test]
fn another_table_mode_that_cannot_be_left_so_is_not_touched() {
    for table_mode in OTHER_MODES {
        let left = Leftovers { table_mode, root: Some(PhysAddr::new(0x10_0000)), ..Leftovers::default() };
        let mut bench = Bench::probed(FakeConfig::default(), &left);
        assert!(matches!(bench.bring_up(), Err(UnitError::ForeignTableMode { .. })));
        assert_eq!(bench.fake.history().len(), 1);
    }
}

#[test]
fn a_unit_takes_itself_over() {
    let mut bench = Bench::enforcing(FakeConfig::default());
    let _stage = bench.warm_page();
    let pages = bench.memory.live_pages();
    assert_eq!(bench.bring_up(), Ok(FaultStatus::empty()));
    assert_eq!(bench.memory.live_pages(), pages);
    assert!(bench.reaches(DEVICE, IOVA));
    assert!(bench.fake.history().iter().skip_while(|moment| !moment.translation).all(|m| m.translation));
}
