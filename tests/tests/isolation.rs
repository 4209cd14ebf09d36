//! Every target and both ways: what a device was not given it does not get, and the fault says why.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) unless a test says so.
//!
//! Positive twins: before each overreach the device moves the same bytes through memory of its own, and an attack
//! for which that fails is a failed check, so status 0 says that every device was alive.

use tests::{Run, TARGETS, attacks};

/// What each target's fault must tell besides its verdict.
fn label_of(target: &str) -> Option<&'static str> {
    match target {
        "wrong-direction" => Some("wrong-direction target"),
        "past-end" => Some("past-end target"),
        _ => None,
    }
}

#[test]
fn every_attack_is_blocked_with_its_verdict() {
    let outcome = Run::new().options("policy=log").script(&attacks("00:04.0")).go();
    outcome.assert_status(0);
    let attacks = outcome.attacks("attack");
    assert_eq!(attacks.len(), 2 * TARGETS.len());
    for (attack, number) in attacks.into_iter().zip(0..) {
        let (target, verdict) = TARGETS[number / 2];
        let access = ["read", "write"][number % 2];
        assert_eq!((&attack["target"], &attack["access"]), (&target.into(), &access.into()));
        assert!(!attack["before"].is_null() && !attack["target_phys"].is_null());
        let fault = outcome.assert_blocked(attack, verdict);
        assert_eq!((&fault["bdf"], &fault["expected"]), (&"0000:00:04.0".into(), &false.into()));
        assert_eq!(fault["action"], "logged");
        assert_eq!(fault["candidates"], serde_json::json!([]));
        for words in ["explanation", "advice"] {
            assert!(fault[words].as_str().is_some_and(|text| !text.is_empty()), "{words} for {target}");
        }
        if let Some(label) = label_of(target) {
            assert_eq!(
                (&fault["nearest"]["label"], &fault["nearest"]["live"]),
                (&label.into(), &true.into())
            );
        }
        if target == "freed" {
            assert_eq!(fault["nearest"]["live"], false);
            let steps: Vec<_> = fault["history"].as_array().unwrap().iter().map(|step| &step["op"]).collect();
            assert!(steps.contains(&&"unmap".into()) && steps.contains(&&"map".into()));
        }
    }
    assert!(outcome.events("bugcheck").is_empty());
}

/// Under the default policy, which would stop the machine over a fault that was not announced.
#[test]
fn every_drill_is_blocked_with_its_verdict() {
    let outcome = Run::new().options("drill=off").script("drill").go();
    outcome.assert_status(0);
    let drills = outcome.attacks("drill");
    let (beside, drills): (Vec<_>, Vec<_>) =
        drills.into_iter().partition(|attack| attack["target"] == "neighbour");
    let (interrupts, drills): (Vec<_>, Vec<_>) =
        drills.into_iter().partition(|attack| attack["target"] == "interrupt");
    let devices: std::collections::BTreeSet<_> = drills.iter().map(|attack| attack["bdf"].as_str()).collect();
    assert!(devices.len() >= 2);
    assert_eq!((beside.len(), drills.len()), (2 * devices.len(), 2 * devices.len() * TARGETS.len()));
    for attack in beside {
        // The page is mapped, so nothing faults.
        assert_eq!((&attack["result"], &attack["verdict"]), (&"blocked".into(), &serde_json::Value::Null));
        assert_eq!(
            (&attack["expected_fault"], &attack["before"]),
            (&serde_json::Value::Null, &attack["after"])
        );
    }
    // There is nothing to read of an interrupt.
    assert_eq!(interrupts.len(), devices.len());
    for attack in interrupts {
        let fault = outcome.assert_blocked(attack, "interrupt");
        assert_eq!((&fault["expected"], &fault["action"]), (&true.into(), &"expected".into()));
    }
    for (target, verdict) in TARGETS {
        for access in ["read", "write"] {
            for bdf in devices.iter().flatten().copied() {
                let its = |attack: &&&serde_json::Value| {
                    attack["target"] == target && attack["access"] == access && attack["bdf"] == bdf
                };
                let attack = drills.iter().find(its).unwrap_or_else(|| panic!("{bdf} {access} {target}"));
                if (bdf, access, target) == (DISK, "write", "kernel") {
                    // A disk writes zeros only, a block of them: they stand nowhere in the kernel's code.
                    outcome.assert_not_possible(attack, "stands there already");
                    continue;
                }
                let fault = outcome.assert_blocked(attack, verdict);
                assert_eq!((&fault["expected"], &fault["action"]), (&true.into(), &"expected".into()));
            }
        }
    }
    assert_faults(&outcome);
}

/// What is reported of a target is still so at the end, seen from outside: nobody uses its memory again.
#[test]
fn targets_stay_as_reported_until_the_power_goes() {
    let mut running = Run::new().options("policy=log").script("drill; attack 00:03.0 write; drill").start();
    running.wait_end();
    let attacks = running.report().of_kind("drill").filter(|attack| !attack["target_phys"].is_null());
    let targets: Vec<_> = attacks
        .map(|attack| (tests::hex(&attack["target_phys"]), attack["after"].clone(), attack.clone()))
        .collect();
    for (address, after, attack) in &targets {
        let there: String = running.memory(*address, 16).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(after, &there.as_str(), "{attack}");
    }
    running.finish().assert_status(0);
    assert!(targets.len() > 2 * 2 * TARGETS.len(), "{} targets", targets.len());
}

/// The NVMe disk of the default machine.
const DISK: &str = "0000:00:05.0";

/// Demands a fault for each drill that must cause one. QEMU's disk asks for memory once, and once more to write it: a
/// unit may record both.
#[track_caller]
fn assert_faults(outcome: &tests::Outcome) {
    let drills = outcome.attacks("drill");
    let faulting = drills.iter().filter(|drill| !drill["expected_fault"].is_null());
    let twice = faulting.clone().filter(|drill| drill["bdf"] == DISK && drill["access"] == "write").count();
    let (faults, expected) = (outcome.end()["faults"].as_u64().unwrap() as usize, faulting.count());
    assert!((expected..=expected + twice).contains(&faults), "{faults} faults, {expected} expected");
}

/// Targets that stay where they are fault again and again; none of those faults becomes somebody's fault.
#[test]
fn drills_again_and_again_stay_expected() {
    let outcome = Run::new().options("drill=off").script("drill; drill; drill").go();
    outcome.assert_status(0);
    assert!(outcome.events("fault").iter().all(|fault| fault["expected"] == true));
    let faulting = |drill: &&&serde_json::Value| !drill["expected_fault"].is_null();
    assert!(outcome.attacks("drill").iter().filter(faulting).count() >= 3 * 28);
    assert_faults(&outcome);
}

#[test]
fn any_address_can_be_attacked() {
    let addresses = ["0x200000", "0xb0000000", "0x1000000000000", "0xfee00000"];
    let script: String = addresses
        .iter()
        .flat_map(|address| ["read", "write"].map(|access| format!("attack 00:03.0 {access} {address}; ")))
        .collect();
    let outcome = Run::new().options("policy=log").script(&script).go();
    outcome.assert_status(0);
    let attacks = outcome.attacks("attack");
    for (attack, number) in attacks.iter().zip(0..) {
        match addresses[number / 2] {
            // RAM: shown before and after, and unchanged.
            address @ "0x200000" => {
                outcome.assert_blocked(attack, "never-mapped");
                assert_eq!((&attack["iova"], &attack["target_phys"]), (&address.into(), &address.into()));
                assert!(!attack["before"].is_null());
            }
            // No RAM: never looked at.
            address @ "0xb0000000" => {
                outcome.assert_blocked(attack, "never-mapped");
                assert_eq!(attack["iova"], address);
                assert!(
                    attack["target_phys"].is_null()
                        && attack["before"].is_null()
                        && attack["after"].is_null()
                );
            }
            "0x1000000000000" => {
                outcome.assert_blocked(attack, "beyond-width");
            }
            _ => outcome.assert_not_possible(attack, "interrupt"),
        }
    }
    assert_eq!(attacks.len(), 2 * addresses.len());
}

/// Machine: a third `edu` at 00:10.0 that sends 28 address bits, QEMU's default.
#[test]
fn a_device_with_few_address_bits_is_isolated_too() {
    let mut script = String::from("attack 00:10.0 write 0x20000000; attack 00:01.0 read; ");
    script.extend(["freed", "foreign", "past-end"].map(|target| format!("attack 00:10.0 write {target}; ")));
    let machine = Run::new().device("edu,addr=10.0");
    let outcome = machine.options("policy=log").script(&script).go();
    outcome.assert_status(0);
    assert!(outcome.attacks("drill").iter().any(|drill| drill["bdf"] == "0000:00:10.0"));
    let attacks = outcome.attacks("attack");
    outcome.assert_not_possible(attacks[0], "beyond");
    // A display has no way to be told to overreach.
    outcome.assert_not_possible(attacks[1], "cannot be told");
    for (attack, verdict) in attacks[2..].iter().zip(["stale", "foreign", "overrun"]) {
        outcome.assert_blocked(attack, verdict);
        assert!(tests::hex(&attack["iova"]) < 1 << 28);
    }
}
