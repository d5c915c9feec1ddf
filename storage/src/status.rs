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
            Self::Initializing { retry_after, .. } => {
                ApiStatus { retry_after: *retry_after, ..plain(429, "TooManyRequests", self.to_string()) }
            }
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
            Self::Corrupt { .. }
            | Self::Internal { .. }
            | Self::WritesRefused { .. }
            | Self::SchemaDiffers { .. } => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use crate::revision::Revision;

    const WEB: ObjectName<'static> = ObjectName { resource: "deployments", group: "apps", name: "web" };

    #[test]
    fn an_error_is_told_as_its_operation_demands() {
        let key = Key::unchecked("/deployments/n/web");
        let not_found = Error::NotFound { key: key.clone() };
        let exists = Error::Exists { key: key.clone() };
        let bad_version: Error = Revision::parse_resource_version("x").unwrap_err().into();
        let future = Error::FutureRevision {
            requested: Revision::new(9),
            current: Revision::new(7),
            retry_after: Duration::from_secs(1),
        };
        let gone = Error::Compacted {
            requested: Revision::new(1),
            oldest: Revision::new(5),
            during: CompactedDuring::Watch,
        };
        let lost = Error::Timeout { reason: "x".to_owned() };
        for (error, during, code, reason, message) in [
            (&not_found, StatusFor::Get, 404, "NotFound", "deployments.apps \"web\" not found"),
            (&exists, StatusFor::Create, 409, "AlreadyExists", "deployments.apps \"web\" already exists"),
            (
                &exists,
                StatusFor::Update,
                409,
                "Conflict",
                "Operation cannot be fulfilled on deployments.apps \"web\"",
            ),
            (&bad_version, StatusFor::List, 400, "BadRequest", "invalid resource version: resourceVersion: "),
            (&bad_version, StatusFor::Watch, 500, "", "resourceVersion: Invalid value: \"x\""),
            (&future, StatusFor::Get, 504, "Timeout", "Timeout: Too large resource version: 9, current: 7"),
            (&gone, StatusFor::Watch, 410, "Expired", "too old resource version: 1 (5)"),
            (&lost, StatusFor::Update, 500, "ServerTimeout", "The update operation against deployments.apps"),
        ] {
            let status = error.status(during, WEB);
            assert_eq!((status.code, status.reason), (code, reason), "{error}");
            assert!(status.message.starts_with(message), "{}", status.message);
        }
        assert_eq!(lost.status(StatusFor::Update, WEB).retry_after, UNREACHABLE_RETRY);
        assert!(lost.outcome_is_unknown() && !exists.outcome_is_unknown());
    }

    #[test]
    fn an_expired_page_carries_the_token_that_goes_on() {
        let during = CompactedDuring::Continue { replacement: Some("next".to_owned()) };
        let error = Error::Compacted { requested: Revision::new(1), oldest: Revision::new(5), during };
        let status = error.status(StatusFor::List, WEB);
        assert_eq!((status.code, status.continue_token.as_deref()), (410, Some("next")));
        assert!(status.message.starts_with("The provided continue parameter is too old"));
    }
}
