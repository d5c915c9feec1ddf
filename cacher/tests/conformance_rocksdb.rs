//! The cache over the RocksDB backend passes the conformance suite.

#![expect(clippy::unwrap_used, reason = "a store that cannot be opened is a failed test")]

mod cached;
#[path = "../../storage/tests/harness/rocksdb.rs"]
mod harness;

use self::cached::Cached;
use self::harness::RocksHarness;

watchkeep_storage::conformance_tests!(Cached(RocksHarness::default()));
