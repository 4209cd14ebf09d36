//! Cases in which two verdicts lie close together.

use dma_types::{Access, Direction, Iova, PAGE_SIZE, PageSize};

use super::machine::{Machine, READ, WRITE, bdf, page};
use crate::{Fault, MAX_CANDIDATES, Position, Standing, Verdict, diagnose};

#[test]
fn between_adjacent_buffers_the_one_that_was_overrun_is_named() {
    let mut machine = Machine::new();
    let low = machine.map(0, "low", PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let high = machine.map(0, "high", PAGE_SIZE, Direction::FromDevice, 0x5000_1000);
    // The gap is both the page behind `low` and the page in front of `high`.
    assert_eq!(page(high.start(), -1), low.end());
    let fault = machine.fault(bdf(0, 3), low.end(), WRITE);
    let nearest = diagnose(&fault, &machine).nearest.unwrap();
    assert_eq!((nearest.owner.start, nearest.position), (low.start(), Position::Behind(1)));
    // With `low` gone, the page is in front of `high`.
    machine.unmap(0, low);
    let nearest = diagnose(&fault, &machine).nearest.unwrap();
    assert_eq!((nearest.owner.start, nearest.position), (high.start(), Position::Before(1)));
}

#[test]
fn a_released_neighbour_is_stale_and_no_overrun() {
    let mut machine = Machine::new();
    let low = machine.map(0, "low", PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let _high = machine.map(0, "high", PAGE_SIZE, Direction::FromDevice, 0x5000_1000);
    let start = low.start();
    machine.unmap(0, low);
    assert_eq!(diagnose(&machine.fault(bdf(0, 3), start, WRITE), &machine).verdict, Verdict::Stale);
}

/// Maps and unmaps until the range at `start` is handed out again, and leaves it mapped.
fn reuse(machine: &mut Machine, start: Iova, label: &'static str, direction: Direction) {
    loop {
        let range = machine.map(0, label, PAGE_SIZE, direction, 0x5100_0000);
        if range.start() == start {
            return;
        }
        machine.unmap(0, range);
    }
}

#[test]
fn a_reused_range_belongs_to_its_new_owner() {
    let mut machine = Machine::new();
    let first = machine.map(0, "first", PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let start = first.start();
    machine.unmap(0, first);
    reuse(&mut machine, start, "second", Direction::ToDevice);
    let diagnosis = diagnose(&machine.fault(bdf(0, 3), start, WRITE), &machine);
    assert_eq!(diagnosis.verdict, Verdict::WrongDirection);
    assert_eq!(diagnosis.nearest.unwrap().owner.label.unwrap().0, "second");
}

#[test]
fn a_page_remapped_in_the_meantime_is_stale_while_the_ring_knows_its_release() {
    let mut machine = Machine::new();
    let range = machine.map(0, "first", PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let (start, step) = (range.start(), crate::Step { at: machine.now, site: crate::Site::caller() });
    machine.domains[0].book.record_unmap(&range, step).unwrap();
    machine.wait(5);
    // The same range is mapped again at once, and the request is allowed by now.
    let again = crate::Mapping {
        start,
        length: PAGE_SIZE,
        direction: Direction::FromDevice,
        label: crate::Label("second"),
        backing: crate::Backing::new(dma_types::PhysAddr::new(0x5100_0000), PAGE_SIZE),
        mapped: crate::Step { at: machine.now, ..step },
    };
    machine.domains[0].book.record_map(&range, again).unwrap();
    machine.wait(1);
    let diagnosis = diagnose(&machine.fault(bdf(0, 3), start, WRITE), &machine);
    assert_eq!(diagnosis.verdict, Verdict::Stale);
    let owner = diagnosis.nearest.unwrap().owner;
    assert_eq!((owner.label.unwrap().0, owner.mapped.is_some()), ("first", true));
    assert_eq!(diagnosis.mapped_since.unwrap().label.unwrap().0, "second");
}

#[test]
fn a_page_mapped_only_after_the_request_was_not_mapped_then() {
    let mut machine = Machine::new();
    let range = machine.map(0, "late", PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let diagnosis = diagnose(&machine.fault(bdf(0, 3), range.start(), WRITE), &machine);
    assert_eq!(diagnosis.verdict, Verdict::NeverMapped);
    assert_eq!(diagnosis.mapped_since.unwrap().label.unwrap().0, "late");
}

#[test]
fn two_devices_behind_one_bridge_with_different_verdicts_are_an_alias() {
    let mut machine = Machine::new();
    let bridge = bdf(2, 0);
    let sound = machine.add_claimed(bdf(2, 1), "sound", "sounddrv", 0x30_0000..0x40_0000);
    machine.functions[sound].requester = bridge;
    let home = machine.functions[sound].home;
    let modem = machine.add(bdf(2, 2), "modem", None, home);
    machine.functions[modem].requester = bridge;
    let range = machine.map(1, "samples", PAGE_SIZE, Direction::ToDevice, 0x5000_0000);

    let diagnosis = diagnose(&machine.fault(bridge, range.start(), WRITE), &machine);
    assert_eq!(diagnosis.verdict, Verdict::Alias);
    let verdicts: std::vec::Vec<_> =
        diagnosis.candidates.iter().map(|c| (c.function.device.bdf, c.verdict)).collect();
    assert_eq!(verdicts, [(bdf(2, 1), Verdict::WrongDirection), (bdf(2, 2), Verdict::Unclaimed)]);
    assert_eq!(diagnosis.suspect.unwrap().function.device.bdf, bdf(2, 1));
    let own = [bdf(2, 1), bdf(2, 2), bdf(0, 3)].map(|function| diagnosis.verdict_on(function));
    assert_eq!(
        own,
        [Verdict::WrongDirection, Verdict::Unclaimed, Verdict::Alias],
        "the last is no candidate"
    );

    // Where both come to the same, there is no question whose it was that matters.
    machine.functions[modem].driver = Some("modemdrv");
    let diagnosis = diagnose(&machine.fault(bridge, range.start(), WRITE), &machine);
    assert_eq!((diagnosis.verdict, diagnosis.candidates.total()), (Verdict::WrongDirection, 2));
}

#[test]
fn a_quarantined_device_and_its_neighbour_are_an_alias() {
    let mut machine = Machine::new();
    let other = machine.add(bdf(0, 4), "other", Some("otherdrv"), Some(0));
    machine.functions[other].requester = bdf(0, 3);
    machine.functions[other].standing = Standing::Quarantined;
    let diagnosis = diagnose(&machine.fault(bdf(0, 3), Iova::new(0x1_8000_0000), READ), &machine);
    assert_eq!(diagnosis.verdict, Verdict::Alias);
}

#[test]
fn more_candidates_than_are_listed_are_still_judged() {
    let mut machine = Machine::new();
    for device in 4..16 {
        let index = machine.add(bdf(0, device), "function", Some("driver"), Some(0));
        machine.functions[index].requester = bdf(0, 3);
    }
    machine.functions.last_mut().unwrap().driver = None;
    let diagnosis = diagnose(&machine.fault(bdf(0, 3), Iova::new(0x1_8000_0000), READ), &machine);
    assert_eq!(diagnosis.verdict, Verdict::Alias);
    assert_eq!((diagnosis.candidates.total(), diagnosis.candidates.iter().count()), (13, MAX_CANDIDATES));
}

#[test]
fn among_hundreds_of_domains_none_is_left_out() {
    let mut machine = Machine::new();
    for number in 0..300_u16 {
        let window = 0x30_0000 + 0x1000 * u64::from(number);
        let place = bdf(1 + (number / 32) as u8, (number % 32) as u8);
        machine.add_claimed(place, "disk", "diskdrv", window..window + 0x1000);
    }
    let last = machine.functions.len() - 1;
    let range = machine.map(last, "queue", PAGE_SIZE, Direction::FromDevice, 0x6000_3000);
    let own = machine.functions[last].bdf;
    // Its own books, and those of the last from the first one's side.
    assert_eq!(diagnose(&machine.fault(own, range.start(), READ), &machine).verdict, Verdict::WrongDirection);
    for number in [0x6000_3000, range.start().as_u64()] {
        let diagnosis = diagnose(&machine.fault(bdf(0, 3), Iova::new(number), READ), &machine);
        assert_eq!((diagnosis.verdict, diagnosis.foreign.unwrap().device.bdf), (Verdict::Foreign, own));
    }
}

#[test]
fn a_requester_that_nobody_enumerated_is_compared_with_nothing() {
    let mut machine = Machine::new();
    let range = machine.map(0, "ring", PAGE_SIZE, Direction::Bidirectional, 0x5000_0000);
    let diagnosis = diagnose(&machine.fault(bdf(7, 7), range.start(), WRITE), &machine);
    assert_eq!((diagnosis.verdict, diagnosis.candidates.total()), (Verdict::UnknownRequester, 0));
    assert!(diagnosis.suspect.is_none() && diagnosis.nearest.is_none() && diagnosis.foreign.is_none());
    assert_eq!(diagnosis.history().count(), 0);
}

#[test]
fn a_fault_before_any_driver_is_unclaimed() {
    let mut machine = Machine::new();
    machine.functions[0].driver = None;
    machine.functions[0].home = None;
    machine.domains.clear();
    let diagnosis = diagnose(&machine.fault(bdf(0, 3), Iova::new(0x1000), READ), &machine);
    assert_eq!(diagnosis.verdict, Verdict::Unclaimed);
    assert_eq!(diagnosis.history().count(), 0);
}

#[test]
fn a_driver_without_a_domain_has_nothing_mapped() {
    let mut machine = Machine::new();
    let disk = machine.add_claimed(bdf(0, 5), "disk", "diskdrv", 0x30_0000..0x40_0000);
    let _range = machine.map(disk, "queue", PAGE_SIZE, Direction::Bidirectional, 0x6000_3000);
    machine.functions[0].home = None;
    let nowhere = machine.fault(bdf(0, 3), Iova::new(0x1000), READ);
    assert_eq!(diagnose(&nowhere, &machine).verdict, Verdict::NeverMapped);
    let foreign = machine.fault(bdf(0, 3), Iova::new(0x6000_3000), READ);
    assert_eq!(diagnose(&foreign, &machine).verdict, Verdict::Foreign);
}

#[test]
fn the_gap_of_a_large_slot_ends_before_it_takes_other_verdicts() {
    let mut machine = Machine::new();
    let domain = &mut machine.domains[0];
    let range = domain.allocator.allocate(512, PageSize::Size2M).unwrap();
    let step = crate::Step { at: machine.now, site: crate::Site::caller() };
    let new = crate::Mapping {
        start: range.start(),
        length: range.length(),
        direction: Direction::FromDevice,
        label: crate::Label("frame buffer"),
        backing: crate::Backing::new(dma_types::PhysAddr::new(0x4000_0000), range.length()),
        mapped: step,
    };
    domain.book.record_map(&range, new).unwrap();
    let verdict =
        |pages| diagnose(&machine.fault(bdf(0, 3), page(range.end(), pages), WRITE), &machine).verdict;
    assert_eq!(
        [verdict(0), verdict(511), verdict(512)],
        [Verdict::Overrun, Verdict::Overrun, Verdict::NeverMapped]
    );
}

#[test]
fn an_access_that_nobody_can_name_gets_a_verdict_all_the_same() {
    let mut machine = Machine::new();
    let range = machine.map(0, "both", PAGE_SIZE, Direction::Bidirectional, 0x5000_0000);
    let fault = machine.fault(bdf(0, 3), range.start(), READ);
    let diagnosis = diagnose(&Fault { access: Access::Unknown, ..fault }, &machine);
    assert_eq!(diagnosis.verdict, Verdict::NeverMapped);
    assert!(diagnosis.mapped_since.is_some());
}
