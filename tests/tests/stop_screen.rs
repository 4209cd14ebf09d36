//! What a person gets out of a stop: the QR code on the screen, the error record of a fault, and a stop that
//! comes through when the kernel is in a bad way.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) unless a test says so.

use boot::machine::Firmware;
use boot::qemu::Moment;
use explain::Format;
use report::Digest;
use serde_json::{Value, json};
use tests::{Outcome, Run, hex};

/// What `ivt explain --json` makes of a text.
#[track_caller]
fn explained(text: &str) -> Vec<Value> {
    let mut output = Vec::new();
    explain::run(&mut text.as_bytes(), Format::Json, &mut output).unwrap();
    let lines = String::from_utf8(output).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The line that a stop's QR code must have, made from the report.
#[track_caller]
fn line_of(outcome: &Outcome) -> String {
    let version = outcome.event("boot")["version"].as_str().unwrap().to_owned();
    Digest::of(&version, outcome.report.bugcheck().unwrap()).to_string()
}

/// Stops by the demo, scans the screen, and checks that screen, serial line and report agree.
#[track_caller]
fn assert_code_tells_the_stop(run: Run) {
    let mut running = run.start();
    assert_eq!(running.wait_end(), Moment::Stopped);
    let scanned = running.picture().scan();
    let outcome = running.finish();
    outcome.assert_status(0);
    assert_eq!(scanned, line_of(&outcome));
    assert_eq!(outcome.serial.matches(&scanned).count(), 1, "{scanned}");

    let (stop, fault) = (outcome.event("bugcheck"), &outcome.event("bugcheck")["fault"]);
    let device = outcome.device("0000:00:03.0");
    for part in [
        format!("IVT1:stop=e6,26,{},", &device["object"].as_str().unwrap()[2..]),
        format!("id={};", device["id"].as_str().unwrap()),
        "dev=0000:00:03.0;".into(),
        "op=write;".into(),
        format!("at={:x};", hex(&fault["address"])),
        "is=never-mapped;".into(),
    ] {
        assert!(scanned.contains(&part), "{part} in {scanned}");
    }
    let [line] = &explained(&scanned)[..] else { panic!("{scanned}") };
    assert_eq!((&line["kind"], &line["device"]), (&json!("ivt-stop"), &fault["requester"]));
    assert_eq!((&line["op"], &line["address_or_index"]), (&fault["access"], &fault["address"]));
    assert_eq!(line["parameters"], json!([stop["p1"], stop["p2"], stop["p3"], stop["p4"]]));
    // The whole of the console is about one stop, and so is `explain`.
    let told = explained(&outcome.serial);
    assert_eq!(told.iter().map(|line| &line["kind"]).collect::<Vec<_>>(), ["ivt-stop"]);
}

#[test]
fn the_code_on_the_screen_tells_the_stop() {
    assert_code_tells_the_stop(Run::demo());
}

/// Machine: the default one, started by UEFI.
#[test]
fn the_code_on_the_screen_tells_the_stop_under_uefi() {
    assert_code_tells_the_stop(Run::demo().firmware(Firmware::Uefi));
}

/// An exception has a code too, with no fault in it.
#[test]
fn the_code_of_an_exception_tells_the_exception() {
    let mut running = Run::new().no_default_devices().script("selftest raise-ud").start();
    assert_eq!(running.wait_end(), Moment::Stopped);
    let scanned = running.picture().scan();
    let outcome = running.finish();
    assert_eq!(scanned, line_of(&outcome));
    assert!(scanned.starts_with("IVT1:stop=7f,6,0,ffffffff") && !scanned.contains("req="), "{scanned}");
    assert_eq!(explained(&scanned)[0]["parameters"][0], "0x6");
}

#[test]
fn the_error_record_of_a_fault_is_explained() {
    let script = "attack 00:03.0 write; faults 00:03.0 cper";
    let outcome = Run::new().options("policy=log drill=off").script(script).go();
    outcome.assert_status(0);
    let fault = outcome.event("fault");
    let [line] = &explained(&outcome.serial)[..] else { panic!("{:?}", explained(&outcome.serial)) };
    assert_eq!((&line["kind"], &line["count"]), (&json!("uefi-cper"), &json!(1)));
    assert_eq!((&line["device"], &line["op"]), (&fault["requester"], &fault["access"]));
    assert_eq!(line["address_or_index"], fault["address"]);
    assert_eq!(line["reason"], format!("{:#04x}", hex(&fault["reason"])));
    // The walk that the report shows ends where the record's does.
    let walk = &fault["walk"];
    assert_eq!((hex(&walk["root"][0]) & 1, hex(&walk["context"][0]) & 1), (1, 1), "both present");
    let entries = walk["entries"].as_array().unwrap();
    let levels: Vec<_> = entries.iter().map(|entry| entry["level"].as_u64().unwrap()).collect();
    assert!(levels.iter().rev().eq((levels[levels.len() - 1]..=4).collect::<Vec<_>>().iter()), "{levels:?}");
    let last = entries.last().unwrap();
    let end = format!("ended at level {} with the entry {}", last["level"], last["entry"].as_str().unwrap());
    assert!(line["meaning"].as_str().unwrap().contains(&end), "{end}: {}", line["meaning"]);
    assert_eq!(hex(&last["entry"]) & 3, 0, "what was asked for is not mapped");
}

/// Free memory of the heap is full of garbage before the fault comes, so that whatever allocates goes astray.
#[test]
fn a_stop_comes_through_with_a_spoiled_heap() {
    let mut running = Run::new().script("selftest raise-with-spoiled-heap").start();
    assert_eq!(running.wait_end(), Moment::Stopped);
    let scanned = running.picture().scan();
    let outcome = running.finish();
    assert_eq!(
        (&outcome.event("bugcheck")["code"], &outcome.event("bugcheck")["p4"]),
        (&json!("0xe6"), &json!("0x5"))
    );
    assert_eq!(outcome.event("bugcheck")["fault"]["address"], "0x10000");
    assert_eq!(scanned, line_of(&outcome));
    assert!(outcome.serial.contains("The machine is halted."));
    assert_eq!(outcome.end()["status"], "bugcheck");
}

/// The positive twin: an allocation does go astray then. The stop comes through although the heap's lock is held.
#[test]
fn a_spoiled_heap_is_one_that_nothing_can_be_had_from() {
    let mut running = Run::new().no_default_devices().script("selftest raise-in-spoiled-heap").start();
    assert_eq!(running.wait_end(), Moment::Stopped);
    let scanned = running.picture().scan();
    let outcome = running.finish();
    assert_eq!(outcome.event("bugcheck")["code"], "0x7f");
    assert_eq!(scanned, line_of(&outcome));
    outcome.assert_status(3);
}

/// The screen's memory is gone and its lock is held: the stop has told everything else by then, and ends with a
/// line and with the report's last one.
#[test]
fn a_fault_in_the_stop_screen_ends_in_a_halt_with_a_line() {
    let mut running = Run::new().no_default_devices().script("selftest raise-in-screen").start();
    assert_eq!(running.wait_end(), Moment::Stopped);
    let outcome = running.finish();
    assert_eq!(outcome.serial.matches("*** STOP: 0x00000000").count(), 1);
    assert!(outcome.serial.contains("with a screen that is gone"));
    let line = "while stopping: #PF page fault (vector 14) at 0x";
    let behind = outcome.serial.split(line).nth(1).unwrap_or_else(|| panic!("{line} is missing"));
    assert!(behind.trim_end().ends_with("; halted"), "{behind}");
    let stops = outcome.events("bugcheck");
    assert_eq!(stops.len(), 2);
    assert!(stops[0]["detail"].as_str().unwrap().contains("with a screen that is gone"));
    assert!(stops[1]["detail"].as_str().unwrap().starts_with("while stopping: #PF"));
    assert_eq!(outcome.end()["status"], "bugcheck");
    outcome.assert_status(3);
}
