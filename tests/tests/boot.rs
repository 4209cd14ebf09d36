//! From power-on to a protected machine and off again.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) unless a test says so.

use boot::judge::Ending;
use boot::machine::{Firmware, Iommu, Media};
use serde_json::Value;
use tests::{DRIVEN, Outcome, Run};

/// What must hold of every machine that is protected in full.
#[track_caller]
fn assert_protected(outcome: &Outcome) {
    outcome.assert_status(0);
    assert_eq!(outcome.ending, Ending::PoweredOff);
    assert_eq!(outcome.end()["status"], "ok");
    assert_eq!(outcome.event("protected")["complete"], true);
    assert!(outcome.events("unit").iter().all(|unit| unit["state"] == "enforcing"));

    let lines = outcome.report.lines();
    let protected = lines.iter().position(|line| line.kind() == "protected").unwrap();
    let told: Vec<&Value> = lines[..protected]
        .iter()
        .filter(|line| line.kind() == "device")
        .map(|line| &line.json["bdf"])
        .collect();
    assert!(outcome.events("device").iter().all(|device| told.contains(&&device["bdf"])));
    assert!(lines[..protected].iter().all(|line| line.kind() != "device" || line.json["state"] == "blocked"));
    assert!(!lines[..protected].iter().any(|line| line.kind() == "fault"));
    assert!(lines.windows(2).all(|pair| pair[0].json["t"].as_u64() <= pair[1].json["t"].as_u64()));
    assert!(outcome.report.damaged().is_empty());
}

/// Every device in `bdfs`, and no other, was drilled by itself at boot: one write at a canary, announced.
#[track_caller]
fn assert_drilled(outcome: &Outcome, bdfs: &[&str]) {
    let drills = outcome.attacks("drill");
    let drilled: Vec<_> = drills.iter().filter_map(|drill| drill["bdf"].as_str()).collect();
    assert_eq!(drilled.len(), bdfs.len(), "{drilled:?}");
    assert!(bdfs.iter().all(|bdf| drilled.contains(bdf)), "{drilled:?}");
    for drill in drills {
        assert_eq!((&drill["target"], &drill["access"]), (&"canary".into(), &"write".into()));
        let fault = outcome.assert_blocked(drill, "never-mapped");
        assert_eq!((&fault["expected"], &fault["action"]), (&true.into(), &"expected".into()));
        assert_eq!(fault["bdf"], drill["bdf"]);
    }
}

#[test]
fn bios_boots_and_everything_is_protected() {
    let outcome = Run::new().script("").go();
    assert_protected(&outcome);
    assert_drilled(&outcome, &DRIVEN);
    let boot = outcome.event("boot");
    assert_eq!((&boot["firmware"], &boot["dmar_source"]), (&"bios".into(), &"firmware".into()));
    assert_eq!(boot["cpus"], 1);
    assert_eq!(outcome.report.lines()[0].kind(), "boot");
    let unit = outcome.event("unit");
    assert_eq!((&unit["base"], &unit["levels"]), (&"0xfed90000".into(), &4.into()));
    assert_eq!(outcome.event("protected")["units"], 1);
    // Disks, the boot disk's among them, are what BIOS leaves mastering the bus.
    let left = outcome.report.of_kind("window").find(|window| window["unit"].is_null()).unwrap();
    assert_eq!(left["bus_masters"], serde_json::json!(["0000:00:05.0", "0000:00:07.0", "0000:00:1f.2"]));
    // A device may ask more than once for the page that it does not get.
    assert!(outcome.end()["faults"].as_u64() >= Some(DRIVEN.len() as u64));
}

/// Machine: the default one, started by UEFI.
#[test]
fn uefi_boots_and_everything_is_protected() {
    let outcome = Run::new().firmware(Firmware::Uefi).script("policy log; attack 00:03.0 read").go();
    assert_protected(&outcome);
    assert_drilled(&outcome, &DRIVEN);
    assert_eq!(outcome.event("boot")["firmware"], "uefi");
    outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
}

/// Machine: VT-d with 39 bits, two processors, 1 GiB, started from a USB stick.
#[test]
fn three_level_tables_and_a_usb_stick_will_do() {
    let machine = Run::new().iommu(Iommu::Intel39).cpus(2).memory_mib(1024).media(Media::Usb);
    let outcome = machine.script("policy log; attack 00:04.0 write; attack 00:04.0 read foreign").go();
    assert_protected(&outcome);
    assert_drilled(&outcome, &DRIVEN);
    assert_eq!(outcome.event("unit")["levels"], 3);
    assert_eq!(outcome.event("boot")["cpus"], 2);
    let attacks = outcome.attacks("attack");
    outcome.assert_blocked(attacks[0], "never-mapped");
    outcome.assert_blocked(attacks[1], "foreign");
}

/// Machine: VT-d that offers scalable mode.
#[test]
fn a_unit_with_scalable_mode_is_taken_in_legacy_mode() {
    let outcome =
        Run::new().iommu(Iommu::IntelScalable).script("policy log; attack 00:03.0 write freed").go();
    assert_protected(&outcome);
    assert_drilled(&outcome, &DRIVEN);
    outcome.assert_blocked(outcome.attacks("attack")[0], "stale");
}

#[test]
fn the_drill_at_boot_can_be_left_out() {
    let outcome = Run::new().options("drill=off").script("").go();
    assert_protected(&outcome);
    assert!(outcome.attacks("drill").is_empty());
    assert_eq!(outcome.end()["faults"], 0);
}

/// Machine: without the usual devices. A drill that finds nothing to do is no failure; a demo that stops nobody
/// is one.
#[test]
fn a_machine_with_nothing_to_drill_says_so() {
    let outcome = Run::new().no_default_devices().script("drill").go();
    assert_protected(&outcome);
    let demo = Run::demo().no_default_devices().go();
    demo.assert_status(1);
    for (outcome, command) in [(&outcome, "drill"), (&demo, "demo")] {
        let attacks = outcome.attacks(command);
        assert!(!attacks.is_empty() && attacks.iter().all(|attack| attack["bdf"].is_null()));
        outcome.assert_not_possible(attacks[0], "no device here");
    }
}

#[test]
fn a_restart_ends_the_report_too() {
    let outcome = Run::new().script("reboot").go();
    assert_eq!(outcome.ending, Ending::Reset);
    outcome.assert_status(0);
    assert_eq!(outcome.end()["status"], "ok");
}

/// A stop that no attack asked for, here by an interrupt that means broken hardware.
#[test]
fn an_unasked_stop_is_status_3() {
    let mut running = Run::new().start();
    running.wait_for_prompt();
    running.command("inject-nmi", serde_json::json!({}));
    running.wait_end();
    assert!(!running.may_master_the_bus("0000:00:03.0"));
    let outcome = running.finish();
    outcome.assert_status(3);
    let stop = outcome.event("bugcheck");
    assert_eq!((&stop["code"], &stop["p1"]), (&"0x7f".into(), &"0x2".into()));
    assert_eq!(outcome.end()["status"], "bugcheck");
}
