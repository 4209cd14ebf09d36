//! Tests of the rules and of the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use diagnosis::Site;
use dma_types::{Direction, Iova};
use proptest::prelude::*;

use super::*;

const OBJECT: u64 = 0xffff_8800_0000_1000;
const OUT: Direction = Direction::ToDevice;
const IN: Direction = Direction::FromDevice;

fn iova(page: u64) -> Iova {
    Iova::new(page << 12)
}

fn loan(kind: Kind, page: u64, memory: Memory, direction: Direction) -> Loan {
    Loan { kind, iova: iova(page), memory, direction, site: Site::caller() }
}

fn claim(kind: Kind, page: u64, memory: Memory, direction: Direction) -> Claim {
    Claim { kind, iova: iova(page), memory: Some(memory), direction: Some(direction) }
}

fn rule<T>(result: Result<T, Misuse>) -> Option<Rule> {
    result.err().map(|misuse| misuse.rule)
}

#[test]
fn names_and_codes_tell_rules_apart() {
    let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    let codes: Vec<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    assert!(codes.is_sorted_by(|one, next| one < next));
    // 0x26 is the IOMMU's own; Microsoft's table ends there.
    assert!(codes.iter().all(|code| *code < 0x26 || *code >= 0x100));
}

#[test]
fn memory_overlaps_where_it_shares_a_byte() {
    let memory = Memory::new(100, 10);
    for (start, length, shares) in
        [(90, 10, false), (90, 11, true), (105, 1, true), (109, 5, true), (110, 5, false), (105, 0, false)]
    {
        let other = Memory::new(start, length);
        assert_eq!((memory.overlaps(&other), other.overlaps(&memory)), (shares, shares), "{other:?}");
    }
    assert_eq!(Memory::new(usize::MAX, 2).end(), u64::MAX);
}

#[test]
fn lending_is_refused_for_what_must_not_be_lent() {
    let mut ledger = Ledger::new(OBJECT);
    let memory = Memory::new(0x5000, 64);
    assert_eq!(ledger.check_lend(memory, Place::Allocated), Ok(()));
    assert_eq!(rule(ledger.check_lend(Memory::new(0x5000, 0), Place::Allocated)), Some(Rule::ZeroLength));
    assert_eq!(rule(ledger.check_lend(memory, Place::Image)), Some(Rule::ImageLent));
    assert_eq!(rule(ledger.check_lend(memory, Place::Stack)), Some(Rule::StackLent));
    let first = loan(Kind::Streaming, 1, memory, OUT);
    ledger.enter(first, ()).unwrap();
    let misuse = ledger.check_lend(Memory::new(0x5020, 64), Place::Allocated).unwrap_err();
    assert_eq!((misuse.rule, misuse.parameters), (Rule::LentTwice, [0x5020, 0x5060, 0x1000]));
    assert_eq!(misuse.other_site, Some(first.site));
}

#[test]
fn what_is_given_back_must_be_what_was_lent() {
    let mut ledger = Ledger::new(OBJECT);
    let memory = Memory::new(0x5000, 64);
    let good = claim(Kind::Streaming, 1, memory, OUT);
    assert_eq!(rule(ledger.check_return(&good)), Some(Rule::NeverLent));
    ledger.enter(loan(Kind::Streaming, 1, memory, OUT), ()).unwrap();
    assert_eq!(ledger.check_return(&good), Ok(()));
    let misuse = |claim| ledger.check_return(&claim).unwrap_err();
    let other_way = misuse(Claim { direction: Some(IN), ..good });
    assert_eq!((other_way.rule, other_way.parameters), (Rule::WrongDirection, [0x1000, 1, 2]));
    let shorter = misuse(Claim { memory: Some(Memory::new(0x5000, 32)), ..good });
    assert_eq!((shorter.rule, shorter.parameters), (Rule::WrongMemory, [0x1000, 64, 32]));
    let elsewhere = misuse(Claim { memory: Some(Memory::new(0x6000, 64)), ..good });
    assert_eq!((elsewhere.rule, elsewhere.parameters), (Rule::WrongMemory, [0x1000, 0x5000, 0x6000]));
    assert_eq!(misuse(Claim { kind: Kind::Common, ..good }).rule, Rule::NeverLent);
}

#[test]
fn a_second_return_names_the_first() {
    for (kind, expected) in [(Kind::Streaming, Rule::FreedTwice), (Kind::Common, Rule::CommonFreedTwice)] {
        let mut ledger = Ledger::new(OBJECT);
        let memory = Memory::new(0x5000, 64);
        let claim = claim(kind, 1, memory, OUT);
        ledger.enter(loan(kind, 1, memory, OUT), ()).unwrap();
        let returned = Site::caller();
        assert!(ledger.take(&claim, returned).is_some() && ledger.take(&claim, returned).is_none());
        let misuse = ledger.check_return(&claim).unwrap_err();
        assert_eq!((misuse.rule, misuse.other_site), (expected, Some(returned)));
        // Lent again, it may be given back again.
        ledger.enter(loan(kind, 1, memory, OUT), ()).unwrap();
        assert_eq!(ledger.check_return(&claim), Ok(()));
        ledger.take(&claim, returned);
        ledger.forget_past();
        assert_eq!(rule(ledger.check_return(&claim)), Some(Rule::NeverLent));
    }
}

#[test]
fn common_memory_is_not_freed_under_a_loan() {
    let mut ledger = Ledger::new(OBJECT);
    let free = Claim { kind: Kind::Common, iova: iova(1), memory: None, direction: None };
    ledger.enter(loan(Kind::Common, 1, Memory::new(0x5000, 0x1000), OUT), ()).unwrap();
    assert_eq!(ledger.check_return(&free), Ok(()));
    for (page, start) in [(2, 0x5000), (3, 0x5fff), (4, 0x6000)] {
        ledger.enter(loan(Kind::Streaming, page, Memory::new(start, 1), OUT), ()).unwrap();
    }
    let misuse = ledger.check_return(&free).unwrap_err();
    assert_eq!((misuse.rule, misuse.parameters), (Rule::FreedWhileMapped, [2, 0x1000, 0x2000]));
}

#[test]
fn a_part_that_is_synchronised_lies_in_a_live_loan() {
    let mut ledger = Ledger::new(OBJECT);
    let memory = Memory::new(0x5000, 64);
    let whole = Part { offset: 0, length: 64 };
    assert_eq!(rule(ledger.check_sync(iova(1), whole)), Some(Rule::NeverLent));
    ledger.enter(loan(Kind::Streaming, 1, memory, OUT), ()).unwrap();
    assert_eq!(ledger.check_sync(iova(1), whole), Ok(()));
    for (offset, length) in [(1, 64), (64, 1), (usize::MAX, usize::MAX)] {
        let part = Part { offset, length };
        assert_eq!(rule(ledger.check_sync(iova(1), part)), Some(Rule::SyncOutside), "{part:?}");
    }
    ledger.take(&claim(Kind::Streaming, 1, memory, OUT), Site::caller());
    assert_eq!(rule(ledger.check_sync(iova(1), whole)), Some(Rule::SyncAfterReturn));
}

#[test]
fn a_device_is_released_empty_and_used_no_more() {
    let mut ledger = Ledger::new(OBJECT);
    assert_eq!(ledger.check_close(), Ok(()));
    ledger.enter(loan(Kind::Streaming, 1, Memory::new(0x5000, 1), OUT), ()).unwrap();
    assert_eq!(ledger.check_close().unwrap_err().parameters, [OBJECT, 1, 0x1000]);
    assert_eq!(rule(ledger.check_close()), Some(Rule::MappingsLeft));
    ledger.enter(loan(Kind::Common, 2, Memory::new(0x6000, 1), OUT), ()).unwrap();
    assert_eq!(rule(ledger.check_close()), Some(Rule::CommonLeft));
    let closed = Site::caller();
    assert_eq!(ledger.close(closed).len(), 2);
    let lend = ledger.check_lend(Memory::new(0x7000, 1), Place::Allocated).unwrap_err();
    assert_eq!((lend.rule, lend.other_site), (Rule::UsedAfterRelease, Some(closed)));
    assert_eq!(rule(ledger.check_close()), Some(Rule::UsedAfterRelease));
    assert_eq!(rule(ledger.check_sync(iova(1), Part { offset: 0, length: 1 })), Some(Rule::UsedAfterRelease));
}

/// What a driver does next: lend or give back at a page, with a length.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Lend { page: u64, length: usize },
    Return { page: u64, length: usize, direction: Direction },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let direction = prop_oneof![Just(OUT), Just(IN)];
    let lend = (1..8_u64, 0..3_usize).prop_map(|(page, length)| Deed::Lend { page, length });
    let give_back = (1..8_u64, 0..3_usize, direction).prop_map(|(page, length, direction)| Deed::Return {
        page,
        length,
        direction,
    });
    proptest::collection::vec(prop_oneof![lend, give_back], 0..60)
}

proptest! {
    /// The ledger's verdicts are those of a map of what is lent, and a set of what came back.
    #[test]
    fn verdicts_are_those_of_a_plain_model(deeds in deeds()) {
        let mut ledger = Ledger::new(OBJECT);
        let (mut lent, mut past) = (BTreeMap::new(), BTreeSet::new());
        for deed in deeds {
            match deed {
                Deed::Lend { page, length } => {
                    let memory = Memory::new(page as usize * 16, length);
                    let expected = match lent.contains_key(&page) {
                        _ if length == 0 => Some(Rule::ZeroLength),
                        true => Some(Rule::LentTwice),
                        false => None,
                    };
                    let verdict = rule(ledger.check_lend(memory, Place::Allocated));
                    prop_assert_eq!(verdict, expected);
                    if verdict.is_none() {
                        ledger.enter(loan(Kind::Streaming, page, memory, OUT), page).unwrap();
                        lent.insert(page, length);
                        past.remove(&page);
                    }
                }
                Deed::Return { page, length, direction } => {
                    let memory = Memory::new(page as usize * 16, length);
                    let claim = claim(Kind::Streaming, page, memory, direction);
                    let expected = match lent.get(&page) {
                        None if past.contains(&page) => Some(Rule::FreedTwice),
                        None => Some(Rule::NeverLent),
                        Some(known) if *known != length => Some(Rule::WrongMemory),
                        Some(_) if direction != OUT => Some(Rule::WrongDirection),
                        Some(_) => None,
                    };
                    prop_assert_eq!(rule(ledger.check_return(&claim)), expected);
                    // Without a verifier it is taken back all the same.
                    let taken = ledger.take(&claim, Site::caller());
                    prop_assert_eq!(taken.map(|(_, kept)| kept), lent.remove(&page).map(|_| page));
                    if taken.is_some() {
                        past.insert(page);
                    }
                }
            }
            prop_assert_eq!(ledger.loans().count(), lent.len());
        }
    }
}

/// The page that says of each code what becomes of it.
const PAGE: &str = include_str!("../../../../docs/verifier.md");

/// The cells of each row that starts with a code.
fn rows() -> impl Iterator<Item = (u64, Vec<&'static str>)> {
    PAGE.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| 0x")?.split('|').map(str::trim).collect();
        Some((u64::from_str_radix(cells.first()?, 16).unwrap(), cells))
    })
}

/// The rules that a cell names, each in code marks.
fn rules_in(cell: &str) -> impl Iterator<Item = Rule> {
    let named = cell.split('`').skip(1).step_by(2);
    named.map(|name| *Rule::ALL.iter().find(|rule| rule.name() == name).expect(name))
}

#[test]
fn the_page_says_of_each_code_what_becomes_of_it() {
    let codes: Vec<_> = rows().map(|(code, _)| code).collect();
    let own = Rule::ALL.iter().map(|rule| rule.code()).filter(|code| *code >= 0x100);
    assert_eq!(codes, (0..=0x26).chain(own).collect::<Vec<_>>());
    for (code, cells) in rows().take_while(|(code, _)| *code < 0x100) {
        let here = cells[2];
        for word in here.split(", ").filter(|word| !word.starts_with('`')) {
            assert!(["types", "IOMMU", "no", "unpublished"].contains(&word), "{code:#x}: {word}");
        }
        let known = [0x12, 0x17, 0x1a, 0x1c].contains(&code);
        assert_eq!(here == "unpublished", known, "{code:#x}");
        let rule = Rule::ALL.into_iter().find(|rule| rule.code() == code);
        let named: Vec<_> = rules_in(here).collect();
        assert!(rule.is_none_or(|rule| named.contains(&rule)), "{code:#x}: {here}");
        assert!(!(here == "no" && rule.is_some()), "{code:#x}: {here}");
    }
    for (code, cells) in rows().filter(|(code, _)| *code >= 0x100) {
        assert_eq!(rules_in(cells[1]).map(Rule::code).collect::<Vec<_>>(), [code]);
    }
}

#[test]
fn of_loans_at_one_address_the_one_with_the_memory_is_meant() {
    let mut ledger = Ledger::new(OBJECT);
    let [first, second] = [Memory::new(0x5000, 64), Memory::new(0x6000, 64)];
    for memory in [first, second] {
        ledger.enter(loan(Kind::Streaming, 1, memory, OUT), memory).unwrap();
    }
    let claim = claim(Kind::Streaming, 1, second, OUT);
    assert_eq!(ledger.check_return(&claim), Ok(()));
    assert_eq!(ledger.take(&claim, Site::caller()).map(|(_, kept)| kept), Some(second));
    assert_eq!(rule(ledger.check_return(&claim)), Some(Rule::WrongMemory));
}

#[test]
fn the_latest_return_is_named() {
    let mut ledger = Ledger::new(OBJECT);
    let claim = claim(Kind::Streaming, 1, Memory::new(0x5000, 64), OUT);
    let sites = [Site::caller(), Site::caller()];
    // Once around the ring of what is remembered, too.
    for round in 0..100 {
        ledger.enter(loan(Kind::Streaming, 1, Memory::new(0x5000, 64), OUT), ()).unwrap();
        ledger.take(&claim, sites[round % 2]);
        assert_eq!(ledger.check_return(&claim).unwrap_err().other_site, Some(sites[round % 2]));
    }
}
