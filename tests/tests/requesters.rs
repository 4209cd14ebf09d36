//! Requesters in number, and requesters that nobody knows.

use std::collections::BTreeMap;

use tests::Run;

/// More than the default machine has by far: `edu` at every function of nine slots, 00:10.0 to 00:18.7.
fn crowd() -> Vec<(u8, u8)> {
    (0x10..=0x18).flat_map(|slot| (0..8).map(move |function| (slot, function))).collect()
}

/// Each device's fault is told with its own name, counted once, and explained; also that of the last one, whose
/// account is opened when all others have theirs.
#[test]
fn each_of_many_devices_is_told_by_itself() {
    let mut run = Run::new();
    for (slot, function) in crowd() {
        run = run.device(&format!("edu,addr={slot:x}.{function},multifunction=on"));
    }
    let outcome = run.script("policy log; attack 00:18.7 write kernel; attack 00:03.0 write kernel").go();
    outcome.assert_status(0);
    let attacks = outcome.attacks("attack");
    for (attack, device) in attacks.iter().zip(["0000:00:18.7", "0000:00:03.0"]) {
        let fault = outcome.assert_blocked(attack, "never-mapped");
        assert_eq!((&fault["bdf"], &fault["requester"]), (&device.into(), &device.into()));
    }
    let mut told = BTreeMap::<_, Vec<_>>::new();
    for fault in outcome.events("fault") {
        assert!(!fault["explanation"].is_null() && !fault["address"].is_null(), "{fault}");
        assert_eq!((&fault["bdf"], &fault["count"]), (&fault["requester"], &1.into()), "{fault}");
        told.entry(fault["bdf"].as_str().unwrap().to_owned()).or_default().push(fault);
    }
    for (slot, function) in crowd() {
        let bdf = format!("0000:00:{slot:02x}.{function}");
        let faults = told.get(&bdf).map_or(0, Vec::len);
        assert_eq!(faults, if bdf == "0000:00:18.7" { 2 } else { 1 }, "{bdf}");
    }
}
