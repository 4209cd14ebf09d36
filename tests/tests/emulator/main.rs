//! The shipped library drives stock QEMU's unit and the fake unit through the same random programs, without a
//! kernel. Whatever a device asks for (`edu`; on 11.1 `iommu-testdev` and the attacker, too) must come to the same on both, and to what the reference walker says.
//!
//! [`amd`] does the same with AMD's unit, which QEMU has from 11.1 on.
//!
//! 5,000 steps on each release of QEMU by default, 200,000 with `IVT_FULL=1`. What QEMU does otherwise than the
//! specification stands in [`differences`].

mod amd;
mod devices;
mod differences;
mod machine;
mod program;
mod side;
mod tally;

use std::path::{Path, PathBuf};

use devices::{Choice, Equipment};
use machine::Port;
use program::World;
use tally::Tally;

/// Steps by default, and in the full run.
const STEPS: (u64, u64) = (5_000, 200_000);
/// Steps on one machine; the next is another, with another seed.
const PER_MACHINE: u64 = 625;

/// The units: both widths, with caching mode and without.
const UNITS: [&str; 4] = [
    "intel-iommu,intremap=on,aw-bits=48",
    "intel-iommu,intremap=on,aw-bits=39",
    "intel-iommu,intremap=on,aw-bits=48,caching-mode=on",
    "intel-iommu,intremap=on,aw-bits=39,caching-mode=on",
];

/// Runs programs on a release of QEMU, with such devices.
fn compare(program: &Path, choice: Choice) {
    let full = std::env::var("IVT_FULL").is_ok_and(|value| value == "1");
    let steps = if full { STEPS.1 } else { STEPS.0 };
    let mut tally = Tally::default();
    for (seed, unit) in (0..steps / PER_MACHINE).zip(UNITS.iter().cycle()) {
        let equipment = Equipment::choose(choice, unit);
        let port = Port::start(program, unit, &equipment.arguments);
        let mut world = World::new(port, equipment, seed);
        for _ in 0..PER_MACHINE {
            world.step();
        }
        tally.add(&world.tally);
    }
    tally.settle(match choice {
        Choice::Edu => &["edu"],
        Choice::All => &["attacker", "edu", "iommu-testdev"],
    });
}

/// A release that `scripts/setup --with-qemu` has unpacked, or that a variable names.
fn unpacked(release: &str) -> PathBuf {
    let named = std::env::var_os(format!("IVT_QEMU{}", release.replace('.', ""))).map(PathBuf::from);
    let program =
        named.unwrap_or_else(|| boot::target_folder().join(format!("qemu-{release}/qemu-system-x86_64")));
    assert!(
        program.exists(),
        "{} is not there: scripts/setup --with-qemu {release} fetches it",
        program.display()
    );
    program
}

#[test]
fn the_usual_release_agrees_with_the_fake_unit() {
    compare(boot::qemu::Qemu::find(None).unwrap().program(), Choice::Edu);
}

#[test]
fn release_7_2_agrees_with_the_fake_unit() {
    compare(&unpacked("7.2"), Choice::Edu);
}

#[test]
fn release_11_1_agrees_with_the_fake_unit() {
    compare(&unpacked("11.1"), Choice::All);
}
