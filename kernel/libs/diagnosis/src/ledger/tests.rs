//! What is told, and when.

use std::vec::Vec;

use dma_types::{Access, Bdf, Iova, Segment, SourceId};

use super::{Completeness, Counted, FaultKey, KEYS, Scope};
use crate::senders::Sender;
use crate::{Reason, RefusedInterrupt, Verdict};

type Cadence = super::Cadence<Verdict>;
type FaultLedger = super::FaultLedger<Verdict>;
type Line = super::Line<Verdict>;

const ONE: Sender = Sender::at(1);
const OTHER: Sender = Sender::at(2);

fn id(bits: u16) -> Bdf {
    Bdf::new(Segment(0), SourceId::from_bits(bits))
}

fn key(page: u64) -> FaultKey {
    FaultKey {
        requester: id(0x18),
        bdf: Some(id(0x18)),
        address: Some(Iova::new(page << 12)),
        access: Access::Write,
        reason: Reason(5),
    }
}

fn told(cadence: Cadence) -> Option<Line> {
    match cadence {
        Cadence::Report(line) => Some(line),
        Cadence::Silent => None,
    }
}

#[test]
fn a_key_is_told_first_and_at_each_doubling() {
    let mut ledger = FaultLedger::new(4).unwrap();
    let counts: Vec<u64> = (0..1000)
        .filter_map(|_| told(ledger.note(ONE, key(1), Completeness::Exact)))
        .map(|line| line.count)
        .collect();
    assert_eq!(counts, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].count, last[0].at_least, last[0].scope), (1000, false, Scope::Key(key(1))));
    assert_eq!(ledger.final_reports().count(), 0);
}

#[test]
fn what_was_told_in_full_is_not_told_again() {
    let mut ledger = FaultLedger::new(4).unwrap();
    for _ in 0..4 {
        ledger.note(ONE, key(1), Completeness::Exact);
    }
    assert_eq!(ledger.final_reports().count(), 0);
}

#[test]
fn every_part_of_the_key_counts() {
    let mut ledger = FaultLedger::new(4).unwrap();
    let same = key(1);
    let keys = [
        same,
        FaultKey { requester: id(0x20), ..same },
        FaultKey { bdf: None, ..same },
        FaultKey { address: None, ..same },
        FaultKey { access: Access::Read, ..same },
        FaultKey { reason: Reason(6), ..same },
    ];
    for key in keys {
        assert!(told(ledger.note(ONE, key, Completeness::Exact)).is_some());
    }
    assert!(told(ledger.note(OTHER, same, Completeness::Exact)).is_some());
}

#[test]
fn keys_beyond_the_limit_share_one_line_of_their_requester() {
    let mut ledger = FaultLedger::new(4).unwrap();
    for page in 0..KEYS as u64 {
        let line = told(ledger.note(ONE, key(page), Completeness::Exact)).unwrap();
        assert_eq!((line.scope, line.at_least), (Scope::Key(key(page)), false));
    }
    let lines: Vec<Line> =
        (0..10).filter_map(|n| told(ledger.note(ONE, key(1000 + n), Completeness::Exact))).collect();
    assert!(lines.iter().all(|line| line.scope == Scope::FurtherKeys && line.at_least));
    assert!(lines.iter().all(|line| line.sender == ONE && line.answer.is_none()));
    assert_eq!(lines.iter().map(|line| line.count).collect::<Vec<_>>(), [1, 2, 4, 8]);
    // Another requester has its own 64 keys, and the known ones go on being counted.
    assert!(told(ledger.note(OTHER, key(1), Completeness::Exact)).is_some());
    assert_eq!(told(ledger.note(ONE, key(3), Completeness::Exact)).unwrap().count, 2);
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].scope, last[0].count), (Scope::FurtherKeys, 10));
}

/// What an attacker makes up takes nothing from others: they have accounts of their own.
#[test]
fn ids_that_share_an_account_are_told_apart_as_far_as_it_reaches() {
    let mut ledger = FaultLedger::new(3).unwrap();
    for bits in 0..KEYS as u16 {
        let made_up = FaultKey { requester: id(bits), bdf: None, ..key(1) };
        let line = told(ledger.note(ONE, made_up, Completeness::Exact)).unwrap();
        assert_eq!(line.scope, Scope::Key(made_up));
    }
    for bits in 100..u16::MAX {
        let made_up = FaultKey { requester: id(bits), bdf: None, ..key(1) };
        if let Some(line) = told(ledger.note(ONE, made_up, Completeness::Exact)) {
            assert_eq!((line.sender, line.scope, line.at_least), (ONE, Scope::FurtherKeys, true));
        }
    }
    let line = told(ledger.note(OTHER, key(1), Completeness::Exact)).unwrap();
    assert_eq!((line.sender, line.scope, line.count), (OTHER, Scope::Key(key(1)), 1));
}

/// More than the default machine ever has: each has its line, its count and its answer.
#[test]
fn hundreds_of_senders_are_each_told_one_by_one() {
    let mut ledger = FaultLedger::new(400).unwrap();
    for place in 0..400 {
        let key = FaultKey { requester: id(place), bdf: Some(id(place)), ..key(7) };
        let sender = Sender::at(place.into());
        let line = told(ledger.note(sender, key, Completeness::Exact)).unwrap();
        assert_eq!((line.sender, line.scope, line.count, line.at_least), (sender, Scope::Key(key), 1, false));
    }
    assert_eq!(ledger.final_reports().count(), 0);
}

#[test]
fn a_sender_without_an_account_is_counted_as_nobody() {
    let mut ledger = FaultLedger::new(1).unwrap();
    assert_eq!(ledger.note(ONE, key(1), Completeness::Exact), Cadence::Silent);
    ledger.set_answer(ONE, &key(1), Verdict::Stale);
    assert_eq!(ledger.final_reports().count(), 0);
}

#[test]
fn merged_records_make_a_lower_bound() {
    let mut ledger = FaultLedger::new(4).unwrap();
    ledger.note(ONE, key(1), Completeness::Exact);
    ledger.note(ONE, key(1), Completeness::Exact);
    // Not due by its count; the lost bound is told at the end.
    assert_eq!(ledger.note(ONE, key(1), Completeness::AtLeast), Cadence::Silent);
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!((last[0].count, last[0].at_least), (3, true));
}

#[test]
fn dropped_records_make_every_count_a_lower_bound() {
    let mut ledger = FaultLedger::new(4).unwrap();
    ledger.note(ONE, key(1), Completeness::Exact);
    ledger.note_dropped();
    let line = told(ledger.note(OTHER, key(2), Completeness::Exact)).unwrap();
    assert!(line.at_least);
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].sender, last[0].count, last[0].at_least), (ONE, 1, true));
}

#[test]
fn the_latest_answer_stays_with_its_key() {
    let mut ledger = FaultLedger::new(4).unwrap();
    ledger.note(ONE, key(1), Completeness::Exact);
    ledger.set_answer(ONE, &key(1), Verdict::Stale);
    ledger.set_answer(ONE, &key(2), Verdict::Overrun);
    let line = told(ledger.note(ONE, key(1), Completeness::Exact)).unwrap();
    assert_eq!(line.answer, Some(Verdict::Stale));
    ledger.note(ONE, key(1), Completeness::Exact);
    ledger.set_answer(ONE, &key(1), Verdict::Foreign);
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!((last[0].count, last[0].answer), (3, Some(Verdict::Foreign)));
}

#[test]
fn a_sender_takes_the_memory_that_is_stated() {
    // What the kernel remembers: verdict, interrupt, action.
    assert_eq!(size_of::<Counted<(Verdict, Option<RefusedInterrupt>, bool)>>(), 64);
}
