//! The data of the tables, as `cargo run -p xtask -- generate` writes them.

pub mod fields;
pub mod resources;
