//! Many faults, stray interrupts, stale translations, and a leak on purpose: the kernel's tests of itself.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) unless a test says so.

use std::collections::HashMap;

use boot::machine::Iommu;
use tests::{Outcome, Run, count};

/// The last count of each (function, page, access, reason), of announced faults and of others.
fn final_counts(outcome: &Outcome) -> HashMap<String, (bool, u64)> {
    let mut counts = HashMap::new();
    for fault in outcome.events("fault") {
        assert_eq!(fault["at_least"], false, "{fault}");
        let [bdf, address, access, reason] =
            ["bdf", "address", "access", "reason"].map(|field| fault[field].as_str().unwrap());
        let expected = fault["expected"] == true;
        let count = fault["count"].as_u64().unwrap();
        let key = format!("{bdf} {address} {access} {reason}");
        let previous = counts.insert(key, (expected, count));
        assert!(previous.is_none_or(|(_, previous)| previous < count), "{fault}");
    }
    counts
}

/// 200 faults each time, with known values in every register of the interrupted code.
#[test]
fn every_fault_of_many_is_counted_and_no_register_changes() {
    let times = count(1, 10);
    let script = vec!["selftest registers"; times].join("; ");
    let outcome = Run::new().options("policy=log storm=off").script(&script).go();
    outcome.assert_status(0);
    let checks: Vec<_> =
        outcome.report.of_kind("check").filter(|check| check["name"] == "registers").collect();
    assert_eq!(checks.len(), times);
    assert!(checks.iter().all(|check| check["result"] == "pass"), "{checks:?}");

    let counts = final_counts(&outcome);
    let sum =
        |announced| counts.values().filter(|(kind, _)| *kind == announced).map(|(_, count)| count).sum();
    let (unannounced, announced): (u64, u64) = (sum(false), sum(true));
    assert_eq!(unannounced, 200 * times as u64);
    assert_eq!(outcome.end()["faults"], unannounced + announced);
    assert!(outcome.end()["fault_interrupts"].as_u64() >= Some(unannounced));
    // The first of each kind, then whenever a count has doubled, then once more: not a line for each fault.
    assert!(outcome.events("fault").len() < 30, "{} lines", outcome.events("fault").len());
}

#[track_caller]
fn assert_selftest_passes(outcome: &Outcome) {
    outcome.assert_status(0);
    let names = ["vector", "books", "leak-detector", "stale-after-unmap", "stale-after-remap"];
    for name in names.into_iter().chain(["stale-after-domain-change"]) {
        assert_eq!(outcome.check(name)["result"], "pass", "{name}");
    }
    // The fault vector was raised with nothing pending.
    assert!(outcome.end()["spurious"].as_u64() >= Some(1));
    assert!(outcome.end()["fault_interrupts"].as_u64() > outcome.end()["spurious"].as_u64());
    assert!(outcome.events("bugcheck").is_empty());
}

/// Under the default policy: every fault of these tests is announced.
#[test]
fn stray_interrupts_stale_entries_and_leaks_are_seen() {
    let outcome = Run::new().script("selftest").go();
    assert_selftest_passes(&outcome);
    assert!(outcome.events("fault").iter().all(|fault| fault["expected"] == true));
}

/// Machine: VT-d with 39 bits, so three-level tables.
#[test]
fn the_same_holds_for_three_level_tables() {
    assert_selftest_passes(&Run::new().iommu(Iommu::Intel39).script("selftest").go());
}

/// Machine: without the usual devices. What needs one is skipped, and says so.
#[test]
fn without_devices_what_needs_one_is_skipped() {
    let outcome = Run::new().no_default_devices().script("selftest; selftest registers").go();
    outcome.assert_status(0);
    for name in ["vector", "books"] {
        assert_eq!(outcome.check(name)["result"], "pass", "{name}");
    }
    let stale = ["stale-after-unmap", "stale-after-remap", "stale-after-domain-change"];
    for name in ["leak-detector", "registers"].into_iter().chain(stale) {
        assert_eq!(outcome.check(name)["result"], "skip", "{name}");
    }
    assert_eq!(outcome.end()["skipped"], 5);
}
