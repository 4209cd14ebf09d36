//! What is told, and when.

use std::vec::Vec;

use dma_types::{Access, Bdf, Iova, Segment, SourceId};

use super::{Completeness, FaultKey, KEYS, Scope};
use crate::{Reason, Verdict};

type Cadence = super::Cadence<Verdict>;
type FaultLedger = super::FaultLedger<Verdict>;
type Line = super::Line<Verdict>;

fn requester(bits: u16) -> Bdf {
    Bdf::new(Segment(0), SourceId::from_bits(bits))
}

fn key(page: u64) -> FaultKey {
    FaultKey {
        bdf: Some(requester(0x18)),
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
        .filter_map(|_| told(ledger.note(requester(0x18), key(1), Completeness::Exact)))
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
        ledger.note(requester(0x18), key(1), Completeness::Exact);
    }
    assert_eq!(ledger.final_reports().count(), 0);
}

#[test]
fn every_part_of_the_key_counts() {
    let mut ledger = FaultLedger::new(4).unwrap();
    let same = key(1);
    let keys = [
        same,
        FaultKey { bdf: None, ..same },
        FaultKey { address: None, ..same },
        FaultKey { access: Access::Read, ..same },
        FaultKey { reason: Reason(6), ..same },
    ];
    for key in keys {
        assert!(told(ledger.note(requester(0x18), key, Completeness::Exact)).is_some());
    }
    assert!(told(ledger.note(requester(0x20), same, Completeness::Exact)).is_some());
}

#[test]
fn keys_beyond_the_limit_share_one_line_of_their_requester() {
    let mut ledger = FaultLedger::new(4).unwrap();
    for page in 0..KEYS as u64 {
        let line = told(ledger.note(requester(0x18), key(page), Completeness::Exact)).unwrap();
        assert_eq!((line.scope, line.at_least), (Scope::Key(key(page)), false));
    }
    let lines: Vec<Line> = (0..10)
        .filter_map(|n| told(ledger.note(requester(0x18), key(1000 + n), Completeness::Exact)))
        .collect();
    assert!(lines.iter().all(|line| line.scope == Scope::FurtherKeys && line.at_least));
    assert!(lines.iter().all(|line| line.requester == Some(requester(0x18)) && line.answer.is_none()));
    assert_eq!(lines.iter().map(|line| line.count).collect::<Vec<_>>(), [1, 2, 4, 8]);
    // Another requester has its own 64 keys, and the known ones go on being counted.
    assert!(told(ledger.note(requester(0x20), key(1), Completeness::Exact)).is_some());
    assert_eq!(told(ledger.note(requester(0x18), key(3), Completeness::Exact)).unwrap().count, 2);
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].scope, last[0].count), (Scope::FurtherKeys, 10));
}

#[test]
fn requesters_beyond_the_capacity_share_one_line() {
    let mut ledger = FaultLedger::new(1).unwrap();
    ledger.note(requester(0), key(1), Completeness::Exact);
    let line = told(ledger.note(requester(1), key(1), Completeness::Exact)).unwrap();
    assert_eq!((line.requester, line.scope, line.at_least), (None, Scope::FurtherRequesters, true));
    for bits in 2..4 {
        ledger.note(requester(bits), key(1), Completeness::Exact);
    }
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].scope, last[0].count), (Scope::FurtherRequesters, 3));
}

#[test]
fn merged_records_make_a_lower_bound() {
    let mut ledger = FaultLedger::new(4).unwrap();
    ledger.note(requester(0x18), key(1), Completeness::Exact);
    ledger.note(requester(0x18), key(1), Completeness::Exact);
    // Not due by its count; the lost bound is told at the end.
    assert_eq!(ledger.note(requester(0x18), key(1), Completeness::AtLeast), Cadence::Silent);
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!((last[0].count, last[0].at_least), (3, true));
}

#[test]
fn dropped_records_make_every_count_a_lower_bound() {
    let mut ledger = FaultLedger::new(4).unwrap();
    ledger.note(requester(0x18), key(1), Completeness::Exact);
    ledger.note_dropped();
    let line = told(ledger.note(requester(0x20), key(2), Completeness::Exact)).unwrap();
    assert!(line.at_least);
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].requester, last[0].count, last[0].at_least), (Some(requester(0x18)), 1, true));
}

#[test]
fn the_latest_answer_stays_with_its_key() {
    let mut ledger = FaultLedger::new(4).unwrap();
    ledger.note(requester(0x18), key(1), Completeness::Exact);
    ledger.set_answer(requester(0x18), &key(1), Verdict::Stale);
    ledger.set_answer(requester(0x18), &key(2), Verdict::Overrun);
    let line = told(ledger.note(requester(0x18), key(1), Completeness::Exact)).unwrap();
    assert_eq!(line.answer, Some(Verdict::Stale));
    ledger.note(requester(0x18), key(1), Completeness::Exact);
    ledger.set_answer(requester(0x18), &key(1), Verdict::Foreign);
    let last: Vec<Line> = ledger.final_reports().collect();
    assert_eq!((last[0].count, last[0].answer), (3, Some(Verdict::Foreign)));
}

#[test]
fn a_requester_takes_the_memory_that_is_stated() {
    let size = size_of::<super::Requester<(Verdict, bool)>>();
    assert!((64 * 48..64 * 48 + 64).contains(&size), "{size}");
}
