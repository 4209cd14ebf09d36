//! Every reason to block a request, faults that are merged, dropped and held back, and a queue that stops.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) with an `edu` alone on bus
//! 0x41, below a root port of a second root bus, unless a test says so. Every fault here is announced.
//!
//! Positive twins: the kernel's own, after each reason: the device reaches its own memory, and its next ordinary
//! overreach is recorded and rightly explained; and an attack after everything.

use std::collections::HashMap;

use boot::machine::Iommu;
use serde_json::Value;
use tests::{Outcome, Run};

/// The device whose root and context entries are made wrong.
const ALONE: &str = "0000:41:00.0";

/// Reason, what the report calls it, and its verdicts.
type Reason = (&'static str, &'static str, &'static [&'static str]);

/// Reasons from root and context entries.
const BY_REQUESTER: [Reason; 6] = [
    ("0x1", "the root entry of this bus is not present", &["table-corruption"]),
    ("0x2", "the context entry of this device is not present", &["table-corruption", "unclaimed"]),
    ("0x3", "the context entry is programmed invalidly", &["table-corruption"]),
    ("0x9", "the context entry could not be fetched", &["table-corruption"]),
    ("0xa", "reserved bits are set in the root entry", &["table-corruption"]),
    ("0xb", "reserved bits are set in the context entry", &["table-corruption"]),
];

/// Reasons from the address and from second-stage tables.
const BY_ADDRESS: [Reason; 6] = [
    ("0x4", "the address is above the supported width", &["beyond-width"]),
    ("0x5", "write without write permission", &["never-mapped", "wrong-direction", "table-corruption"]),
    ("0x6", "read without read permission", &["never-mapped", "wrong-direction", "table-corruption"]),
    ("0x7", "a page-table entry could not be fetched", &["table-corruption"]),
    ("0xc", "reserved bits are set in a page-table entry", &["table-corruption"]),
    ("0xe", "the translation leads into the interrupt address range", &["table-corruption"]),
];

/// The checks that are not about a reason.
const OTHERS: [&str; 4] = ["queue-error-iqe", "fault-while-masked", "merged", "overflow"];

/// The check of a reason: `reason-0x0a`.
fn check_name((code, _, _): &Reason) -> String {
    format!("reason-0x{:0>2}", code.trim_start_matches("0x"))
}

fn with_one_alone() -> Run {
    Run::new()
        .device("pxb-pcie,id=expander,bus_nr=0x40,bus=pcie.0,addr=10.0")
        .device("pcie-root-port,id=far,bus=expander,addr=2.0,chassis=2")
        .device("edu,bus=far,dma_mask=0xffffffffffffffff")
}

#[track_caller]
fn assert_checks(outcome: &Outcome, names: impl IntoIterator<Item = String>, result: &str) {
    for name in names {
        let check = outcome.check(&name);
        assert_eq!(check["result"], result, "{name}: {}", check["detail"]);
    }
}

/// The reason was reported by its name with each of its verdicts, in words that fit.
#[track_caller]
fn assert_reported(outcome: &Outcome, bdf: &str, (code, name, verdicts): &Reason) {
    let faults = outcome.events("fault").into_iter();
    let lines: Vec<_> = faults.filter(|fault| fault["reason"] == *code && fault["bdf"] == bdf).collect();
    for verdict in *verdicts {
        let fault =
            lines.iter().find(|fault| fault["verdict"] == *verdict && fault["explanation"].is_string());
        let fault = fault.unwrap_or_else(|| panic!("no line of reason {code} with {verdict}: {lines:?}"));
        assert_eq!([&fault["reason_name"], &fault["requester"]], [*name, bdf]);
        let words = match *verdict {
            "table-corruption" => "do not hold what the kernel wrote",
            "unclaimed" => "No driver has claimed the device",
            "beyond-width" => "does not fit into the",
            "wrong-direction" => "which the device may only",
            _ => "Nothing was ever mapped there",
        };
        assert!(fault["explanation"].as_str().unwrap().contains(words), "{fault}");
    }
}

/// What the last counts of each function, page, access and reason add up to.
fn total_of_counts(outcome: &Outcome) -> u64 {
    let key = |fault: &Value| ["bdf", "address", "access", "reason"].map(|field| fault[field].to_string());
    let counts: HashMap<_, _> = outcome
        .events("fault")
        .into_iter()
        .map(|fault| (key(fault), fault["count"].as_u64().unwrap()))
        .collect();
    counts.values().sum()
}

/// Everything that the kernel can provoke was provoked.
#[track_caller]
fn assert_all(outcome: &Outcome) {
    outcome.assert_status(0);
    let reasons = || BY_REQUESTER.iter().chain(&BY_ADDRESS);
    assert_checks(outcome, reasons().map(check_name).chain(OTHERS.map(str::to_owned)), "pass");
    for reason in reasons() {
        assert_reported(outcome, ALONE, reason);
    }
    assert!(outcome.events("bugcheck").is_empty());
    assert_eq!(total_of_counts(outcome), outcome.end()["faults"].as_u64().unwrap());
}

/// Under the default policy: an unannounced fault would stop the kernel. Last comes the dropped fault, which leaves
/// every count a lower bound.
#[test]
fn every_reason_is_provoked_reported_and_put_right_again() {
    let outcome = with_one_alone().script("selftest faults").go();
    assert_all(&outcome);
    assert!(outcome.events("fault").iter().all(|fault| fault["expected"] == true));
    let dropped = outcome.check("overflow")["t"].as_u64();
    let (late, early): (Vec<_>, Vec<_>) =
        outcome.events("fault").into_iter().partition(|fault| fault["t"].as_u64() > dropped);
    assert!(!late.is_empty() && late.iter().all(|fault| fault["at_least"] == true), "{late:?}");
    assert!(early.iter().any(|fault| fault["at_least"] == false), "{early:?}");
}

/// Machine: VT-d with 39 bits, so three-level tables. Afterwards the device is as free and as confined as before.
#[test]
fn three_level_tables_give_the_same_reasons() {
    let machine = with_one_alone().iommu(Iommu::Intel39).options("policy=log");
    let outcome = machine.script("selftest faults; attack 41:00.0 write; attack 41:00.0 read freed").go();
    assert_all(&outcome);
    let attacks = outcome.attacks("attack");
    assert_eq!(attacks.len(), 2);
    for (attack, verdict) in attacks.into_iter().zip(["never-mapped", "stale"]) {
        outcome.assert_blocked(attack, verdict);
    }
}

/// Machine: the default one, where no `edu` is alone on its bus. What needs one is skipped; the rest holds.
#[test]
fn without_a_device_alone_on_its_bus_its_entries_are_left_alone() {
    let outcome = Run::new().script("selftest faults").go();
    outcome.assert_status(0);
    assert_checks(&outcome, BY_REQUESTER.iter().map(check_name), "skip");
    let rest = BY_ADDRESS.iter().map(check_name).chain(OTHERS.map(str::to_owned));
    assert_checks(&outcome, rest, "pass");
    assert_eq!(outcome.end()["skipped"], BY_REQUESTER.len());
}

/// Machine: without the usual devices. Everything is skipped, and nothing made wrong.
#[test]
fn without_devices_everything_is_skipped() {
    let outcome = Run::new().no_default_devices().script("selftest faults").go();
    outcome.assert_status(0);
    let all = BY_REQUESTER.iter().chain(&BY_ADDRESS).map(check_name).chain(OTHERS.map(str::to_owned));
    assert_checks(&outcome, all, "skip");
    assert_eq!([&outcome.end()["faults"], &outcome.end()["failed"]], [0, 0]);
}
