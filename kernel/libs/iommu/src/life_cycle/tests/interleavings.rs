//! Who lets a device in and who takes everything from it, step by step in every order: at the end its hardware is open
//! only if its state says so.

use std::vec::Vec;

use super::super::*;

/// What the hardware grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hardware {
    attached: bool,
    bus_master: bool,
}

/// A party, as far as it came.
#[derive(Clone, Copy, Debug)]
struct Party {
    script: Script,
    step: usize,
    attempt: Option<Generation>,
    voided: bool,
    /// The port as it was looked at before it is opened, if it may be.
    port: Option<LifeCycle>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    /// A claim.
    Claim,
    /// `release` of a quarantined device.
    Release,
    /// Its group gets another domain.
    Move,
    /// A violation, a unit that falls silent.
    CutOff,
    /// It is pulled, or another one answers in its place.
    Leave,
    /// The port above it is closed for a storm, and it is cut off later. No claim, release or move goes on between the
    /// first of these steps, which an interrupt makes.
    Storm,
}

#[derive(Clone, Copy, Debug)]
struct World {
    life: LifeCycle,
    hardware: Hardware,
    /// The port above.
    port: LifeCycle,
}

impl Party {
    const fn new(script: Script) -> Self {
        Self { script, step: 0, attempt: None, voided: false, port: None }
    }

    /// Makes the next step; false if there is none.
    fn advance(&mut self, world: &mut World) -> bool {
        let World { life, hardware, port } = world;
        let step = self.step;
        self.step += 1;
        match (self.script, step) {
            (Script::CutOff, 0) => *life = life.begin_cut_off(),
            (Script::Leave, 0) => *life = life.leave(),
            (Script::Leave, 1) => *life = life.begin_cut_off(),
            (Script::CutOff, 1) | (Script::Leave, 2) => hardware.bus_master = false,
            (Script::CutOff, 2) | (Script::Leave, 3) => hardware.attached = false,
            (Script::CutOff, 3) | (Script::Leave, 4) => *life = life.end_cut_off(),
            (Script::CutOff | Script::Leave, _) => return false,
            (Script::Storm, 0) if life.works() || life.in_attempt() => {
                (*life, *port) = (life.condemn(), port.close());
                hardware.bus_master = false;
            }
            (Script::Storm, 0) => {
                *port = port.close();
                self.step = usize::MAX - 1;
            }
            (Script::Storm, 1) => *life = life.begin_cut_off(),
            (Script::Storm, 2) => hardware.bus_master = false,
            (Script::Storm, 3) => hardware.attached = false,
            (Script::Storm, 4 | 5) => *life = life.end_cut_off(),
            (Script::Storm, _) => return false,
            (Script::Claim | Script::Release | Script::Move, 0) => {
                let begun = match self.script {
                    Script::Claim => life.begin_entry(),
                    Script::Release => life.begin_release(),
                    _ => life.begin_move(),
                };
                let Ok((begun, attempt)) = begun else {
                    self.step = usize::MAX - 1;
                    return true;
                };
                (*life, self.attempt) = (begun, Some(attempt));
            }
            (Script::Move, 1) => hardware.bus_master = false,
            (Script::Move, 2) => hardware.attached = false,
            (Script::Claim | Script::Release, 1 | 2) => {}
            (_, 3) => hardware.attached = true,
            (_, 4) => hardware.bus_master = true,
            (_, 5) => match self.attempt.map(|attempt| life.finish(attempt, Work::OfDriver)) {
                Some(Ok(after)) => *life = after,
                _ => self.voided = true,
            },
            (_, 6) if self.voided => hardware.bus_master = false,
            (_, 7) if self.voided => hardware.attached = false,
            // What `AtomicLifeCycle::open_for` does, from its look to its exchange.
            (_, 6) => self.port = life.may_open_port().then_some(*port),
            (_, 7) => match self.port {
                Some(seen) if seen == *port => *port = port.open_for_device(),
                Some(_) => self.step = 6,
                None => {}
            },
            _ => return false,
        }
        true
    }
}

/// Runs the parties in every order, and hands each end to `check`; gives how many orders there were.
fn in_every_order(world: World, parties: &[Party], check: &mut dyn FnMut(World)) -> usize {
    let mut orders = 0;
    for index in 0..parties.len() {
        let (mut world, mut after) = (world, Vec::from(parties));
        if after[index].advance(&mut world) {
            orders += in_every_order(world, &after, check);
        }
    }
    if orders == 0 {
        check(world);
        return 1;
    }
    orders
}

const OPEN: Hardware = Hardware { attached: true, bus_master: true };

fn starts() -> [(Script, World); 3] {
    let port = LifeCycle::new(State::PortClosed);
    let world = |state, hardware| World { life: LifeCycle::new(state), hardware, port };
    [
        (Script::Claim, world(State::Blocked, Hardware::default())),
        (Script::Release, world(State::Quarantined, Hardware::default())),
        (Script::Move, world(State::Assigned, OPEN)),
    ]
}

#[test]
fn a_device_that_is_cut_off_meanwhile_is_left_with_nothing() {
    for (script, start) in starts() {
        for taker in [Script::CutOff, Script::Leave] {
            let (mut open, mut shut) = (0, 0);
            let parties = [Party::new(script), Party::new(taker)];
            in_every_order(start, &parties, &mut |end| {
                let granted = if end.life.state() == State::Assigned { OPEN } else { Hardware::default() };
                assert_eq!(end.hardware, granted, "{script:?} against {taker:?}: {end:?}");
                if end.life.state() == State::Assigned {
                    open += 1
                } else {
                    shut += 1
                }
                assert!(!end.life.in_attempt());
            });
            // Only what begins after the cut-off, where the device is still here, may come through.
            let comes_back =
                (script == Script::Claim || script == Script::Release) && taker == Script::CutOff;
            assert_eq!(open > 0, comes_back, "{script:?} against {taker:?}");
            assert!(shut > 0);
        }
    }
}

#[test]
fn two_that_take_do_not_help_one_that_gives() {
    for (script, start) in starts() {
        let parties = [Party::new(script), Party::new(Script::CutOff), Party::new(Script::Leave)];
        let orders = in_every_order(start, &parties, &mut |end| {
            assert_eq!(end.hardware, Hardware::default(), "{script:?}: {end:?}");
            assert_ne!(end.life.state(), State::Assigned);
        });
        assert!(orders > 1000);
    }
}

#[test]
fn a_port_that_closes_for_a_storm_stays_closed_over_who_is_let_in_meanwhile() {
    for (script, closed) in starts() {
        for port in [State::PortOpen, State::PortClosed].map(LifeCycle::new) {
            let (mut open, mut shut) = (0, 0);
            let parties = [Party::new(script), Party::new(Script::Storm)];
            in_every_order(World { port, ..closed }, &parties, &mut |end| {
                let (granted, port) = match end.life.state() {
                    State::Assigned => (OPEN, State::PortOpen),
                    _ => (Hardware::default(), State::PortClosed),
                };
                assert_eq!((end.hardware, end.port.state()), (granted, port), "{script:?}: {end:?}");
                assert_eq!((end.life.takers(), end.life.in_attempt()), (0, false));
                if port == State::PortOpen { open += 1 } else { shut += 1 }
            });
            // Only what begins after the storm comes through, and opens the port again.
            assert_eq!(open > 0, script != Script::Move, "{script:?}");
            assert!(shut > 0);
        }
    }
}
