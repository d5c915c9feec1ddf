//! A small Kubernetes API server over [`watchkeep_storage`]: as a library for those who want one inside
//! their own process, and as the binary `watchkeep`.

pub mod app;
pub mod backend;
pub mod bootstrap;
pub mod cached;
pub mod codec;
pub mod config;
mod convert;
pub mod discovery;
pub mod http;
pub mod kinds;
pub mod kubeconfig;
pub mod logging;
mod namespaces;
pub mod open_files;
mod selectable;
pub mod server;
pub mod table;
pub mod telemetry;
mod time;
