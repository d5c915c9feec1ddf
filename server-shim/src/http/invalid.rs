//! Failed validations: one Status that lists everything that is wrong with an object or with options.

use super::error::{ApiError, Cause, Details};
use crate::kinds::resource::Resource;

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    field: String,
    reason: &'static str,
    message: String,
}

impl FieldError {
    /// The field must be there.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "FieldValueRequired", "Required value", detail)
    }

    /// The field has a value that the rules forbid; `value` is shown as JSON shows it.
    pub fn invalid(field: impl Into<String>, value: impl Into<serde_json::Value>, detail: &str) -> Self {
        let what = format!("Invalid value: {}", value.into());
        Self::new(field, "FieldValueInvalid", &what, detail)
    }

    /// The field has none of the supported values.
    pub fn not_supported(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let quoted: Vec<_> = supported.iter().map(|value| format!("{value:?}")).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        Self::new(field, "FieldValueNotSupported", &format!("Unsupported value: {value}"), &detail)
    }

    /// The field must not be set, or not like this.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "FieldValueForbidden", "Forbidden", detail)
    }

    /// The field is too long.
    pub fn too_long(field: impl Into<String>, bytes_max: usize) -> Self {
        let detail = format!("may not be more than {bytes_max} bytes");
        Self::new(field, "FieldValueTooLong", "Too long", &detail)
    }

    fn new(field: impl Into<String>, reason: &'static str, what: &str, detail: &str) -> Self {
        Self { field: field.into(), reason, message: format!("{what}: {detail}") }
    }

    fn text(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }
}

/// 422 for something named by kind and group.
pub fn invalid(kind: &str, group: &str, name: &str, errors: Vec<FieldError>) -> ApiError {
    let dot = if group.is_empty() { "" } else { "." };
    let texts: Vec<_> = errors.iter().map(FieldError::text).collect();
    let list = match texts.as_slice() {
        [single] => single.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let causes = errors.into_iter().map(|FieldError { field, reason, message }| Cause {
        reason: reason.into(),
        message,
        field,
    });
    let details = Details {
        name: name.to_owned(),
        group: group.to_owned(),
        kind: kind.to_owned(),
        causes: causes.collect(),
        ..Details::default()
    };
    ApiError::new(422, "Invalid", format!("{kind}{dot}{group} {name:?} is invalid: {list}")).with(details)
}

/// 422 for an object of a resource.
pub fn invalid_object(resource: &Resource, name: &str, errors: Vec<FieldError>) -> ApiError {
    invalid(resource.kind, resource.group, name, errors)
}

/// 422 for the options of a request, such as `ListOptions`.
pub fn invalid_options(kind: &str, errors: Vec<FieldError>) -> ApiError {
    invalid(kind, "meta.k8s.io", "", errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_stands_alone_and_several_in_brackets() {
        let required = FieldError::required("metadata.name", "name or generateName is required");
        let one = invalid("ConfigMap", "", "", vec![required.clone()]);
        assert_eq!(
            one.message,
            "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required"
        );
        let negative = FieldError::invalid("spec.replicas", -6, "must be greater than or equal to 0");
        let two = invalid("Scale", "autoscaling", "w", vec![required, negative]);
        assert_eq!(
            two.message,
            "Scale.autoscaling \"w\" is invalid: [metadata.name: Required value: name or generateName is required, spec.replicas: Invalid value: -6: must be greater than or equal to 0]"
        );
        assert_eq!(two.details.unwrap().causes.len(), 2);
    }
}
