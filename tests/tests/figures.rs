//! Figures that must be kept, in instructions: the default machine under QEMU's instruction counting.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use boot::kernel::Profile;
use serde_json::Value;
use tests::Run;

/// The most that each figure may be. Where the goal is lower than what is reached, it stands behind.
const LIMITS: [(&str, u64); 20] = [
    ("boot_to_protected", 6_000_000),
    ("fault_to_record", 409),
    ("fault_to_verdict", 10_000),
    ("map_4k", 280), // goal 250
    ("unmap_4k", 350),
    ("map_64k", 365), // goal 350
    ("unmap_64k", 435),
    ("map_2m", 310),
    ("unmap_2m", 390),
    ("map_100_bytes", 3_250),
    ("unmap_100_bytes", 1_200),
    ("map_6000_bytes", 2_400),
    ("unmap_6000_bytes", 800),
    ("map_4k_100k_live", 280), // goal 250
    ("unmap_4k_100k_live", 350),
    ("map_4k_1m_live", 280), // goal 250
    ("unmap_4k_1m_live", 350),
    ("map_4k_batch32", 235),   // goal 200
    ("unmap_4k_batch32", 135), // goal 120
    // Eight bytes for each 4 KiB, and a little for the tables above.
    ("table_bytes_per_gib", 2_200_000),
];

/// The most that a page takes on its way to a device and back, alone and among many.
const PAIR: u64 = 612;
const PAIRS: [(&str, &str); 3] = [
    ("map_4k", "unmap_4k"),
    ("map_4k_100k_live", "unmap_4k_100k_live"),
    ("map_4k_1m_live", "unmap_4k_1m_live"),
];

/// Figures among many mappings, and the figure that each may exceed by a tenth.
const AMONG_MANY: [(&str, &str); 4] = [
    ("map_4k_100k_live", "map_4k"),
    ("unmap_4k_100k_live", "unmap_4k"),
    ("map_4k_1m_live", "map_4k"),
    ("unmap_4k_1m_live", "unmap_4k"),
];

/// Every figure as it was last accepted, by name.
const ACCEPTED: &str = include_str!("../figures.toml");

/// A figure is as accepted if it is off by at most one in so many.
const TOLERANCE: u64 = 100;

/// How long a million mappings may take.
const LIMIT: Duration = Duration::from_secs(600);

/// The most bytes that the release kernel may have, with the symbols that other files could use.
const KERNEL_BYTES: u64 = 1_782_579;

/// The kernel that ships: figures of another say nothing.
fn shipping_kernel() -> &'static PathBuf {
    assert_eq!(
        tests::profile(),
        Profile::Release,
        "figures are those of the kernel that ships: unset IVT_PROFILE"
    );
    tests::kernel().unwrap()
}

type Figures<'a> = BTreeMap<&'a str, u64>;

/// Reads a name, ` = ` and a number from each line that is no comment.
fn accepted(text: &str) -> Figures<'_> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.split_once(" = ").expect(line);
            (name, value.replace('_', "").parse().expect(line))
        })
        .collect()
}

/// The lines by which what is measured differs from what was accepted.
fn moved(accepted: &Figures<'_>, measured: &Figures<'_>) -> Vec<String> {
    let names: BTreeSet<&str> = accepted.keys().chain(measured.keys()).copied().collect();
    let differs = |name: &str| match (accepted.get(name), measured.get(name)) {
        (Some(old), Some(new)) if old.abs_diff(*new).saturating_mul(TOLERANCE) <= *old => None,
        (_, Some(new)) => Some(format!("{name} = {new}")),
        (_, None) => Some(format!("{name} is measured no more")),
    };
    names.into_iter().filter_map(differs).collect()
}

/// Whether more than the code has a part in a figure: a device's pace on the host, or how large the block is that a bounce
/// page is cut off, which whatever was allocated before decides.
fn depends_on_chance(name: &str) -> bool {
    name.ends_with("_whole") || name.contains("_qd32") || name.ends_with("_100_bytes")
}

#[test]
fn a_figure_that_moves_by_more_than_a_hundredth_is_told() {
    let accepted = accepted("# as of now\nsame = 200\nslower = 1_000\nquicker = 100\ngone = 5\n");
    let measured = [("same", 198), ("slower", 1011), ("quicker", 98), ("new", 7)].into();
    let told = ["gone is measured no more", "new = 7", "quicker = 98", "slower = 1011"];
    assert_eq!(moved(&accepted, &measured), told);
}

#[test]
fn figures_stay_within_their_limits() {
    shipping_kernel();
    let outcome = Run::new().instruction_clock().memory_mib(2048).limit(LIMIT).script("bench").go();
    outcome.assert_status(0);
    let figures = outcome.events("bench");
    let value = |name: &str| -> u64 {
        let figure = figures.iter().find(|figure| figure["name"] == name).expect(name);
        let measured: &Value = &figure["value"];
        measured.as_u64().unwrap()
    };
    for (name, limit) in LIMITS {
        let value = value(name);
        assert!((1..=limit).contains(&value), "{name}: {value}, at most {limit}");
    }
    for (map, unmap) in PAIRS {
        let pair = value(map) + value(unmap);
        assert!(pair <= PAIR, "{map} and {unmap}: {pair}, at most {PAIR}");
    }
    for (name, alone) in AMONG_MANY {
        let (crowded, alone) = (value(name), value(alone));
        assert!(crowded * 10 <= alone * 11, "{name}: {crowded}, alone {alone}");
    }
    let measured =
        figures.iter().map(|figure| (figure["name"].as_str().unwrap(), figure["value"].as_u64().unwrap()));
    let of_code_alone = measured.filter(|(name, _)| !depends_on_chance(name)).collect();
    let moved = moved(&accepted(ACCEPTED), &of_code_alone);
    assert!(
        moved.is_empty(),
        "off by more than a hundredth; what is meant goes to tests/figures.toml:\n{}",
        moved.join("\n")
    );
}

#[test]
fn the_kernel_stays_small() {
    let bytes = fs::metadata(shipping_kernel()).unwrap().len();
    assert!(bytes <= KERNEL_BYTES, "{bytes} bytes");
}
