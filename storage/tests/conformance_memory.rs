//! The memory backend passes the conformance suite.

watchkeep_storage::conformance_tests!(watchkeep_storage::conformance::MemoryHarness);
