//! Failures as clients get them: Status objects.

use std::borrow::Cow;

use serde::Serialize;
use watchkeep_storage::{ApiStatus, ObjectName};

/// A request that failed, as a Status object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct ApiError {
    /// The HTTP status code.
    pub code: u16,
    /// The reason that programs read; empty for none.
    pub reason: Cow<'static, str>,
    /// The message that people read.
    pub message: String,
    /// What it is about.
    pub details: Option<Box<Details>>,
    /// The token that continues an expired list.
    pub continue_token: Option<String>,
}

/// The details of a Status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The name of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The plural name of the resource, or the kind in a failed validation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The uid of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Everything that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to come again, in seconds; zero says nothing about it.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What kind of thing, such as `FieldValueInvalid`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: Cow<'static, str>,
    /// What is wrong with it.
    pub message: String,
    /// The field it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The Status object of an error, in the order of the reference.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusObject<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: StatusMetadata<'a>,
    status: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Details>,
    code: u16,
}

#[derive(Serialize)]
struct StatusMetadata<'a> {
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    continue_token: Option<&'a str>,
}

impl ApiError {
    /// An error without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), message: message.into(), details: None, continue_token: None }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 404 for a path below a known group and version.
    pub fn unknown_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with_empty_details()
    }

    /// 405: the path exists, the method does not.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).with_empty_details()
    }

    /// 500: the server's fault.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        let cause = Cause { message: message.to_string(), ..Cause::default() };
        let details = Details { causes: vec![cause], ..Details::default() };
        Self::new(500, "InternalError", format!("Internal error occurred: {message}")).with(details)
    }

    /// The error with these details.
    #[must_use]
    pub fn with(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The error with details that say nothing, as the reference has them on some.
    #[must_use]
    pub fn with_empty_details(self) -> Self {
        self.with(Details::default())
    }

    /// The error of a storage operation on an object.
    pub fn from_storage(status: ApiStatus, object: ObjectName<'_>) -> Self {
        let ApiStatus { code, reason, message, retry_after, names_object, cause, continue_token } = status;
        let mut details = Details { retry_after_seconds: retry_after.as_secs(), ..Details::default() };
        if names_object {
            object.name.clone_into(&mut details.name);
            object.group.clone_into(&mut details.group);
            object.resource.clone_into(&mut details.kind);
        }
        if let Some((reason, message)) = cause {
            details.causes.push(Cause { reason: reason.into(), message, field: String::new() });
        }
        let details = (details != Details::default()).then(|| Box::new(details));
        Self { code, reason: reason.into(), message, details, continue_token }
    }

    /// The seconds for the header `Retry-After`, if the client is to come again.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0)
    }

    /// The Status object as JSON, without a line end.
    pub fn to_json(&self) -> Vec<u8> {
        let status = StatusObject {
            kind: "Status",
            api_version: "v1",
            metadata: StatusMetadata { continue_token: self.continue_token.as_deref() },
            status: "Failure",
            message: &self.message,
            reason: &self.reason,
            details: self.details.as_deref(),
            code: self.code,
        };
        serde_json::to_vec(&status).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_fields_of_the_reference_in_its_order() {
        let error = ApiError::new(404, "NotFound", "configmaps \"nope\" not found").with(Details {
            name: "nope".to_owned(),
            kind: "configmaps".to_owned(),
            ..Details::default()
        });
        assert_eq!(
            String::from_utf8(error.to_json()).unwrap(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"configmaps \"nope\" not found","reason":"NotFound","details":{"name":"nope","kind":"configmaps"},"code":404}"#
        );
    }
}
