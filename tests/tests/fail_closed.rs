//! What no unit covers stays without bus mastering, and the report says that protection is not complete.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) with what each test names.

use boot::machine::Iommu;
use serde_json::Value;
use tests::{Outcome, Run};

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
fn assert_nothing_works_without_iommu(iommu: Iommu) {
    let run = Run::new().iommu(iommu).script("attack 00:03.0 write; drill");
    let (outcome, masters) = run_and_look(run, &ENDPOINTS);
    assert_incomplete(&outcome);
    assert_eq!(masters, [""; 0]);
    assert_eq!(outcome.event("protected")["units"], 0);
    assert_eq!(outcome.event("boot")["dmar_source"], "none");
    assert!(outcome.events("unit").is_empty());
    assert!(outcome.events("device").iter().all(|device| device["state"] == "bypasses-iommu"));
    let advice: Vec<_> = outcome.serial.lines().filter(|line| line.contains("Intel VT-d")).collect();
    let [advice] = advice[..] else { panic!("not one line of advice: {advice:?}") };
    assert!(advice.contains("set-up"), "{advice}");
    outcome.assert_not_possible(outcome.probes("attack")[0], "cannot be told");
    assert!(outcome.probes("drill").iter().all(|drill| drill["result"] == "not-possible"));
    assert_eq!(outcome.end()["faults"], 0);
}

/// Machine: no remapping hardware.
#[test]
fn without_an_iommu_no_device_gets_the_bus() {
    assert_nothing_works_without_iommu(Iommu::None);
}

/// Machine: AMD-Vi, which is not driven yet.
#[test]
fn with_the_other_kind_of_iommu_no_device_gets_the_bus() {
    assert_nothing_works_without_iommu(Iommu::Amd);
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
    outcome.assert_not_possible(outcome.probes("attack")[0], "cannot be told");
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
    let attacks = outcome.probes("attack");
    outcome.assert_not_possible(attacks[0], "cannot be told");
    outcome.assert_blocked(attacks[1], "never-mapped");
}
