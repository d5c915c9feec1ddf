//! What the server knows of the built-in kinds: the field table and the resource table.

pub mod field;
pub mod message;
#[rustfmt::skip]
pub mod generated;
pub mod resource;
pub mod table;

#[cfg(test)]
mod tests;
