//! What drivers get: buffers that share pages, devices that come and go, memory that runs out, ports that lead outside.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) with what each test names.

use serde_json::Value;
use tests::{Outcome, Run};

/// An `edu` that sends all address bits.
fn edu(place: &str) -> String {
    format!("edu,{place},dma_mask=0xffffffffffffffff")
}

#[track_caller]
fn assert_passed(outcome: &Outcome, check: &str) {
    assert_eq!(outcome.check(check)["result"], "pass", "{}", outcome.check(check));
}

/// Positive twins: the device's own transfers go through buffers of every length, and `leak-detector` lets it into
/// the shared page, which must be found out.
#[test]
fn nothing_beside_a_buffer_is_exposed() {
    let script = "selftest byte-buffers; selftest leak-detector; attack 00:03.0 read neighbour; \
        attack 00:03.0 write neighbour; attack 00:04.0 read neighbour; attack 00:04.0 write neighbour; mappings 00:04.0";
    let outcome = Run::new().options("drill=off").script(script).go();
    outcome.assert_status(0);
    assert_passed(&outcome, "byte-buffers");
    assert_passed(&outcome, "leak-detector");
    let attacks = outcome.attacks("attack");
    assert_eq!(attacks.len(), 4);
    for attack in attacks {
        assert_eq!(
            (&attack["target"], &attack["result"]),
            (&"neighbour".into(), &"blocked".into()),
            "{attack}"
        );
        assert_eq!((&attack["expected_fault"], &attack["verdict"]), (&Value::Null, &Value::Null));
        assert_eq!(attack["before"], attack["after"]);
        assert_ne!(tests::hex(&attack["iova"]) % 4096, 0, "the access goes to the buffer's own page");
        assert_ne!(attack["before"], "0".repeat(32));
    }
    // Those of the leak detector's first half, none of a neighbour.
    assert!(outcome.events("fault").is_empty());
}

/// Positive twin: the device that is not named is kept out as before.
#[test]
fn a_trusted_device_works_within_shared_pages() {
    let script = "selftest byte-buffers; attack 00:03.0 read neighbour; attack 00:04.0 read neighbour; \
        attack 00:03.0 write canary";
    let outcome = Run::new().options("drill=off policy=log trust=00:03.0").script(script).go();
    outcome.assert_status(0);
    assert_passed(&outcome, "byte-buffers");
    let attacks = outcome.attacks("attack");
    outcome.assert_not_possible(attacks[0], "trust");
    assert_eq!(attacks[1]["result"], "blocked");
    outcome.assert_blocked(attacks[2], "never-mapped");
}

/// A device is claimed, used and released 1,000 times, and with memory that runs out at every step of that.
#[test]
fn a_released_device_leaves_nothing_behind() {
    let outcome =
        Run::new().options("drill=off").script("selftest release; selftest allocation-failure").go();
    outcome.assert_status(0);
    assert_passed(&outcome, "release");
    assert_passed(&outcome, "allocation-failure");
    let claimed = |device: &&Value| device["driver"] == "selftest" && device["state"] == "assigned";
    let times = outcome.report.of_kind("device").filter(claimed).count();
    assert!(times > 1000, "claimed {times} times");
    let left =
        outcome.report.of_kind("device").filter(|device| device["driver"] == "selftest").last().unwrap();
    let left = outcome.device(left["bdf"].as_str().unwrap());
    assert_eq!((&left["state"], &left["driver"]), (&"blocked".into(), &Value::Null));
    assert!(outcome.events("fault").is_empty());
}

/// Machine: two functions of one device that nothing keeps apart, so that they share a domain.
///
/// One has a buffer where the other cannot send; the other is refused, then let in once the buffer is gone.
#[test]
fn a_newcomer_never_takes_a_domain_away() {
    let machine = Run::new().device("pci-testdev,addr=10.0,multifunction=on").device("pci-testdev,addr=10.1");
    let outcome = machine.options("drill=off").script("selftest shared-domain").go();
    outcome.assert_status(0);
    assert_passed(&outcome, "shared-domain");
    for bdf in ["0000:00:10.0", "0000:00:10.1"] {
        assert_eq!(outcome.device(bdf)["state"], "blocked");
        assert_eq!(outcome.device(bdf)["group"], outcome.device("0000:00:10.0")["group"]);
    }
}

/// Machine: two devices behind a bridge that puts its own id into their requests.
///
/// Positive twin: once the other is let back, the same claim succeeds.
#[test]
fn what_shares_an_id_with_a_device_that_is_cut_off_stays_out() {
    let machine = Run::new()
        .device("pcie-root-port,id=root-port,addr=10.0,chassis=10")
        .device("pcie-pci-bridge,id=express-bridge,bus=root-port")
        .device("pci-testdev,bus=express-bridge,addr=1.0")
        .device("pci-testdev,bus=express-bridge,addr=2.0");
    let outcome = machine.options("drill=off").script("selftest shared-id").go();
    outcome.assert_status(0);
    assert_passed(&outcome, "shared-id");
    let of_test = outcome.report.of_kind("device").filter(|device| device["driver"] == "selftest");
    assert!(of_test.filter(|device| device["state"] == "quarantined").count() == 1);
}

/// Machine: an `edu` that sends 28 bits and a network card that sends 64, as functions of one device.
///
/// Positive twin: each moves bytes through memory of its own before it overreaches, the card with its rings mapped.
#[test]
fn devices_that_share_a_domain_share_the_narrower_window() {
    let machine = Run::new().device("edu,addr=10.0,multifunction=on").device("e1000e,addr=10.1");
    let script =
        "attack 00:10.0 write freed; attack 00:10.1 write freed; attack 00:10.1 read wrong-direction";
    let outcome = machine.options("drill=off policy=log").script(script).go();
    outcome.assert_status(0);
    assert_eq!(outcome.device("0000:00:10.0")["group"], outcome.device("0000:00:10.1")["group"]);
    for (attack, verdict) in outcome.attacks("attack").into_iter().zip(["stale", "stale", "wrong-direction"])
    {
        outcome.assert_blocked(attack, verdict);
        assert!(tests::hex(&attack["iova"]) < 1 << 28, "{attack}");
    }
}

/// Machine: a network card with a function-level reset, without a driver.
#[test]
fn a_reset_function_has_its_settings_again() {
    let machine = Run::new()
        .no_default_devices()
        .device("pcie-root-port,id=above,bus=pcie.0,addr=11.0,chassis=1")
        .device("igb,bus=above,romfile=");
    let outcome = machine.script("selftest function-reset").go();
    outcome.assert_status(0);
    assert_passed(&outcome, "function-reset");
}

/// Machine: an `edu` below a root port that an option calls external, another below one that is part of the machine.
///
/// Positive twin: with `external=allow` the same device works, and is kept in its bounds like every other.
#[test]
fn external_devices_stay_blocked_unless_they_are_let_in() {
    let machine = || {
        Run::new()
            .device("pcie-root-port,id=outside,bus=pcie.0,addr=11.0,chassis=1")
            .device(&edu("bus=outside"))
            .device("pcie-root-port,id=inside,bus=pcie.0,addr=12.0,chassis=2")
            .device(&edu("bus=inside"))
    };
    let mut running = machine().options("drill=off external-port=00:11.0").start();
    running.wait_for_prompt();
    assert!(!running.may_master_the_bus("0000:01:00.0"), "an external device must not master the bus");
    assert!(running.may_master_the_bus("0000:02:00.0"));
    running.send_line("attack 01:00.0 write");
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    let external = outcome.device("0000:01:00.0");
    assert_eq!((&external["state"], &external["driver"]), (&"blocked".into(), &Value::Null));
    assert_eq!(outcome.device("0000:02:00.0")["state"], "assigned");
    assert_eq!(outcome.event("protected")["complete"], true);
    outcome.assert_not_possible(outcome.event("drill"), "cannot be told");

    let options = "drill=off policy=log external-port=00:11.0 external=allow";
    let outcome =
        machine().options(options).script("attack 01:00.0 write; attack 01:00.0 read neighbour").go();
    outcome.assert_status(0);
    assert_eq!(outcome.device("0000:01:00.0")["state"], "assigned");
    outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
    assert_eq!(outcome.attacks("attack")[1]["result"], "blocked");
}

/// What has no driver of ours stays as enumeration found it.
#[test]
fn a_device_without_a_driver_stays_blocked() {
    let mut running = Run::new().options("drill=off").device("pci-testdev,addr=10.0").start();
    running.wait_for_prompt();
    assert!(!running.may_master_the_bus("0000:00:10.0"));
    assert!(running.may_master_the_bus("0000:00:03.0"));
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    let device = outcome.device("0000:00:10.0");
    assert_eq!((&device["state"], &device["driver"]), (&"blocked".into(), &Value::Null));
}
