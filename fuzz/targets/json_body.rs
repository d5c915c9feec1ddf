//! Bodies of JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watchkeep_server::codec::fuzzing::fuzz_json_body(bytes));
