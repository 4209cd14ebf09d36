//! Devices that send few address bits: each gets addresses that it can form, and what it cannot be told to do is
//! called not possible, with the reason.
//!
//! Machine: the default one, and an `edu` for each width. QEMU cuts off what lies beyond a device's mask, and no
//! register says where.

use boot::machine::Iommu;
use serde_json::Value;
use tests::{Outcome, Run};

/// Address bits: the fewest that are measured, odd ones between, around the unit's width, and all.
const WIDTHS: [u32; 13] = [20, 24, 28, 32, 36, 39, 40, 41, 42, 43, 44, 47, 64];

/// The first of the slots that stay free.
const FIRST_SLOT: usize = 0x10;

fn bdf(index: usize) -> String {
    format!("0000:00:{:02x}.0", FIRST_SLOT + index)
}

fn with_each_width() -> Run {
    let device = |(index, bits): (usize, &u32)| {
        format!("edu,addr={:x}.0,dma_mask={:#x}", FIRST_SLOT + index, u64::MAX >> (64 - bits))
    };
    WIDTHS.iter().enumerate().map(device).fold(Run::new(), |run, edu| run.device(&edu))
}

/// What was blocked was rightly attributed, and what was not tried has a reason.
fn assert_tried(outcome: &Outcome, attack: &Value) {
    match attack["result"].as_str() {
        Some("not-possible") => {
            assert!(attack["detail"].as_str().is_some_and(|why| !why.is_empty()), "{attack}")
        }
        Some("blocked") if attack["expected_fault"].is_null() => {}
        _ => {
            let fault = outcome.assert_blocked(attack, attack["verdict"].as_str().expect("a verdict"));
            assert_eq!(fault["bdf"], attack["bdf"]);
        }
    }
}

/// What came of a device's attacks, each of which has its answer.
fn attacks_of<'a>(outcome: &'a Outcome, bdf: &str) -> Vec<&'a Value> {
    let mine: Vec<_> = outcome.attacks("drill").into_iter().filter(|attack| attack["bdf"] == bdf).collect();
    mine.iter().for_each(|attack| assert_tried(outcome, attack));
    mine
}

#[test]
fn every_width_works_and_is_kept_in_bounds() {
    let outcome = with_each_width().script("drill").go();
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    for (index, bits) in WIDTHS.iter().enumerate() {
        let bdf = bdf(index);
        assert_eq!(outcome.device(&bdf)["state"], "assigned", "{bits} bits");
        let mine = attacks_of(&outcome, &bdf);
        let expected = 1 + 8 * 2 + 1;
        assert_eq!(mine.len(), expected, "{bits} bits: at boot, every target both ways, another's interrupt");
        // Its own buffers tell a device that reaches what it was given, whatever its width.
        for target in ["freed", "wrong-direction", "past-end"] {
            let blocked =
                mine.iter().filter(|attack| attack["target"] == target && attack["result"] == "blocked");
            assert_eq!(blocked.count(), 2, "{bits} bits, {target}");
        }
        // All memory lies within 28 bits, so from there on every attack can be tried.
        let possible = mine.iter().filter(|attack| attack["result"] == "blocked").count();
        assert!(*bits < 28 || possible == mine.len(), "{bits} bits: {possible} of {}", mine.len());
    }
}

/// The same at boot with a unit that translates less than some of the devices send.
#[test]
fn every_width_works_with_three_levels() {
    let outcome = with_each_width().iommu(Iommu::Intel39).script("").go();
    outcome.assert_status(0);
    for (index, bits) in WIDTHS.iter().enumerate() {
        let bdf = bdf(index);
        assert_eq!(outcome.device(&bdf)["state"], "assigned", "{bits} bits");
        assert_eq!(attacks_of(&outcome, &bdf).len(), 1, "{bits} bits");
    }
}
