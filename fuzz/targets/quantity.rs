//! Quantities, such as `1.5Gi`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watchkeep_server::codec::fuzzing::fuzz_quantity(bytes));
