//! The answer: the event `verdict`, what the console says of it, and the words for the machine at hand.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, two `edu`, NVMe, virtio and 82574) with what each test names.

use boot::machine::{Firmware, Iommu};
use serde_json::Value;
use tests::{Outcome, Run};

/// The check of the last verdict that has this id.
#[track_caller]
fn check<'a>(outcome: &'a Outcome, id: &str) -> &'a Value {
    let verdicts = outcome.events("verdict");
    let checks = verdicts.last().expect("a verdict")["checks"].as_array().expect("a list of checks");
    checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no check {id}"))
}

#[track_caller]
fn assert_check(outcome: &Outcome, id: &str, result: &str, evidence: &str, words: &str) {
    let check = check(outcome, id);
    assert_eq!((&check["result"], &check["evidence"]), (&result.into(), &evidence.into()), "{check}");
    assert!(check["words"].as_str().is_some_and(|said| said.contains(words)), "{check}");
}

fn word(outcome: &Outcome) -> &str {
    outcome.events("verdict").last().and_then(|verdict| verdict["word"].as_str()).expect("a word")
}

/// The answer comes by itself after the drill, once, and the console's `report` begins with it.
#[test]
fn a_machine_that_is_covered_and_drilled_says_so() {
    let outcome = Run::new().script("report").go();
    outcome.assert_status(0);
    assert_eq!(outcome.events("verdict").len(), 1, "nothing changed before the end");
    let boot = outcome.event("boot");
    assert_eq!(boot["schema"], 2);
    assert_eq!(
        (&boot["machine"]["maker"], &boot["machine"]["firmware_vendor"]),
        (&"QEMU".into(), &"SeaBIOS".into())
    );
    assert!(boot["machine"]["product"].as_str().is_some_and(|product| product.contains("Q35")), "{boot}");
    assert_check(&outcome, "dma-covered", "pass", "enforced", "1 unit at work");
    assert_check(&outcome, "drill", "pass", "seen", "6 tries of 6 devices, none got through");
    assert_check(&outcome, "firmware-table", "pass", "claimed", "DMAR");
    assert_check(&outcome, "external-ports", "pass", "enforced", "stays blocked");
    // Nobody looked before the kernel did; by itself that is no gap.
    assert_check(&outcome, "boot-window", "unknown", "measured", "unknown");
    let expected = if check(&outcome, "interrupts")["result"] == "pass" { "PROTECTED" } else { "GAPS" };
    assert_eq!(word(&outcome), expected);
    let (_, report) = outcome
        .serial
        .split_once("ivt> report\n")
        .or_else(|| outcome.serial.split_once("ivt> report\r\n"))
        .expect("the command");
    assert_eq!(report.lines().next(), Some(expected));
    assert!(report.contains("✔ Drill: 6 tries of 6 devices, none got through. [seen]"), "{report}");
}

/// The twin: what nobody saw blocked is not called protected, and set-up is not blamed.
#[test]
fn a_drill_that_tries_nothing_is_no_proof() {
    let outcome = Run::new().no_default_devices().script("drill").go();
    outcome.assert_status(0);
    assert_check(&outcome, "drill", "unknown", "claimed", "no device here can be told to overreach");
    assert_eq!(word(&outcome), "GAPS");
    let outcome = Run::new().options("drill=off").script("units").go();
    assert_check(&outcome, "drill", "unknown", "claimed", "switched off");
    assert!(outcome.events("verdict")[0]["advice"].to_string().contains("drill=off"));
}

/// A verdict that has changed is told once more, before the end.
#[test]
fn a_drill_by_hand_changes_the_answer() {
    let outcome = Run::new().options("drill=off").script("drill").go();
    outcome.assert_status(0);
    assert_eq!(outcome.events("verdict").len(), 2);
    assert_check(&outcome, "drill", "pass", "seen", "of 6 devices, none got through");
    let lines = outcome.report.lines();
    assert_eq!(lines[lines.len() - 2].kind(), "verdict");
}

/// Machine: no remapping hardware.
#[test]
fn without_an_iommu_the_word_is_not_protected() {
    let outcome = Run::new().iommu(Iommu::None).script("units").go();
    outcome.assert_status(1);
    assert_eq!(word(&outcome), "NOT PROTECTED");
    assert_check(&outcome, "dma-covered", "fail", "claimed", "No IOMMU");
    assert_check(&outcome, "firmware-table", "fail", "claimed", "no IOMMU");
}

/// Machine: AMD-Vi. Nobody is told to look for Intel's switch, or that it is off.
#[test]
fn an_amd_machine_is_told_what_holds_there() {
    let outcome = Run::new().iommu(Iommu::Amd).script("units; report").go();
    outcome.assert_status(1);
    assert_eq!(word(&outcome), "NOT PROTECTED");
    assert_check(&outcome, "dma-covered", "fail", "claimed", "AMD-Vi is there");
    assert_check(&outcome, "firmware-table", "pass", "claimed", "IVRS");
    for word in ["VT-d", "Intel VT", "switch on"] {
        assert!(!outcome.serial.contains(word), "{word}");
    }
}

/// Machine: the unit is there, and firmware's table is taken away.
#[test]
fn a_unit_that_firmware_hides_is_found_by_its_answer() {
    let outcome = Run::new().options("dmar=fw_cfg").script("units").go();
    outcome.assert_status(1);
    assert_eq!(word(&outcome), "NOT PROTECTED");
    assert_check(&outcome, "dma-covered", "fail", "measured", "answers at 0xfed90000");
    assert!(outcome.events("verdict")[0]["advice"].to_string().contains("Intel VT-d"));
}

/// Machine: the root bus bypasses the unit.
#[test]
fn functions_that_pass_by_the_unit_are_named() {
    let outcome =
        Run::new().qemu_arguments(&["-machine", "default_bus_bypass_iommu=on"]).script("units").go();
    outcome.assert_status(1);
    assert_eq!(word(&outcome), "NOT PROTECTED");
    assert_check(&outcome, "dma-covered", "fail", "claimed", "pass by every IOMMU unit");
}

/// Machine: booted by UEFI, with a port that leads outside.
#[test]
fn an_external_port_that_is_let_in_is_a_gap() {
    let machine =
        Run::new().firmware(Firmware::Uefi).device("pcie-root-port,id=outside,addr=10.0,chassis=1,slot=1");
    let shut = machine.clone().options("external-port=00:10.0").script("units").go();
    assert_eq!(shut.event("boot")["machine"]["maker"], Value::Null, "nobody says where to look");
    assert_check(&shut, "external-ports", "pass", "enforced", "1 known port stays blocked");
    let open = machine.options("external-port=00:10.0 external=allow").script("units").go();
    assert_check(&open, "external-ports", "fail", "enforced", "let in");
    assert_eq!(word(&open), "GAPS");
}
