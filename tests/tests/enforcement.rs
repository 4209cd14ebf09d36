//! Somebody switches a unit off, or leads it elsewhere, behind the kernel's back: the machine stops.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) with an `edu` below a root port at
//! 00:11.0. The unit's registers are written from outside, by QEMU's test port.

use boot::qemu::Moment;
use serde_json::json;
use tests::{DRIVEN, Outcome, Outside, Run, Running, hex};

/// The unit's registers (VT-d "Register Descriptions").
const UNIT: u64 = 0xfed9_0000;
const COMMAND: u64 = UNIT + 0x18;
const STATUS: u64 = UNIT + 0x1c;
const ROOT: u64 = UNIT + 0x20;

const TRANSLATION: u32 = 1 << 31;
const QUEUE: u32 = 1 << 26;
const INTERRUPT_REMAPPING: u32 = 1 << 25;
/// Status bits of commands that happen once; as commands they must not be repeated.
const ONCE: u32 = 0x6900_0000;

const PORT: &str = "0000:00:11.0";

/// The longest time from the loss to the stop.
const AT_MOST_NS: u64 = 100_000_000;

fn machine(outside: &Outside) -> Run {
    Run::new()
        .device("pcie-root-port,id=root-port,bus=pcie.0,addr=11.0,chassis=1")
        .device("edu,bus=root-port,dma_mask=0xffffffffffffffff")
        .reached_by(outside)
}

/// Gives the unit a command: everything stays on but these bits.
fn switch_off(outside: &mut Outside, bits: u32) {
    let status = outside.read32(STATUS);
    assert_eq!(status & (TRANSLATION | QUEUE), TRANSLATION | QUEUE, "{status:#x}");
    outside.write32(COMMAND, status & !ONCE & !bits);
}

/// Waits for the stop, looks at bus mastering from outside, and at what is said.
fn stopped(mut running: Running, what: &str) -> Outcome {
    assert_eq!(running.wait_end(), Moment::Stopped);
    for function in DRIVEN.into_iter().chain(["0000:00:1f.2", "0000:01:00.0", PORT]) {
        assert!(!running.may_master_the_bus(function), "{function}");
    }
    let outcome = running.finish();
    outcome.assert_status(3);
    let stop = outcome.event("bugcheck");
    assert_eq!((&stop["code"], &stop["name"]), (&"0x1e6".into(), &"IOMMU_PROTECTION_LOST".into()));
    assert_eq!((&stop["p1"], &stop["p4"]), (&"0x0".into(), &"0x0".into()));
    let detail = stop["detail"].as_str().unwrap();
    assert!(detail.contains(what), "{detail}");
    for words in ["*** STOP: 0x000001E6", "IOMMU_PROTECTION_LOST", what, "no IOMMU holds every device"] {
        assert!(outcome.serial.contains(words), "{words}");
    }
    assert_eq!(outcome.end()["faults"], 0);
    outcome
}

/// At the prompt, where the kernel does nothing but wait.
#[test]
fn translation_switched_off_stops_the_machine() {
    let mut outside = Outside::new();
    let mut running = machine(&outside).options("drill=off").start();
    running.wait_for_prompt();
    // The twin: what stands there is written once more, and the machine goes on.
    switch_off(&mut outside, 0);
    running.run_command("units");
    assert!(running.may_master_the_bus(PORT) && running.may_master_the_bus("0000:01:00.0"));
    switch_off(&mut outside, TRANSLATION);
    let outcome = stopped(running, "translation is off");
    assert_eq!(hex(&outcome.event("bugcheck")["p2"]) as u32 & (TRANSLATION | QUEUE), QUEUE);
}

/// Under a script that never waits; the time is the guest's own, in instructions.
#[test]
fn the_stop_comes_within_a_tenth_of_a_second() {
    let mut outside = Outside::new();
    let script = "report; ".repeat(300);
    let mut running = machine(&outside).instruction_clock().options("drill=off").script(&script).start();
    running.wait_for("a report", |report, _| report.of_kind("domain").count() > 20);
    running.command("stop", json!({}));
    switch_off(&mut outside, TRANSLATION);
    let lines = running.report().lines().len();
    running.command("cont", json!({}));
    let outcome = stopped(running, "translation is off");
    let before =
        outcome.report.lines()[..lines].iter().rev().find_map(|line| line.json["t"].as_u64()).unwrap();
    let passed = outcome.event("bugcheck")["t"].as_u64().unwrap() - before;
    assert!(passed <= AT_MOST_NS, "{passed} ns");
}

#[test]
fn another_root_table_stops_the_machine() {
    let mut outside = Outside::new();
    let mut running = machine(&outside).options("drill=off").start();
    running.wait_for_prompt();
    outside.write64(ROOT, 0x70_0000);
    let outcome = stopped(running, "the root table is another one");
    assert_eq!(outcome.event("bugcheck")["p3"], "0x700000");
}

#[test]
fn an_invalidation_queue_switched_off_stops_the_machine() {
    let mut outside = Outside::new();
    let mut running = machine(&outside).options("drill=off").start();
    running.wait_for_prompt();
    switch_off(&mut outside, QUEUE);
    stopped(running, "the invalidation queue is off");
}

/// A unit that still translates, and lets every device raise every interrupt: as dangerous as one that does not.
#[test]
fn interrupt_remapping_switched_off_stops_the_machine() {
    let mut outside = Outside::new();
    let mut running = machine(&outside).options("drill=off").start();
    running.wait_for_prompt();
    assert_eq!(outside.read32(STATUS) & INTERRUPT_REMAPPING, INTERRUPT_REMAPPING);
    switch_off(&mut outside, INTERRUPT_REMAPPING);
    let outcome = stopped(running, "interrupt remapping is off");
    let on = hex(&outcome.event("bugcheck")["p2"]) as u32 & (TRANSLATION | QUEUE | INTERRUPT_REMAPPING);
    assert_eq!(on, TRANSLATION | QUEUE);
}

/// The twin: who wants none remapped loses nothing.
#[test]
fn interrupt_remapping_that_nobody_wanted_cannot_be_lost() {
    let mut outside = Outside::new();
    let mut running = machine(&outside).options("drill=off interrupts=plain").start();
    running.wait_for_prompt();
    assert_eq!(outside.read32(STATUS) & INTERRUPT_REMAPPING, 0);
    switch_off(&mut outside, INTERRUPT_REMAPPING);
    running.run_command("units");
    running.send_line("poweroff");
    running.wait_end();
    running.finish().assert_status(0);
}

/// The library's half, with a unit that really falls silent, stands in `vtd` (`unit/tests`).
#[test]
fn the_devices_of_a_silent_unit_lose_bus_mastering() {
    let mut outside = Outside::new();
    let mut running = machine(&outside).options("drill=off").self_test_possible().start();
    running.run_command("report");
    assert!(running.may_master_the_bus("0000:01:00.0") && running.may_master_the_bus(PORT));
    running.run_command("selftest silent-unit");
    for function in DRIVEN.into_iter().chain(["0000:01:00.0", PORT]) {
        assert!(!running.may_master_the_bus(function), "{function}");
    }
    running.run_command("report");
    assert_eq!(outside.read32(STATUS) & TRANSLATION, TRANSLATION, "what it did before it goes on doing");
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(1);
    assert_eq!(outcome.check("silent-unit")["result"], "pass");
    assert!(outcome.serial.contains("unit 0 does not confirm what it is told"));
    assert_eq!(outcome.events("unit").last().unwrap()["state"], "failed");
}
