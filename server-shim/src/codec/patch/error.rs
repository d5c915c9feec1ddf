//! What can be wrong with a patch, and what the HTTP layer has to know about it.

use serde_json::Value;

/// A patch cannot be parsed or applied. The text is the message of the response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The body is no patch.
    #[error("{0}")]
    BadRequest(String),
    /// A JSON patch has too many operations.
    #[error(
        "Request entity too large: The allowed maximum operations in a JSON patch is {limit}, got {sent}"
    )]
    TooManyOperations {
        /// How many there may be.
        limit: usize,
        /// How many were sent.
        sent: usize,
    },
    /// An operation does not fit the object. Clients are not told which: `cause` is for the log.
    #[error("the server rejected our request due to an error in our request")]
    Rejected {
        /// What does not fit.
        cause: String,
    },
    /// The result is no object of the kind.
    #[error(" \"\" is invalid: patch: {}", invalid_value(.value, .cause))]
    Undecodable {
        /// The result, or where that says more the patch.
        value: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A strategic merge patch contradicts itself or the schema.
    #[error("{0}")]
    Malformed(String),
}

/// The kind of response for a [`PatchError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchClass {
    /// 400, reason `BadRequest`.
    BadRequest,
    /// 413, reason `RequestEntityTooLarge`.
    TooLarge,
    /// 422, reason `Invalid`, empty `details`.
    Rejected,
    /// 422, reason `Invalid`, `details` with one cause for the field `patch`.
    Invalid,
    /// 500 without a reason.
    Failure,
}

impl PatchError {
    /// The kind of response.
    pub fn class(&self) -> PatchClass {
        match self {
            Self::BadRequest(_) => PatchClass::BadRequest,
            Self::TooManyOperations { .. } => PatchClass::TooLarge,
            Self::Rejected { .. } => PatchClass::Rejected,
            Self::Undecodable { .. } => PatchClass::Invalid,
            Self::Malformed(_) => PatchClass::Failure,
        }
    }

    /// The message of the one cause in the details of [`PatchClass::Invalid`]; its reason is
    /// `FieldValueInvalid` and its field `patch`.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Undecodable { value, cause } => Some(invalid_value(value, cause)),
            _ => None,
        }
    }

    pub(super) fn rejected(cause: impl Into<String>) -> Self {
        Self::Rejected { cause: cause.into() }
    }
}

fn invalid_value(value: &str, cause: &str) -> String {
    format!("Invalid value: {}: {cause}", Value::from(value))
}

/// A value as messages about strategic merge patches show it: `map[$patch:bogus k:v]`.
pub(super) fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let items: Vec<_> = list.iter().map(go_text).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("{key}:{}", go_text(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}
