//! The rules for the data of a `ConfigMap` and a `Secret`: how much there may be, and when it may change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::object::Object;
use crate::http::invalid::FieldError;
use crate::kinds::resource::Resource;

/// All values of an object together, in bytes.
const DATA_BYTES_MAX: usize = 1 << 20;

/// Moves the plain texts of a Secret's `stringData`, which is only ever written, into its `data`.
pub(super) fn fold_string_data(resource: &Resource, object: &mut Object) {
    if (resource.group, resource.kind) != ("", "Secret") {
        return;
    }
    let Some(Json::Object(texts)) = object.get("stringData").cloned() else { return };
    object.set("stringData", None);
    let data = object.object_mut("data");
    for (key, text) in texts {
        data.insert(key, Json::from(STANDARD.encode(text.as_str().unwrap_or_default())));
    }
}

/// Checks the data of an object about to be stored.
pub(super) fn check(resource: &Resource, object: &Object) -> Option<FieldError> {
    let bytes = match (resource.group, resource.kind) {
        ("", "ConfigMap") => {
            values(object, "data").map(str::len).sum::<usize>() + decoded_bytes(object, "binaryData")
        }
        ("", "Secret") => decoded_bytes(object, "data"),
        _ => 0,
    };
    (bytes > DATA_BYTES_MAX).then(|| FieldError::too_long("[]", DATA_BYTES_MAX))
}

/// `immutable: true`: the data cannot change, nor the mark be taken back.
pub(super) fn check_immutable(object: &Object, stored: &Object) -> Vec<FieldError> {
    if stored.get("immutable") != Some(&Json::Bool(true)) {
        return Vec::new();
    }
    let detail = "field is immutable when `immutable` is set";
    ["immutable", "data", "binaryData"]
        .into_iter()
        .filter(|field| object.get(field) != stored.get(field))
        .map(|field| FieldError::forbidden(field, detail))
        .collect()
}

fn values<'a>(object: &'a Object, field: &str) -> impl Iterator<Item = &'a str> {
    let map = object.get(field).and_then(Json::as_object);
    map.into_iter().flatten().filter_map(|(_, value)| value.as_str())
}

/// The size of values that are base64: what is none was refused before.
fn decoded_bytes(object: &Object, field: &str) -> usize {
    values(object, field).map(|text| STANDARD.decode(text).map_or(0, |bytes| bytes.len())).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::table::ResourceTable;

    #[test]
    fn the_texts_of_a_secret_become_its_data() {
        let table = ResourceTable::built_in();
        let mut secret =
            Object::new(json!({ "data": { "a": "eA==", "b": "eA==" }, "stringData": { "b": "y" } }));
        fold_string_data(table.resource("", "v1", "secrets").unwrap(), &mut secret);
        assert_eq!(secret.get("data"), Some(&json!({ "a": "eA==", "b": "eQ==" })));
        assert_eq!(secret.get("stringData"), None);
    }

    #[test]
    fn a_mebibyte_of_values_fits_and_one_byte_more_does_not() {
        let table = ResourceTable::built_in();
        let fits = |plural: &str, object: Json| {
            check(table.resource("", "v1", plural).unwrap(), &Object::new(object)).is_none()
        };
        let text = "x".repeat(DATA_BYTES_MAX);
        assert!(fits("configmaps", json!({ "data": { "a": text } })));
        assert!(!fits("configmaps", json!({ "data": { "a": text, "b": "y" } })));
        assert!(!fits("configmaps", json!({ "data": { "a": text }, "binaryData": { "b": "eQ==" } })));
        assert!(fits("secrets", json!({ "data": { "a": STANDARD.encode(&text) } })));
        assert!(!fits("secrets", json!({ "data": { "a": STANDARD.encode(format!("{text}y")) } })));
    }
}
