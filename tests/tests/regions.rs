//! Memory that firmware reserves for a device (RMRR): that device reaches it, and no other.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits at 0xfed90000, 256 MiB, `edu` at 00:03.0 and 00:04.0);
//! the DMAR table comes by fw_cfg instead of the firmware's.

use acpi_tables::DrhdFlags;
use acpi_tables::testing::{DmarBuilder, ScopeSpec};
use dma_types::{PhysAddr, Segment};
use tests::{Outcome, Run};

/// A table with one unit for all, and a region for one device on bus 0.
fn with_region(base: u64, limit: u64, device: u8) -> Run {
    let (base, limit) = (PhysAddr::new(base), PhysAddr::new(limit));
    let unit = PhysAddr::new(0xfed9_0000);
    let table = DmarBuilder::new()
        .width_bits(48)
        .drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), unit, &[])
        .rmrr(Segment(0), base, limit, &[ScopeSpec::endpoint(0, device, 0)])
        .build();
    Run::new().options("policy=log dmar=fw_cfg").fw_cfg("opt/ivt/dmar", table)
}

fn states(outcome: &Outcome, bdf: &str) -> Vec<String> {
    let lines = outcome.report.of_kind("device").filter(|device| device["bdf"] == bdf);
    lines.filter_map(|device| device["state"].as_str()).map(str::to_owned).collect()
}

/// Positive twin: for the device that the table names, its first and last page are live.
#[test]
fn exactly_the_named_device_gets_its_region() {
    let script = "attack 00:03.0 write 0x3000000; attack 00:03.0 read 0x300ffff; attack 00:03.0 read 0x3010000; \
        attack 00:03.0 write 0x2fff000; attack 00:04.0 write 0x3000000; attack 00:04.0 read 0x300f000; \
        attack 00:03.0 write; selftest regions";
    let outcome = with_region(0x300_0000, 0x300_ffff, 3).script(script).go();
    outcome.assert_status(0);
    assert_eq!(outcome.check("regions")["result"], "pass", "the device reads its region");
    assert_eq!(outcome.event("protected")["complete"], true);
    // The region was made up, so firmware's memory map calls it free.
    assert!(outcome.report.of_kind("finding").any(|finding| finding["id"] == "rmrr-not-reserved"));
    assert_eq!(states(&outcome, "0000:00:03.0")[..2], ["blocked", "firmware-region"]);
    assert_eq!(outcome.device("0000:00:03.0")["state"], "assigned");
    let attacks = outcome.attacks("attack");
    outcome.assert_not_possible(attacks[0], "live");
    outcome.assert_not_possible(attacks[1], "live");
    // The pages next to it are not part of it.
    for attack in &attacks[2..4] {
        assert_eq!(attack["result"], "blocked", "{attack}");
    }
    for attack in &attacks[4..6] {
        let fault = outcome.assert_blocked(attack, "foreign");
        assert_eq!(fault["bdf"], "0000:00:04.0");
    }
    outcome.assert_blocked(attacks[6], "never-mapped");
}

/// A display keeps its region without any driver.
#[test]
fn a_device_without_a_driver_keeps_its_region() {
    let outcome = with_region(0x300_0000, 0x30f_ffff, 1).script("attack 00:03.0 write 0x3000000").go();
    outcome.assert_status(0);
    assert_eq!(states(&outcome, "0000:00:01.0"), ["blocked", "firmware-region"]);
    outcome.assert_blocked(outcome.attacks("attack")[0], "foreign");
}

/// A region over memory of the kernel is refused, and its device keeps out like every other.
#[test]
fn a_region_over_the_kernel_is_refused() {
    let outcome = with_region(0x100_0000, 0x1ff_ffff, 3).script("attack 00:03.0 write kernel; units").go();
    outcome.assert_status(1);
    assert_eq!(outcome.event("protected")["complete"], false);
    assert!(!states(&outcome, "0000:00:03.0").contains(&"firmware-region".to_owned()));
    let attack = outcome.attacks("attack")[0];
    let inside = 0x100_0000..0x200_0000;
    assert!(inside.contains(&tests::hex(&attack["target_phys"])), "{attack}");
    outcome.assert_blocked(attack, "never-mapped");
}

/// A device with a region and one with a driver in the same group: the group's domain changes as the driver
/// learns what its device can send, and the region's device must not stay behind in the old one.
#[test]
fn a_region_in_a_group_moves_with_its_domain() {
    let unit = PhysAddr::new(0xfed9_0000);
    let (base, limit) = (PhysAddr::new(0x300_0000), PhysAddr::new(0x300_ffff));
    let table = DmarBuilder::new()
        .width_bits(48)
        .drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), unit, &[])
        .rmrr(Segment(0), base, limit, &[ScopeSpec::endpoint(0, 0x12, 1)])
        .build();
    let outcome = Run::new()
        .options("policy=log dmar=fw_cfg")
        .fw_cfg("opt/ivt/dmar", table)
        .device("edu,addr=0x12.0,multifunction=on,dma_mask=0xffffffffffffffff")
        .device("pci-testdev,addr=0x12.1")
        .script("selftest books; attack 00:12.0 write; attack 00:12.0 read 0x3000000")
        .go();
    outcome.assert_status(0);
    let (edu, other) = (outcome.device("0000:00:12.0"), outcome.device("0000:00:12.1"));
    assert_eq!((&edu["state"], &other["state"]), (&"assigned".into(), &"firmware-region".into()));
    assert_eq!(edu["group"], other["group"]);
    assert_eq!(outcome.check("entries-live")["result"], "pass");
    let attacks = outcome.attacks("attack");
    outcome.assert_blocked(attacks[0], "never-mapped");
    outcome.assert_not_possible(attacks[1], "live");
}
