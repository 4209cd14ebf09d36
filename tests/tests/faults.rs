//! Many faults, stray interrupts, stale translations, and a leak on purpose: the kernel's tests of itself.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) unless a test says so.

use std::collections::HashMap;

use boot::machine::Iommu;
use serde_json::json;
use tests::{Outcome, Outside, Run, count};

/// The checks of a plain `selftest` that need nothing.
const ALWAYS: [&str; 5] = ["vector", "units-enforce", "bus-mastering", "domains-apart", "kernel-unmapped"];

/// Those that need a device that can be told to overreach.
const WITH_A_DEVICE: [&str; 4] =
    ["leak-detector", "stale-after-unmap", "stale-after-remap", "stale-after-domain-change"];

/// The last count of each function, page, access and reason.
fn final_counts(outcome: &Outcome) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for fault in outcome.events("fault") {
        let [bdf, address, access, reason] =
            ["bdf", "address", "access", "reason"].map(|field| fault[field].as_str().unwrap());
        let count = fault["count"].as_u64().unwrap();
        let previous = counts.insert(format!("{bdf} {address} {access} {reason}"), count);
        assert!(previous.is_none_or(|previous| previous <= count), "{fault}");
    }
    counts
}

/// 200 faults each time, with known values in every register of the interrupted code; before them one announced
/// fault of each device, which shows that it is alive.
#[test]
fn every_fault_of_many_is_counted_and_no_register_changes() {
    let times = count(1, 10);
    let script = vec!["selftest registers"; times].join("; ");
    let outcome = Run::new().options("policy=log storm=off drill=off").script(&script).go();
    outcome.assert_status(0);
    let checks: Vec<_> =
        outcome.report.of_kind("check").filter(|check| check["name"] == "registers").collect();
    assert_eq!(checks.len(), times);
    assert!(checks.iter().all(|check| check["result"] == "pass"), "{checks:?}");

    let faults = outcome.end()["faults"].as_u64().unwrap();
    // The two `edu` and the e1000e can copy what they are told.
    assert_eq!(faults, 203 * times as u64);
    assert_eq!(final_counts(&outcome).values().sum::<u64>(), faults);
    assert!(outcome.end()["fault_interrupts"].as_u64() > Some(0));
    // The first of each kind, then whenever a count has doubled, then once more: not a line for each fault.
    assert!(outcome.events("fault").len() < 30 * times, "{} lines", outcome.events("fault").len());
}

#[track_caller]
fn assert_selftest_passes(outcome: &Outcome) {
    outcome.assert_status(0);
    for name in ALWAYS.iter().chain(&WITH_A_DEVICE) {
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
    for name in ALWAYS {
        assert_eq!(outcome.check(name)["result"], "pass", "{name}");
    }
    for name in WITH_A_DEVICE.into_iter().chain(["registers"]) {
        assert_eq!(outcome.check(name)["result"], "skip", "{name}");
    }
    let without = WITH_A_DEVICE.len() as u64 + 1;
    assert!(outcome.end()["skipped"].as_u64() >= Some(without), "{:?}", outcome.end());
}

/// Before firmware runs, the test turns the unit on with an empty root table, lets the chipset's disk controller
/// write, and turns the unit off again: a record that nobody clears, as after a crash.
#[test]
fn a_record_of_an_earlier_boot_is_told_as_such_with_its_device() {
    const CONTROLLER: (u16, &str) = (0x1f << 3 | 2, "0000:00:1f.2");
    const REGISTERS: u32 = 0xfe00_0000;
    const UNIT: u64 = 0xfed9_0000;
    let mut outside = Outside::new();
    let mut running = Run::new()
        .qemu_arguments(&["-S"])
        .options("policy=log drill=off")
        .reached_by(&outside)
        .script("attack 00:03.0 write")
        .start();
    let (command, window) = (0x04, 0x24);
    outside.write_config_by_ports(CONTROLLER.0, window, REGISTERS);
    outside.write_config_by_ports(CONTROLLER.0, command, 0b110);
    // VT-d "Root Table Address Register" and "Global Command Register".
    let (root_table, global_command) = (UNIT + 0x20, UNIT + 0x18);
    outside.write64(root_table, 0x1000);
    for set_root_table_or_translate in [1 << 30, 1 << 31] {
        outside.write32(global_command, set_root_table_or_translate);
    }
    // AHCI "Port Registers": where received frames go, and the order to receive them.
    let port = u64::from(REGISTERS) + 0x100;
    outside.write32(port + 0x08, 0x1234_5000);
    outside.write32(port + 0x18, 1 << 4);
    outside.write32(global_command, 0);
    running.command("cont", json!({}));
    running.wait_end();
    let outcome = running.finish();

    outcome.assert_status(0);
    let window = outcome.events("window").into_iter().find(|window| window["unit"] == 0).unwrap();
    let stale =
        json!([{"requester": CONTROLLER.1, "address": "0x12345000", "access": "write", "reason": "0x1"}]);
    assert_eq!((&window["stale_faults"], &window["translation_was_on"]), (&stale, &false.into()));
    // Nobody's fault now: the only one is the attack's.
    assert_eq!(outcome.end()["faults"], 1);
    let fault = outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
    assert_eq!(outcome.events("fault"), [fault]);
    let words = "a fault from before this boot: 0000:00:1f.2, Intel Corporation 82801IR/IO/IH";
    assert!(outcome.serial.contains(words), "for people, by its name");
}
