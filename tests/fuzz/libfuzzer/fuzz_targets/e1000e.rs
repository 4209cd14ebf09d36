#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::e1000e::check(bytes));
