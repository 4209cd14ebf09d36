//! What a device is told to reach for, and the verdict that each fault must get.

/// Each kind of target with its verdict.
pub const TARGETS: [(&str, &str); 7] = [
    ("canary", "never-mapped"),
    ("kernel", "never-mapped"),
    ("tables", "never-mapped"),
    ("freed", "stale"),
    ("foreign", "foreign"),
    ("wrong-direction", "wrong-direction"),
    ("past-end", "overrun"),
];

/// A script that tells a device to overreach at each of [`TARGETS`] in turn, reading and then writing.
pub fn attacks(bdf: &str) -> String {
    let both = |(target, _)| ["read", "write"].map(|access| format!("attack {bdf} {access} {target}; "));
    TARGETS.into_iter().flat_map(both).collect()
}
