//! Builds tables for tests: sound ones, and ones that are broken on purpose.

mod builder;
mod dmar;
mod ivrs;
mod usage;

use std::vec::Vec;

pub use builder::TableBuilder;
pub use dmar::{DmarBuilder, ScopeSpec};
pub use ivrs::{IvrsBuilder, device_entry};
pub use usage::use_everything;

/// A header with this signature; length and checksum are set by [`seal`].
fn header(signature: [u8; 4]) -> Vec<u8> {
    let mut table = signature.to_vec();
    table.extend([0; 4]);
    table.extend([1, 0]);
    table.extend(b"OEMID OEMTABLE");
    table.extend(7_u32.to_le_bytes());
    table.extend(b"TEST");
    table.extend(9_u32.to_le_bytes());
    table
}

/// Sets the header's length to the number of bytes, and the checksum so that they add up to zero.
pub fn seal(table: &mut [u8]) {
    let length = u32::try_from(table.len()).unwrap();
    table[4..8].copy_from_slice(&length.to_le_bytes());
    fix_checksum(table);
}

/// Sets the checksum so that all bytes add up to zero, and leaves the length alone.
pub fn fix_checksum(table: &mut [u8]) {
    table[9] = 0;
    table[9] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
}
