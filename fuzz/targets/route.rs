//! Methods and paths.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watchkeep_server::http::route::fuzz(bytes));
