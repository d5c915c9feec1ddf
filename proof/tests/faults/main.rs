//! Failures and crashes at every point of the backends that has a name: what was acknowledged stays, what was
//! not is done or not done, reads go on, and watches show what was committed and nothing else.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

#[cfg(feature = "rocksdb")]
mod crashes;
#[cfg(feature = "rocksdb")]
mod disk;
#[cfg(feature = "rocksdb")]
mod errors;
#[cfg(feature = "etcd3")]
mod etcd3;
#[cfg(feature = "memory")]
mod memory;
