#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::acpi_table::check(bytes));
