//! The subresource `scale`: the number of replicas, without the rest of the object.

use serde_json::{Value as Json, json};
use watchkeep_storage::{Error, Freshness, Record, StatusFor};

use super::body::{self, Notation};
use super::object::Object;
use super::patch;
use super::strategy::Part;
use super::target::Target;
use super::update::{self, Demands, Wanted};
use crate::codec::patch::Patch;
use crate::codec::{self, Identity};
use crate::http::error::ApiError;
use crate::http::invalid::{FieldError, invalid};
use crate::http::params::WriteParams;
use crate::kinds::generated::fields::AUTOSCALING_V1_SCALE;

/// What a scale is, whatever it is the scale of.
const SCALE: Identity<'static> = Identity { api_version: "autoscaling/v1", kind: "Scale" };

/// The change that a request makes to a scale.
pub(super) enum Change<'a> {
    /// A PUT.
    Replace(&'a Json),
    /// A PATCH.
    Patch(&'a Patch),
}

/// The scale of an object.
///
/// # Errors
/// 404, and those of the store.
pub(super) async fn get(target: &Target) -> Result<Json, ApiError> {
    let key = target.key()?;
    let found = target.store.get(&key, Freshness::Latest).await;
    let found = found.map_err(|error| target.error(&error, StatusFor::Get))?;
    let missing = || target.error(&Error::NotFound { key: key.clone() }, StatusFor::Get);
    scale_of(&*found.record.ok_or_else(missing)?)
}

/// Changes the scale of an object, and returns the new one.
///
/// # Errors
/// As for an update of the object; 422 for a negative number.
pub(super) async fn change(
    target: &Target,
    change: &Change<'_>,
    params: WriteParams,
) -> Result<Json, ApiError> {
    let demands = Demands::none(Part::Main, params.dry_run);
    let wanted = |stored: Option<&Record>| {
        let stored = stored.ok_or_else(|| ApiError::internal("a missing object has no scale"))?;
        let scale = scale_of(stored)?;
        let scale = match change {
            Change::Replace(scale) => (*scale).clone(),
            Change::Patch(patch) => patch::apply_to(patch, &AUTOSCALING_V1_SCALE, scale)?,
        };
        let mut object = Object::of_record(stored)?;
        object.object_mut("spec").insert("replicas".to_owned(), Json::from(replicas(target, &scale)?));
        let resource_version = scale.pointer("/metadata/resourceVersion").and_then(Json::as_str);
        Ok(Wanted { object, resource_version: resource_version.unwrap_or_default().to_owned() })
    };
    let (record, _) = update::modify(target, demands, wanted).await?;
    scale_of(&record)
}

/// Decodes a scale that a client sent.
///
/// # Errors
/// 400 for a body that is none, or is of another object.
pub(super) fn decode(target: &Target, notation: Notation, bytes: &[u8]) -> Result<Json, ApiError> {
    let document = body::parse(SCALE.kind, &AUTOSCALING_V1_SCALE, notation, bytes)?;
    let is_served = |_: &Identity<'_>| false;
    SCALE.check(&document.value, bytes, is_served).map_err(ApiError::bad_request)?;
    let (scale, _) = codec::decode(&AUTOSCALING_V1_SCALE, SCALE, document.value)
        .map_err(|error| ApiError::bad_request(SCALE.undecodable(&error)))?;
    let sent = Object::new(scale);
    update::check_name(target, &sent)?;
    Ok(sent.into_tree())
}

fn replicas(target: &Target, scale: &Json) -> Result<i32, ApiError> {
    let sent = scale.pointer("/spec/replicas").cloned().unwrap_or_else(|| Json::from(0));
    let number = sent.as_i64().and_then(|number| i32::try_from(number).ok());
    let problem = match number {
        Some(number) if number >= 0 => return Ok(number),
        Some(_) => "must be greater than or equal to 0",
        None => "must be a 32-bit number",
    };
    let error = FieldError::invalid("spec.replicas", sent, problem);
    Err(invalid("Scale", "autoscaling", &target.name, vec![error]))
}

fn scale_of(record: &Record) -> Result<Json, ApiError> {
    let object = Object::of_record(record)?;
    let number = |path: &str| object.pointer(path).cloned().unwrap_or_else(|| Json::from(0));
    let mut metadata = serde_json::Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        let value = match field {
            "resourceVersion" => Some(Json::from(record.revision.to_string())),
            _ => object.meta(field).cloned(),
        };
        metadata.extend(value.map(|value| (field.to_owned(), value)));
    }
    let mut status = json!({ "replicas": number("/status/replicas") });
    let selector = selector_text(object.pointer("/spec/selector"));
    if let (false, Some(status)) = (selector.is_empty(), status.as_object_mut()) {
        status.insert("selector".to_owned(), Json::from(selector));
    }
    Ok(json!({
        "kind": SCALE.kind,
        "apiVersion": SCALE.api_version,
        "metadata": metadata,
        "spec": { "replicas": number("/spec/replicas") },
        "status": status,
    }))
}

/// A selector of an object as the text of a label selector. Older kinds have a plain map.
fn selector_text(selector: Option<&Json>) -> String {
    let Some(selector) = selector else { return String::new() };
    let structured = selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some();
    let labels = if structured { selector.get("matchLabels") } else { Some(selector) };
    let equal = labels.and_then(Json::as_object).into_iter().flatten();
    let mut terms: Vec<_> =
        equal.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let expressions = selector.get("matchExpressions").and_then(Json::as_array).into_iter().flatten();
    terms.extend(expressions.filter_map(expression_text));
    terms.sort_unstable();
    terms.join(",")
}

fn expression_text(expression: &Json) -> Option<String> {
    let key = expression.get("key")?.as_str()?;
    let values = expression.get("values").and_then(Json::as_array).into_iter().flatten();
    let values: Vec<_> = values.filter_map(Json::as_str).collect();
    match expression.get("operator")?.as_str()? {
        "In" => Some(format!("{key} in ({})", values.join(","))),
        "NotIn" => Some(format!("{key} notin ({})", values.join(","))),
        "Exists" => Some(key.to_owned()),
        "DoesNotExist" => Some(format!("!{key}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_of_old_and_new_kinds_have_one_notation() {
        assert_eq!(selector_text(Some(&json!({"b": "2", "a": "1"}))), "a=1,b=2");
        let structured = json!({
            "matchLabels": {"a": "1"},
            "matchExpressions": [
                {"key": "b", "operator": "In", "values": ["x", "y"]}, {"key": "c", "operator": "DoesNotExist"}
            ]
        });
        assert_eq!(selector_text(Some(&structured)), "!c,a=1,b in (x,y)");
    }
}
