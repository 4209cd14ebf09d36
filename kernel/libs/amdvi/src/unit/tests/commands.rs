//! Having the unit forget, and what happens where it does not.

use super::*;
use crate::spec::command::Command;
use crate::{Invalidation, InvalidationError};
use iommu::{Error, RemappingUnit};

#[test]
fn what_is_unmapped_is_forgotten_before_the_memory_comes_back() {
    for pace in [Pace::AtOnce, Pace::Stepwise] {
        let mut machine = Machine::new(FakeConfig { pace, ..FakeConfig::default() });
        let mut space = machine.with_device();
        assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET));
        space.unmap(&mut machine.controller, IOVA, PAGE_SIZE).unwrap();
        assert_eq!(machine.reads(DEVICE, IOVA), None);
    }
}

#[test]
fn a_command_that_the_unit_refuses_is_submitted_again() {
    for injection in [Injection::IllegalCommand, Injection::UnreadableCommand] {
        let mut machine = Machine::new(FakeConfig::default());
        let mut space = machine.with_device();
        assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET));
        machine.fake.inject(injection);
        space.unmap(&mut machine.controller, IOVA, PAGE_SIZE).unwrap();
        assert_eq!(machine.reads(DEVICE, IOVA), None);
        let (recoveries, error) = machine.controller.unit().unit().queue_errors();
        assert_eq!(recoveries, 1);
        assert!(error.unwrap().command.is_some());
    }
}

#[test]
fn a_unit_that_refuses_for_ever_is_believed_nothing() {
    let mut machine = Machine::new(FakeConfig::default());
    let mut space = machine.with_device();
    (0..9).for_each(|_| machine.fake.inject(Injection::IllegalCommand));
    let error = space.unmap(&mut machine.controller, IOVA, PAGE_SIZE).unwrap_err();
    assert!(matches!(error, Error::Unconfirmed(InvalidationError::Queue(_))), "{error}");
    assert!(error.may_be_reached());
    assert!(!machine.controller.unit().is_dead(), "it answers");
}

#[test]
fn a_bad_command_of_somebody_fails_nobody_else_in_silence() {
    let mut machine = Machine::new(FakeConfig::default());
    let mut space = machine.with_device();
    assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET));
    machine.controller.unit_mut().submit_raw(Command { low: 0xf << 60, high: 0 }).unwrap();
    space.unmap(&mut machine.controller, IOVA, PAGE_SIZE).unwrap();
    assert_eq!(machine.reads(DEVICE, IOVA), None);
}

#[test]
fn a_unit_that_does_not_answer_is_dead_after_a_second_and_costs_no_more() {
    for part in [Stuck::Commands, Stuck::Answers] {
        let mut machine = Machine::new(FakeConfig::default());
        let mut space = machine.with_device();
        let far = Iova::new(IOVA.as_u64() + PAGE_SIZE);
        space.map(&mut machine.controller, (far, TARGET), PAGE_SIZE, BOTH).unwrap();
        machine.fake.break_part(part);
        let error = space.unmap(&mut machine.controller, IOVA, PAGE_SIZE).unwrap_err();
        assert!(matches!(error, Error::Unconfirmed(InvalidationError::TimedOut { .. })), "{error}");
        assert!(machine.controller.unit().is_dead());
        let waited = machine.clock.rounds();
        let error = space.unmap(&mut machine.controller, far, PAGE_SIZE).unwrap_err();
        assert_eq!(error, Error::Unconfirmed(InvalidationError::Dead));
        assert_eq!(machine.clock.rounds(), waited, "nobody waits for a dead unit");

        // It begins anew.
        machine.fake.mend();
        machine.controller.unit_mut().bring_up_again().unwrap();
        assert!(!machine.controller.unit().is_dead());
    }
}

#[test]
fn a_unit_that_remembers_what_was_not_there_is_told_of_mappings() {
    let config = FakeConfig { caching: Caching::Everything, ..FakeConfig::default() };
    let mut machine = Machine::new(config);
    let mut space = machine.with_device();
    let far = Iova::new(IOVA.as_u64() + PAGE_SIZE);
    assert_eq!(machine.reads(DEVICE, far), None);
    space.map(&mut machine.controller, (far, TARGET), PAGE_SIZE, BOTH).unwrap();
    assert_eq!(machine.reads(DEVICE, far), Some(TARGET));
}

#[test]
fn more_commands_than_the_buffer_holds_are_carried_out_one_batch_after_the_other() {
    let mut machine = Machine::new(FakeConfig { pace: Pace::Stepwise, ..FakeConfig::default() });
    let _space = machine.with_device();
    let mut memory = machine.memory.clone();
    let mut unit = Unit::probe(machine.fake.clone(), announced(FakeConfig::default())).unwrap();
    let config = BringUp { table: machine.controller.unit().table().base(), fabric: Control::empty() };
    unit.bring_up(&config, &mut memory, &machine.clock).unwrap();
    assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET));
    let mut requests = std::vec![Invalidation::Domain(DomainId(0)); 700];
    requests.push(Invalidation::DeviceEntry(DEVICE));
    unit.invalidate_all(&requests, &mut memory, &machine.clock).unwrap();
    assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET));
}
