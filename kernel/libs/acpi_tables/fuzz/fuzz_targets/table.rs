//! Any bytes, as a table.
#![no_main]

use acpi_tables::testing::{fix_checksum, use_everything};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use_everything(bytes);
    // The same behind a checksum that holds, which a fuzzer finds only by luck.
    if bytes.len() >= 36 {
        let mut table = bytes.to_vec();
        fix_checksum(&mut table);
        use_everything(&table);
    }
});
