//! Status objects as they are expected.

use serde_json::{Value, json};

/// A failure; null details are none.
pub(crate) fn failure(code: u16, reason: &str, message: &str, details: Value) -> Value {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    });
    if !reason.is_empty() {
        status["reason"] = json!(reason);
    }
    if !details.is_null() {
        status["details"] = details;
    }
    status
}

/// Details with the parts that are not empty.
pub(crate) fn details(name: &str, group: &str, kind: &str) -> Value {
    let parts = [("name", name), ("group", group), ("kind", kind)];
    parts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect()
}

/// A cause.
pub(crate) fn cause(reason: &str, message: &str, field: &str) -> Value {
    json!({"reason": reason, "message": message, "field": field})
}

/// 404 of an object of the core group.
pub(crate) fn not_found(plural: &str, name: &str) -> Value {
    failure(404, "NotFound", &format!("{plural} {name:?} not found"), details(name, "", plural))
}

/// 422 with one cause; the subject is `Kind.group "name"`.
pub(crate) fn invalid(kind: &str, group: &str, name: &str, cause: Value) -> Value {
    let dot = if group.is_empty() { "" } else { "." };
    let message = format!(
        "{kind}{dot}{group} {name:?} is invalid: {}: {}",
        cause["field"].as_str().unwrap(),
        cause["message"].as_str().unwrap()
    );
    let mut details = details(name, group, kind);
    details["causes"] = Value::Array(vec![cause]);
    failure(422, "Invalid", &message, details)
}

/// 422 of the options of a request.
pub(crate) fn invalid_options(kind: &str, cause: Value) -> Value {
    invalid(kind, "meta.k8s.io", "", cause)
}
