//! The server over HTTP, in this process, without a Kubernetes client.

mod client;
mod discovery;
mod server;
