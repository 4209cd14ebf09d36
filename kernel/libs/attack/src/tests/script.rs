//! Whole attacks, on devices that do what they can, that are dead, or that nothing stops.

use alloc::vec;
use alloc::vec::Vec;

use diagnosis::Verdict;
use dma_types::Access;
use options::Target;

use crate::*;

const SECRET: [u8; 4] = [9, 8, 7, 6];

/// How a device is, and what stands in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    /// Blocked, as it should be.
    Blocked,
    /// It gets through.
    Leaks,
    /// It does nothing, and says that all is done.
    Dead,
    /// It says that it knows whatever it reads.
    KnowsAll,
}

/// A device, its buffers and its target.
struct Bench {
    device: Device,
    skill: Skill,
    access: Access,
    target: Target,
    pattern: Vec<u8>,
    held: Vec<u8>,
    landing: Vec<u8>,
    at_target: Vec<u8>,
    strikes: usize,
    /// Faults are seen from this strike on.
    seen_from: usize,
}

impl Sight for Bench {
    fn landed(&self) -> Result<Vec<u8>, Judgement> {
        Ok(self.landing.clone())
    }

    fn at_target(&self) -> Vec<u8> {
        self.at_target.clone()
    }
}

impl Bench {
    fn new(device: Device, skill: Skill, access: Access) -> Self {
        let (pattern, secret) = contents(&skill, access, 1);
        Self {
            device,
            skill,
            access,
            target: Target::Canary,
            held: vec![0; pattern.len()],
            landing: OwnBuffer::Landing.prepared(&pattern),
            pattern,
            at_target: secret,
            strikes: 0,
            seen_from: 1,
        }
    }

    /// The device does a transfer with what lies in `from`, if it is there for it to reach.
    fn reads(&mut self, from: Option<Vec<u8>>) -> Progress {
        let read = from.unwrap_or_else(|| vec![0; self.pattern.len()]);
        let known = match (&self.skill, self.device) {
            (_, Device::KnowsAll) => true,
            (Skill::Recognises { key, .. }, Device::Blocked | Device::Leaks) => *key == read,
            _ => false,
        };
        if self.device != Device::Dead {
            self.held = read;
        }
        match self.skill {
            Skill::Copies { .. } => Progress::Done,
            Skill::Recognises { .. } if known => Progress::Recognised,
            Skill::Recognises { .. } => Progress::NotRecognised,
        }
    }

    /// What the device writes.
    fn written(&self) -> Vec<u8> {
        match &self.skill {
            Skill::Copies { .. } => self.held.clone(),
            Skill::Recognises { stamp, .. } => stamp.clone(),
        }
    }

    fn transfer(&mut self, access: Access, place: OwnBuffer) -> Progress {
        match (access, place) {
            (Access::Read, OwnBuffer::Source | OwnBuffer::Decoy) => {
                self.reads(Some(place.prepared(&self.pattern)))
            }
            (Access::Write, OwnBuffer::Landing) => {
                if self.device != Device::Dead {
                    self.landing = self.written();
                }
                Progress::Done
            }
            other => panic!("no transfer of a device: {other:?}"),
        }
    }

    fn strike(&mut self) -> Progress {
        self.strikes += 1;
        let through = self.device == Device::Leaks;
        if self.access == Access::Read {
            let there = through.then(|| self.at_target.clone());
            return self.reads(there);
        }
        if through {
            self.at_target = self.written();
        }
        Progress::Done
    }

    fn run(&mut self) -> Judgement {
        let before = self.at_target.clone();
        let mut script = Script::new(&self.skill, self.access, self.target);
        assert!(script.is_to_begin());
        let mut next = script.begin();
        for _ in 0..32 {
            assert!(!script.is_to_begin());
            let progress = match next {
                Next::Transfer(access, place) => self.transfer(access, place),
                Next::Strike => {
                    assert_ne!(script.waits_for(), WaitsFor::Nothing);
                    script.struck();
                    assert!(script.is_striking() && script.has_struck());
                    assert_eq!(script.is_striking_again(), self.strikes > 0);
                    self.strike()
                }
                Next::Judge(reached) => {
                    let expected = (self.target != Target::Neighbour).then_some(Verdict::NeverMapped);
                    let is_seen = self.device != Device::Leaks && self.strikes >= self.seen_from;
                    let seen = expected.filter(|_| is_seen);
                    let changed = self.at_target != before;
                    match script.judge(Traces { seen, expected, changed, reached }) {
                        Meaning::Over(judgement) => return judgement,
                        Meaning::LookAround => return Judgement::of_neighbour(true, true),
                        Meaning::Again => {
                            assert_eq!(script.waits_for(), WaitsFor::Solitude);
                            Progress::Done
                        }
                    }
                }
            };
            match script.next(progress, &self.pattern.clone(), self) {
                Ok(step) => next = step,
                Err(judgement) => return judgement,
            }
        }
        panic!("the attack does not end");
    }
}

fn skills() -> [Skill; 2] {
    [Skill::Copies { bytes: 24 }, Skill::Recognises { key: vec![1, 2, 3, 4], stamp: vec![0; 4] }]
}

fn run(device: Device, skill: &Skill, access: Access) -> Judgement {
    Bench::new(device, skill.clone(), access).run()
}

const BLOCKED: Judgement =
    Judgement::Blocked { verdict: Verdict::NeverMapped, expected: Verdict::NeverMapped };

#[test]
fn a_device_that_is_blocked_is_alive_and_one_that_gets_through_is_seen() {
    for skill in skills() {
        for access in [Access::Read, Access::Write] {
            assert_eq!(run(Device::Blocked, &skill, access), BLOCKED, "{skill:?} {access}");
            assert_eq!(run(Device::Leaks, &skill, access), Judgement::Leaked, "{skill:?} {access}");
        }
    }
}

#[test]
fn a_device_that_is_dead_or_says_anything_proves_nothing() {
    for skill in skills() {
        for access in [Access::Read, Access::Write] {
            assert_eq!(run(Device::Dead, &skill, access), Judgement::DeadDevice, "{skill:?} {access}");
        }
    }
    let [_, recognises] = skills();
    assert_eq!(run(Device::KnowsAll, &recognises, Access::Read), Judgement::DeadDevice);
}

#[test]
fn a_key_of_zeros_shows_no_leak_since_a_blocked_read_gives_them_too() {
    let skill = Skill::Recognises { key: vec![0; 4], stamp: vec![0; 4] };
    let mut bench = Bench::new(Device::Blocked, skill, Access::Read);
    bench.at_target = vec![0; 4];
    // It recognises the zeros that a blocked read gives.
    assert_eq!(bench.run(), BLOCKED);
}

#[test]
fn an_attack_without_a_fault_is_tried_three_times() {
    for (seen_from, strikes, judgement) in [(1, 1, BLOCKED), (3, 3, BLOCKED), (4, 3, Judgement::Silent)] {
        for access in [Access::Read, Access::Write] {
            let mut bench = Bench::new(Device::Blocked, Skill::Copies { bytes: 24 }, access);
            bench.seen_from = seen_from;
            assert_eq!((bench.run(), bench.strikes), (judgement, strikes), "{access}");
        }
    }
}

#[test]
fn what_is_shown_beside_a_buffer_is_somebodys_whatever_it_is() {
    for (there, judgement) in [(SECRET, Judgement::Leaked), ([0; 4], Judgement::Harmless)] {
        let mut bench = Bench::new(Device::Leaks, Skill::Copies { bytes: 4 }, Access::Read);
        bench.target = Target::Neighbour;
        bench.at_target = there.to_vec();
        assert_eq!(bench.run(), judgement);
    }
}
