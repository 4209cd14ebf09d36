//! Figures that must be kept, in instructions: the default machine under QEMU's instruction counting.

use std::fs;

use tests::Run;

/// The most that each figure may be.
const LIMITS: [(&str, u64); 2] = [("boot_to_protected", 10_000_000), ("fault_to_record", 2_000)];

/// The most bytes that the release kernel may have, symbols kept.
const KERNEL_BYTES: u64 = 1_572_864;

#[test]
fn figures_stay_within_their_limits() {
    let outcome = Run::new().instruction_clock().script("bench").go();
    outcome.assert_status(0);
    for (name, limit) in LIMITS {
        let figures = outcome.events("bench");
        let figure = figures.iter().find(|figure| figure["name"] == name).expect(name);
        let value = figure["value"].as_u64().unwrap();
        assert!((1..=limit).contains(&value), "{name}: {value}, at most {limit}");
    }
}

#[test]
fn the_kernel_stays_small() {
    let bytes = fs::metadata(tests::kernel().unwrap()).unwrap().len();
    assert!(bytes <= KERNEL_BYTES, "{bytes} bytes");
}
