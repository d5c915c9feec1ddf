//! From the bytes of a client to values and back: the parsers, the canonical form of an object, the
//! checks of field validation, and the patches.
//!
//! Everything here is a function of its arguments: no I/O, no clock, no shared state. Every parser of
//! outside bytes bounds the depth of what it builds by [`MAX_DEPTH`] and answers hostile input with an
//! error, never with a panic.

mod bytes;
pub mod canonical;
mod document;
pub mod duration;
pub mod encode;
pub mod findings;
#[doc(hidden)]
pub mod fuzzing;
pub mod identity;
pub mod json;
mod json_fault;
mod mismatch;
pub mod patch;
mod presence;
pub mod protobuf;
mod quantity;
mod scalar;
#[cfg(test)]
pub(crate) mod specimen;
mod time;
pub mod yaml;

pub use canonical::decode;
pub use document::{Document, Malformed};
pub use encode::encode;
pub use findings::{FieldValidation, Findings};
pub use identity::Identity;
pub use mismatch::TypeError;
pub use patch::{Patch, PatchError, PatchFormat};

/// How many objects and lists may stand inside each other, in any document.
///
/// The deepest schemas in use (nested definitions of custom resources) stay under half of it.
pub const MAX_DEPTH: usize = 100;
