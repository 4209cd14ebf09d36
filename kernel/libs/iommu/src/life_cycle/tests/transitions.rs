//! Every event in every state, against tables written by hand.

use std::vec::Vec;

use super::super::*;

use State::{Assigned, Blocked, BypassesIommu, FirmwareRegion, PortClosed, PortOpen, Quarantined};

const STATES: [State; 7] =
    [Blocked, Assigned, FirmwareRegion, BypassesIommu, Quarantined, PortOpen, PortClosed];
const PRESENCES: [Presence; 3] = [Presence::Here, Presence::InReset, Presence::Left];
const TELLINGS: [Telling; 3] = [Telling::Nothing, Telling::Due, Telling::Told];
/// None, one of entry or release, one of a move.
const ATTEMPTS: [u64; 3] = [0, bits::ATTEMPT, bits::ATTEMPT | bits::MOVE];
const GENERATION: Generation = Generation(7);

/// Every word that there can be, but for its generation.
fn every_life() -> Vec<LifeCycle> {
    let mut all = Vec::new();
    for state in STATES {
        for presence in PRESENCES {
            for telling in TELLINGS {
                for attempt in ATTEMPTS {
                    let life = LifeCycle::new(state).with_presence(presence).with_telling(telling);
                    all.push(LifeCycle(life.0 | attempt | GENERATION.0 << bits::GENERATION));
                }
            }
        }
    }
    all
}

/// What a state becomes by each event that is never refused: without an attempt, and with one under way.
type Row = (State, [State; 2], [State; 2], State, State);

const TABLE: [Row; 7] = [
    // state       cut off                     give up                     close        open for device
    (Blocked, [Blocked, Quarantined], [Blocked, Blocked], Blocked, Blocked),
    (Assigned, [Quarantined, Quarantined], [Blocked, Blocked], Assigned, Assigned),
    (FirmwareRegion, [Quarantined, Quarantined], [Blocked, Blocked], FirmwareRegion, FirmwareRegion),
    (
        BypassesIommu,
        [BypassesIommu, BypassesIommu],
        [BypassesIommu, BypassesIommu],
        PortClosed,
        BypassesIommu,
    ),
    (Quarantined, [Quarantined, Quarantined], [Blocked, Blocked], Quarantined, Quarantined),
    (PortOpen, [PortOpen, PortOpen], [PortOpen, PortOpen], PortClosed, PortOpen),
    (PortClosed, [PortClosed, PortClosed], [PortClosed, PortClosed], PortClosed, PortOpen),
];

#[test]
fn each_event_leads_each_state_where_the_table_says() {
    for life in every_life() {
        let (_, cut_off, give_up, close, open) =
            TABLE.into_iter().find(|(state, ..)| *state == life.state()).unwrap();
        let attempt = usize::from(life.in_attempt());
        assert_eq!(life.begin_cut_off().state(), cut_off[attempt], "{life:?}");
        assert_eq!(life.give_up().state(), give_up[attempt], "{life:?}");
        assert_eq!(life.close().state(), close, "{life:?}");
        assert_eq!(life.open_for_device().state(), open, "{life:?}");
        assert_eq!(life.leave().state(), life.state(), "{life:?}");
        assert_eq!(life.is_open(), life.state() == Assigned);
    }
}

#[test]
fn attempts_begin_where_they_fit_and_nowhere_else() {
    for life in every_life() {
        let fits = |states: &[State]| match life.presence() {
            Presence::Left => Err(Refusal::Left),
            _ if !states.contains(&life.state()) => Err(Refusal::State(life.state())),
            _ if life.in_attempt() => Err(Refusal::Busy),
            _ => Ok(life.state()),
        };
        let state = |begun: Result<(LifeCycle, Generation), Refusal>| {
            begun.map(|(life, generation)| {
                assert!(life.in_attempt() && life.is_in(generation) && generation != GENERATION);
                life.state()
            })
        };
        assert_eq!(state(life.begin_entry()), fits(&[Blocked, FirmwareRegion]), "{life:?}");
        assert_eq!(state(life.begin_release()), fits(&[Quarantined, PortClosed]), "{life:?}");
        assert_eq!(state(life.begin_move()), fits(&[Assigned, FirmwareRegion]), "{life:?}");
    }
}

#[test]
fn whatever_cuts_a_device_off_makes_its_attempt_void() {
    type Event = fn(LifeCycle) -> LifeCycle;
    let events: [Event; 4] =
        [LifeCycle::begin_cut_off, LifeCycle::condemn, LifeCycle::leave, LifeCycle::give_up];
    for life in every_life() {
        let begun = [life.begin_entry(), life.begin_release(), life.begin_move()];
        for (life, attempt) in begun.into_iter().flatten() {
            let port = matches!(life.state(), PortOpen | PortClosed);
            let events = events.iter().filter(|_| !port).chain([&(LifeCycle::leave as Event)]);
            for after in events.map(|event| event(life)) {
                assert_eq!(after.finish(attempt, Work::OfDriver), Err(Voided), "{life:?}");
                assert_eq!(after.abandon(attempt), after, "{life:?}");
                // Nor does a later attempt bring it back to life.
                for (later, _) in [after.begin_entry(), after.begin_release()].into_iter().flatten() {
                    assert_eq!(later.finish(attempt, Work::OfDriver), Err(Voided), "{life:?}");
                }
            }
        }
    }
    let (opening, attempt) = LifeCycle::new(PortClosed).begin_release().unwrap();
    assert_eq!(opening.close().finish(attempt, Work::OfDriver), Err(Voided));
}

#[test]
fn an_attempt_ends_in_the_state_that_it_is_for() {
    for life in every_life() {
        for (begun, attempt) in
            [life.begin_entry(), life.begin_release(), life.begin_move()].into_iter().flatten()
        {
            for (work, state) in [(Work::OfDriver, Assigned), (Work::OfFirmware, FirmwareRegion)] {
                let after = begun.finish(attempt, work).unwrap();
                let expected = if life.state() == PortClosed { PortOpen } else { state };
                assert_eq!((after.state(), after.in_attempt()), (expected, false), "{life:?}");
                assert_eq!(after.finish(attempt, work), Err(Voided), "an attempt ends once");
                assert_eq!((after.presence(), after.telling()), (life.presence(), life.telling()));
            }
            let after = begun.abandon(attempt);
            assert!(!after.in_attempt());
            assert_eq!(
                after.state(),
                if life.works() && begun.0 & bits::MOVE != 0 { Quarantined } else { life.state() }
            );
        }
    }
}

#[test]
fn a_driver_hears_once_and_restarts_once() {
    for life in every_life() {
        let told = life.tell_driver();
        assert_eq!(told.is_some(), life.telling() == Telling::Due);
        assert!(told.is_none_or(|told| told.tell_driver().is_none() && told.state() == life.state()));
        let due = life.telling() == Telling::Told && life.state() != Quarantined;
        assert_eq!(life.restart().is_some(), due);
        assert!(life.restart().is_none_or(|life| life.restart().is_none()));
        // Only one that loses something has to be told of it.
        let owed = if life.begin_cut_off().state() == life.state() { life.telling() } else { Telling::Due };
        assert_eq!(life.begin_cut_off().telling(), owed, "{life:?}");
        assert_eq!(life.give_up().telling(), Telling::Nothing);
        let to_firmware = life.give_up_to_firmware();
        let stays = life.state() == Quarantined;
        assert_eq!(to_firmware.state(), if stays { Quarantined } else { life.give_up().state() });
        assert!(to_firmware.telling() == Telling::Nothing && !to_firmware.in_attempt());
    }
}

#[test]
fn one_that_has_left_stays_away() {
    for life in every_life() {
        let left = life.leave();
        assert_eq!(left.presence(), Presence::Left);
        for after in
            [left.begin_reset(), left.end_reset(), left.begin_cut_off(), left.give_up(), left.close()]
        {
            assert_eq!(after.presence(), Presence::Left);
        }
    }
    let here = LifeCycle::new(Quarantined);
    assert_eq!(here.begin_reset().presence(), Presence::InReset);
    assert_eq!(here.begin_reset().end_reset(), here);
    assert_eq!(here.end_reset(), here);
}

#[test]
fn the_condemned_keep_their_state_until_they_are_cut_off_unless_they_were_being_let_in() {
    for life in every_life() {
        let condemned = life.condemn();
        let expected = if life.in_attempt() { life.begin_cut_off().state() } else { life.state() };
        assert_eq!(condemned.state(), expected, "{life:?}");
        assert!(!condemned.may_open_port());
        let begun = [condemned.begin_entry(), condemned.begin_release(), condemned.begin_move()];
        assert!(begun.iter().all(Result::is_err), "{life:?}");
        let after = condemned.begin_cut_off().end_cut_off().end_cut_off();
        assert_eq!((after.state(), after.takers()), (life.begin_cut_off().state(), 0));
        assert_eq!(life.may_open_port(), life.works());
    }
}

#[test]
fn a_port_is_closed_again_for_who_is_opening_it() {
    let port = AtomicLifeCycle::new(PortOpen);
    assert_eq!([(); 3].map(|()| port.close()), [true, false, false]);
    let device = AtomicLifeCycle::new(Assigned);
    device.condemn();
    port.open_for(&device);
    assert_eq!(port.state(), PortClosed);
    device.end_cut_off();
    port.open_for(&device);
    assert_eq!((port.state(), port.close()), (PortOpen, true));
    let opening = port.begin_release().unwrap();
    assert!(port.close());
    assert_eq!(opening.finish(Work::OfFirmware), Err(Voided));
    // Whoever looked at it before finds it changed, though it was closed then as well.
    let seen = port.get();
    assert!(!port.close());
    assert_ne!(port.get(), seen);
}

#[test]
fn nothing_begins_while_somebody_takes() {
    for life in every_life() {
        let twice = life.begin_cut_off().begin_cut_off();
        for taking in [twice, twice.end_cut_off()] {
            let begun = [taking.begin_entry(), taking.begin_release(), taking.begin_move()];
            assert!(begun.iter().all(Result::is_err), "{life:?}");
            assert_eq!(taking.state(), life.begin_cut_off().state());
        }
        let after = twice.end_cut_off().end_cut_off();
        assert_eq!(after.takers(), 0);
        assert_eq!(after.end_cut_off(), after);
        let may_return = after.state() == Quarantined && after.presence() != Presence::Left;
        assert_eq!(
            after.begin_release().is_ok(),
            may_return || (after.state() == PortClosed && life.begin_release().is_ok())
        );
    }
    let many = (0..1000).fold(LifeCycle::new(Assigned), |life, _| life.begin_cut_off());
    assert_eq!((many.takers(), many.state()), (bits::MOST_TAKERS, Quarantined));
}
