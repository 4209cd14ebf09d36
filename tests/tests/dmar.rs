//! Damaged and odd DMAR tables: the kernel uses what it can read, keeps the rest without bus mastering, and says so.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits at 0xfed90000, `edu` at 00:03.0 and 00:04.0); the table
//! comes by fw_cfg instead of the firmware's.

use acpi_tables::DrhdFlags;
use acpi_tables::testing::{DmarBuilder, ScopeSpec, fix_checksum};
use dma_types::{PhysAddr, Segment};
use tests::{Outcome, Run};

const SEGMENT: Segment = Segment(0);
const UNIT: PhysAddr = PhysAddr::new(0xfed9_0000);
const ROGUE: &str = "0000:00:03.0";
const OTHER: &str = "0000:00:04.0";

fn sound() -> DmarBuilder {
    DmarBuilder::new().width_bits(48).drhd(DrhdFlags::INCLUDE_PCI_ALL, SEGMENT, UNIT, &[])
}

/// Boots with a table, lets both devices overreach, and looks from outside which may master the bus.
fn boot_with(table: Vec<u8>) -> (Outcome, [bool; 2]) {
    let mut running = Run::new()
        .options("policy=log dmar=fw_cfg")
        .fw_cfg("opt/ivt/dmar", table)
        .script("attack 00:03.0 write; attack 00:04.0 read")
        .start();
    running.wait_end();
    let masters = [ROGUE, OTHER].map(|bdf| running.may_master_the_bus(bdf));
    let outcome = running.finish();
    assert!(outcome.events("bugcheck").is_empty());
    assert_eq!(outcome.end()["failed"], 0);
    (outcome, masters)
}

#[track_caller]
fn assert_incomplete(outcome: &Outcome) {
    outcome.assert_status(1);
    assert_eq!(outcome.event("protected")["complete"], false);
    assert_eq!(outcome.end()["status"], "failed");
}

/// Both devices are covered, work, and are kept in bounds.
#[track_caller]
fn assert_both_isolated(outcome: &Outcome) {
    assert_eq!(outcome.event("protected")["units"], 1);
    let attacks = outcome.attacks("attack");
    assert_eq!(attacks.len(), 2);
    for attack in attacks {
        outcome.assert_blocked(attack, "never-mapped");
    }
}

/// No device is covered by a unit that works, so none is used.
#[track_caller]
fn assert_none_used(outcome: &Outcome, masters: [bool; 2]) {
    assert_incomplete(outcome);
    assert_eq!(masters, [false; 2]);
    assert_eq!(outcome.event("protected")["units"], 0);
    assert!(outcome.attacks("attack").iter().all(|attack| attack["result"] == "not-possible"));
}

/// What the kernel found to say about the table, gravest or not.
fn findings(outcome: &Outcome) -> Vec<&str> {
    outcome.report.of_kind("finding").filter_map(|finding| finding["id"].as_str()).collect()
}

/// Positive twin of all that follows.
#[test]
fn a_sound_table_by_fw_cfg_is_used() {
    let (outcome, masters) = boot_with(sound().build());
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    assert_eq!(outcome.event("boot")["dmar_source"], "fw_cfg");
    assert_eq!(outcome.report.of_kind("window").next().unwrap()["opt_in"], true);
    assert_both_isolated(&outcome);
    assert_eq!(masters, [true; 2]);
    // It promises interrupt remapping by no flag, and nothing else is to be said.
    let grave = outcome.report.of_kind("finding").filter(|finding| finding["severity"] == "error");
    assert_eq!(grave.count(), 0);
    assert!(!findings(&outcome).iter().any(|id| id.starts_with("unit-") || id.starts_with("device-")));
}

#[test]
fn a_wrong_checksum_costs_completeness_alone() {
    let mut table = sound().build();
    table[9] = table[9].wrapping_add(1);
    let (outcome, _) = boot_with(table);
    assert_incomplete(&outcome);
    assert_both_isolated(&outcome);
}

#[test]
fn a_length_past_the_end_costs_completeness_alone() {
    let mut table = sound().build();
    table[4..8].copy_from_slice(&0x1000_u32.to_le_bytes());
    fix_checksum(&mut table);
    let (outcome, _) = boot_with(table);
    assert_incomplete(&outcome);
    assert_both_isolated(&outcome);
}

#[test]
fn a_structure_of_no_length_ends_the_table() {
    let (outcome, _) = boot_with(sound().structure(9, &[]).declared_length(0).build());
    assert_incomplete(&outcome);
    assert_both_isolated(&outcome);
}

#[test]
fn a_region_that_ends_before_it_begins_is_not_mapped() {
    let (base, limit) = (PhysAddr::new(0x300_0000), PhysAddr::new(0x2ff_ffff));
    let (outcome, _) = boot_with(sound().rmrr(SEGMENT, base, limit, &[ScopeSpec::endpoint(0, 3, 0)]).build());
    assert_incomplete(&outcome);
    assert_both_isolated(&outcome);
}

#[test]
fn what_is_no_table_protects_nothing() {
    for table in [b"nonsense".to_vec(), Vec::new()] {
        let (outcome, masters) = boot_with(table);
        assert_none_used(&outcome, masters);
        assert!(outcome.events("unit").is_empty());
    }
}

#[test]
fn a_unit_that_cannot_be_is_not_touched() {
    // At 0, beyond the processor's 40 bits, and not at a page.
    for base in [0, 1 << 45, 0xfed9_0800] {
        let table = DmarBuilder::new().width_bits(48);
        let table = table.drhd(DrhdFlags::INCLUDE_PCI_ALL, SEGMENT, PhysAddr::new(base), &[]).build();
        let (outcome, masters) = boot_with(table);
        assert_none_used(&outcome, masters);
        let unit = outcome.event("unit");
        assert_eq!(unit["state"], "failed");
        assert!(unit["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        assert_eq!(outcome.device(ROGUE)["unit"], 0);
    }
}

/// One unit does not answer and has the first device; the other one has the rest and works.
#[test]
fn a_silent_unit_costs_only_its_own_devices() {
    let nowhere = PhysAddr::new(0xfe00_0000);
    let table = DmarBuilder::new()
        .width_bits(48)
        .drhd(DrhdFlags::empty(), SEGMENT, nowhere, &[ScopeSpec::endpoint(0, 3, 0)])
        .drhd(DrhdFlags::INCLUDE_PCI_ALL, SEGMENT, UNIT, &[])
        .build();
    let (outcome, masters) = boot_with(table);
    assert_incomplete(&outcome);
    assert_eq!(masters, [false, true]);
    let states: Vec<_> = outcome.events("unit").iter().map(|unit| unit["state"].clone()).collect();
    assert_eq!(states, ["failed", "enforcing"]);
    assert!(findings(&outcome).contains(&"unit-silent"));
    assert!(outcome.events("unit")[0]["findings"].as_array().unwrap().contains(&"unit-silent".into()));
    let attacks = outcome.attacks("attack");
    outcome.assert_not_possible(attacks[0], "cannot be told");
    outcome.assert_blocked(attacks[1], "never-mapped");
}

/// The unit lists what it covers: a device that is there, one that is not, and not the rest of the machine.
#[test]
fn what_no_scope_names_bypasses_the_unit() {
    let scopes = [ScopeSpec::endpoint(0, 0x1d, 0), ScopeSpec::endpoint(0, 4, 0)];
    let table = DmarBuilder::new().width_bits(48).drhd(DrhdFlags::empty(), SEGMENT, UNIT, &scopes).build();
    let (outcome, masters) = boot_with(table);
    assert_incomplete(&outcome);
    assert_eq!(masters, [false, true]);
    assert_eq!(outcome.event("unit")["state"], "enforcing");
    let findings = findings(&outcome);
    assert!(findings.contains(&"scope-no-device") && findings.contains(&"device-uncovered"), "{findings:?}");
    assert_eq!(outcome.device(ROGUE)["state"], "bypasses-iommu");
    assert_eq!(outcome.device(OTHER)["state"], "assigned");
    let attacks = outcome.attacks("attack");
    outcome.assert_not_possible(attacks[0], "cannot be told");
    outcome.assert_blocked(attacks[1], "never-mapped");
}
