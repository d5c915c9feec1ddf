//! The cache over the etcd3 backend passes the conformance suite.

#![expect(clippy::unwrap_used, reason = "a store that cannot be opened is a failed test")]

mod cached;
#[path = "../../storage/tests/harness/etcd3.rs"]
mod harness;

use self::cached::Cached;
use self::harness::EtcdHarness;

watchkeep_storage::conformance_tests!(Cached(EtcdHarness::default()));
