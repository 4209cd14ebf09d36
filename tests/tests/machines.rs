//! Machines that the same kernel must hold on: firmware and medium, memory, processors, what the IOMMU offers.
//!
//! Each run ends with `protected` complete and the drill at boot blocked for every device with a driver,
//! unless the test says otherwise.

use boot::machine::{Firmware, Iommu, Media};
use tests::{DRIVEN, Outcome, Run, hex};

/// Boots, lets the drill run, and switches off; checks that everything held.
fn assert_holds(run: Run) -> Outcome {
    let outcome = run.script("selftest").go();
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    let drills = outcome.attacks("drill");
    assert_eq!(drills.len(), DRIVEN.len(), "every device with a driver is drilled");
    for drill in drills {
        outcome.assert_blocked(drill, "never-mapped");
    }
    outcome
}

/// The bits of address that the unit says it translates.
fn address_width(outcome: &Outcome) -> u64 {
    (hex(&outcome.event("unit")["capabilities"]) >> 16 & 0x3f) + 1
}

#[test]
fn bios_from_usb() {
    assert_holds(Run::new().media(Media::Usb));
}

#[test]
fn uefi_from_usb() {
    assert_holds(Run::new().firmware(Firmware::Uefi).media(Media::Usb));
}

#[test]
fn little_memory_with_bios() {
    let outcome = assert_holds(Run::new().memory_mib(64));
    assert_eq!(outcome.event("boot")["memory_mib"], 64);
}

/// OVMF itself starts with 48 MiB, not with 40.
#[test]
fn little_memory_with_uefi() {
    assert_holds(Run::new().firmware(Firmware::Uefi).memory_mib(48));
}

#[test]
fn much_memory() {
    let outcome = assert_holds(Run::new().memory_mib(8192));
    assert_eq!(outcome.event("boot")["memory_mib"], 8192);
}

#[test]
fn an_old_processor() {
    assert_holds(Run::new().qemu_arguments(&["-cpu", "qemu64"]));
}

/// The other processors stay where firmware parked them.
#[test]
fn eight_processors() {
    let outcome = assert_holds(Run::new().cpus(8));
    assert_eq!(outcome.event("boot")["cpus"], 8);
}

#[test]
fn three_levels() {
    let outcome = assert_holds(Run::new().iommu(Iommu::Intel39));
    assert_eq!((address_width(&outcome), &outcome.event("unit")["levels"]), (39, &3.into()));
}

#[test]
fn scalable_mode_offered() {
    assert_holds(Run::new().iommu(Iommu::IntelScalable));
}

#[test]
fn caching_mode() {
    let outcome = assert_holds(Run::new().qemu_arguments(&["-global", "intel-iommu.caching-mode=on"]));
    assert_eq!(hex(&outcome.event("unit")["capabilities"]) >> 7 & 1, 1, "the unit caches absent entries");
}

#[test]
fn no_drains() {
    let outcome = assert_holds(Run::new().qemu_arguments(&["-global", "intel-iommu.dma-drain=off"]));
    assert_eq!(hex(&outcome.event("unit")["capabilities"]) >> 54 & 3, 0, "the unit drains nothing");
}

#[test]
fn snoop_control() {
    let outcome = assert_holds(Run::new().qemu_arguments(&["-global", "intel-iommu.snoop-control=on"]));
    assert_eq!(
        hex(&outcome.event("unit")["extended_capabilities"]) >> 7 & 1,
        1,
        "entries can force snooping"
    );
}

#[test]
fn no_interrupt_remapping() {
    let unit = ["-device", "intel-iommu,aw-bits=48,intremap=off"];
    let outcome = assert_holds(Run::new().iommu(Iommu::None).qemu_arguments(&unit));
    assert_eq!(hex(&outcome.event("unit")["extended_capabilities"]) >> 3 & 1, 0, "no interrupt is remapped");
}

#[test]
fn nothing_to_drill() {
    let outcome = Run::new().no_default_devices().script("").go();
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    outcome.assert_not_possible(outcome.event("drill"), "told to overreach");
}

/// A unit that translates already is taken without an unprotected moment, its record kept as evidence; then
/// discovery runs on thousands of damaged tables.
#[test]
fn taken_again_and_damaged_tables() {
    let outcome = Run::new().script("selftest takeover; selftest tables; drill").go();
    outcome.assert_status(0);
    for name in ["takeover", "tables"] {
        assert_eq!(outcome.check(name)["result"], "pass");
    }
}
