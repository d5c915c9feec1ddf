//! Every defect that is seeded in the stores is found, by what would have to find one that nobody seeded: the
//! model, the suite of conformance, or, where only a certain moment shows it, a scenario of its own.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

#[cfg(feature = "memory")]
mod cache;
mod catch;
#[cfg(feature = "rocksdb")]
#[path = "../faults/disk.rs"]
mod disk;
#[cfg(feature = "etcd3")]
mod etcd3;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "memory")]
mod shared;
mod table;
