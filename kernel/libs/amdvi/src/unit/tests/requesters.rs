//! Who is in which domain, with a unit that fetches entries while they change.

use super::*;
use crate::InvalidationError;
use crate::tables::Standing;
use iommu::{Error, RemappingUnit, TableError};

#[test]
fn a_requester_reaches_its_own_domain_and_no_other() {
    let mut machine = Machine::new(FakeConfig::default());
    let space = machine.with_device();
    assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET));
    assert_eq!(machine.reads(OTHER, IOVA), None);
    assert_eq!(machine.controller.unit().domain_of(DEVICE), Some(space.id()));
    let another = machine.controller.new_domain().unwrap();
    let again = machine.controller.attach(&another, DEVICE).unwrap_err();
    assert_eq!(again, Error::Tables(TableError::AlreadyAttached(DEVICE)));
    machine.controller.block([DEVICE]).unwrap();
    assert_eq!(machine.reads(DEVICE, IOVA), None);
    assert_eq!(machine.controller.unit().standing(DEVICE), Standing::Blocked);
}

#[test]
fn no_torn_entry_lets_anything_pass_or_be_remembered_under_another_number() {
    let mut machine = Machine::new(FakeConfig::default());
    machine.fake.ask_all_the_time(DEVICE, IOVA);
    let mut spaces = std::vec::Vec::new();
    for number in 0..3 {
        let target = PhysAddr::new(TARGET.as_u64() + number * PAGE_SIZE);
        let mut space = machine.controller.new_domain().unwrap();
        space.map(&mut machine.controller, (IOVA, target), PAGE_SIZE, BOTH).unwrap();
        spaces.push((space, target));
    }
    assert_eq!(machine.fake.reached_meanwhile(), []);
    for round in 0..12 {
        let (space, target) = &mut spaces[round % 3];
        machine.controller.attach(space, DEVICE).unwrap();
        assert_eq!(machine.reads(DEVICE, IOVA), Some(*target));
        let other = Iova::new(IOVA.as_u64() + PAGE_SIZE);
        space.map(&mut machine.controller, (other, *target), PAGE_SIZE, BOTH).unwrap();
        let reached = machine.fake.reached_meanwhile();
        assert!(reached.iter().all(|(_, phys)| phys == target), "round {round}: {reached:?}");
        // With its page mapped in one round, and unmapped in the next.
        if round % 2 == 0 {
            space.unmap(&mut machine.controller, IOVA, PAGE_SIZE).unwrap();
            assert_eq!(machine.reads(DEVICE, IOVA), None, "round {round}");
        }
        machine.controller.block([DEVICE]).unwrap();
        machine.fake.reached_meanwhile();
        assert_eq!(machine.reads(DEVICE, IOVA), None, "round {round}");
        space.unmap(&mut machine.controller, other, PAGE_SIZE).unwrap();
        if round % 2 == 0 {
            space.map(&mut machine.controller, (IOVA, *target), PAGE_SIZE, BOTH).unwrap();
        }
        assert_eq!(machine.fake.reached_meanwhile(), [], "round {round}");
    }
}

#[test]
fn what_was_not_confirmed_is_remembered_until_it_is() {
    let mut machine = Machine::new(FakeConfig::default());
    let mut space = machine.with_device();
    assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET));
    (0..3).for_each(|_| machine.fake.inject(Injection::IllegalCommand));
    assert!(machine.controller.block([DEVICE]).is_err());
    assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET), "the unit still has its entry");
    assert_eq!(machine.controller.unit().standing(DEVICE), Standing::Unconfirmed(space.id()));
    assert_eq!(machine.controller.unit().domain_of(DEVICE), None);

    // Neither a domain that ends nor a new one forgets it: the unit is asked first.
    machine.controller.retire(&mut space).unwrap();
    assert_eq!(machine.reads(DEVICE, IOVA), None);
    assert_eq!(machine.controller.unit().standing(DEVICE), Standing::Blocked);
}

#[test]
fn a_requester_that_was_not_confirmed_is_asked_for_again_before_it_is_let_in() {
    let mut machine = Machine::new(FakeConfig::default());
    let _space = machine.with_device();
    assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET));
    (0..3).for_each(|_| machine.fake.inject(Injection::IllegalCommand));
    assert!(machine.controller.block([DEVICE]).is_err());
    let empty = machine.controller.new_domain().unwrap();
    machine.controller.attach(&empty, DEVICE).unwrap();
    assert_eq!(machine.reads(DEVICE, IOVA), None, "nothing is mapped in the new domain");
}

#[test]
fn an_attempt_that_the_unit_did_not_note_ends_blocked() {
    for failures in [3, 6] {
        let mut machine = Machine::new(FakeConfig::default());
        let mut space = machine.controller.new_domain().unwrap();
        space.map(&mut machine.controller, (IOVA, TARGET), PAGE_SIZE, BOTH).unwrap();
        (0..failures).for_each(|_| machine.fake.inject(Injection::IllegalCommand));
        let error = machine.controller.attach(&space, DEVICE).unwrap_err();
        assert!(matches!(error, Error::Unconfirmed(InvalidationError::Queue(_))));
        assert_eq!(machine.reads(DEVICE, IOVA), None);
        let standing = machine.controller.unit().standing(DEVICE);
        let expected = if failures == 3 { Standing::Blocked } else { Standing::Unconfirmed(space.id()) };
        assert_eq!(standing, expected);
    }
}

#[test]
fn a_domain_with_a_requester_lives_on() {
    let mut machine = Machine::new(FakeConfig::default());
    let mut space = machine.with_device();
    assert_eq!(machine.controller.retire(&mut space), Err(Error::StillAttached(DEVICE)));
    machine.controller.block([DEVICE]).unwrap();
    machine.controller.retire(&mut space).unwrap();
}
