//! What an API client is told of a storage error: the code, the reason and the message of its Status.
//!
//! One table for every server over this crate. It follows the reference's translation of storage errors,
//! which depends on the operation.

use std::time::Duration;

use crate::error::{CompactedDuring, Error};

/// The operation that met the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFor {
    /// A read of one object.
    Get,
    /// A list.
    List,
    /// A creation.
    Create,
    /// An update or a patch.
    Update,
    /// A deletion.
    Delete,
    /// A watch.
    Watch,
}

/// Names the object of a request in messages: `deployments.apps "web"`.
#[derive(Clone, Copy, Debug)]
pub struct ObjectName<'a> {
    /// The plural name of the resource.
    pub resource: &'a str,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The name of the object; empty for a collection.
    pub name: &'a str,
}

/// What goes into a Status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiStatus {
    /// The HTTP status code.
    pub code: u16,
    /// The reason; empty where the reference gives none.
    pub reason: &'static str,
    /// The message.
    pub message: String,
    /// When to come again; zero says nothing about it.
    pub retry_after: Duration,
    /// Whether the details name the object.
    pub names_object: bool,
    /// A cause: its reason and its message.
    pub cause: Option<(&'static str, String)>,
    /// The token that continues an expired list at the latest revision.
    pub continue_token: Option<String>,
}

/// How long a client is told to wait when an engine does not answer.
const UNREACHABLE_RETRY: Duration = Duration::from_secs(2);

/// The message of a page whose revision is gone, when there is a token to go on with.
const CONTINUE_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. \
    Start a new list without it, or go on with the continue token of this answer: that returns the rest as it is \
    now, so what changed since the first page may be missing or show up twice.";

/// The message of a page whose revision is gone, when there is none.
const CONTINUE_TOO_OLD_NO_TOKEN: &str = "The provided continue parameter is too old to display a consistent list \
    result. Start a new list without it.";

impl Error {
    /// What a client is told of this error.
    pub fn status(&self, during: StatusFor, object: ObjectName<'_>) -> ApiStatus {
        let ObjectName { resource, group, name } = object;
        let dot = if group.is_empty() { "" } else { "." };
        let qualified = format!("{resource}{dot}{group} {name:?}");
        let object_status = |code, reason, message| ApiStatus {
            code,
            reason,
            message,
            names_object: true,
            ..ApiStatus::default()
        };
        let conflict = |text: &str| {
            object_status(409, "Conflict", format!("Operation cannot be fulfilled on {qualified}: {text}"))
        };
        match self {
            Self::NotFound { .. } => object_status(404, "NotFound", format!("{qualified} not found")),
            Self::Exists { .. } => {
                if during == StatusFor::Create {
                    object_status(409, "AlreadyExists", format!("{qualified} already exists"))
                } else {
                    conflict(&self.to_string())
                }
            }
            Self::InvalidObject { key, reason } => conflict(&format!(
                "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {reason}"
            )),
            Self::ObjectTooLarge { bytes, .. } => plain(
                413,
                "RequestEntityTooLarge",
                format!(
                    "Request entity too large: {qualified} has {bytes} bytes, limit is {}",
                    crate::OBJECT_BYTES_MAX
                ),
            ),
            Self::FutureRevision { requested, current, retry_after } => ApiStatus {
                retry_after: *retry_after,
                cause: Some(("ResourceVersionTooLarge", "Too large resource version".to_owned())),
                ..plain(
                    504,
                    "Timeout",
                    format!("Timeout: Too large resource version: {requested}, current: {current}"),
                )
            },
            Self::Compacted { requested, oldest, during } => compacted(*requested, *oldest, during),
            Self::CursorExpired { .. } => plain(410, "Expired", self.to_string()),
            Self::Key(_)
            | Self::ContinueToken(_)
            | Self::ContinueWithResourceVersion
            | Self::InvalidValue { .. } => plain(400, "BadRequest", self.to_string()),
            Self::ResourceVersion(error) if during == StatusFor::List => {
                plain(400, "BadRequest", format!("invalid resource version: {error}"))
            }
            Self::ResourceVersionOnCreate | Self::ResourceVersion(_) | Self::UnknownMatch { .. } => {
                plain(500, "", self.to_string())
            }
            Self::NotReady { .. } => ApiStatus {
                retry_after: Duration::from_secs(1),
                ..plain(429, "TooManyRequests", self.to_string())
            },
            Self::Unreachable { .. } | Self::Timeout { .. } => ApiStatus {
                retry_after: UNREACHABLE_RETRY,
                ..plain(
                    500,
                    "ServerTimeout",
                    format!(
                        "The {} operation against {resource}{dot}{group} could not be completed at this time, please try again.",
                        verb(during)
                    ),
                )
            },
            Self::Corrupt { .. } | Self::Internal { .. } | Self::SchemaDiffers { .. } => {
                plain(500, "InternalError", format!("Internal error occurred: {self}"))
            }
        }
    }
}

fn compacted(requested: crate::Revision, oldest: crate::Revision, during: &CompactedDuring) -> ApiStatus {
    let (message, continue_token) = match during {
        CompactedDuring::List => ("The resourceVersion for the provided list is too old.".to_owned(), None),
        CompactedDuring::Continue { replacement: Some(token) } => {
            (CONTINUE_TOO_OLD.to_owned(), Some(token.clone()))
        }
        CompactedDuring::Continue { replacement: None } => (CONTINUE_TOO_OLD_NO_TOKEN.to_owned(), None),
        CompactedDuring::Watch | CompactedDuring::Compact => {
            (format!("too old resource version: {requested} ({oldest})"), None)
        }
    };
    ApiStatus { continue_token, ..plain(410, "Expired", message) }
}

fn plain(code: u16, reason: &'static str, message: String) -> ApiStatus {
    ApiStatus { code, reason, message, ..ApiStatus::default() }
}

fn verb(during: StatusFor) -> &'static str {
    match during {
        StatusFor::Get => "get",
        StatusFor::List => "list",
        StatusFor::Create => "create",
        StatusFor::Update => "update",
        StatusFor::Delete => "delete",
        StatusFor::Watch => "watch",
    }
}
