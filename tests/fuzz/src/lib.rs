//! Fuzz targets: what must hold of a library whatever bytes it is given.
//!
//! Each target is a function that takes any bytes and panics if something does not hold. It has two drivers:
//!
//! - `cargo test -p fuzz` plays its corpus, changed copies of that, and random bytes (`tests/replay.rs`);
//! - `scripts/fuzz [TARGET] [SECONDS]` has libFuzzer search for bytes that reach new code (`libfuzzer/`).
//!
//! What libFuzzer finds is mended in the library, with a test there; the bytes go into `corpus/TARGET`.

mod bytes;
mod machine;

pub mod acpi_table;
pub mod coverage;
pub mod cper;
pub mod e1000e;
pub mod explain;
pub mod nvme;
pub mod options;
pub mod pci;
pub mod virtio;
pub mod vtd;

pub use bytes::Bytes;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its corpus's folder too.
    pub name: &'static str,
    /// Takes any bytes; panics if something does not hold.
    pub body: fn(&[u8]),
    /// How many inputs are tried by `cargo test`: what takes a second or two.
    pub inputs: usize,
}

/// Every target.
pub const TARGETS: [Target; 10] = [
    Target { name: "acpi_table", body: acpi_table::check, inputs: 20_000 },
    Target { name: "coverage", body: coverage::check, inputs: 1_500 },
    Target { name: "cper", body: cper::check, inputs: 20_000 },
    Target { name: "e1000e", body: e1000e::check, inputs: 20_000 },
    Target { name: "explain", body: explain::check, inputs: 5_000 },
    Target { name: "nvme", body: nvme::check, inputs: 20_000 },
    Target { name: "options", body: options::check, inputs: 20_000 },
    Target { name: "pci", body: pci::check, inputs: 1_500 },
    Target { name: "virtio", body: virtio::check, inputs: 2_000 },
    Target { name: "vtd", body: vtd::check, inputs: 300 },
];
