//! What evidence means.

use diagnosis::Verdict;

use crate::*;

fn judge(seen: Option<Verdict>, expected: Option<Verdict>, changed: bool, reached: Reached) -> Meaning {
    Traces { seen, expected, changed, reached }.meaning(false)
}

#[test]
fn memory_speaks_before_the_fault_record() {
    let verdict = Some(Verdict::NeverMapped);
    for (seen, expected) in [(verdict, verdict), (None, verdict), (None, None)] {
        for (changed, reached) in [(true, Reached::No), (false, Reached::Yes), (true, Reached::Yes)] {
            assert_eq!(judge(seen, expected, changed, reached), Meaning::Over(Judgement::Leaked));
            let again = Traces { seen, expected, changed, reached }.meaning(true);
            assert_eq!(again, Meaning::Over(Judgement::Leaked), "a leak is not tried again");
        }
        assert_ne!(judge(seen, expected, false, Reached::No), Meaning::Over(Judgement::Leaked));
    }
}

#[test]
fn a_fault_with_another_verdict_is_blocked_and_says_so() {
    let (verdict, expected) = (Verdict::Stale, Verdict::Foreign);
    let meaning = judge(Some(verdict), Some(expected), false, Reached::No);
    assert_eq!(meaning, Meaning::Over(Judgement::Blocked { verdict, expected }));
}

#[test]
fn where_no_fault_can_come_what_lies_around_decides() {
    assert_eq!(judge(None, None, false, Reached::No), Meaning::LookAround);
    assert_eq!(judge(Some(Verdict::Stale), None, false, Reached::No), Meaning::LookAround);
    assert_eq!(Judgement::of_neighbour(true, true), Judgement::Harmless);
    assert_eq!(Judgement::of_neighbour(false, true), Judgement::DeadDevice);
    assert_eq!(Judgement::of_neighbour(true, false), Judgement::Leaked);
    assert_eq!(Judgement::of_neighbour(false, false), Judgement::Leaked);
}

#[test]
fn what_proves_nothing_fails_the_run_and_what_could_not_be_tried_never_does() {
    for judgement in [Judgement::Silent, Judgement::DeadDevice, Judgement::Broken] {
        assert!(judgement.failure().is_some(), "{judgement:?}");
    }
    let blocked = Judgement::Blocked { verdict: Verdict::Stale, expected: Verdict::Stale };
    for judgement in [blocked, Judgement::Harmless, Judgement::NotPossible(NotPossible::Alone)] {
        assert_eq!(judgement.failure(), None, "{judgement:?}");
    }
}
