//! The RocksDB backend passes the conformance suite, each test on a store in a directory of its own.

#![expect(clippy::unwrap_used, reason = "a store that cannot be opened is a failed test")]

#[path = "harness/rocksdb.rs"]
mod harness;

use self::harness::RocksHarness;

watchkeep_storage::conformance_tests!(RocksHarness::default());
