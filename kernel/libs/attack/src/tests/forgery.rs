//! Attacks by interrupt, on devices that are dead, refused, or that nothing stops.

use diagnosis::Verdict;

use crate::*;

/// How a device and its unit are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// Refused, with a record from this try on.
    Refused { recorded_from: u32, verdict: Verdict },
    /// Another's message gets through, with a record or without.
    Through(Option<Verdict>),
    /// Nothing that it sends arrives.
    Dead,
}

/// Plays an attack to its end. Gives the judgement and how often it sent another's message.
fn play(scene: Scene) -> (Judgement, u32) {
    let mut forgery = Forgery::default();
    let nothing = Heard { own: 0, others: 0, seen: None, wait: Wait::Lasts };
    let (mut heard, mut own, mut forged) = (nothing, 0, 0);
    for step in 0..100 {
        let waited = step % 4 == 3;
        let now = Heard { wait: if waited { Wait::Over } else { Wait::Lasts }, ..heard };
        let solitary = forgery.waits_for() == WaitsFor::Solitude;
        match forgery.next(&now) {
            WhatNext::SendOwn => {
                own += 1;
                heard = Heard { own: u64::from(scene != Scene::Dead), ..nothing };
            }
            WhatNext::SendOthers => {
                assert_eq!(own, 1, "its own comes first");
                assert_eq!(solitary, forged > 0, "once more only where nobody else is in the way");
                forged += 1;
                heard = match scene {
                    Scene::Refused { recorded_from, verdict } if forged >= recorded_from => {
                        Heard { seen: Some(verdict), ..nothing }
                    }
                    Scene::Through(seen) => Heard { others: 1, seen, ..nothing },
                    Scene::Refused { .. } | Scene::Dead => nothing,
                };
                assert!(forgery.is_striking());
                assert_eq!(forgery.is_striking_again(), forged > 1);
            }
            WhatNext::Wait => {}
            WhatNext::Over(judgement) => return (judgement, forged),
        }
    }
    panic!("it does not end");
}

#[test]
fn a_refusal_that_is_recorded_holds_whatever_its_verdict() {
    let expected = Verdict::Interrupt;
    for verdict in [Verdict::Interrupt, Verdict::NeverMapped] {
        for recorded_from in 1..=3 {
            let judgement = Judgement::Blocked { verdict, expected };
            assert_eq!(play(Scene::Refused { recorded_from, verdict }), (judgement, recorded_from));
        }
    }
}

#[test]
fn a_refusal_without_a_word_is_not_called_blocked() {
    let scene = Scene::Refused { recorded_from: 4, verdict: Verdict::Interrupt };
    assert_eq!(play(scene), (Judgement::Unheard, 3));
}

#[test]
fn what_arrives_got_through_whatever_was_recorded() {
    for seen in [None, Some(Verdict::Interrupt)] {
        assert_eq!(play(Scene::Through(seen)), (Judgement::Leaked, 1));
    }
}

#[test]
fn a_device_whose_own_message_does_not_arrive_proves_nothing() {
    assert_eq!(play(Scene::Dead), (Judgement::DeadDevice, 0));
}
