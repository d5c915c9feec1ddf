//! Query parameters of reads and writes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watchkeep_server::http::params::fuzz(bytes));
