//! What no unit covers stays without bus mastering, and the report says that protection is not complete.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) with what each test names.

use std::time::Duration;

use boot::machine::Iommu;
use serde_json::{Value, json};
use tests::{DRIVEN, Outcome, Outside, Run, config_space};

/// The endpoints of the default machine.
const ENDPOINTS: [&str; 6] =
    ["0000:00:01.0", "0000:00:03.0", "0000:00:04.0", "0000:00:1f.0", "0000:00:1f.2", "0000:00:1f.3"];

/// Runs to the end and looks from outside which of these functions may master the bus.
fn run_and_look(run: Run, functions: &[&str]) -> (Outcome, Vec<String>) {
    let mut running = run.start();
    running.wait_end();
    let masters = functions.iter().filter(|bdf| running.may_master_the_bus(bdf));
    let masters = masters.map(|bdf| (*bdf).to_owned()).collect();
    (running.finish(), masters)
}

#[track_caller]
fn assert_incomplete(outcome: &Outcome) {
    outcome.assert_status(1);
    assert_eq!(outcome.event("protected")["complete"], false);
    assert_eq!(outcome.end()["status"], "failed");
}

#[track_caller]
fn assert_nothing_works_without_iommu(iommu: Iommu, advice: &str) {
    let run = Run::new().iommu(iommu).script("attack 00:03.0 write; drill");
    let (outcome, masters) = run_and_look(run, &ENDPOINTS);
    assert_incomplete(&outcome);
    assert_eq!(masters, [""; 0]);
    assert_eq!(outcome.event("protected")["units"], 0);
    assert_eq!(outcome.event("boot")["dmar_source"], "none");
    assert!(outcome.events("unit").is_empty());
    assert!(outcome.events("device").iter().all(|device| device["state"] == "bypasses-iommu"));
    let lines: Vec<_> = outcome.serial.lines().filter(|line| line.contains(advice)).collect();
    let [line] = lines[..] else { panic!("not one line of advice: {lines:?}") };
    assert!(line.contains("set-up"), "{line}");
    outcome.assert_not_possible(outcome.attacks("attack")[0], "cannot be told");
    assert!(outcome.attacks("drill").iter().all(|drill| drill["result"] == "not-possible"));
    assert_eq!(outcome.end()["faults"], 0);
}

/// Machine: no remapping hardware.
#[test]
fn without_an_iommu_no_device_gets_the_bus() {
    assert_nothing_works_without_iommu(Iommu::None, "Intel VT-d");
}

/// Machine: AMD-Vi, which is not driven yet.
#[test]
fn with_the_other_kind_of_iommu_no_device_gets_the_bus() {
    assert_nothing_works_without_iommu(Iommu::Amd, "Linux or Windows can use it");
}

/// Machine: a unit that remaps interrupts only. It says what it is, and what it lacks.
#[test]
fn a_unit_that_walks_no_tables_protects_nothing() {
    let unit = "intel-iommu,intremap=on,dma-translation=off";
    let run = Run::new().iommu(Iommu::None).device(unit).script("units");
    let (outcome, masters) = run_and_look(run, &ENDPOINTS);
    assert_incomplete(&outcome);
    assert_eq!(masters, [""; 0]);
    let unit = outcome.event("unit");
    assert_eq!((&unit["state"], &unit["version"]), (&"failed".into(), &"1.0".into()));
    assert_eq!((&unit["levels"], &unit["fault_records"]), (&Value::Null, &1.into()));
    assert!(unit["detail"].as_str().unwrap().contains("no usable table depth"), "{unit}");
    assert!(!unit["findings"].as_array().unwrap().contains(&"unit-silent".into()), "{unit}");
    assert_eq!(outcome.events("window")[0]["translation_was_on"], false);
}

/// Machine: the root bus bypasses the unit, which is there and works.
#[test]
fn a_bypassing_root_bus_stays_without_bus_mastering() {
    let run = Run::new().qemu_arguments(&["-machine", "default_bus_bypass_iommu=on"]);
    let (outcome, masters) = run_and_look(run.script("attack 00:03.0 write"), &ENDPOINTS);
    assert_incomplete(&outcome);
    assert_eq!(masters, [""; 0]);
    assert_eq!(outcome.event("unit")["state"], "enforcing");
    for bdf in ENDPOINTS {
        let device = outcome.device(bdf);
        assert_eq!((&device["state"], &device["unit"]), (&"bypasses-iommu".into(), &Value::Null));
    }
    outcome.assert_not_possible(outcome.attacks("attack")[0], "cannot be told");
}

/// Machine: a second root bus 0x40 that bypasses the unit, with an `edu` below a root port there.
///
/// Positive twin: the devices on the first bus work, and are kept in bounds.
#[test]
fn a_bypassing_expander_costs_only_its_own_devices() {
    let run = Run::new()
        .device("pxb-pcie,id=expander,bus_nr=0x40,addr=10.0,bypass_iommu=on")
        .device("pcie-root-port,id=root-port,bus=expander,addr=2.0,chassis=1")
        .device("edu,bus=root-port,dma_mask=0xffffffffffffffff")
        .script("policy log; attack 41:00.0 write; attack 00:03.0 write");
    let (outcome, masters) = run_and_look(run, &["0000:41:00.0", "0000:00:03.0", "0000:00:04.0"]);
    assert_incomplete(&outcome);
    assert_eq!(masters, ["0000:00:03.0", "0000:00:04.0"]);
    assert_eq!(outcome.device("0000:41:00.0")["state"], "bypasses-iommu");
    assert_eq!(outcome.device("0000:00:03.0")["state"], "assigned");
    let attacks = outcome.attacks("attack");
    outcome.assert_not_possible(attacks[0], "cannot be told");
    outcome.assert_blocked(attacks[1], "never-mapped");
}

/// The unit is made to read another queue, of descriptors that ask for no answer: it works, and answers nobody.
///
/// Positive twin: the same attack before that is blocked, and the device's own transfers arrive.
#[test]
fn behind_a_unit_that_stops_answering_nothing_masters_the_bus_and_nobody_waits() {
    let mut outside = Outside::new();
    let mut running = Run::new().options("policy=log drill=off").reached_by(&outside).start();
    running.run_command("attack 00:03.0 write");
    running.command("stop", json!({}));
    let window = running.memory(config_space(0, 1, 0) + 0x10, 4);
    let frame_buffer = u32::from_le_bytes(window[..].try_into().unwrap()) & !0xf;
    read_another_queue(&mut outside, u64::from(frame_buffer) + (15 << 20));
    running.command("cont", json!({}));

    running.run_command("attack 00:03.0 write");
    let masters = DRIVEN.iter().filter(|bdf| running.may_master_the_bus(bdf)).count();
    assert_eq!(masters, 0);
    let since = running.report().of_kind("device").last().unwrap()["t"].as_u64().unwrap();
    for command in ["attack 00:04.0 write", "attack 00:05.0 write", "drill", "release 00:04.0", "units"] {
        running.run_command(command);
    }
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();

    outcome.assert_status(1);
    let attacks = outcome.attacks("attack");
    outcome.assert_blocked(attacks[0], "never-mapped");
    assert!(attacks[2..].iter().all(|attack| attack["result"] == "not-possible"), "{attacks:?}");
    for bdf in DRIVEN {
        assert_eq!(outcome.device(bdf)["state"], "quarantined", "{bdf}");
    }
    let once = "unit 0 does not confirm what it is told";
    assert_eq!(outcome.serial.matches(once).count(), 1, "it is said once");
    assert!(outcome.serial.contains("SILENT"), "`units` says so as well");
    // Each of them would take a second if it waited.
    let refused = outcome.serial.matches("is asked nothing any more").count();
    let took = Duration::from_nanos(outcome.end()["t"].as_u64().unwrap() - since);
    assert!(refused >= 10 && took.as_secs() < refused as u64 / 2, "{refused} refused within {took:?}");
}

/// Has the unit of the default machine read its queue at an address: IOTLB invalidations, and no wait.
fn read_another_queue(outside: &mut Outside, page: u64) {
    const UNIT: u64 = 0xfed9_0000;
    // VT-d "Global Command Register" and its status, "Invalidation Queue Address Register".
    let (command, status, address) = (UNIT + 0x18, UNIT + 0x1c, UNIT + 0x90);
    for descriptor in (page..page + 0x1000).step_by(16) {
        outside.write64(descriptor, 0x12);
        outside.write64(descriptor + 8, 0);
    }
    let queue = 1 << 26;
    let on = outside.read32(status) & (1 << 31 | 1 << 25);
    outside.write32(command, on);
    assert_eq!(outside.read32(status) & queue, 0);
    outside.write64(address, page);
    outside.write32(command, on | queue);
    assert_ne!(outside.read32(status) & queue, 0);
}
