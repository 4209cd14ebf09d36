//! What a unit did not confirm is remembered until it does.

use super::*;
use crate::tables::IDLE_TABLES;
use crate::testing::fake_unit::{Injection, Offer, Stuck};
use crate::unit::{AnnounceError, RetireError, TakeBackError};
use std::vec::Vec;

/// Units that can refuse an invalidation and answer the next.
fn kinds() -> [FakeConfig; 2] {
    let queue = FakeConfig::default();
    [queue, FakeConfig { queue: Offer::No, ..queue }]
}

/// Has every invalidation fail from now on, until the unit is mended.
fn refuse(bench: &Bench) {
    let parts = [Stuck::Descriptors, Stuck::ContextRefusal, Stuck::IotlbRefusal];
    parts.into_iter().for_each(|part| bench.fake.break_part(part));
}

impl Bench {
    fn retire(&mut self, domain: DomainId) -> Result<(), RetireError> {
        self.unit.retire(&mut self.root, domain, &mut self.memory, &self.clock)
    }

    fn map_and_announce(&mut self, stage: &mut SecondStage) -> Result<(), AnnounceError> {
        stage.map(&mut self.memory, IOVA, TARGET, PAGE_SIZE, Permissions::READ_WRITE).unwrap();
        self.announce(stage)
    }

    fn announce(&mut self, stage: &mut SecondStage) -> Result<(), AnnounceError> {
        self.unit.announce(stage, DOMAIN, (IOVA, PAGE_SIZE), &mut self.memory, &self.clock)
    }
}

#[test]
fn a_second_block_asks_again_until_it_is_confirmed() {
    for config in kinds() {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.warm_page();
        refuse(&bench);
        for _ in 0..3 {
            assert!(bench.block(DEVICE).is_err());
            assert!(bench.reaches(DEVICE, IOVA), "it is remembered");
        }
        bench.fake.mend();
        assert_eq!(bench.block(DEVICE), Ok(()));
        stage.release(&mut bench.memory);
        assert!(!bench.reaches(DEVICE, IOVA));
        assert_eq!(bench.block(DEVICE), Ok(()), "now there is nothing to ask");
    }
}

#[test]
fn a_domain_lives_until_everyone_in_it_is_forgotten() {
    for config in kinds() {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.warm_page();
        assert_eq!(bench.retire(DOMAIN), Err(RetireError::StillAttached(DEVICE)));
        refuse(&bench);
        assert!(bench.block(DEVICE).is_err());
        assert!(matches!(bench.retire(DOMAIN), Err(RetireError::Invalidation(_))));
        assert!(bench.reaches(DEVICE, IOVA));
        bench.fake.mend();
        assert_eq!(bench.retire(DOMAIN), Ok(()));
        stage.release(&mut bench.memory);
        assert!(!bench.reaches(DEVICE, IOVA));
    }
}

#[test]
fn a_requester_that_may_be_remembered_enters_its_next_domain_only_once_it_is_not() {
    for config in kinds() {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.warm_page();
        let next = bench.domain(OTHER_DEVICE, OTHER_DOMAIN);
        refuse(&bench);
        assert!(bench.block(DEVICE).is_err());
        assert!(matches!(bench.attach((DEVICE, OTHER_DOMAIN), &next), Err(AttachError::Invalidation(_))));
        bench.fake.mend();
        assert_eq!(bench.attach((DEVICE, OTHER_DOMAIN), &next), Ok(()));
        stage.release(&mut bench.memory);
        assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::NO_READ_PERMISSION), "it is in the next one");
    }
}

/// A device that asks all the while: it sees the entry between the store and what undoes it.
#[test]
fn an_attachment_that_was_undone_is_forgotten_too() {
    for config in kinds() {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.domain(OTHER_DEVICE, DOMAIN);
        bench.map((&mut stage, DOMAIN), IOVA, 1);
        // On another bus, so that there is something for the unit to confirm.
        let device = SourceId::from_bits(0x4100);
        bench.fake.let_ask_meanwhile(device, IOVA);
        refuse(&bench);
        assert!(matches!(bench.attach((device, DOMAIN), &stage), Err(AttachError::Invalidation(_))));
        assert!(bench.reaches(device, IOVA), "the entry was used");
        bench.fake.mend();
        bench.block(OTHER_DEVICE).unwrap();
        assert_eq!(bench.retire(DOMAIN), Ok(()));
        stage.release(&mut bench.memory);
        assert!(bench.is_blocked(device, IOVA, FaultReason::CONTEXT_NOT_PRESENT));
    }
}

#[test]
fn a_mapping_that_was_not_noted_comes_back_if_the_unit_confirms_that() {
    let mut bench = Bench::enforcing(FakeConfig { caching_mode: Offer::Yes, ..FakeConfig::default() });
    let mut stage = bench.domain(DEVICE, DOMAIN);
    bench.fake.let_ask_meanwhile(DEVICE, IOVA);
    // As many as the mapping is tried.
    (0..3).for_each(|_| bench.fake.inject(Injection::AbortedWait));
    assert!(matches!(bench.map_and_announce(&mut stage), Err(AnnounceError::TakenBack(_))));
    assert_eq!(stage.mapped_bytes(), 0);
    assert!(!bench.reaches(DEVICE, IOVA));
    assert_eq!(bench.map_and_announce(&mut stage), Ok(()), "all was as before");
    assert!(bench.reaches(DEVICE, IOVA));
}

#[test]
fn a_mapping_that_was_not_noted_is_lost_if_the_unit_confirms_nothing() {
    for config in kinds().map(|kind| FakeConfig { caching_mode: Offer::Yes, ..kind }) {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.domain(DEVICE, DOMAIN);
        stage.map(&mut bench.memory, IOVA, TARGET, PAGE_SIZE, Permissions::READ_WRITE).unwrap();
        // From now on, so that the unit has not found it absent before.
        bench.fake.let_ask_meanwhile(DEVICE, IOVA);
        refuse(&bench);
        assert!(matches!(bench.announce(&mut stage), Err(AnnounceError::Unconfirmed(_))));
        assert!(bench.reaches(DEVICE, IOVA), "so its memory must stay lost");
    }
}

#[test]
fn a_write_buffer_that_does_not_answer_loses_the_mapping() {
    let config = FakeConfig { write_buffer_flush: Offer::Yes, ..FakeConfig::default() };
    let mut bench = Bench::enforcing(config);
    let mut stage = bench.domain(DEVICE, DOMAIN);
    bench.fake.break_part(Stuck::WriteBuffer);
    assert!(matches!(bench.map_and_announce(&mut stage), Err(AnnounceError::Unconfirmed(_))));
}

#[test]
fn the_tables_of_a_range_that_may_be_reached_stay_taken() {
    for config in kinds() {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.warm_page();
        // More tables than stay linked when they are empty.
        let far = |number: u64| Iova::new(IOVA.as_u64() + (number << 30));
        let ranges: Vec<_> = (1..=IDLE_TABLES as u64 + 1).map(far).collect();
        for iova in &ranges {
            bench.map((&mut stage, DOMAIN), *iova, 1);
            assert!(bench.reaches(DEVICE, *iova));
        }
        refuse(&bench);
        for iova in &ranges {
            let Bench { unit, memory, clock, .. } = &mut bench;
            let lost = unit.unmap(&mut stage, DOMAIN, (*iova, PAGE_SIZE), memory, clock);
            assert!(matches!(lost, Err(TakeBackError::Invalidation(_))), "{lost:?}");
            assert!(ranges.iter().all(|iova| bench.reaches(DEVICE, *iova)), "by tables that nobody freed");
        }
    }
}
