//! What the server knows of the built-in kinds: the field table and the resource table.

pub mod field;
pub mod resource;
