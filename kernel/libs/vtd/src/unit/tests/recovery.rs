//! Queue errors, seen first by the waiter or by the fault interrupt's dispatcher.

use core::task::Poll;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mmio_regs::{Clock, TypedAccess};

use super::*;
use crate::invalidation::{Invalidation, InvalidationError};
use crate::spec::descriptor::Descriptor;
use crate::spec::registers::{IQH, IQT};
use crate::tables::Stale;
use crate::testing::fake_unit::{Injection, Pace, Stuck};

const KINDS: [(Injection, FaultStatus); 3] = [
    (Injection::BadDescriptor, FaultStatus::QUEUE_ERROR),
    (Injection::AbortedWait, FaultStatus::COMPLETION_TIMEOUT),
    (Injection::WrongCompletion, FaultStatus::COMPLETION_ERROR),
];

const REQUEST: Invalidation = Invalidation::IotlbDomain(DOMAIN);

/// A unit with a stale translation of [`IOVA`].
fn stale(config: FakeConfig) -> Bench {
    let mut bench = Bench::probed(config, &Leftovers::default());
    if config.pace == Pace::Stepped {
        let fake = bench.fake.clone();
        bench.clock.on_relax(move || fake.step());
    }
    bench.bring_up().unwrap();
    let mut stage = bench.warm_page();
    bench.unmap_silently(&mut stage, IOVA);
    bench
}

#[test]
fn a_waiter_recovers_and_its_success_is_true() {
    for (injection, status) in KINDS {
        for (pace, prefetch) in [(Pace::AtOnce, 0), (Pace::Stepped, 0), (Pace::AtOnce, 8), (Pace::Stepped, 8)]
        {
            let mut bench = stale(FakeConfig { pace, prefetch, ..FakeConfig::default() });
            bench.fake.inject(injection);
            bench.unit.invalidate(REQUEST, &mut bench.memory, &bench.clock).unwrap();
            assert!(!bench.reaches(DEVICE, IOVA), "{injection:?} {pace:?} {prefetch}");
            // A wrong completion stops nothing: the batch may be done before anybody looks.
            let (count, last) = bench.unit.queue_errors();
            assert!(count == 1 || injection == Injection::WrongCompletion && count == 0);
            assert!(last.is_none_or(|error| error.status == status));
        }
    }
}

#[test]
fn an_error_that_comes_back_is_no_success_and_tells_the_facts() {
    for (injection, status) in &KINDS[..2] {
        let mut bench = stale(FakeConfig::default());
        for _ in 0..3 {
            bench.fake.inject(*injection);
        }
        let result = bench.unit.invalidate(REQUEST, &mut bench.memory, &bench.clock);
        let Err(InvalidationError::Queue(error)) = result else { panic!("{result:?}") };
        assert_eq!(error.status, *status);
        assert!(error.descriptor.is_some());
        match injection {
            Injection::BadDescriptor => assert_eq!(error.record.cause(), 3),
            _ => assert_eq!(error.record.silent_device(), SourceId::from_bits(0x0118)),
        }
        assert_eq!(bench.unit.queue_errors(), (3, Some(error)));
        bench.unit.invalidate(REQUEST, &mut bench.memory, &bench.clock).unwrap();
        assert!(!bench.reaches(DEVICE, IOVA));
    }
}

#[test]
fn a_bad_descriptor_that_memory_keeps_is_reported_as_it_stands() {
    let mut bench = stale(FakeConfig::default());
    bench.fake.inject(Injection::BadDescriptor);
    bench.unit.invalidate(REQUEST, &mut bench.memory, &bench.clock).unwrap();
    let error = bench.unit.queue_errors().1.unwrap();
    // A domain-selective IOTLB descriptor with drains for domain 5, its type damaged.
    assert_eq!(error.descriptor.map(|found| (found.high, found.low)), Some((0, 0x0005_00ef)));
}

/// A descriptor of no known type, handed over by itself: it stops the queue, and no success comes over it.
#[test]
fn a_descriptor_of_no_known_type_stops_the_queue_until_it_is_recovered() {
    const UNKNOWN: Descriptor = Descriptor { low: 0xf, high: 0 };
    let mut bench = stale(FakeConfig::default());
    assert_eq!(bench.unit.submit_raw(UNKNOWN, &mut bench.memory), Ok(()));
    assert!(bench.reaches(DEVICE, IOVA));
    bench.unit.invalidate(REQUEST, &mut bench.memory, &bench.clock).unwrap();
    assert!(!bench.reaches(DEVICE, IOVA));
    let (count, last) = bench.unit.queue_errors();
    assert_eq!((count, last.and_then(|error| error.descriptor)), (1, Some(UNKNOWN)));
}

/// The machine of one processor: a waiter that gives the unit free between looks, and an interrupt.
struct Shared {
    unit: Rc<RefCell<Unit<FakeUnit>>>,
    memory: FakeMemory,
    clock: FakeClock,
    fake: FakeUnit,
    recovered: Rc<Cell<usize>>,
}

impl Shared {
    /// In every round the hardware does one step, and a fault interrupt calls the recovery at once.
    fn with_dispatcher(bench: Bench) -> Self {
        let unit = Rc::new(RefCell::new(bench.unit));
        let recovered = Rc::new(Cell::new(0));
        let (fake, port) = (bench.fake.clone(), unit.borrow().fault_port());
        let (shared, memory, count) = (unit.clone(), bench.memory.clone(), recovered.clone());
        bench.clock.on_relax(move || {
            fake.step();
            if port.drain(&mut |_| {}, 16).queue_errors.is_empty() {
                return;
            }
            let error = shared.borrow_mut().recover_queue(&mut memory.clone());
            count.set(count.get() + usize::from(error.is_some()));
        });
        Self { unit, memory: bench.memory, clock: bench.clock, fake: bench.fake, recovered }
    }

    /// Submits and waits, free between looks.
    fn invalidate(&mut self) -> Result<(), InvalidationError> {
        let ticket = self.unit.borrow_mut().submit(&[REQUEST], &mut self.memory, &self.clock)?;
        loop {
            if let Poll::Ready(result) = self.unit.borrow_mut().poll(ticket, &mut self.memory) {
                return result;
            }
            self.clock.relax();
        }
    }
}

#[test]
fn a_waiter_learns_of_what_the_dispatcher_recovered() {
    for (injection, status) in KINDS {
        let bench = stale(FakeConfig { pace: Pace::Stepped, ..FakeConfig::default() });
        let mut shared = Shared::with_dispatcher(bench);
        shared.fake.inject(injection);
        let result = shared.invalidate();
        let Err(InvalidationError::Queue(error)) = result else { panic!("{injection:?}: {result:?}") };
        assert_eq!((error.status, shared.recovered.get()), (status, 1));
        assert_eq!(shared.invalidate(), Ok(()));
        assert!(shared.fake.dma(DEVICE, IOVA, Access::Read).is_err());
        assert_eq!(shared.recovered.get(), 1);
    }
}

#[test]
fn a_dispatcher_that_comes_second_finds_nothing() {
    for (injection, _) in &KINDS[..2] {
        let mut bench = stale(FakeConfig::default());
        bench.fake.inject(*injection);
        bench.unit.invalidate(REQUEST, &mut bench.memory, &bench.clock).unwrap();
        assert_eq!(bench.unit.recover_queue(&mut bench.memory), None);
    }
}

#[test]
fn an_error_fails_everything_that_was_in_the_queue() {
    let mut bench = stale(FakeConfig::default());
    bench.fake.inject(Injection::BadDescriptor);
    let first = bench.unit.submit(&[REQUEST], &mut bench.memory, &bench.clock).unwrap();
    let second = bench.unit.submit(&[REQUEST], &mut bench.memory, &bench.clock).unwrap();
    assert!(bench.unit.recover_queue(&mut bench.memory).is_some());
    let (head, tail) = (bench.fake.get(IQH), bench.fake.get(IQT));
    assert_eq!(head, tail, "the rest of the queue is worked through");
    for ticket in [first, second] {
        let looked = bench.unit.poll(ticket, &mut bench.memory);
        assert!(matches!(looked, Poll::Ready(Err(InvalidationError::Queue(_)))), "{looked:?}");
    }
    let third = bench.unit.submit(&[REQUEST], &mut bench.memory, &bench.clock).unwrap();
    assert_eq!(bench.unit.poll(third, &mut bench.memory), Poll::Ready(Ok(())));
}

#[test]
fn faults_are_told_again_after_a_recovery() {
    let mut bench = stale(FakeConfig::default());
    bench.fake.inject(Injection::BadDescriptor);
    let ticket = bench.unit.submit(&[REQUEST], &mut bench.memory, &bench.clock).unwrap();
    assert_eq!(bench.fake.messages().len(), 1, "the error itself");
    assert!(!bench.reaches(OTHER_DEVICE, IOVA));
    assert_eq!(bench.fake.messages().len(), 1, "an error that stands silences what follows");
    assert!(bench.unit.poll(ticket, &mut bench.memory).is_ready());
    assert_eq!(bench.unit.fault_port().drain(&mut |_| {}, 16).drained, 1);
    assert!(!bench.reaches(OTHER_DEVICE, IOVA));
    assert_eq!(bench.fake.messages().len(), 2);
}

/// The few steps of an unmap, up to the queue.
fn unmap_fast(bench: &mut Bench, stage: &mut SecondStage) -> bool {
    assert!(stage.unmap_fast(&mut bench.memory, IOVA, PAGE_SIZE));
    bench.unit.after_unmap_fast(DOMAIN, (IOVA, 1), &mut bench.memory)
}

#[test]
fn the_few_steps_of_an_unmap_leave_errors_to_the_general_way() {
    for (injection, status) in KINDS {
        let mut bench = Bench::enforcing(FakeConfig::default());
        let mut stage = bench.warm_page();
        // A neighbour keeps the table in use.
        bench.map((&mut stage, DOMAIN), Iova::new(IOVA.as_u64() + 2 * PAGE_SIZE), 1);
        bench.fake.inject(injection);
        let done = unmap_fast(&mut bench, &mut stage);
        // What a wrong completion belongs to is carried out all the same.
        assert_eq!(done, injection == Injection::WrongCompletion);
        if !done {
            let range = (IOVA, 1);
            bench.unit.after_unmap(DOMAIN, range, Stale::Range, &mut bench.memory, &bench.clock).unwrap();
            assert_eq!(bench.unit.queue_errors().1.map(|error| error.status), Some(status));
        }
        assert!(!bench.reaches(DEVICE, IOVA), "{injection:?}");
    }
}

#[test]
fn a_queue_that_stands_still_is_no_success_either_way() {
    let mut bench = Bench::enforcing(FakeConfig::default());
    let mut stage = bench.warm_page();
    bench.map((&mut stage, DOMAIN), Iova::new(IOVA.as_u64() + 2 * PAGE_SIZE), 1);
    bench.fake.break_part(Stuck::QueueHead);
    assert!(!unmap_fast(&mut bench, &mut stage));
    let range = (IOVA, 1);
    let result = bench.unit.after_unmap(DOMAIN, range, Stale::Range, &mut bench.memory, &bench.clock);
    assert!(matches!(result, Err(InvalidationError::QueueTimedOut { .. })), "{result:?}");
    assert!(bench.reaches(DEVICE, IOVA), "what was not forgotten is still reached");
    bench.fake.mend();
    bench.bring_up().unwrap();
    bench.unit.after_unmap(DOMAIN, range, Stale::Range, &mut bench.memory, &bench.clock).unwrap();
    assert!(!bench.reaches(DEVICE, IOVA));
}

#[test]
fn a_queue_that_only_takes_its_time_is_not_recovered() {
    let bench = stale(FakeConfig { pace: Pace::Stepped, ..FakeConfig::default() });
    let mut shared = Shared::with_dispatcher(bench);
    shared.fake.break_part(Stuck::QueueHead);
    let unit = shared.unit.clone();
    let ticket = unit.borrow_mut().submit(&[REQUEST], &mut shared.memory, &shared.clock).unwrap();
    for _ in 0..1_000 {
        assert_eq!(unit.borrow_mut().poll(ticket, &mut shared.memory), Poll::Pending);
        shared.clock.relax();
    }
    assert_eq!(shared.recovered.get(), 0);
    shared.fake.mend();
    shared.clock.relax();
    shared.clock.relax();
    assert_eq!(unit.borrow_mut().poll(ticket, &mut shared.memory), Poll::Ready(Ok(())));
    assert!(shared.fake.dma(DEVICE, IOVA, Access::Read).is_err());
}
