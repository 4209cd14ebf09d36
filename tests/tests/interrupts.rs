//! Interrupts remapped: each device raises what it was given, and the report says which units see to that.
//!
//! Machine: the default one, with its unit as it is, without interrupt remapping, and with extended interrupt mode.

use boot::machine::Iommu;
use serde_json::{Value, json};
use tests::{DRIVEN, Outcome, Outside, Run};

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
    for drill in outcome.attacks("drill").iter().filter(|drill| drill["target"] == "interrupt") {
        outcome.assert_blocked(drill, "interrupt");
    }
    let refused = outcome.events("fault").into_iter().filter(|fault| fault["access"] == "interrupt");
    assert!(refused.into_iter().all(|fault| fault["expected"] == true), "nobody's own message is refused");
}

/// Every device that has a driver, programmed with the interrupt of another: by MSI (`edu`) and by MSI-X. The twin, its own
/// message, is the kernel's: without it the attack is a failed check.
#[test]
fn each_device_that_raises_anothers_interrupt_is_refused_and_named_with_its_owner() {
    let script: String = DRIVEN.map(|bdf| format!("attack {bdf} write interrupt; ")).concat();
    let script =
        format!("{script} attack 00:03.0 read interrupt; disk read 00:05.0 1 0 8; net; attack 00:04.0 write");
    let outcome = Run::new().options("policy=log drill=off").script(&script).go();
    assert_works(&outcome);
    let attacks = outcome.attacks("attack");
    let [ref forged @ .., read, after] = attacks[..] else { panic!("{attacks:?}") };
    assert_eq!(forged.len(), DRIVEN.len());
    for (attack, bdf) in forged.iter().zip(DRIVEN) {
        let fault = outcome.assert_blocked(attack, "interrupt");
        assert_eq!((&attack["bdf"], &fault["bdf"]), (&bdf.into(), &bdf.into()));
        let expected = json!({"requester": bdf, "page": null, "access": "interrupt"});
        assert_eq!((&attack["expected_fault"], &attack["target_phys"]), (&expected, &Value::Null));
        let interrupt = &fault["interrupt"];
        assert_eq!((&interrupt["kind"], &fault["action"]), (&"forged".into(), &"logged".into()));
        let owner = interrupt["owner"].as_str().unwrap();
        assert!(DRIVEN.contains(&owner) && owner != bdf, "{fault}");
        assert!(fault["explanation"].as_str().unwrap().contains(owner), "{fault}");
    }
    outcome.assert_not_possible(read, "nothing to read");
    outcome.assert_blocked(after, "never-mapped");
}

#[test]
fn an_interrupt_that_is_not_the_devices_own_stops_the_machine_by_default() {
    let outcome = Run::new().options("drill=off").script("attack 00:05.0 write interrupt").go();
    outcome.assert_status(0);
    let stop = outcome.event("bugcheck");
    assert_eq!((&stop["code"], &stop["p1"]), (&"0xe6".into(), &"0x26".into()));
    assert_eq!((&stop["p3"], &stop["p4"]), (&"0x0".into(), &"0x26".into()));
    assert_eq!(stop["p2"], outcome.device("0000:00:05.0")["object"]);
    let attack = outcome.attacks("attack")[0];
    assert_eq!((&attack["result"], &attack["verdict"]), (&"blocked".into(), &"interrupt".into()));
}

/// Machine: entries name processors by 32 bits; with ids of nine bits in the machine, firmware hands over in x2APIC mode.
#[test]
fn every_driver_is_heard_in_extended_interrupt_mode() {
    let extended = ["-global", "intel-iommu.eim=on"];
    let run = || Run::new().options("interrupts=required drill=off").qemu_arguments(&extended);
    let large_ids = run()
        .qemu_arguments(&["-smp", "1,sockets=400,maxcpus=400"])
        .device("max-x86_64-cpu,socket-id=399,core-id=0,thread-id=0");
    for run in [run(), large_ids] {
        let outcome = run.script(&format!("selftest interrupts; {WORK}; selftest x2apic")).go();
        assert_works(&outcome);
        assert_eq!(told(&outcome), json!([false, "on", true, "remapped"]));
        for check in ["interrupts", "x2apic"] {
            assert_eq!(outcome.check(check)["result"], "pass");
        }
        let drills = outcome.attacks("drill").into_iter().filter(|drill| drill["target"] == "interrupt");
        for drill in drills {
            outcome.assert_blocked(drill, "interrupt");
        }
    }
}

/// The unit's registers, and a table in memory that nobody uses while firmware runs (VT-d "Register Descriptions").
const UNIT: u64 = 0xfed9_0000;
const COMMAND: u64 = UNIT + 0x18;
const STATUS: u64 = UNIT + 0x1c;
const TABLE: u64 = UNIT + 0xb8;
const FOREIGN: u32 = 0x0800_0000;
const SET_TABLE: u32 = 1 << 24;
const REMAPPING: u32 = 1 << 25;

/// Before anything runs, the unit is made to remap by a table of somebody else's, as firmware may leave it.
#[test]
fn remapping_that_firmware_left_on_is_told_and_taken_over() {
    let mut outside = Outside::new();
    let machine = Run::new().options("interrupts=required").qemu_arguments(&["-S"]);
    let mut running = machine.reached_by(&outside).script(WORK).start();
    outside.write32(TABLE, FOREIGN | 7);
    outside.write32(COMMAND, SET_TABLE);
    outside.write32(COMMAND, REMAPPING);
    assert_eq!(outside.read32(STATUS) & REMAPPING, REMAPPING);
    running.command("cont", json!({}));
    running.wait_end();
    let outcome = running.finish();
    assert_works(&outcome);
    assert_eq!(told(&outcome)[0], true);
    assert_eq!(told(&outcome)[3], "remapped");
}

#[test]
fn who_wants_none_remapped_is_told_that_none_is() {
    let outcome = Run::new().options("interrupts=plain").script(WORK).go();
    assert_works(&outcome);
    assert_eq!(told(&outcome), json!([false, "off", false, "plain"]));
    assert_no_interrupt_is_tried(&outcome);
}

/// Where none is refused, none counts as blocked.
fn assert_no_interrupt_is_tried(outcome: &Outcome) {
    let drills = outcome.attacks("drill").into_iter().filter(|drill| drill["target"] == "interrupt");
    let drills: Vec<_> = drills.collect();
    assert_eq!(drills.len(), DRIVEN.len());
    drills.into_iter().for_each(|drill| outcome.assert_not_possible(drill, "interrupts are not remapped"));
}

#[test]
fn a_unit_that_cannot_says_so_and_its_devices_work_unless_that_is_not_wanted() {
    let unit = ["-device", "intel-iommu,aw-bits=48,intremap=off"];
    let run = || Run::new().iommu(Iommu::None).qemu_arguments(&unit);
    let outcome = run().script(WORK).go();
    assert_works(&outcome);
    assert_eq!(told(&outcome), json!([false, "unsupported", false, "plain"]));
    assert_no_interrupt_is_tried(&outcome);

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
