//! A document as bytes, with the digest that names them.

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest as _, Sha512};

/// A document of discovery.
#[derive(Clone, Debug)]
pub struct Document {
    /// The JSON, with a line end.
    pub json: Bytes,
    /// The SHA-512 of the JSON, in upper-case hexadecimal digits.
    pub digest: String,
}

impl Document {
    pub(super) fn new(value: &impl Serialize) -> Self {
        let mut json = serde_json::to_vec(value).unwrap_or_default();
        json.push(b'\n');
        let digest = format!("{:X}", Bytes::copy_from_slice(&Sha512::digest(&json)));
        Self { json: json.into(), digest }
    }

    /// The digest in the form of the header `ETag`.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.digest)
    }
}
