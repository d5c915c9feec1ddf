//! The rules for names, labels, annotations, finalizers and owners.

use serde_json::Value as Json;

use super::object::Object;
use crate::http::invalid::FieldError;
use crate::kinds::resource::{NameRule, Resource};

/// All annotations of an object together, in bytes.
const ANNOTATIONS_BYTES_MAX: usize = 256 << 10;

const LABEL_CHARS: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/// Checks the metadata of an object about to be stored.
pub(super) fn check(resource: &Resource, object: &Object) -> Vec<FieldError> {
    let mut errors = check_name(resource.writes.name, object.meta_text("name"));
    for (key, value) in entries(object, "labels") {
        errors.extend(check_qualified("metadata.labels", key));
        errors.extend(check_label_value(value));
    }
    let mut annotations_bytes = 0;
    for (key, value) in entries(object, "annotations") {
        errors.extend(check_qualified("metadata.annotations", &key.to_lowercase()));
        annotations_bytes += key.len() + value.len();
    }
    if annotations_bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(FieldError::too_long("metadata.annotations", ANNOTATIONS_BYTES_MAX));
    }
    for finalizer in object.meta_texts("finalizers") {
        errors.extend(check_qualified("metadata.finalizers", finalizer));
    }
    errors.extend(check_owners(object));
    errors
}

/// At most one owner can be the controller.
fn check_owners(object: &Object) -> Option<FieldError> {
    let owners = object.meta("ownerReferences")?;
    let controllers =
        owners.as_array()?.iter().filter(|owner| owner.get("controller") == Some(&Json::Bool(true)));
    let names: Vec<_> = controllers.filter_map(|owner| owner.get("name")?.as_str()).collect();
    let [first, second, ..] = names.as_slice() else { return None };
    let detail = format!(
        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
    );
    Some(FieldError::invalid("metadata.ownerReferences", owners.clone(), &detail))
}

fn entries<'a>(object: &'a Object, field: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let map = object.meta(field).and_then(Json::as_object);
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

fn check_name(rule: NameRule, name: &str) -> Vec<FieldError> {
    let problem = match rule {
        NameRule::Subdomain => subdomain_problem(name),
        NameRule::Label => label_problem(name),
        NameRule::Label1035 => label_1035_problem(name),
        NameRule::PathSegment => path_segment_problem(name),
    };
    problem.map(|problem| FieldError::invalid("metadata.name", name, &problem)).into_iter().collect()
}

fn subdomain_problem(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some("must be no more than 253 bytes".to_owned());
    }
    let fits = name.split('.').all(is_label);
    (!fits).then(|| {
        format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{LABEL_CHARS}(\\.{LABEL_CHARS})*')"
        )
    })
}

fn label_problem(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("must be no more than 63 bytes".to_owned());
    }
    (!is_label(name)).then(|| {
        format!(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL_CHARS}')"
        )
    })
}

fn label_1035_problem(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("must be no more than 63 bytes".to_owned());
    }
    let fits = is_label(name) && name.starts_with(|first: char| first.is_ascii_lowercase());
    (!fits).then(|| {
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".to_owned()
    })
}

fn path_segment_problem(name: &str) -> Option<String> {
    if matches!(name, "." | "..") {
        return Some(format!("may not be '{name}'"));
    }
    name.chars().find(|char| matches!(char, '/' | '%')).map(|char| format!("may not contain '{char}'"))
}

/// A lowercase label: letters, digits and inner dashes.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A key of a label or an annotation, or a finalizer: a name with an optional domain before it.
fn check_qualified(field: &str, key: &str) -> Option<FieldError> {
    let (prefix, name) = match key.rsplit_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix
        && let Some(problem) = subdomain_problem(prefix)
    {
        return Some(FieldError::invalid(field, key, &format!("prefix part {problem}")));
    }
    if name.len() > 63 {
        return Some(FieldError::invalid(field, key, "name part must be no more than 63 bytes"));
    }
    (name.is_empty() || !is_label_text(name)).then(|| {
        FieldError::invalid(
            field,
            key,
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        )
    })
}

fn check_label_value(value: &str) -> Option<FieldError> {
    if value.len() > 63 {
        return Some(FieldError::invalid("metadata.labels", value, "must be no more than 63 bytes"));
    }
    (!is_label_text(value)).then(|| {
        FieldError::invalid(
            "metadata.labels",
            value,
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        )
    })
}

/// What a label's value and the name part of its key may hold; empty is fine here.
fn is_label_text(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.iter().copied().all(inner) && edge(bytes.first()) && edge(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_their_kind() {
        for (rule, name, fits) in [
            (NameRule::Subdomain, "a.b-c", true),
            (NameRule::Subdomain, "A_B", false),
            (NameRule::Subdomain, "a..b", false),
            (NameRule::Subdomain, "-a", false),
            (NameRule::Subdomain, &"a".repeat(254), false),
            (NameRule::Label, "a.b", false),
            (NameRule::Label, "1a", true),
            (NameRule::Label1035, "1a", false),
            (NameRule::Label1035, "a1", true),
            (NameRule::PathSegment, "System:Role", true),
            (NameRule::PathSegment, "a/b", false),
            (NameRule::PathSegment, "..", false),
        ] {
            assert_eq!(check_name(rule, name).is_empty(), fits, "{rule:?} {name}");
        }
    }

    #[test]
    fn labels_annotations_and_finalizers_are_checked() {
        let errors = |metadata: Json| {
            let object = Object::new(serde_json::json!({ "metadata": metadata }));
            let table = crate::kinds::table::ResourceTable::built_in();
            let resource = table.resource("", "v1", "configmaps").unwrap();
            check(resource, &object).len()
        };
        assert_eq!(errors(serde_json::json!({"name": "a", "labels": {"example.com/x": "y"}})), 0);
        assert_eq!(errors(serde_json::json!({"name": "a", "labels": {"a b": "c d"}})), 2);
        assert_eq!(errors(serde_json::json!({"name": "a", "annotations": {"/x": "any text"}})), 1);
        assert_eq!(errors(serde_json::json!({"name": "a", "annotations": {"x": "y".repeat(300_000)}})), 1);
        assert_eq!(errors(serde_json::json!({"name": "a", "finalizers": ["-bad"]})), 1);
    }
}
