//! Protobuf, as clients of Kubernetes speak it: an envelope that says the kind, and in it the message of the kind.
//!
//! Messages are read and written by the table of fields, through the same trees as JSON: what is read goes through
//! [`super::decode`] like any body, so a kind has one canonical form whatever it came in.
//!
//! ```text
//! "k8s\0" │ Unknown { 1: TypeMeta { 1: apiVersion, 2: kind }, 2: message, 3: "", 4: "" }
//! ```
//!
//! Zero values are not written, except of fields for which zero says something else than absence: readers take an
//! absent one for zero.

mod decode;
mod encode;
mod envelope;
mod special;
#[cfg(test)]
mod tests;

pub use self::decode::decode;
pub use self::encode::encode;
pub use self::envelope::{END, Envelope, ListHead, WatchFrame, write_item};

/// The bytes are no message of the kind; the text says what does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadMessage(pub(super) String);

impl From<prost::DecodeError> for BadMessage {
    fn from(error: prost::DecodeError) -> Self {
        Self(error.to_string())
    }
}
