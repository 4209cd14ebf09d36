//! DMAR tables whose reserved regions (RMRR) lie where none may: over the unit's registers, over configuration space,
//! beyond every address, or twice over each other. Nothing is granted of them but what can be, the kernel says so, and
//! everything else works.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits at 0xfed90000, 256 MiB, `edu` at 00:03.0 and 00:04.0). Each
//! table has one unit for all and names 00:03.0.

use std::path::Path;

use acpi_tables::DrhdFlags;
use acpi_tables::testing::{DmarBuilder, ScopeSpec};
use boot::machine::Iommu;
use dma_types::{PhysAddr, Segment};
use tests::{Outcome, Run};

const OWNER: &str = "0000:00:03.0";

/// A table of the corpus.
fn table(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/hostile-dmar");
    let path = folder.join(name).with_extension("bin");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn boot(table: Vec<u8>) -> Run {
    Run::new().options("policy=log dmar=fw_cfg").fw_cfg("opt/ivt/dmar", table)
}

fn had_region(outcome: &Outcome) -> bool {
    let mut lines = outcome.report.of_kind("device").filter(|device| device["bdf"] == OWNER);
    lines.any(|device| device["state"] == "firmware-region")
}

/// The region is not granted, which is said; the unit holds both devices all the same, also where the region was.
#[track_caller]
fn assert_refused(name: &str, address: &str, finding: &str) {
    let script = format!("attack 00:03.0 write; attack 00:04.0 read; attack 00:03.0 read {address}; units");
    let outcome = boot(table(name)).script(&script).go();
    outcome.assert_status(1);
    assert!(outcome.events("bugcheck").is_empty(), "{name}");
    assert_eq!(
        (&outcome.event("protected")["complete"], &outcome.event("protected")["units"]),
        (&false.into(), &1.into())
    );
    assert!(outcome.report.of_kind("finding").any(|line| line["id"] == finding), "{name}: no {finding}");
    assert!(!had_region(&outcome), "{name}");
    let attacks = outcome.attacks("attack");
    for attack in &attacks[..2] {
        outcome.assert_blocked(attack, "never-mapped");
    }
    let beyond = u64::from_str_radix(&address[2..], 16).is_ok_and(|address| address >> 48 != 0);
    let verdict = if beyond { "beyond-width" } else { "never-mapped" };
    outcome.assert_blocked(attacks[2], verdict);
    assert_eq!(outcome.end()["failed"], 0, "{name}");
}

#[test]
fn a_region_over_the_units_registers_is_refused() {
    assert_refused("registers", "0xfed90000", "rmrr-refused");
}

#[test]
fn a_region_over_configuration_space_is_refused() {
    assert_refused("ecam", "0xb0000000", "rmrr-refused");
}

#[test]
fn a_region_up_to_the_last_address_is_refused() {
    assert_refused("top", "0xfffffffffffff000", "rmrr-beyond-width");
}

#[test]
fn regions_beyond_the_processors_addresses_are_refused() {
    for (name, address) in
        [("hibase", "0x8000000000000000"), ("huge47", "0x100000000"), ("huge52", "0x1000000000000")]
    {
        assert_refused(name, address, "rmrr-beyond-width");
    }
}

/// Positive twin: the table reserves a page twice for its device, which reaches it, and what lies behind it, once.
#[test]
fn regions_that_overlap_are_granted_as_one() {
    let script = "attack 00:03.0 write 0xf000000; attack 00:03.0 read 0xf001000; attack 00:03.0 read 0xf002000; \
        attack 00:03.0 write 0xefff000; attack 00:04.0 write 0xf001000; attack 00:03.0 write; selftest regions";
    let outcome = boot(table("dup")).script(script).go();
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    assert_eq!(outcome.check("regions")["result"], "pass", "the device reads its region");
    assert!(had_region(&outcome));
    assert_eq!(outcome.device(OWNER)["state"], "assigned");
    let attacks = outcome.attacks("attack");
    for attack in &attacks[..2] {
        outcome.assert_not_possible(attack, "live");
    }
    for attack in &attacks[2..4] {
        assert_eq!(attack["result"], "blocked", "{attack}");
    }
    outcome.assert_blocked(attacks[4], "foreign");
    outcome.assert_blocked(attacks[5], "never-mapped");
}

/// The processor reaches the region's addresses, the unit does not.
#[test]
fn a_region_beyond_the_units_addresses_is_given_up() {
    let (base, limit) = (PhysAddr::new(1 << 39), PhysAddr::new((1 << 39) + 0xfff));
    let table = DmarBuilder::new()
        .width_bits(40)
        .drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), PhysAddr::new(0xfed9_0000), &[])
        .rmrr(Segment(0), base, limit, &[ScopeSpec::endpoint(0, 3, 0)])
        .build();
    let outcome = boot(table).iommu(Iommu::Intel39).script("attack 00:03.0 write; attack 00:04.0 write").go();
    outcome.assert_status(1);
    assert_eq!(outcome.event("protected")["complete"], false);
    assert!(!had_region(&outcome));
    let attacks = outcome.attacks("attack");
    // Whoever drives it would have to reach the region as well, so nobody does.
    outcome.assert_not_possible(attacks[0], "cannot be told");
    outcome.assert_blocked(attacks[1], "never-mapped");
}
