//! Durations, such as `1h30m`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watchkeep_server::codec::fuzzing::fuzz_duration(bytes));
