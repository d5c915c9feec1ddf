//! What the etcd3 backend promises beyond the contract, against a real etcd.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod gateway;
mod proxy;
mod store;

mod cluster;
mod corrupt;
mod faults;
mod leases;
mod lists;
mod opening;
mod resuming;
mod trips;
