//! Any bytes, as the configuration space of a machine.
#![no_main]

use pci::testing::RawSpace;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RawSpace::new(bytes).check());
