//! Merge patches of a pod.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watchkeep_server::codec::fuzzing::fuzz_merge_patch(bytes));
