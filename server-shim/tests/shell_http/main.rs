//! The server over HTTP, in this process, without a Kubernetes client.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod client;
mod discovery;
mod limits;
mod process;
mod server;
