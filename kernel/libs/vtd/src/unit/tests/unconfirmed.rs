//! What a unit did not confirm is remembered until it does.

use super::*;
use crate::testing::fake_unit::{Offer, Stuck};
use iommu::Error;

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
    fn retire(&mut self, domain: DomainId) -> Result<(), Error<InvalidationError>> {
        self.unit.retire(&mut self.root, domain, &mut self.memory, &self.clock)
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
        assert_eq!(bench.retire(DOMAIN), Err(Error::StillAttached(DEVICE)));
        refuse(&bench);
        assert!(bench.block(DEVICE).is_err());
        assert!(matches!(bench.retire(DOMAIN), Err(Error::Unconfirmed(_))));
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
        assert!(matches!(bench.attach((DEVICE, OTHER_DOMAIN), &next), Err(Error::Unconfirmed(_))));
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
        assert!(matches!(bench.attach((device, DOMAIN), &stage), Err(Error::Unconfirmed(_))));
        assert!(bench.reaches(device, IOVA), "the entry was used");
        bench.fake.mend();
        bench.block(OTHER_DEVICE).unwrap();
        assert_eq!(bench.retire(DOMAIN), Ok(()));
        stage.release(&mut bench.memory);
        assert!(bench.is_blocked(device, IOVA, FaultReason::CONTEXT_NOT_PRESENT));
    }
}
