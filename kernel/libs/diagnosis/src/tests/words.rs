//! The words: complete, tidy, and about this fault.

use std::string::{String, ToString};
use std::vec::Vec;

use dma_types::{Access, Bdf, Direction, Iova, PAGE_SIZE};

use super::machine::{Machine, READ, WRITE, bdf, page};
use crate::{Fault, FirmwareMemory, Reason, Standing, Verdict, WalkCheck, diagnose};

/// Explanation and advice of a fault, after checks that hold for all of them.
fn words(machine: &Machine, fault: Fault) -> (String, String) {
    let diagnosis = diagnose(&fault, machine);
    let (explanation, advice) = (diagnosis.explanation().to_string(), diagnosis.advice().to_string());
    for text in [&explanation, &advice] {
        for untidy in ["  ", " ,", " .", "..", "()", " ;", "\n", "None", "Some"] {
            assert!(!text.contains(untidy), "{untidy:?} in {text:?}");
        }
        assert!(text.ends_with('.') && text.starts_with(char::is_alphabetic), "{text}");
    }
    assert!(explanation.contains(&fault.requester.to_string()) || diagnosis.candidates.total() == 1);
    if fault.access != Access::Interrupt
        && let Some(address) = fault.address
    {
        assert!(explanation.contains(&address.to_string()), "{explanation}");
    }
    (explanation, advice)
}

fn contains_all(text: &str, facts: &[&str]) {
    for fact in facts {
        assert!(text.contains(fact), "{fact:?} is missing in {text:?}");
    }
}

#[test]
fn a_stale_access_names_both_calls_and_the_time() {
    let mut machine = Machine::new();
    let map_line = line!() + 1;
    let range = machine.map(0, "rx buffer", 1500, Direction::FromDevice, 0x5000_0000);
    let start = range.start();
    machine.wait(3000);
    let unmap_line = line!() + 1;
    machine.unmap(0, range);
    machine.wait(12);
    let (explanation, advice) = words(&machine, machine.fault(bdf(0, 3), start, WRITE));
    let mapped = std::format!("mapped at {}:{map_line}, 3.0 ms before", file!());
    let unmapped = std::format!("unmapped at {}:{unmap_line}, 12 µs before the fault", file!());
    contains_all(
        &explanation,
        &["nic at 0000:00:03.0 (driver nicdrv)", "tried to write", "\"rx buffer\"", "1500 bytes"],
    );
    contains_all(&explanation, &["from-device", &mapped, &unmapped]);
    let site = std::format!("{}:{unmap_line}", file!());
    contains_all(&advice, &["nicdrv", "\"rx buffer\"", &site, "Wait"]);
}

#[test]
fn a_wrong_direction_says_which_way_is_needed() {
    let mut machine = Machine::new();
    let range = machine.map(0, "tx buffer", 60, Direction::ToDevice, 0x5000_0000);
    let (explanation, advice) = words(&machine, machine.fault(bdf(0, 3), range.start(), WRITE));
    contains_all(&explanation, &["belongs to \"tx buffer\"", "to-device", "may only read"]);
    contains_all(&advice, &["from-device or bidirectional", "words.rs:"]);
}

#[test]
fn an_overrun_names_the_buffer_and_its_length() {
    let mut machine = Machine::new();
    let range = machine.map(0, "ring", PAGE_SIZE, Direction::Bidirectional, 0x5000_0000);
    let (explanation, advice) = words(&machine, machine.fault(bdf(0, 3), range.end(), READ));
    contains_all(&explanation, &["the first page behind \"ring\"", "4096 bytes"]);
    contains_all(
        &advice,
        &["runs past the end of \"ring\"", "the length that the driver nicdrv gave", "4096 bytes"],
    );
    let (explanation, advice) = words(&machine, machine.fault(bdf(0, 3), page(range.start(), -1), READ));
    contains_all(&explanation, &["the page directly in front of \"ring\""]);
    contains_all(&advice, &["starts in front of"]);
}

#[test]
fn foreign_memory_names_the_other_device() {
    let mut machine = Machine::new();
    let disk = machine.add_claimed(bdf(0, 5), "disk", "diskdrv", 0x30_0000..0x40_0000);
    let range = machine.map(disk, "queue", PAGE_SIZE, Direction::Bidirectional, 0x6000_3000);
    let (explanation, advice) = words(&machine, machine.fault(bdf(0, 3), Iova::new(0x6000_3000), READ));
    contains_all(&explanation, &["physical address", "disk at 0000:00:05.0 (driver diskdrv)", "\"queue\""]);
    contains_all(&advice, &["nicdrv", "physical address"]);
    let (explanation, advice) = words(&machine, machine.fault(bdf(0, 3), range.start(), READ));
    contains_all(&explanation, &["not one of its own", "disk at 0000:00:05.0"]);
    contains_all(&advice, &["0000:00:05.0"]);
}

#[test]
fn never_mapped_gives_the_nearest_mapping_and_its_side() {
    let mut machine = Machine::new();
    let nowhere = machine.fault(bdf(0, 3), Iova::new(0x1_4000_0000), READ);
    contains_all(&words(&machine, nowhere).0, &["Nothing was ever mapped there", "nothing at all is mapped"]);
    let range = machine.map(0, "ring", PAGE_SIZE, Direction::Bidirectional, 0x5000_0000);
    let (explanation, _) = words(&machine, machine.fault(bdf(0, 3), page(range.start(), 7), READ));
    contains_all(&explanation, &["7 pages behind the nearest live mapping, \"ring\""]);
    let (explanation, _) = words(&machine, machine.fault(bdf(0, 3), page(range.start(), -2), READ));
    contains_all(&explanation, &["2 pages in front of the nearest live mapping"]);
}

#[test]
fn books_that_have_let_go_say_so() {
    let mut machine = Machine::new();
    let range = machine.map(0, "long", 3 * PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let step = crate::Step { at: machine.now, site: crate::Site::caller() };
    machine.domains[0].book.record_unmap(&range, step).unwrap();
    let short = crate::Mapping {
        start: range.start(),
        length: 10,
        direction: Direction::FromDevice,
        label: crate::Label("short"),
        backing: crate::Backing::new(dma_types::PhysAddr::new(0x5000_0000), 10),
        mapped: step,
    };
    machine.domains[0].book.record_map(&range, short).unwrap();
    let (explanation, _) = words(&machine, machine.fault(bdf(0, 3), page(range.start(), 100), WRITE));
    contains_all(&explanation, &["let go of 1 released range", "cannot be said"]);
}

#[test]
fn books_that_followed_others_say_so() {
    let mut machine = Machine::new();
    let range = machine.map(0, "ring", PAGE_SIZE, Direction::Bidirectional, 0x5000_0000);
    machine.unmap(0, range);
    // The domain is gone, and the device has another.
    machine.had_before = machine.domains.remove(0).book.used();
    machine.functions.clear();
    machine.add_claimed(bdf(0, 3), "nic", "nicdrv", 0x30_0000..0x40_0000);
    let last = machine.had_before.end;
    let (explanation, _) = words(&machine, machine.fault(bdf(0, 3), page(last, -1), READ));
    contains_all(&explanation, &["since it got its present address space", "nothing is known any more"]);
    let (explanation, _) = words(&machine, machine.fault(bdf(0, 3), last, READ));
    contains_all(&explanation, &["Nothing was ever mapped there"]);
}

#[test]
fn an_address_of_the_former_domain_is_told_as_such() {
    let mut machine = Machine::new();
    let range = machine.map(0, "ring", PAGE_SIZE, Direction::Bidirectional, 0x5000_0000);
    // The device has moved, and its old domain still lives.
    machine.add_claimed(bdf(0, 3), "nic", "nicdrv", 0x30_0000..0x40_0000);
    machine.functions.remove(0);
    let (explanation, advice) = words(&machine, machine.fault(bdf(0, 3), range.start(), READ));
    contains_all(&advice, &["nicdrv", "older than"]);
    contains_all(&explanation, &["the address space that it had before", "belongs to \"ring\""]);
}

#[test]
fn a_stale_access_names_the_nearest_live_mapping_too() {
    let mut machine = Machine::new();
    let low = machine.map(0, "low", PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    let _high = machine.map(0, "high", PAGE_SIZE, Direction::FromDevice, 0x5000_1000);
    let fault = machine.fault(bdf(0, 3), low.start(), WRITE);
    machine.unmap(0, low);
    let (explanation, _) = words(&machine, fault);
    contains_all(
        &explanation,
        &["belonged to \"low\"", "2 pages in front of the nearest live mapping, \"high\""],
    );
    let diagnosis = diagnose(&fault, &machine);
    assert_eq!(diagnosis.nearest_live.unwrap().owner.label.unwrap().0, "high");
    assert!(diagnosis.nearest.unwrap().owner.released.is_some());
}

#[test]
fn a_search_of_others_memory_that_was_cut_short_is_told() {
    let mut machine = Machine::new();
    let disk = machine.add_claimed(bdf(0, 5), "disk", "diskdrv", 0x30_0000..0x40_0000);
    let ranges: Vec<_> = (0..5_000)
        .map(|_| machine.map(disk, "queue", PAGE_SIZE, Direction::Bidirectional, 0x6000_3000))
        .collect();
    let fault = machine.fault(bdf(0, 3), Iova::new(0x6000_3000), READ);
    assert_eq!(diagnose(&fault, &machine).verdict, Verdict::Foreign);
    for range in ranges.into_iter().skip(1) {
        machine.unmap(disk, range);
    }
    assert_eq!(diagnose(&fault, &machine).verdict, Verdict::NeverMapped);
    contains_all(&words(&machine, fault).0, &["memory of another device cannot be said"]);
}

#[test]
fn a_request_older_than_its_mapping_is_told_as_such() {
    let mut machine = Machine::new();
    let range = machine.map(0, "late", PAGE_SIZE, Direction::FromDevice, 0x5000_0000);
    machine.wait(4);
    let (explanation, advice) = words(&machine, machine.fault(bdf(0, 3), range.start(), WRITE));
    contains_all(&explanation, &["mapped as \"late\"", "4.0 µs before", "the request came earlier"]);
    contains_all(&advice, &["before its buffer is mapped"]);
}

#[test]
fn behind_a_bridge_every_candidate_is_listed_with_its_verdict() {
    let mut machine = Machine::new();
    let bridge = bdf(2, 0);
    let sound = machine.add_claimed(bdf(2, 1), "sound", "sounddrv", 0x30_0000..0x40_0000);
    machine.functions[sound].requester = bridge;
    let range = machine.map(1, "samples", PAGE_SIZE, Direction::ToDevice, 0x5000_0000);
    let fault = machine.fault(bridge, range.start(), WRITE);
    contains_all(&words(&machine, fault).0, &["sound at 0000:02:01.0", "carry the id 0000:02:00.0"]);

    let home = machine.functions[sound].home;
    let modem = machine.add(bdf(2, 2), "", None, home);
    machine.functions[modem].requester = bridge;
    let (explanation, advice) = words(&machine, fault);
    contains_all(
        &explanation,
        &[
            "One of 2 functions that share the requester id 0000:02:00.0",
            "sound at 0000:02:01.0 (driver sounddrv), the verdict is wrong-direction",
            "the device at 0000:02:02.0 (no driver), the verdict is unclaimed",
            "For 0000:02:01.0: The page belongs to \"samples\"",
        ],
    );
    contains_all(&advice, &["bridge"]);
}

#[test]
fn every_verdict_has_tidy_words() {
    let mut machine = Machine::new();
    machine.add(bdf(0, 4), "usb", None, None);
    machine.add(bdf(0, 6), "", None, None);
    machine.functions[1].firmware_memory = FirmwareMemory::Reserved;
    machine.add(bdf(0, 7), "old", Some("olddrv"), None);
    machine.functions[3].standing = Standing::Quarantined;
    let somewhere = Iova::new(0x1_4000_0000);
    let told = |requester: Bdf, reason: u8, expected: Verdict, facts: &[&str]| {
        let fault = machine.fault(requester, somewhere, Reason(reason));
        assert_eq!(diagnose(&fault, &machine).verdict, expected);
        let (explanation, advice) = words(&machine, fault);
        contains_all(&std::format!("{explanation} {advice}"), facts);
    };
    told(
        bdf(0, 3),
        0x22,
        Verdict::Interrupt,
        &["Interrupt remapping", "reason 0x22", "remapping entry is not present"],
    );
    told(bdf(8, 1), 5, Verdict::UnknownRequester, &["calls itself 0000:08:01.0", "firmware"]);
    told(bdf(0, 7), 5, Verdict::Contained, &["contained", "release 0000:00:07.0"]);
    told(
        bdf(0, 3),
        0xc,
        Verdict::TableCorruption,
        &["reserved bits are set in a page-table entry", "not to blame"],
    );
    told(bdf(0, 3), 0x40, Verdict::TableCorruption, &["scalable context entry could not be fetched"]);
    told(bdf(0, 3), 0x17, Verdict::TableCorruption, &["not known here"]);
    told(
        bdf(0, 3),
        0x51,
        Verdict::NeverMapped,
        &["process's address space", "directory entry is not present", "PASIDs"],
    );
    told(bdf(0, 3), 0xd, Verdict::TranslatedRequest, &["translated already", "ATS"]);
    told(bdf(0, 3), 4, Verdict::BeyondWidth, &["48 bits", "nicdrv"]);
    told(bdf(0, 3), 2, Verdict::Unclaimed, &["no device entry", "nicdrv"]);
    told(bdf(0, 4), 5, Verdict::Unclaimed, &["regions that firmware reserved", "RMRR", "firmware update"]);
    told(bdf(0, 6), 6, Verdict::Unclaimed, &["No driver has claimed", "RMRR"]);

    let mut damaged = Machine::new();
    damaged.walk = WalkCheck::Differs;
    let (explanation, advice) = words(&damaged, damaged.fault(bdf(0, 3), somewhere, READ));
    contains_all(&explanation, &["do not hold what the kernel wrote"]);
    contains_all(&advice, &["Test the machine's memory"]);
    let blind = Fault { address: None, ..machine.fault(bdf(0, 3), somewhere, READ) };
    contains_all(&words(&machine, blind).0, &["unknown address", "nothing to look up"]);
}

#[test]
fn the_history_shows_what_happened_around_the_page() {
    let mut machine = Machine::new();
    let far = machine.map(0, "far", PAGE_SIZE, Direction::ToDevice, 0x5000_0000);
    for _ in 0..4 {
        let range = machine.map(0, "spacer", 60 * PAGE_SIZE, Direction::ToDevice, 0x5100_0000);
        machine.unmap(0, range);
    }
    let near = machine.map(0, "near", PAGE_SIZE, Direction::ToDevice, 0x5001_0000);
    let diagnosis = diagnose(&machine.fault(bdf(0, 3), near.end(), READ), &machine);
    let labels: Vec<&str> = diagnosis.history().map(|event| event.label.unwrap().0).collect();
    assert_eq!(labels, ["near"]);
    // Where nothing happened, the latest events of all are shown.
    let nowhere = diagnose(&machine.fault(bdf(0, 3), Iova::new(0x1_f000_0000), READ), &machine);
    assert_eq!(nowhere.history().count(), 4);
    drop(far);
}

#[test]
fn a_made_up_id_is_told_with_the_port_that_it_counts_for() {
    let mut machine = Machine::new();
    machine.port = Some(bdf(0, 0x1c));
    let fault = |requester| machine.fault(requester, Iova::new(0x1000), Reason(5));
    let (explanation, advice) = words(&machine, fault(bdf(7, 7)));
    contains_all(&explanation, &["lies behind 0000:00:1c.0", "counts for that port"]);
    contains_all(&advice, &["Look behind 0000:00:1c.0 for"]);
    // One that is known is told by its own name, whatever lies above it.
    let known = fault(bdf(0, 3));
    assert_eq!(diagnose(&known, &machine).port, None);
    let (explanation, advice) = words(&machine, known);
    assert!(!explanation.contains("1c.0") && !advice.contains("1c.0"), "{explanation} {advice}");
}
