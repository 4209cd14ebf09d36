//! Interrupts remapped: each device raises what it was given, and the report says which units see to that.
//!
//! Machine: the default one, with its unit as it is, without interrupt remapping, and with extended interrupt mode.

use boot::machine::Iommu;
use serde_json::{Value, json};
use tests::{DRIVEN, Outcome, Run};

/// Work of every kind of driver, each of which waits for its device's messages.
const WORK: &str = "disk read 00:05.0 1 0 8; disk read 00:07.0 1 0 8; net; drill";

/// What the report says of interrupts: whether the unit was found remapping, whether it does, for x2APIC, and all units.
fn told(outcome: &Outcome) -> Value {
    let windows = outcome.events("window");
    let was_on = &windows.iter().find(|window| window["unit"] == 0).unwrap()["interrupt_remapping_was_on"];
    let unit = outcome.event("unit");
    json!([was_on, unit["interrupt_remapping"], unit["x2apic"], outcome.event("protected")["interrupts"]])
}

/// Every driver works, and every attack of the drill at boot was blocked.
fn assert_works(outcome: &Outcome) {
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    for bdf in DRIVEN {
        let mut lines = outcome.events("device").into_iter().filter(|device| device["bdf"] == bdf);
        assert_eq!(lines.next_back().unwrap()["state"], "assigned", "{bdf}");
    }
}

#[test]
fn every_driver_is_heard_while_its_unit_remaps() {
    let script = format!("{WORK}; units; selftest takeover; {WORK}");
    let outcome = Run::new().options("interrupts=required").script(&script).go();
    assert_works(&outcome);
    assert_eq!(outcome.check("takeover")["result"], "pass");
    let told = told(&outcome);
    assert_eq!((&told[0], &told[1], &told[3]), (&json!(false), &json!("on"), &json!("remapped")));
    let unit = outcome.serial.lines().find(|line| line.starts_with("unit 0 at")).unwrap();
    assert!(unit.contains("interrupts remapped"), "{unit}");
    assert!(
        outcome.events("fault").iter().all(|fault| fault["access"] != "interrupt"),
        "nobody's message is refused"
    );
}

#[test]
fn who_wants_none_remapped_is_told_that_none_is() {
    let outcome = Run::new().options("interrupts=plain").script(WORK).go();
    assert_works(&outcome);
    assert_eq!(told(&outcome), json!([false, "off", false, "plain"]));
}

#[test]
fn a_unit_that_cannot_says_so_and_its_devices_work_unless_that_is_not_wanted() {
    let unit = ["-device", "intel-iommu,aw-bits=48,intremap=off"];
    let run = || Run::new().iommu(Iommu::None).qemu_arguments(&unit);
    let outcome = run().script(WORK).go();
    assert_works(&outcome);
    assert_eq!(told(&outcome), json!([false, "unsupported", false, "plain"]));

    let outcome = run().options("interrupts=required").script("devices").go();
    outcome.assert_status(0);
    assert_eq!(told(&outcome)[3], "plain");
    let states: Vec<_> = outcome.events("device").iter().map(|device| device["state"].clone()).collect();
    assert!(!states.is_empty() && states.iter().all(|state| state == "blocked"), "{states:?}");
    outcome.assert_not_possible(outcome.event("drill"), "told to overreach");
}

/// A device is programmed with messages that are not its own: with another's entry, with none, and beyond the table.
#[test]
fn a_device_that_raises_what_is_not_its_own_is_refused_and_named() {
    let outcome = Run::new().options("drill=off").script("selftest interrupts; interrupts").go();
    outcome.assert_status(0);
    assert_eq!(outcome.check("interrupts")["result"], "pass");
    let faults = outcome.events("fault");
    for (reason, count) in [("0x21", 1), ("0x22", 2), ("0x26", 1)] {
        let of_reason: Vec<_> = faults.iter().filter(|fault| fault["reason"] == reason).collect();
        assert!(!of_reason.is_empty() && of_reason.len() <= count, "{reason}: {of_reason:?}");
        for fault in of_reason {
            assert_eq!(
                (&fault["requester"], &fault["access"]),
                (&"0000:00:03.0".into(), &"interrupt".into())
            );
            assert_eq!((&fault["verdict"], &fault["address"]), (&"interrupt".into(), &Value::Null));
        }
    }
}
