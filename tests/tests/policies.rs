//! What a fault leads to, besides a stop: containing a device, releasing it, and storms.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0).

use serde_json::Value;
use tests::{Outcome, Run};

const ROGUE: &str = "0000:00:03.0";
const OTHER: &str = "0000:00:04.0";

fn states<'a>(outcome: &'a Outcome, bdf: &str) -> Vec<&'a Value> {
    let lines = outcome.report.of_kind("device").filter(|device| device["bdf"] == bdf);
    lines.map(|device| &device["state"]).collect()
}

/// Positive twins: the other device works meanwhile, and the contained one again after its release; both attacks
/// begin with transfers that must arrive.
#[test]
fn a_device_is_contained_and_released() {
    let mut running = Run::new().options("policy=contain").start();
    running.wait_for_prompt();
    assert!(running.may_master_the_bus(ROGUE) && running.may_master_the_bus(OTHER));

    running.run_command("attack 00:03.0 write");
    assert!(!running.may_master_the_bus(ROGUE), "a contained device must not master the bus");
    assert!(running.may_master_the_bus(OTHER));
    running.run_command("attack 00:03.0 write");
    running.run_command("policy 00:04.0 log");
    running.run_command("attack 00:04.0 read freed");

    running.run_command("release 00:03.0");
    assert!(running.may_master_the_bus(ROGUE));
    running.run_command("attack 00:03.0 read freed");
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);

    let attacks = outcome.attacks("attack");
    assert_eq!(outcome.assert_blocked(attacks[0], "never-mapped")["action"], "contained");
    outcome.assert_not_possible(attacks[1], "no address space");
    let other = outcome.assert_blocked(attacks[2], "stale");
    assert_eq!((&other["bdf"], &other["action"]), (&OTHER.into(), &"logged".into()));
    assert_eq!(outcome.assert_blocked(attacks[3], "stale")["action"], "contained");
    assert_eq!(states(&outcome, ROGUE), ["blocked", "assigned", "quarantined", "assigned", "quarantined"]);
    assert_eq!(states(&outcome, OTHER), ["blocked", "assigned"]);
    assert!(outcome.events("bugcheck").is_empty());
}

/// Time is counted in instructions here, so that faults of one second stay in one second.
#[test]
fn a_storm_is_contained_even_under_log() {
    let script = "attack 00:03.0 write; attack 00:03.0 write; attack 00:03.0 write; attack 00:04.0 write";
    let outcome = Run::new().instruction_clock().options("policy=log storm=1").script(script).go();
    outcome.assert_status(0);
    let attacks = outcome.attacks("attack");
    for attack in &attacks[..2] {
        outcome.assert_blocked(attack, "never-mapped");
    }
    let faults = outcome.events("fault").into_iter().filter(|fault| fault["bdf"] == ROGUE);
    let actions: Vec<_> = faults.map(|fault| &fault["action"]).collect();
    assert_eq!(actions, ["expected", "logged", "contained"]);
    outcome.assert_not_possible(attacks[2], "no address space");
    assert_eq!(outcome.device(ROGUE)["state"], "quarantined");
    outcome.assert_blocked(attacks[3], "never-mapped");
    assert_eq!(outcome.device(OTHER)["state"], "assigned");
}

/// Positive twin of the storm: without a threshold the same attacks leave the device at work.
#[test]
fn storms_can_be_let_pass() {
    let script = "attack 00:03.0 write; attack 00:03.0 read; attack 00:03.0 write kernel";
    let outcome = Run::new().instruction_clock().options("policy=log storm=off").script(script).go();
    outcome.assert_status(0);
    for attack in outcome.attacks("attack") {
        outcome.assert_blocked(attack, "never-mapped");
    }
    assert_eq!(outcome.device(ROGUE)["state"], "assigned");
}
