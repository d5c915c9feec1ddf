//! A small Kubernetes API server.
pub mod kinds;
