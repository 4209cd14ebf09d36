//! The sequences of a group, with whatever can go wrong or come between at each of their steps.

use iommu::group::{self, GroupError, Heir, Membership};
use iommu::{Refusal, State};
use vtd::spec::command::GlobalCommand;

use super::dice::operations;
use super::stage::*;

use State::{Assigned, Blocked, FirmwareRegion, Quarantined};

/// A sequence of the library, and how the functions stand before it.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    name: &'static str,
    states: [State; FUNCTIONS],
    run: for<'l> fn(&'l Stage) -> Ended<'l>,
    /// How the functions stand where nothing goes wrong.
    end: [State; FUNCTIONS],
}

fn of_unit<'l>(result: Result<(), Refused>) -> Ended<'l> {
    result.map_err(GroupError::Unit)
}

const SEQUENCES: [Sequence; 9] = [
    Sequence {
        name: "a claim beside one that works",
        states: [Blocked, Assigned, Assigned],
        run: |stage| claim(stage, 0),
        end: [Assigned; 3],
    },
    Sequence {
        name: "a claim of what works for the firmware",
        states: [FirmwareRegion, Blocked, Blocked],
        run: |stage| claim(stage, 0),
        end: [Assigned, Blocked, Blocked],
    },
    Sequence {
        name: "firmware's regions",
        states: [Blocked, Blocked, Assigned],
        run: |stage| {
            let member = &stage.functions[0];
            group::enter_or_leave(&stage, group::begin_entry(member, stage.functions[..2].iter())?)
        },
        end: [FirmwareRegion, Blocked, Assigned],
    },
    Sequence {
        name: "a move",
        states: [Assigned, FirmwareRegion, Assigned],
        run: |stage| group::move_to(&stage, stage.new_space()),
        end: [Assigned, FirmwareRegion, Assigned],
    },
    Sequence {
        name: "a move without those that are cut off",
        states: [Quarantined, Quarantined, Assigned],
        run: |stage| group::move_to(&stage, stage.new_space()),
        end: [Quarantined, Quarantined, Assigned],
    },
    Sequence {
        name: "a release of two that share an id",
        states: [Quarantined, Quarantined, Assigned],
        run: |stage| {
            stage.give_interrupts(0);
            group::release(&stage, &stage.functions[0])
        },
        end: [Assigned; 3],
    },
    Sequence {
        name: "one gives up, and another works with an id of it",
        states: [Assigned, Assigned, Blocked],
        run: |stage| of_unit(group::give_up(&stage, &stage.functions[0], Heir::Nobody)),
        end: [Blocked, Assigned, Blocked],
    },
    Sequence {
        name: "a return to tables that were lost",
        states: [Assigned, FirmwareRegion, Quarantined],
        run: |stage| {
            stage.functions.iter().map(|member| group::rejoin(&stage, member)).fold(Ok(()), Result::and)
        },
        end: [Assigned, FirmwareRegion, Quarantined],
    },
    Sequence {
        name: "a cut-off",
        states: [Assigned, FirmwareRegion, Assigned],
        run: |stage| of_unit(stage.cut_off(1)),
        end: [Quarantined, Quarantined, Assigned],
    },
];

const EVENTS: [Event; 7] = [
    Event::CutOff(0),
    Event::CutOff(2),
    Event::Pulled(0),
    Event::Pulled(2),
    Event::Refuses,
    Event::FallsSilent,
    Event::NoMemory,
];

/// Runs a sequence while things happen, and then lets the unit work again. Gives the stage as the sequence left it.
fn play(sequence: &Sequence, events: &[(usize, Event)]) -> std::rc::Rc<Stage> {
    let stage = Stage::new(sequence.states);
    stage.expect(events);
    // What came of it shows in how the functions stand.
    let result = (sequence.run)(&stage).map_err(|error| matches!(error, GroupError::Unit(_)));
    stage.expect(&[]);
    stage.check();
    if result == Err(true) {
        assert!(events.iter().any(|(_, event)| !matches!(event, Event::CutOff(_))), "the unit was well");
    }
    stage
}

/// Whatever was left, everything can be taken, and what has not left can come back.
fn check_way_back(stage: &Stage) {
    stage.mend();
    for number in 0..FUNCTIONS {
        stage.cut_off(number).unwrap();
    }
    stage.unconfirmed.set(0);
    stage.check();
    for number in [0, 2] {
        let function = &stage.functions[number];
        let tied = if number == 0 { &stage.functions[..2] } else { &stage.functions[2..] };
        // One that left while it was blocked is no hindrance for those that share its ids.
        let comes_too = |other: &&Function| other.state() == Quarantined || core::ptr::eq(*other, function);
        let has_left = tied.iter().filter(comes_too).any(Function::has_left);
        let back = match function.state() {
            Quarantined => group::release(&stage, function),
            _ => claim(stage, number),
        };
        match back {
            Ok(()) => assert!(!has_left, "{:?}", function.state()),
            Err(_) if has_left => {}
            Err(GroupError::CutOffTogether { .. }) => {}
            Err(GroupError::CutOff(_)) => panic!("nobody cut it off"),
            Err(GroupError::Refused(_, refusal)) => panic!("{refusal}"),
            Err(GroupError::Unit(error)) => panic!("{error:?}"),
            Err(GroupError::OutOfMemory) => panic!("no memory"),
        }
    }
    stage.check();
}

#[test]
fn each_sequence_comes_to_its_end_where_nothing_goes_wrong() {
    for sequence in &SEQUENCES {
        let stage = play(sequence, &[]);
        let states: Vec<_> = stage.functions.iter().map(Function::state).collect();
        assert_eq!(states, sequence.end, "{}", sequence.name);
        assert_eq!(stage.unconfirmed.get(), 0);
        check_way_back(&stage);
    }
}

#[test]
fn whatever_happens_at_any_step_nobody_has_more_than_its_state_says() {
    let mut ends = std::collections::BTreeMap::new();
    for sequence in &SEQUENCES {
        let steps = play(sequence, &[]).steps();
        for (step, event) in (0..steps).flat_map(|step| EVENTS.map(|event| (step, event))) {
            let stage = play(sequence, &[(step, event)]);
            let states: Vec<_> = stage.functions.iter().map(Function::state).collect();
            let kind = (core::mem::discriminant(&event), states == sequence.end);
            *ends.entry(format!("{kind:?}")).or_insert(0) += 1;
            check_way_back(&stage);
        }
    }
    // Each kind of event changed the end of some sequence, and came too late or too early for others.
    assert_eq!(ends.len(), 2 * 5, "{ends:?}");
}

#[test]
fn a_unit_that_fails_and_a_cut_off_together_leave_nothing_either() {
    for sequence in &SEQUENCES {
        let steps = play(sequence, &[]).steps();
        for trouble in [Event::Refuses, Event::FallsSilent, Event::NoMemory, Event::Pulled(1)] {
            let pairs = (0..steps).flat_map(|first| (first..steps).map(move |second| (first, second)));
            // All of them with `IVT_FULL=1`.
            for (first, second) in pairs.step_by(operations((7, 1))) {
                for cut_off in [Event::CutOff(0), Event::CutOff(2)] {
                    check_way_back(&play(sequence, &[(first, trouble), (second, cut_off)]));
                }
            }
        }
    }
}

#[test]
fn one_that_shares_an_id_with_who_is_cut_off_is_not_let_in() {
    let stage = Stage::new([Assigned, Blocked, Blocked]);
    stage.cut_off(0).unwrap();
    // The other is blocked: it was at work for nobody.
    assert_eq!(stage.functions[1].state(), Blocked);
    assert!(
        matches!(claim(&stage, 1), Err(GroupError::CutOffTogether { with, .. }) if with.state() == Quarantined)
    );
    assert!(claim(&stage, 2).is_ok());
    group::release(&&*stage, &stage.functions[0]).unwrap();
    assert!(claim(&stage, 1).is_ok());
    stage.check();
}

#[test]
fn one_that_has_left_is_not_let_in_again_nor_those_that_come_with_it() {
    let stage = Stage::new([Quarantined, Quarantined, Blocked]);
    stage.expect(&[(0, Event::Pulled(1))]);
    let released = group::release(&&*stage, &stage.functions[0]);
    assert!(matches!(released, Err(GroupError::CutOff(_) | GroupError::Refused(_, Refusal::Left))));
    let released = group::release(&&*stage, &stage.functions[0]);
    assert!(matches!(released, Err(GroupError::Refused(_, Refusal::Left))));
    stage.check();
}

#[test]
fn the_books_say_forgotten_only_where_the_unit_has_confirmed() {
    use Membership::{Attached, CutOff, Forgotten};
    let stage = Stage::new([Assigned, Blocked, Blocked]);
    assert_eq!(*stage.space().notes.borrow(), [Attached]);
    stage.machine.borrow().refuse();
    assert!(group::leave(&&*stage, &stage.functions[0]).is_err());
    assert!(stage.cut_off(0).is_err());
    assert_eq!(*stage.space().notes.borrow(), [Attached, CutOff, CutOff]);
    stage.mend();
    stage.cut_off(0).unwrap();
    assert_eq!(stage.space().notes.borrow()[3..], [CutOff, Forgotten]);
}

#[test]
fn the_books_of_a_domain_that_a_group_has_left_say_that_it_is_forgotten() {
    let stage = Stage::new([Assigned, Assigned, Blocked]);
    let old = stage.space();
    group::move_to(&&*stage, stage.new_space()).unwrap();
    assert_eq!(old.notes.borrow().last_chunk(), Some(&[Membership::CutOff, Membership::Forgotten]));
    assert_eq!(*stage.space().notes.borrow(), [Membership::Attached; 2]);
}

#[test]
fn a_unit_that_a_stranger_has_switched_off_gets_nobody() {
    let stage = Stage::new([Blocked, Blocked, Assigned]);
    stage.machine.borrow().fake.command_by_a_stranger(GlobalCommand::QUEUE);
    for error in [claim(&stage, 0), group::move_to(&&*stage, stage.new_space())] {
        assert!(matches!(error, Err(GroupError::Unit(Refused::NotEnforcing))), "{error:?}");
    }
    assert!(stage.functions.iter().all(|function| !function.masters.get()));
    assert_eq!(stage.functions[2].state(), Quarantined);
}

#[test]
fn a_group_is_kept_while_somebody_works_in_it_or_may_come_back() {
    for (states, deserted) in [
        ([Blocked; 3], true),
        ([Blocked, Assigned, Blocked], false),
        ([FirmwareRegion, Blocked, Blocked], false),
        ([Blocked, Blocked, Quarantined], false),
    ] {
        assert_eq!(group::is_deserted(Stage::new(states).functions.iter()), deserted, "{states:?}");
    }
}

#[test]
fn who_gives_up_while_cut_off_is_blocked_and_firmware_gets_it_by_a_release_alone() {
    for (heir, state) in [(Heir::Nobody, Blocked), (Heir::Firmware, Quarantined)] {
        let stage = Stage::new([Blocked, Blocked, Quarantined]);
        group::give_up(&&*stage, &stage.functions[2], heir).unwrap();
        assert_eq!(stage.functions[2].state(), state);
        stage.check();
    }
}
