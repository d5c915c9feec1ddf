//! The etcd3 backend passes the conformance suite against a real etcd: one for each test, and below a prefix
//! of its own for each store of it.

#![expect(clippy::unwrap_used, reason = "a store that cannot be opened is a failed test")]

#[path = "harness/etcd3.rs"]
mod harness;

use self::harness::EtcdHarness;

watchkeep_storage::conformance_tests!(EtcdHarness::default());
