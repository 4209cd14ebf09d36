//! Misuse of the DMA layer: each kind by a bad driver, seen at the call or, with the verifier off, not at all.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0). The bad driver works on a
//! function that nobody else drives, which differs from machine to machine.

use tests::{Outcome, Run, hex};

/// The self-tests, the rules that they break and the codes of those.
const MISUSES: [(&str, &str, u64); 23] = [
    ("common-freed-twice", "common-freed-twice", 0x03),
    ("freed-twice", "freed-twice", 0x05),
    ("common-left", "common-left", 0x07),
    ("mappings-left", "mappings-left", 0x09),
    ("loans-left", "mappings-left", 0x09),
    ("guard-damaged", "guard-damaged", 0x0f),
    ("batch-guard-damaged", "guard-damaged", 0x0f),
    ("freed-while-mapped", "freed-while-mapped", 0x10),
    ("sync-after-return", "sync-after-return", 0x16),
    ("used-after-release", "used-after-release", 0x18),
    ("lent-twice", "lent-twice", 0x1d),
    ("never-lent", "never-lent", 0x20),
    ("zero-length", "zero-length", 0x21),
    ("wrong-direction", "wrong-direction", 0x100),
    ("wrong-memory", "wrong-memory", 0x101),
    ("sync-outside", "sync-outside", 0x102),
    ("image-lent", "image-lent", 0x103),
    ("stack-lent", "stack-lent", 0x104),
    ("virtio-lent-twice", "lent-twice", 0x1d),
    ("virtio-never-mapped", "never-lent", 0x20),
    ("virtio-never-lent", "never-lent", 0x20),
    ("virtio-wrong-memory", "wrong-memory", 0x101),
    ("virtio-common-left", "common-left", 0x07),
];

/// The files of the bad driver, and of the virtio driver that lets go of a device of which a crate still has memory.
const BAD_DRIVER: &str = "kernel/src/selftest/verifier";
const SLOT: &str = "kernel/src/devices/virtio/hal.rs";

/// Rules that one call breaks by itself.
const ALONE: [&str; 4] = ["never-lent", "zero-length", "image-lent", "stack-lent"];

/// Boots for one misuse, which must be the end. Correct use before it must pass.
fn caught(test: &str) -> Outcome {
    let script = format!("verifier on; selftest verifier-correct-use; selftest verifier-{test}; units");
    let outcome = Run::new().options("drill=off").script(&script).go();
    outcome.assert_status(3);
    assert_eq!(outcome.end()["status"], "bugcheck");
    assert_eq!(outcome.check("verifier-correct-use")["result"], "pass");
    outcome
}

/// Checks that event and stop tell the same, and of this rule.
#[track_caller]
fn assert_caught(outcome: &Outcome, test: &str, rule: &str, code: u64) {
    let violation = outcome.event("violation");
    assert_eq!((&violation["rule"], hex(&violation["p1"])), (&rule.into(), code), "{violation}");
    let stop = outcome.event("bugcheck");
    assert_eq!((&stop["code"], &stop["fault"]), (&"0xe6".into(), &serde_json::Value::Null));
    for parameter in ["p1", "p2", "p3", "p4"] {
        assert_eq!(stop[parameter], violation[parameter], "{rule} {parameter}");
    }
    let mut told = violation.clone();
    told.as_object_mut().unwrap().remove("event");
    assert_eq!(stop["violation"], told);
    let is_in = |site: &serde_json::Value, file| site.as_str().is_some_and(|site| site.starts_with(file));
    let caller = if test == "virtio-common-left" { SLOT } else { BAD_DRIVER };
    assert!(is_in(&violation["site"], caller), "{violation}");
    assert_eq!(violation["other_site"].is_null(), ALONE.contains(&rule), "{violation}");
    if !ALONE.contains(&rule) {
        assert!(is_in(&violation["other_site"], BAD_DRIVER), "{violation}");
        assert_ne!(violation["other_site"], violation["site"]);
    }
    for word in ["DRIVER_VERIFIER_DMA_VIOLATION", rule, violation["site"].as_str().unwrap()] {
        assert!(outcome.serial.contains(word), "{word} on the stop screen");
    }
}

/// Positive twin of each: `verifier-correct-use` in the same boot.
#[test]
fn every_misuse_stops_the_machine_at_its_call() {
    for (test, rule, code) in MISUSES {
        let outcome = caught(test);
        assert_caught(&outcome, test, rule, code);
        let violation = outcome.event("violation");
        let driver = if rule == "guard-damaged" { "edu" } else { "selftest" };
        assert_eq!(violation["driver"], driver, "{violation}");
        let object = &outcome.device(violation["bdf"].as_str().unwrap())["object"];
        match rule {
            "common-left" | "mappings-left" => {
                assert_eq!((&violation["p2"], &violation["p3"]), (object, &"0x1".into()));
            }
            "used-after-release" => assert_eq!(&violation["p2"], object),
            "freed-twice" | "common-freed-twice" | "freed-while-mapped" => assert_eq!(violation["p2"], "0x1"),
            "wrong-direction" => {
                assert_eq!((&violation["p3"], &violation["p4"]), (&"0x1".into(), &"0x2".into()));
            }
            "wrong-memory" | "sync-outside" => {
                let lengths = match test {
                    "wrong-memory" => [100, 50],
                    "virtio-wrong-memory" => [8192, 4096],
                    _ => [100, 150],
                };
                assert_eq!([&violation["p3"], &violation["p4"]].map(hex), lengths);
            }
            "guard-damaged" => {
                let [p2, p3, p4] = ["p2", "p3", "p4"].map(|name| hex(&violation[name]));
                assert_eq!((p2, p3 % 4096), (5, 0), "padding behind a buffer in a page of its own");
                assert!(p3 < p4 && p4 < p3 + 4096, "within the page");
            }
            _ => {}
        }
    }
}

/// The same misuses with the verifier off, as it is by default, and switched off again: nobody looks.
#[test]
fn without_the_verifier_no_misuse_stops_the_machine() {
    let tests: Vec<_> = MISUSES.iter().map(|(test, ..)| format!("selftest verifier-{test}")).collect();
    let all = tests.join("; ");
    for options in ["drill=off", "drill=off verifier=on"] {
        let off = if options.contains("verifier") { "verifier off; " } else { "" };
        let script = format!("{off}verifier reset; {all}; verifier; selftest idt");
        let outcome = Run::new().options(options).script(&script).go();
        outcome.assert_status(0);
        assert!(outcome.events("violation").is_empty());
        assert!(outcome.serial.contains("off, 0 checks"));
        for (test, ..) in MISUSES {
            assert_eq!(outcome.check(&format!("verifier-{test}"))["result"], "pass", "{test}");
        }
        assert_eq!(outcome.check("idt")["result"], "pass");
    }
}

/// The kernel's own drivers use the layer as they should, from their start on: drills, releases, tests, faults.
#[test]
fn the_drivers_of_the_kernel_misuse_nothing() {
    let script = "selftest; selftest release; selftest shared-domain; selftest function-reset; selftest nvme-depth; \
                  selftest verifier-correct-use; drill; verifier";
    let outcome = Run::new().options("verifier=on").script(script).go();
    outcome.assert_status(0);
    assert!(outcome.events("violation").is_empty());
    assert!(outcome.serial.contains("on, "));
}

/// Switched on when every driver has memory, and off, and reset, while disks and network cards work; devices are cut
/// off with requests under way and let back.
///
/// Negative twin: in the same boot a misuse is seen at last.
#[test]
fn whenever_it_is_switched_it_sees_misuse_only() {
    const WORK: &str = "disk read 00:05.0 1 0 64; disk read 00:07.0 1 0 64; ping 10.0.2.2; drill; ";
    let cut_off: String = ["00:05.0", "00:06.0", "00:07.0", "00:08.0", "00:03.0"]
        .map(|device| format!("attack {device} write; verifier reset; release {device}; "))
        .concat();
    let script = format!(
        "verifier on; {WORK}verifier reset; {WORK}{cut_off}{WORK}verifier off; {WORK}{cut_off}verifier on; {WORK}\
         selftest verifier-switched; selftest verifier-virtio-lent-twice"
    );
    let outcome = Run::new().options("drill=off policy=contain").script(&script).go();
    outcome.assert_status(3);
    assert_eq!(outcome.check("verifier-switched")["result"], "pass");
    assert!(outcome.events("check").iter().all(|check| check["result"] == "pass"));
    assert_eq!(outcome.event("violation")["rule"], "lent-twice");
}
