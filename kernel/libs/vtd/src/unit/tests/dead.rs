//! Units that did not answer in time: dead at once, for everybody, until they are brought up anew.

use core::task::Poll;

use super::*;
use crate::invalidation::{BatchPlan, Invalidation, InvalidationError};
use crate::tables::Stale;
use crate::testing::fake_unit::{Injection, Offer, Pace, Stuck};
use crate::unit::InvalidationPath;

/// Calls that are made of a unit that is dead.
const CALLS: usize = 1_000;

/// Units with a part that can fail to answer, and that part.
fn failing() -> [(FakeConfig, Stuck); 4] {
    let queue = FakeConfig::default();
    let registers = FakeConfig { queue: Offer::No, ..queue };
    [
        (queue, Stuck::QueueHead),
        (FakeConfig { caching_mode: Offer::Yes, ..queue }, Stuck::QueueHead),
        (registers, Stuck::ContextInvalidation),
        (registers, Stuck::IotlbInvalidation),
    ]
}

/// Everything that may be asked of a unit, one after the other.
fn ask(bench: &mut Bench, stage: &SecondStage, number: usize) -> Result<(), InvalidationError> {
    let range = (IOVA, 1);
    match number % 6 {
        0 | 1 => {
            let stale = if number.is_multiple_of(6) { Stale::Range } else { Stale::Domain };
            bench.unit.after_unmap(DOMAIN, range, stale, &mut bench.memory, &bench.clock)
        }
        2 => bench.block(DEVICE),
        3 => match bench.attach((OTHER_DEVICE, DOMAIN), stage) {
            Err(iommu::Error::Unconfirmed(error)) => Err(error),
            other => panic!("{other:?}"),
        },
        4 => bench.unit.after_map(DOMAIN, range, &mut bench.memory, &bench.clock),
        _ => {
            let whole = BatchPlan::new(DOMAIN, usize::MAX);
            bench.unit.after_batch(&whole, &mut bench.memory, &bench.clock)
        }
    }
}

#[test]
fn after_one_time_out_nobody_waits_again() {
    for (config, part) in failing() {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.warm_page();
        bench.unmap_silently(&mut stage, IOVA);
        bench.fake.break_part(part);
        let everything = Invalidation::of_device(DOMAIN, DEVICE);
        let first = bench.unit.invalidate_all(&everything, &mut bench.memory, &bench.clock);
        assert!(first.is_err_and(|error| error != InvalidationError::Dead), "the facts come first");
        assert!(bench.unit.is_dead());

        // Whatever it would answer now: what it was asked for is lost.
        bench.fake.mend();
        let waited = bench.clock.rounds();
        for number in 0..CALLS {
            assert_eq!(ask(&mut bench, &stage, number), Err(InvalidationError::Dead), "{number}");
            assert!(!bench.unit.after_unmap_fast(DOMAIN, (IOVA, 1), &mut bench.memory));
        }
        assert_eq!(bench.clock.rounds(), waited, "{part:?}");
        assert_eq!(bench.unit.recover_queue(&mut bench.memory), None);
        assert!(bench.unit.is_enforcing(), "it still translates");
    }
}

#[test]
fn a_write_buffer_that_is_never_flushed_is_a_death_too() {
    let config = FakeConfig { write_buffer_flush: Offer::Yes, ..FakeConfig::default() };
    let mut bench = Bench::enforcing(config);
    let stage = bench.warm_page();
    bench.fake.break_part(Stuck::WriteBuffer);
    let range = (IOVA, 1);
    let first = bench.unit.after_map(DOMAIN, range, &mut bench.memory, &bench.clock);
    assert!(matches!(first, Err(InvalidationError::RegisterTimedOut(_))), "{first:?}");
    let waited = bench.clock.rounds();
    for number in 0..CALLS {
        assert_eq!(ask(&mut bench, &stage, number), Err(InvalidationError::Dead), "{number}");
    }
    assert_eq!(bench.clock.rounds(), waited);
}

#[test]
fn who_looks_from_time_to_time_learns_of_the_death() {
    let config = FakeConfig { pace: Pace::Stepped, ..FakeConfig::default() };
    let mut bench = Bench::probed(config, &Leftovers::default());
    let fake = bench.fake.clone();
    bench.clock.on_relax(move || fake.step());
    bench.bring_up().unwrap();
    let request = [Invalidation::IotlbDomain(DOMAIN)];
    let done = bench.unit.submit(&request, &mut bench.memory, &bench.clock).unwrap();
    (0..2).for_each(|_| bench.fake.step());
    let pending = bench.unit.submit(&request, &mut bench.memory, &bench.clock).unwrap();
    bench.fake.break_part(Stuck::QueueHead);
    assert!(bench.unit.invalidate_all(&request, &mut bench.memory, &bench.clock).is_err());
    assert_eq!(bench.unit.poll(done, &mut bench.memory), Poll::Ready(Ok(())), "that was answered");
    let looked = bench.unit.poll(pending, &mut bench.memory);
    assert_eq!(looked, Poll::Ready(Err(InvalidationError::Dead)));
}

#[test]
fn an_error_that_was_answered_is_no_death() {
    let mut bench = Bench::enforcing(FakeConfig::default());
    let mut stage = bench.warm_page();
    bench.unmap_silently(&mut stage, IOVA);
    (0..3).for_each(|_| bench.fake.inject(Injection::BadDescriptor));
    let range = (IOVA, 1);
    let failed = bench.unit.after_unmap(DOMAIN, range, Stale::Range, &mut bench.memory, &bench.clock);
    assert!(matches!(failed, Err(InvalidationError::Queue(_))), "{failed:?}");
    assert!(!bench.unit.is_dead());
    bench.unit.after_unmap(DOMAIN, range, Stale::Range, &mut bench.memory, &bench.clock).unwrap();
    assert!(!bench.reaches(DEVICE, IOVA));
}

#[test]
fn bringing_it_up_anew_ends_it() {
    for (config, part) in failing() {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.warm_page();
        bench.unmap_silently(&mut stage, IOVA);
        bench.fake.break_part(part);
        let everything = Invalidation::of_device(DOMAIN, DEVICE);
        assert!(bench.unit.invalidate_all(&everything, &mut bench.memory, &bench.clock).is_err());
        assert_eq!(bench.unit.invalidation_path(), InvalidationPath::Dead);
        bench.fake.mend();
        bench.bring_up().unwrap();
        assert!(!bench.unit.is_dead());
        assert!(!bench.reaches(DEVICE, IOVA), "what it remembered went with the old tables' caches");
        assert_eq!(ask(&mut bench, &stage, 0), Ok(()));
    }
}
