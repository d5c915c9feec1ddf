//! Continue tokens, as a client sends them back.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watchkeep_storage::continue_token::fuzz_decode(bytes));
