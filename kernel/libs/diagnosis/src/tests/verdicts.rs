//! Every verdict, and the order in which they are tried.

use dma_types::{Access, Direction, Iova, PAGE_SIZE};

use super::machine::{Machine, READ, WRITE, bdf, page};
use crate::{
    Backing, Fault, FirmwareMemory, ForeignKind, Position, Reason, Site, Standing, Step, Verdict, WalkCheck,
    diagnose,
};

/// An address of the window that nothing was mapped at.
const NOWHERE: Iova = Iova::new(0x1_8000_0000);

fn verdict(machine: &Machine, fault: Fault) -> Verdict {
    diagnose(&fault, machine).verdict
}

#[test]
fn interrupt_reasons_come_before_all() {
    let mut machine = Machine::new();
    machine.walk = WalkCheck::Differs;
    machine.functions[0].standing = Standing::Quarantined;
    for reason in 0x20..=0x2f {
        let fault = Fault { access: Access::Interrupt, ..machine.fault(bdf(0, 3), NOWHERE, Reason(reason)) };
        assert_eq!(verdict(&machine, fault), Verdict::Interrupt);
        assert_eq!(verdict(&machine, Fault { requester: bdf(9, 9), ..fault }), Verdict::Interrupt);
    }
}

#[test]
fn a_requester_that_nobody_enumerated_is_unknown_whatever_the_reason() {
    let machine = Machine::new();
    for reason in (0..0x20).map(Reason) {
        let diagnosed = machine.fault(bdf(5, 0), NOWHERE, reason);
        assert_eq!(verdict(&machine, diagnosed), Verdict::UnknownRequester);
    }
    let diagnosis = diagnose(&machine.fault(bdf(5, 0), NOWHERE, WRITE), &machine);
    assert!(diagnosis.suspect.is_none() && diagnosis.nearest.is_none());
    assert_eq!(diagnosis.candidates.total(), 0);
}

#[test]
fn a_quarantined_device_is_contained_before_anything_else_is_asked() {
    let mut machine = Machine::new();
    machine.functions[0].standing = Standing::Quarantined;
    machine.walk = WalkCheck::Differs;
    for reason in [1, 2, 4, 5, 6, 0xd] {
        let fault = machine.fault(bdf(0, 3), NOWHERE, Reason(reason));
        assert_eq!(verdict(&machine, fault), Verdict::Contained, "{reason:#x}");
    }
}

#[test]
fn table_reasons_and_unknown_ones_blame_the_tables() {
    let machine = Machine::new();
    for reason in [0, 1, 3, 7, 8, 9, 0xa, 0xb, 0xc, 0xe, 0xf, 0x10, 0x1f, 0x30, 0x58, 0xff] {
        let fault = machine.fault(bdf(0, 3), NOWHERE, Reason(reason));
        assert_eq!(verdict(&machine, fault), Verdict::TableCorruption, "{reason:#x}");
    }
}

#[test]
fn reasons_of_the_scalable_mode_are_judged_like_their_legacy_twins() {
    let mut machine = Machine::new();
    let out = machine.map(0, "out", PAGE_SIZE, Direction::ToDevice, 0x5000_0000);
    let on = |address, reason| verdict(&machine, machine.fault(bdf(0, 3), address, Reason(reason)));
    for (reason, expected) in [
        (0x39, Verdict::TableCorruption),
        (0x41, Verdict::Unclaimed),
        (0x44, Verdict::TranslatedRequest),
        (0x83, Verdict::BeyondWidth),
    ] {
        assert_eq!(on(NOWHERE, reason), expected, "{reason:#x}");
    }
    for reason in [0x71, 0x79, 0x7d, 0x85, 0x86] {
        assert_eq!(on(NOWHERE, reason), Verdict::NeverMapped, "{reason:#x}");
        assert_eq!(on(out.end(), reason), Verdict::Overrun, "{reason:#x}");
    }
    assert_eq!(on(out.start(), 0x85), Verdict::WrongDirection);
}

#[test]
fn requests_of_processes_and_of_privilege_blame_no_table() {
    let mut machine = Machine::new();
    let out = machine.map(0, "out", PAGE_SIZE, Direction::ToDevice, 0x5000_0000);
    machine.add(bdf(0, 4), "usb", None, None);
    for reason in [0x31, 0x32, 0x45, 0x46, 0x47, 0x48, 0x51, 0x59] {
        let by = |requester| verdict(&machine, machine.fault(requester, out.start(), Reason(reason)));
        assert_eq!(by(bdf(0, 3)), Verdict::NeverMapped, "{reason:#x}");
        assert_eq!(by(bdf(0, 4)), Verdict::Unclaimed, "{reason:#x}");
    }
    for reason in [0x5c, 0x5d, 0x81, 0x82] {
        let fault = Fault { access: Access::Read, ..machine.fault(bdf(0, 3), out.start(), Reason(reason)) };
        assert_eq!(verdict(&machine, fault), Verdict::WrongDirection, "{reason:#x}");
    }
}

#[test]
fn a_walk_that_differs_blames_the_tables_for_any_reason() {
    let mut machine = Machine::new();
    machine.walk = WalkCheck::Differs;
    for reason in [2, 4, 5, 6, 0xd] {
        let fault = machine.fault(bdf(0, 3), NOWHERE, Reason(reason));
        assert_eq!(verdict(&machine, fault), Verdict::TableCorruption, "{reason:#x}");
    }
}

#[test]
fn translated_and_too_wide_requests_come_before_the_missing_driver() {
    let mut machine = Machine::new();
    machine.functions[0].driver = None;
    assert_eq!(verdict(&machine, machine.fault(bdf(0, 3), NOWHERE, Reason(0xd))), Verdict::TranslatedRequest);
    let wide = machine.fault(bdf(0, 3), Iova::new(1 << 60), Reason(4));
    assert_eq!(verdict(&machine, wide), Verdict::BeyondWidth);
}

#[test]
fn without_a_driver_or_a_context_entry_a_device_is_unclaimed() {
    let mut machine = Machine::new();
    assert_eq!(verdict(&machine, machine.fault(bdf(0, 3), NOWHERE, Reason(2))), Verdict::Unclaimed);
    machine.add(bdf(0, 4), "usb", None, None);
    for reason in [READ, WRITE, Reason(2)] {
        assert_eq!(verdict(&machine, machine.fault(bdf(0, 4), NOWHERE, reason)), Verdict::Unclaimed);
    }
}

#[test]
fn beside_its_firmware_region_an_unclaimed_device_stays_unclaimed() {
    let mut machine = Machine::new();
    machine.functions[0].driver = None;
    machine.functions[0].firmware_memory = FirmwareMemory::Reserved;
    let region = Backing::new(dma_types::PhysAddr::new(0x7f00_0000), 2 * PAGE_SIZE);
    let step = Step { at: machine.now, site: Site::caller() };
    machine.domains[0].book.record_firmware_region(region, step).unwrap();
    let diagnosis = machine.fault(bdf(0, 3), Iova::new(0x7f00_2000), WRITE);
    let diagnosis = diagnose(&diagnosis, &machine);
    assert_eq!(diagnosis.verdict, Verdict::Unclaimed);
    assert_eq!(diagnosis.nearest.unwrap().position, Position::Behind(1));
}

#[test]
fn a_mapped_page_asked_for_the_other_way_is_the_wrong_direction() {
    let mut machine = Machine::new();
    let out = machine.map(0, "tx buffer", 100, Direction::ToDevice, 0x5000_0000);
    let into = machine.map(0, "rx buffer", 3 * PAGE_SIZE, Direction::FromDevice, 0x5001_0000);
    assert_eq!(verdict(&machine, machine.fault(bdf(0, 3), out.start(), WRITE)), Verdict::WrongDirection);
    let last = machine.fault(bdf(0, 3), page(into.start(), 2), READ);
    let diagnosis = diagnose(&last, &machine);
    assert_eq!(diagnosis.verdict, Verdict::WrongDirection);
    let nearest = diagnosis.nearest.unwrap();
    assert_eq!((nearest.owner.start, nearest.position), (into.start(), Position::Inside));
    // The record may not tell the access; the reason does.
    let untold = Fault { access: Access::Unknown, ..machine.fault(bdf(0, 3), out.start(), WRITE) };
    assert_eq!(verdict(&machine, untold), Verdict::WrongDirection);
    let atomic = Fault { access: Access::Atomic, ..machine.fault(bdf(0, 3), out.start(), WRITE) };
    assert_eq!(verdict(&machine, atomic), Verdict::WrongDirection);
}

#[test]
fn a_page_whose_last_owner_released_it_is_stale() {
    let mut machine = Machine::new();
    let range = machine.map(0, "rx buffer", 2 * PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let second = page(range.start(), 1);
    machine.wait(100);
    machine.unmap(0, range);
    machine.wait(12);
    let diagnosis = diagnose(&machine.fault(bdf(0, 3), second, WRITE), &machine);
    assert_eq!(diagnosis.verdict, Verdict::Stale);
    let owner = diagnosis.nearest.unwrap().owner;
    assert_eq!(diagnosis.fault.at.since(owner.released.unwrap().at).as_nanos(), 12_000);
    assert!(diagnosis.history().count() >= 2);
}

#[test]
fn the_gap_on_either_side_of_a_live_mapping_is_an_overrun() {
    let mut machine = Machine::new();
    let _low = machine.map(0, "other", PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let range = machine.map(0, "rx buffer", PAGE_SIZE + 1, Direction::FromDevice, 0x5001_0000);
    let past_end = diagnose(&machine.fault(bdf(0, 3), range.end(), WRITE), &machine);
    assert_eq!(past_end.verdict, Verdict::Overrun);
    let nearest = past_end.nearest.unwrap();
    assert_eq!((nearest.owner.start, nearest.position), (range.start(), Position::Behind(1)));

    let _unused = machine.domains[0].allocator.allocate(9, dma_types::PageSize::Size4K).unwrap();
    let high = machine.map(0, "high", PAGE_SIZE, Direction::FromDevice, 0x5002_0000);
    let in_front = diagnose(&machine.fault(bdf(0, 3), page(high.start(), -1), WRITE), &machine);
    assert_eq!(
        (in_front.verdict, in_front.nearest.unwrap().position),
        (Verdict::Overrun, Position::Before(1))
    );
    let further = machine.fault(bdf(0, 3), page(high.start(), -2), WRITE);
    assert_eq!(verdict(&machine, further), Verdict::NeverMapped);
}

#[test]
fn the_physical_address_of_another_domains_memory_is_foreign() {
    let mut machine = Machine::new();
    let disk = machine.add_claimed(bdf(0, 5), "disk", "diskdrv", 0x30_0000..0x40_0000);
    let _range = machine.map(disk, "queue", 5 * PAGE_SIZE, Direction::Bidirectional, 0x6000_3000);
    for number in [0x6000_3000, 0x6000_7000] {
        let diagnosis = diagnose(&machine.fault(bdf(0, 3), Iova::new(number), READ), &machine);
        assert_eq!(diagnosis.verdict, Verdict::Foreign);
        let foreign = diagnosis.foreign.unwrap();
        assert_eq!((foreign.device.bdf, foreign.kind), (bdf(0, 5), ForeignKind::PhysicalAddress));
    }
    for number in [0x6000_2000, 0x6000_8000] {
        assert_eq!(
            verdict(&machine, machine.fault(bdf(0, 3), Iova::new(number), READ)),
            Verdict::NeverMapped
        );
    }
}

#[test]
fn a_device_address_of_another_window_is_foreign_while_it_is_live_there() {
    let mut machine = Machine::new();
    let disk = machine.add_claimed(bdf(0, 5), "disk", "diskdrv", 0x30_0000..0x40_0000);
    let range = machine.map(disk, "queue", PAGE_SIZE, Direction::Bidirectional, 0x6000_3000);
    let fault = machine.fault(bdf(0, 3), range.start(), READ);
    assert_eq!(diagnose(&fault, &machine).foreign.unwrap().kind, ForeignKind::DeviceAddress);
    machine.unmap(disk, range);
    assert_eq!(verdict(&machine, fault), Verdict::NeverMapped);
}

#[test]
fn where_windows_overlap_an_address_is_no_sign_of_another_domain() {
    let mut machine = Machine::new();
    let disk = machine.add_claimed(bdf(0, 5), "disk", "diskdrv", 0x10_0000..0x20_0000);
    let range = machine.map(disk, "queue", PAGE_SIZE, Direction::Bidirectional, 0x6000_3000);
    let fault = machine.fault(bdf(0, 3), range.start(), READ);
    assert_eq!(verdict(&machine, fault), Verdict::NeverMapped);
}

#[test]
fn a_page_that_nobody_had_was_never_mapped() {
    let mut machine = Machine::new();
    let range = machine.map(0, "rx buffer", PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let diagnosis = diagnose(&machine.fault(bdf(0, 3), page(range.start(), 10), READ), &machine);
    assert_eq!(diagnosis.verdict, Verdict::NeverMapped);
    let nearest = diagnosis.nearest.unwrap();
    assert_eq!((nearest.owner.start, nearest.position), (range.start(), Position::Behind(10)));
    // Its own memory by its physical number is no other domain's.
    let own = machine.fault(bdf(0, 3), Iova::new(0x5000_0000), READ);
    assert_eq!(verdict(&machine, own), Verdict::NeverMapped);
    let no_address = Fault { address: None, ..own };
    assert_eq!(verdict(&machine, no_address), Verdict::NeverMapped);
}

#[test]
fn verdicts_are_spelled_as_the_report_spells_them() {
    use std::string::ToString;
    let spelled = [
        (Verdict::UnknownRequester, "unknown-requester"),
        (Verdict::TableCorruption, "table-corruption"),
        (Verdict::WrongDirection, "wrong-direction"),
        (Verdict::NeverMapped, "never-mapped"),
        (Verdict::Alias, "alias"),
    ];
    for (verdict, text) in spelled {
        assert_eq!(verdict.to_string(), text);
    }
}
