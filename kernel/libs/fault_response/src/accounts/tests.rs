use diagnosis::{InterruptKind, KEYS, Port, Reason, RefusedInterrupt, Timestamp};
use dma_types::{Access, FaultKind, InterruptIndex, Iova};
use std::vec::Vec;

use super::*;

const DEVICE: &str = "a device";
const MEANING: &str = "write without write permission";
const MILLISECOND: u64 = 1_000_000;

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

/// Two devices behind a port.
fn accounts(storm: Storm) -> Accounts {
    let port = Port { bridge: bdf("00:1c.0"), first: 1, last: 3 };
    let ids = ["01:00.0", "00:03.0"].map(bdf);
    Accounts::new(Senders::new(ids.into_iter(), [port].into_iter()).unwrap(), storm).unwrap()
}

/// A fault of the device at 01:00.0.
fn judged(page: u64, at: u64) -> Judged<&'static str> {
    let requester = bdf("01:00.0");
    let (address, at) = (Some(Iova::new(page)), Timestamp::from_nanos(at));
    let (access, reason, kind) = (Access::Write, Reason(5), FaultKind::NoWritePermission);
    let fault = Fault { requester, address, interrupt: None, access, reason, kind, meaning: MEANING, at };
    Judged {
        fault,
        verdict: Verdict::NeverMapped,
        interrupt: None,
        suspect: Some((DEVICE, requester)),
        policy: Policy::Log,
        notice: None,
        arrival: Arrival::Announced,
        pacing: Pacing::OneAtATime,
    }
}

/// A fault with an id that nobody carries.
fn made_up(id: &str) -> Judged<&'static str> {
    let known = judged(0x1000, 0);
    Judged { fault: Fault { requester: bdf(id), ..known.fault }, suspect: None, ..known }
}

fn count_of(tell: Tell) -> Option<u64> {
    match tell {
        Tell::Line { line, .. } => Some(line.count),
        _ => None,
    }
}

#[test]
fn the_first_is_told_and_then_each_time_their_number_has_doubled() {
    let mut accounts = accounts(Storm::Off);
    let told: Vec<u64> = (0..20)
        .filter_map(|n| count_of(accounts.respond(&judged(0x1000, n * 20 * MILLISECOND)).tell))
        .collect();
    assert_eq!(told, [1, 2, 4, 8, 16]);
    let Some(Tell::Line { requester, line }) = accounts.next_change() else { panic!() };
    assert_eq!((requester, line.count, line.at_least), (bdf("01:00.0"), 20, false));
    assert_eq!(
        line.answer,
        Some(Answer { verdict: Verdict::NeverMapped, interrupt: None, action: Action::Logged })
    );
    assert_eq!(accounts.next_change(), None);
}

#[test]
fn a_stop_is_told_though_it_is_one_of_many() {
    let mut accounts = accounts(Storm::Off);
    for n in 0..20 {
        let response = accounts.respond(&Judged { policy: Policy::Bugcheck, ..judged(0x1000, n) });
        assert_eq!(response.action, Action::Bugcheck);
        assert!(count_of(response.tell).is_some(), "{n}");
    }
    // Not even where nothing could be counted.
    let mut none = Accounts::NONE;
    let response = none.respond(&Judged { policy: Policy::Bugcheck, ..judged(0x1000, 0) });
    assert_eq!((response.action, count_of(response.tell)), (Action::Bugcheck, Some(1)));
}

#[test]
fn a_stop_between_two_lines_says_whether_it_stands_for_more() {
    let mut accounts = accounts(Storm::Off);
    let mut at_least = |arrival, n: u64| {
        let stop = Judged { policy: Policy::Bugcheck, arrival, ..judged(0x1000, n * 100 * MILLISECOND) };
        let Tell::Line { line, .. } = accounts.respond(&stop).tell else { panic!("{n}") };
        line.at_least
    };
    // The third is none that is told for its number.
    assert_eq!([1, 2, 3].map(|n| at_least(Arrival::Announced, n)), [false; 3]);
    at_least(Arrival::Announced, 4);
    assert!(at_least(Arrival::Masked, 5));
}

#[test]
fn without_accounts_the_policy_alone_answers() {
    let mut none = Accounts::NONE;
    let response = none.respond(&Judged { policy: Policy::Contain, ..judged(0x1000, 0) });
    assert_eq!((response.measure, response.tell), (Measure::Contain(DEVICE), Tell::Nothing));
    assert_eq!((none.next_change(), none.port_above(bdf("01:00.0"))), (None, None));
    none.end_window(Window::Masked);
    assert_eq!(none.next_stormy(), None);
}

#[test]
fn a_storm_is_contained_and_forgotten_on_release() {
    let mut accounts = accounts(Storm::After(3));
    let respond = |accounts: &mut Accounts, n| accounts.respond(&judged(0x1000, n)).measure;
    for n in 0..3 {
        assert_eq!(respond(&mut accounts, n), Measure::Nothing);
    }
    assert_eq!(respond(&mut accounts, 3), Measure::Contain(DEVICE));
    accounts.forget(bdf("01:00.0"));
    assert_eq!(respond(&mut accounts, 4), Measure::Nothing);
}

#[test]
fn announced_faults_are_no_storm_but_silent_ones_are() {
    for (notice, expected) in
        [(Notice::Announced, Measure::Nothing), (Notice::Silent, Measure::Contain(DEVICE))]
    {
        let mut accounts = accounts(Storm::After(3));
        let all = (0..4).map(|n| accounts.respond(&Judged { notice: Some(notice), ..judged(0x1000, n) }));
        assert_eq!(all.last().unwrap().measure, expected);
    }
}

#[test]
fn made_up_ids_are_counted_for_their_port_and_close_it() {
    let mut accounts = accounts(Storm::After(3));
    assert_eq!(accounts.port_above(bdf("02:00.0")), Some(bdf("00:1c.0")));
    assert_eq!([bdf("01:00.0"), bdf("09:00.0")].map(|id| accounts.port_above(id)), [None, None]);
    let ids = ["01:01.0", "02:01.0", "03:01.0", "03:02.0"];
    let measures = ids.map(|id| accounts.respond(&made_up(id)).measure);
    let close = Measure::Close(bdf("00:1c.0"));
    assert_eq!(measures, [Measure::Nothing, Measure::Nothing, Measure::Nothing, close]);
    // Elsewhere there is nothing to close.
    for _ in 0..10 {
        assert_eq!(accounts.respond(&made_up("09:00.0")).measure, Measure::Nothing);
    }
}

#[test]
fn beyond_the_keys_of_a_sender_a_known_one_has_a_line_and_made_up_ids_a_number() {
    let mut accounts = accounts(Storm::Off);
    for page in 0..KEYS as u64 {
        assert_eq!(count_of(accounts.respond(&judged(page << 12, 0)).tell), Some(1));
    }
    let Tell::Line { requester, line } = accounts.respond(&judged(0xffff_f000, 0)).tell else { panic!() };
    assert_eq!((requester, line.scope, line.at_least), (bdf("01:00.0"), Scope::FurtherKeys, true));
    let mut others = (0..=KEYS).map(|n| {
        let known = made_up("02:01.0");
        let address = Some(Iova::new((n as u64) << 12));
        accounts.respond(&Judged { fault: Fault { address, ..known.fault }, ..known }).tell
    });
    assert!(others.by_ref().take(KEYS).all(|tell| matches!(tell, Tell::Line { .. })));
    assert_eq!(others.next(), Some(Tell::Others { holder: Holder::Port(bdf("00:1c.0")), count: 1 }));
}

#[test]
fn only_a_device_that_makes_one_request_at_a_time_is_counted_exactly() {
    use Completeness::{AtLeast, Exact};
    let mut accounts = accounts(Storm::Off);
    let first = judged(0x1000, 0);
    let (soon, late) = (judged(0x1000, MILLISECOND), judged(0x1000, 100 * MILLISECOND));
    for (judged, completeness) in [
        (first, Exact),
        (soon, AtLeast),
        (late, Exact),
        (Judged { pacing: Pacing::Any, ..judged(0x1000, 200 * MILLISECOND) }, AtLeast),
        (Judged { arrival: Arrival::Masked, ..judged(0x1000, 300 * MILLISECOND) }, AtLeast),
    ] {
        assert_eq!(accounts.respond(&judged).completeness, completeness, "{judged:?}");
    }
    accounts.note_dropped();
    let Some(Tell::Line { line, .. }) = accounts.next_change() else { panic!() };
    assert!(line.at_least);
}

#[test]
fn who_keeps_the_interrupt_masked_is_named() {
    let mut accounts = accounts(Storm::After(1_000_000));
    for n in 0..10 {
        assert_eq!(accounts.next_stormy(), None);
        accounts.respond(&judged(0x1000, n));
        accounts.respond(&made_up("02:01.0"));
        accounts.end_window(Window::Masked);
    }
    let named: Vec<Holder> = core::iter::from_fn(|| accounts.next_stormy()).collect();
    assert_eq!(named, [Holder::Id(bdf("01:00.0")), Holder::Port(bdf("00:1c.0"))]);
}

/// A forged interrupt of an id, with an index.
fn forged(id: &str, index: u16, at: u64) -> Judged<&'static str> {
    let known = judged(0, at);
    let named = InterruptIndex(index);
    let fault = Fault {
        requester: bdf(id),
        address: None,
        interrupt: Some(named),
        access: Access::Interrupt,
        reason: Reason(0x26),
        kind: FaultKind::ForeignInterrupt,
        ..known.fault
    };
    let (kind, owner) = (InterruptKind::Forged, Some(bdf("00:03.0")));
    let interrupt = Some(RefusedInterrupt { index: Some(named), kind, owner });
    Judged { fault, verdict: Verdict::Interrupt, interrupt, ..known }
}

/// Whatever index each names: there is no address to go by, and none is needed.
#[test]
fn a_storm_of_refused_interrupts_is_contained_like_one_of_dma() {
    let mut interrupts = accounts(Storm::After(1000));
    let mut memory = accounts(Storm::After(1000));
    for n in 0..2000 {
        let of_interrupts = interrupts.respond(&forged("01:00.0", n as u16, n)).measure;
        let of_memory = memory.respond(&judged(0x1000 * n, n)).measure;
        let expected = if n < 1000 { Measure::Nothing } else { Measure::Contain(DEVICE) };
        assert_eq!((of_interrupts, of_memory), (expected, expected), "{n}");
    }
    // Both together are one device's as well.
    let mut both = accounts(Storm::After(1000));
    for n in 0..500 {
        both.respond(&forged("01:00.0", 7, n));
        assert_eq!(both.respond(&judged(0x1000, n)).measure, Measure::Nothing);
    }
    assert_eq!(both.respond(&forged("01:00.0", 7, 500)).measure, Measure::Contain(DEVICE));
}

#[test]
fn refused_interrupts_that_keep_the_interrupt_masked_are_named_too() {
    let mut accounts = accounts(Storm::After(1_000_000));
    for n in 0..10 {
        accounts.respond(&forged("01:00.0", 3, n));
        accounts.end_window(Window::Masked);
    }
    assert_eq!(accounts.next_stormy(), Some(Holder::Id(bdf("01:00.0"))));
}

#[test]
fn policies_answer_refused_interrupts() {
    for (policy, action, measure) in [
        (Policy::Bugcheck, Action::Bugcheck, Measure::Nothing),
        (Policy::Contain, Action::Contained, Measure::Contain(DEVICE)),
        (Policy::Log, Action::Logged, Measure::Nothing),
    ] {
        let response = accounts(Storm::Off).respond(&Judged { policy, ..forged("01:00.0", 3, 0) });
        assert_eq!((response.action, response.measure), (action, measure));
        let Tell::Line { line, .. } = response.tell else { panic!("{policy:?}") };
        assert_eq!(line.count, 1);
    }
}

#[test]
fn the_last_line_of_an_interrupt_still_says_which_it_was() {
    let mut accounts = accounts(Storm::Off);
    for n in 0..3 {
        accounts.respond(&forged("01:00.0", n, 0));
    }
    let Some(Tell::Line { line, .. }) = accounts.next_change() else { panic!() };
    let interrupt = line.answer.unwrap().interrupt.unwrap();
    assert_eq!((line.count, interrupt.index), (3, Some(InterruptIndex(2))));
    assert_eq!(interrupt.owner, Some(bdf("00:03.0")));
}

/// Ids that emulators record where a message came with none. One lies behind the port by its number.
#[test]
fn nobody_pays_for_interrupts_that_cannot_be_told_from_others() {
    let port = Port { bridge: bdf("00:1c.0"), first: 1, last: 0xff };
    let ids = ["00:00.0", "01:00.0"].map(bdf);
    let senders = Senders::new(ids.into_iter(), [port].into_iter()).unwrap();
    let mut accounts = Accounts::new(senders, Storm::After(3)).unwrap();
    for id in ["00:00.0", "ff:1f.7"] {
        let nobodys = Judged { suspect: None, ..forged(id, 3, 0) };
        for policy in [Policy::Log, Policy::Contain] {
            for _ in 0..10 {
                let response = accounts.respond(&Judged { policy, ..nobodys });
                assert_eq!((response.action, response.measure), (Action::Logged, Measure::Nothing));
            }
        }
    }
    (0..10).for_each(|_| {
        accounts.respond(&Judged { suspect: None, ..forged("ff:1f.7", 3, 0) });
        accounts.end_window(Window::Masked);
    });
    assert_eq!((accounts.next_stormy(), accounts.next_stormy()), (Some(Holder::Elsewhere), None));
    // Requests for memory with the same id are counted for the port.
    let made_up = |n| Judged {
        fault: Fault { requester: bdf("ff:1f.7"), ..judged(0, n).fault },
        suspect: None,
        ..judged(0, n)
    };
    let last = (0..4).map(|n| accounts.respond(&made_up(n)).measure).last();
    assert_eq!(last, Some(Measure::Close(bdf("00:1c.0"))));
}
