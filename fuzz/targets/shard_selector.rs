//! Shard selectors.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watchkeep_storage::selector::fuzz_shard(bytes));
