//! The cache over the memory backend passes the conformance suite.

mod cached;

use watchkeep_storage::conformance::MemoryHarness;

use self::cached::Cached;

watchkeep_storage::conformance_tests!(Cached(MemoryHarness));
