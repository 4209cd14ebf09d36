//! Unusual but readable firmware tables: many units, two for the rest, scopes to nowhere, two tables; and groups by
//! what root ports can keep apart.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits at 0xfed90000, `edu` at 00:03.0 and 00:04.0).

use std::io::Write;

use acpi_tables::DrhdFlags;
use acpi_tables::testing::{DmarBuilder, ScopeSpec};
use dma_types::{PhysAddr, Segment};
use serde_json::Value;
use tests::{Outcome, Run};

const SEGMENT: Segment = Segment(0);
const UNIT: PhysAddr = PhysAddr::new(0xfed9_0000);
const REST: DrhdFlags = DrhdFlags::INCLUDE_PCI_ALL;
const NONE: DrhdFlags = DrhdFlags::empty();

fn table() -> DmarBuilder {
    DmarBuilder::new().width_bits(48)
}

/// Boots with a table by fw_cfg and lets a device overreach.
fn boot_with(table: DmarBuilder) -> Outcome {
    Run::new()
        .options("policy=log dmar=fw_cfg")
        .fw_cfg("opt/ivt/dmar", table.build())
        .script("attack 00:03.0 write")
        .go()
}

fn states(outcome: &Outcome) -> Vec<&Value> {
    outcome.events("unit").iter().map(|unit| &unit["state"]).collect()
}

/// One unit answers; the other 99 do not, and cost nothing but completeness.
#[test]
fn a_hundred_units() {
    let mut builder = table().drhd(REST, SEGMENT, UNIT, &[]);
    for index in 1..100 {
        builder = builder.drhd(NONE, SEGMENT, PhysAddr::new(0xfeda_0000 + index * 0x1000), &[]);
    }
    let outcome = boot_with(builder);
    outcome.assert_status(1);
    assert_eq!(
        (&outcome.event("protected")["units"], &outcome.event("protected")["complete"]),
        (&1.into(), &false.into())
    );
    let states = states(&outcome);
    assert_eq!(states.len(), 100);
    assert_eq!(states[0], "enforcing");
    assert!(states[1..].iter().all(|state| *state == "failed"), "{states:?}");
    outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
}

/// The first unit that claims the rest has it; the second one claims the same registers and is not touched.
#[test]
fn two_units_claim_the_rest() {
    let outcome = boot_with(table().drhd(REST, SEGMENT, UNIT, &[]).drhd(REST, SEGMENT, UNIT, &[]));
    outcome.assert_status(1);
    assert_eq!(states(&outcome), ["enforcing", "failed"]);
    assert_eq!(outcome.device("0000:00:03.0")["unit"], 0);
    outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
}

/// Scopes that lead nowhere take nothing away from those that lead somewhere.
#[test]
fn scopes_that_lead_nowhere() {
    let scopes = [
        ScopeSpec::endpoint(0, 0x1d, 5),
        ScopeSpec::endpoint(0, 3, 0).then(1, 0),
        ScopeSpec::bridge(0x7f, 2, 0),
        ScopeSpec::endpoint(0, 40, 9),
    ];
    let outcome = boot_with(table().drhd(REST, SEGMENT, UNIT, &scopes));
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
}

/// The table that QEMU adds comes second; it names a unit that does not answer, and is not used.
#[test]
fn two_tables() {
    let mut second = tempfile::NamedTempFile::new().unwrap();
    let bytes = table().drhd(REST, SEGMENT, PhysAddr::new(0xfeda_0000), &[]).build();
    second.write_all(&bytes).unwrap();
    let file = format!("file={}", second.path().display());
    let outcome = Run::new()
        .qemu_arguments(&["-acpitable", &file])
        .options("policy=log")
        .script("attack 00:03.0 write")
        .go();
    outcome.assert_status(0);
    assert_eq!(states(&outcome), ["enforcing"]);
    assert!(outcome.serial.contains("2 DMAR tables"), "the log tells of the second");
    outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
}

/// With a table but no unit behind it, nothing enforces.
#[test]
fn a_table_without_hardware() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&table().drhd(REST, SEGMENT, UNIT, &[]).build()).unwrap();
    let file = format!("file={}", file.path().display());
    let run = Run::new().iommu(boot::machine::Iommu::None).qemu_arguments(&["-acpitable", &file]);
    let outcome = run.script("attack 00:03.0 write").go();
    outcome.assert_status(1);
    assert_eq!(states(&outcome), ["failed"]);
    assert_eq!(outcome.event("protected")["units"], 0);
    outcome.assert_not_possible(outcome.attacks("attack")[0], "told to overreach");
}

/// A root port with ACS keeps what stands below it apart from itself; one without does not.
#[test]
fn root_ports_with_and_without_acs() {
    let port = |acs: &str| format!("pcie-root-port,id=rp0,addr=0x10,chassis=1,slot=1,disable-acs={acs}");
    for (disable_acs, together) in [("off", false), ("on", true)] {
        let outcome = Run::new()
            .device(&port(disable_acs))
            .device("edu,bus=rp0,addr=0x0,dma_mask=0xffffffffffffffff")
            .options("policy=log")
            .script("attack 01:00.0 write")
            .go();
        outcome.assert_status(0);
        let (port, edu) = (outcome.device("0000:00:10.0"), outcome.device("0000:01:00.0"));
        assert_eq!(port["group"] == edu["group"], together, "disable-acs={disable_acs}");
        outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
    }
}
