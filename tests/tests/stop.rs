//! A device overreaches, nobody announced it, and the machine stops over it.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0).
//!
//! Positive twins: before each overreach the device moves the same bytes through memory of its own, and an attack
//! for which that fails is a failed check; `leak-detector` shows that a device that does get through is seen.

use boot::machine::Firmware;
use boot::qemu::Moment;
use tests::{Outcome, Run, hex};

/// Boots until the stop, and looks at the target and at bus mastering from outside.
fn stopped(run: Run, bdf: &str) -> Outcome {
    let mut running = run.start();
    assert_eq!(running.wait_end(), Moment::Stopped);
    let Some(attack) = running.report().of_kind("drill").last().cloned() else { panic!("no attack") };
    assert_eq!(attack["bdf"], bdf);
    let seen = running.memory(hex(&attack["target_phys"]), 16);
    let seen: String = seen.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(attack["before"], seen, "the canary as QEMU shows it");
    for function in ["0000:00:03.0", "0000:00:04.0", "0000:00:1f.2"] {
        assert!(!running.may_master_the_bus(function), "{function}");
    }
    running.finish()
}

/// Checks that fault, attack, stop and screen tell the same.
#[track_caller]
fn assert_stopped_over(outcome: &Outcome, command: &str, bdf: &str, access: &str) {
    let kinds: Vec<_> = outcome.report.lines().iter().rev().take(4).map(|line| line.kind()).collect();
    assert_eq!(kinds, ["end", "bugcheck", "drill", "fault"]);
    assert_eq!(outcome.end()["status"], "bugcheck");

    let [attack] = outcome.attacks(command)[..] else { panic!("not one attack") };
    assert_eq!((&attack["access"], &attack["target"]), (&access.into(), &"canary".into()));
    let fault = outcome.assert_blocked(attack, "never-mapped");
    assert_eq!((&fault["bdf"], &fault["requester"]), (&bdf.into(), &bdf.into()));
    assert_eq!((&fault["driver"], &fault["expected"]), (&"edu".into(), &false.into()));
    assert_eq!((&fault["action"], &fault["at_least"]), (&"bugcheck".into(), &false.into()));

    let stop = outcome.event("bugcheck");
    assert_eq!((&stop["code"], &stop["name"]), (&"0xe6".into(), &"DRIVER_VERIFIER_DMA_VIOLATION".into()));
    assert_eq!((&stop["p1"], &stop["p2"]), (&"0x26".into(), &outcome.device(bdf)["object"]));
    assert_eq!((&stop["p3"], &stop["p4"]), (&fault["address"], &fault["reason"]));
    let mut told = fault.clone();
    told.as_object_mut().unwrap().remove("event");
    assert_eq!(stop["fault"], told);
    assert!(hex(&stop["cpu"]["rip"]) != 0 && hex(&stop["cpu"]["cr3"]) != 0);

    let [p2, p3, p4] = ["p2", "p3", "p4"].map(|name| hex(&stop[name]));
    let line = format!("*** STOP: 0x000000E6 (0x0000000000000026, 0x{p2:016X}, 0x{p3:016X}, 0x{p4:016X})");
    assert_eq!(outcome.serial.matches(&line).count(), 1, "{line}");
    let screen = &outcome.serial[outcome.serial.find(&line).unwrap()..];
    for word in ["DRIVER_VERIFIER_DMA_VIOLATION", bdf, access, "edu", "never-mapped"] {
        assert!(screen.contains(word), "{word} on the stop screen");
    }
}

#[test]
fn a_rogue_write_is_blocked_and_stops_the_machine() {
    let script = "selftest leak-detector; attack 00:03.0 write; attack 00:04.0 write";
    let outcome = stopped(Run::new().script(script), "0000:00:03.0");
    assert_stopped_over(&outcome, "attack", "0000:00:03.0", "write");
    assert_eq!(outcome.check("leak-detector")["result"], "pass");
    outcome.assert_status(0);
}

#[test]
fn a_rogue_read_is_blocked_and_stops_the_machine() {
    let outcome = stopped(Run::new().script("attack 00:04.0 read"), "0000:00:04.0");
    assert_stopped_over(&outcome, "attack", "0000:00:04.0", "read");
    outcome.assert_status(0);
}

#[test]
fn the_demo_shows_a_blocked_write() {
    let outcome = stopped(Run::demo(), "0000:00:03.0");
    assert_stopped_over(&outcome, "demo", "0000:00:03.0", "write");
    outcome.assert_status(0);
}

/// Machine: the default one, started by UEFI.
#[test]
fn the_demo_does_so_under_uefi() {
    let mut running = Run::demo().firmware(Firmware::Uefi).start();
    assert_eq!(running.wait_end(), Moment::Stopped);
    let outcome = running.finish();
    assert_stopped_over(&outcome, "demo", "0000:00:03.0", "write");
    outcome.assert_status(0);
}

/// A device whose policy is to log does not stop the machine, and the next one does.
#[test]
fn a_policy_of_its_own_spares_a_device() {
    let script = "policy 00:03.0 log; attack 00:03.0 write; attack 00:04.0 write";
    let outcome = Run::new().script(script).go();
    outcome.assert_status(0);
    let attacks = outcome.attacks("attack");
    let spared = outcome.assert_blocked(attacks[0], "never-mapped");
    assert_eq!((&spared["bdf"], &spared["action"]), (&"0000:00:03.0".into(), &"logged".into()));
    let fatal = outcome.assert_blocked(attacks[1], "never-mapped");
    assert_eq!((&fatal["bdf"], &fatal["action"]), (&"0000:00:04.0".into(), &"bugcheck".into()));
    assert_eq!(outcome.event("bugcheck")["p2"], outcome.device("0000:00:04.0")["object"]);
}
