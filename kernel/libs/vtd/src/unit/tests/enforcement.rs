//! Somebody else writes the unit's registers: it is noticed, and no success comes over it.

use std::string::ToString;

use dma_types::Access;

use super::*;
use crate::invalidation::{Invalidation, InvalidationError};
use crate::spec::command::{GlobalCommand, GlobalStatus, RootTableAddress};
use crate::testing::fake_unit::Offer;
use crate::unit::EnforcementPort;

const ALL_ON: GlobalCommand = GlobalCommand::TRANSLATION.union(GlobalCommand::QUEUE);

/// A unit that enforces, one page of [`DEVICE`], and what is asked.
fn enforcing(config: FakeConfig) -> (Bench, EnforcementPort<FakeUnit>) {
    let mut bench = Bench::enforcing(config);
    let _ = bench.warm_page();
    let port = bench.unit.enforcement_port().unwrap();
    (bench, port)
}

#[test]
fn before_it_was_brought_up_there_is_nothing_to_ask() {
    let bench = Bench::probed(FakeConfig::default(), &Leftovers::default());
    assert!(bench.unit.enforcement_port().is_none() && !bench.unit.is_enforcing());
}

#[test]
fn a_unit_left_alone_enforces() {
    let (mut bench, port) = enforcing(FakeConfig::default());
    for _ in 0..3 {
        assert_eq!(port.ask(), Ok(()));
        bench.unit.invalidate(Invalidation::IotlbDomain(DOMAIN), &mut bench.memory, &bench.clock).unwrap();
    }
    // Whoever writes what stands there already changes nothing.
    bench.fake.command_by_a_stranger(ALL_ON);
    assert!(port.ask().is_ok() && bench.unit.is_enforcing());
}

#[test]
fn translation_switched_off_by_a_stranger_is_noticed() {
    let (bench, port) = enforcing(FakeConfig::default());
    assert!(!bench.reaches(OTHER_DEVICE, IOVA), "the twin: it is held");
    bench.fake.command_by_a_stranger(GlobalCommand::QUEUE);
    assert!(bench.fake.dma(OTHER_DEVICE, IOVA, Access::Write).is_ok(), "nothing holds a device any more");
    let lost = port.ask().unwrap_err();
    assert_eq!(lost.status & GlobalStatus::TRANSLATION, GlobalStatus::empty());
    assert_eq!((lost.register.table(), bench.unit.is_enforcing()), (bench.root.address(), false));
    assert_eq!(lost.to_string(), "translation is off");
}

#[test]
fn another_root_table_is_noticed_by_address_and_by_mode() {
    let other = PhysAddr::new(0x7000_0000);
    let (bench, port) = enforcing(FakeConfig::default());
    let own = bench.root.address().as_u64();
    for register in
        [RootTableAddress::legacy(other), RootTableAddress(own | 1 << 10), RootTableAddress(u64::MAX)]
    {
        bench.fake.root_by_a_stranger(register);
        let lost = port.ask().unwrap_err();
        assert_eq!((lost.register, lost.to_string().as_str()), (register, "the root table is another one"));
    }
    bench.fake.root_by_a_stranger(RootTableAddress(own));
    assert_eq!(port.ask(), Ok(()));
}

#[test]
fn with_its_queue_switched_off_no_invalidation_succeeds() {
    let (mut bench, port) = enforcing(FakeConfig::default());
    bench.fake.command_by_a_stranger(GlobalCommand::TRANSLATION);
    assert_eq!(port.ask().unwrap_err().to_string(), "the invalidation queue is off");
    let mut ask = |request| bench.unit.invalidate(request, &mut bench.memory, &bench.clock);
    let first = ask(Invalidation::IotlbDomain(DOMAIN));
    assert!(matches!(first, Err(InvalidationError::QueueTimedOut { .. })), "{first:?}");
    for request in [Invalidation::IotlbDomain(DOMAIN), Invalidation::ContextGlobal, Invalidation::IotlbGlobal]
    {
        assert_eq!(ask(request), Err(InvalidationError::Dead));
    }
    assert!(!bench.unit.after_unmap_fast(DOMAIN, (IOVA, 1), &mut bench.memory));
}

#[test]
fn everything_off_is_told_as_such() {
    let (bench, port) = enforcing(FakeConfig::default());
    bench.fake.command_by_a_stranger(GlobalCommand::empty());
    assert_eq!(port.ask().unwrap_err().to_string(), "translation is off, the invalidation queue is off");
}

#[test]
fn a_unit_without_a_queue_is_not_asked_for_one() {
    let (bench, port) = enforcing(FakeConfig { queue: Offer::No, ..FakeConfig::default() });
    assert_eq!(port.ask(), Ok(()));
    bench.fake.command_by_a_stranger(GlobalCommand::empty());
    assert_eq!(port.ask().unwrap_err().to_string(), "translation is off");
}
