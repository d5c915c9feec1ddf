//! What the server itself decides about an object before it is stored: its metadata, its generation, and
//! which part of it a request may change.

use std::time::{Duration, SystemTime};

use serde_json::{Value as Json, json};
use watchkeep_storage::Environment;

use super::object::Object;
use super::{data, names};
use crate::http::error::ApiError;
use crate::http::invalid::{FieldError, invalid_object};
use crate::kinds::resource::{Resource, Scope};
use crate::namespaces;
use crate::time::{of_rfc3339, rfc3339_seconds};

/// The characters of generated names: no vowels, no look-alikes.
const NAME_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// How many random characters follow `generateName`.
const NAME_SUFFIX: usize = 5;

/// How much of `generateName` is kept, so that the whole fits into a label.
const NAME_PREFIX_MAX: usize = 58;

/// For how many seconds an object may go on at most: so few that the time of its deletion can be told.
const GRACE_SECONDS_MAX: i64 = (1 << 31) - 1;

/// Which part of an object a request changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All but the status, where the kind has one.
    Main,
    /// The status.
    Status,
    /// The finalizers of a namespace's spec.
    Finalizers,
}

/// Gives an object to be created its name and namespace.
///
/// # Errors
/// 400 if it names another namespace than the request.
pub(super) fn place(
    resource: &Resource,
    object: &mut Object,
    namespace: Option<&str>,
    environment: &Environment,
) -> Result<(), ApiError> {
    check_namespace(resource, object, namespace)?;
    object.set_meta("namespace", namespace.map(Json::from));
    let prefix = object.meta_text("generateName");
    if object.meta_text("name").is_empty() && !prefix.is_empty() {
        let name = generated_name(prefix, environment);
        object.set_meta("name", Some(Json::from(name)));
    }
    Ok(())
}

/// The namespace of an object must be that of the request.
pub(super) fn check_namespace(
    resource: &Resource,
    object: &Object,
    namespace: Option<&str>,
) -> Result<(), ApiError> {
    let own = object.meta_text("namespace");
    if own.is_empty() || Some(own) == namespace {
        return Ok(());
    }
    let message = match resource.scope {
        Scope::Namespaced => {
            "the namespace of the provided object does not match the namespace sent on the request"
        }
        Scope::Cluster => "namespace may not be set on an object of a cluster-scoped resource",
    };
    Err(ApiError::bad_request(message))
}

fn generated_name(prefix: &str, environment: &Environment) -> String {
    let mut name: String = prefix.chars().take(NAME_PREFIX_MAX).collect();
    let mut random = environment.random();
    for _ in 0..NAME_SUFFIX {
        let position = usize::try_from(random % 27).unwrap_or_default();
        name.push(NAME_ALPHABET.get(position).copied().map_or('x', char::from));
        random /= 27;
    }
    name
}

/// Makes an object ready to be created: what clients may not choose is set or dropped, the rest checked.
///
/// # Errors
/// 422 with everything that is wrong.
pub(super) fn prepare_create(
    resource: &Resource,
    object: &mut Object,
    environment: &Environment,
) -> Result<(), ApiError> {
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"] {
        object.set_meta(field, None);
    }
    data::fold_string_data(resource, object);
    object.set_meta("uid", Some(Json::from(new_uid(environment))));
    object.set_meta("creationTimestamp", Some(Json::from(rfc3339_seconds(environment.now()))));
    if resource.writes.has_generation {
        object.set_meta("generation", Some(Json::from(1)));
    }
    if resource.writes.has_status {
        object.set("status", initial_status(resource.kind));
    }
    namespaces::prepare_create(resource, object);
    let name = object.meta_text("name").to_owned();
    if name.is_empty() {
        let required = FieldError::required("metadata.name", "name or generateName is required");
        return Err(invalid_object(resource, "", vec![required]));
    }
    let mut errors = names::check(resource, object);
    errors.extend(data::check(resource, object));
    refuse(resource, &name, errors)
}

/// The status with which objects of a kind begin.
fn initial_status(kind: &str) -> Option<Json> {
    match kind {
        "Pod" | "PersistentVolumeClaim" | "PersistentVolume" => Some(json!({ "phase": "Pending" })),
        "Namespace" => Some(json!({ "phase": "Active" })),
        _ => None,
    }
}

/// Makes the new state of an object ready to replace the stored one.
///
/// # Errors
/// 422 with everything that is wrong.
pub(super) fn prepare_update(
    resource: &Resource,
    object: &mut Object,
    stored: &Object,
    part: Part,
) -> Result<(), ApiError> {
    for field in
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        object.set_meta(field, stored.meta(field).cloned());
    }
    if object.meta("generateName").is_none() {
        object.set_meta("generateName", stored.meta("generateName").cloned());
    }
    data::fold_string_data(resource, object);
    match part {
        Part::Main if resource.writes.has_status => object.set("status", stored.get("status").cloned()),
        Part::Main => {}
        Part::Status => keep_all_but_status(resource, object, stored),
        Part::Finalizers => keep_all_but_finalizers(object, stored),
    }
    namespaces::prepare_update(resource, object, stored, part == Part::Finalizers);
    set_generation(resource, object, stored);
    let name = stored.meta_text("name").to_owned();
    let mut errors = names::check(resource, object);
    errors.extend(check_finalizers(object, stored));
    errors.extend(data::check_immutable(object, stored));
    errors.extend(data::check(resource, object));
    refuse(resource, &name, errors)
}

/// A status update changes the status, and of the metadata only what controllers note there.
fn keep_all_but_status(resource: &Resource, object: &mut Object, stored: &Object) {
    let status = object.get("status").cloned();
    let noted: Vec<_> = ["annotations", "finalizers", "labels", "managedFields"]
        .into_iter()
        .filter(|field| *field != "labels" || resource.is("", "Pod"))
        .map(|field| (field, object.meta(field).cloned()))
        .collect();
    *object = stored.clone();
    object.set("status", status);
    for (field, value) in noted {
        object.set_meta(field, value);
    }
}

fn keep_all_but_finalizers(object: &mut Object, stored: &Object) {
    let finalizers = object.pointer("/spec/finalizers").cloned();
    *object = stored.clone();
    let spec = object.object_mut("spec");
    match finalizers {
        Some(finalizers) => spec.insert("finalizers".to_owned(), finalizers),
        None => spec.shift_remove("finalizers"),
    };
}

/// Counts changes of what the client wants: of all but metadata and status.
fn set_generation(resource: &Resource, object: &mut Object, stored: &Object) {
    if !resource.writes.has_generation {
        return;
    }
    let generation = stored.meta("generation").and_then(Json::as_i64).unwrap_or(0);
    let changed = resource
        .schema
        .fields
        .iter()
        .filter(|field| !matches!(field.json, "kind" | "apiVersion" | "metadata" | "status"))
        .any(|field| object.get(field.json) != stored.get(field.json));
    let generation = generation + i64::from(changed);
    object.set_meta("generation", (generation > 0).then(|| Json::from(generation)));
}

fn check_finalizers(object: &Object, stored: &Object) -> Option<FieldError> {
    if !stored.is_terminating() {
        return None;
    }
    let known = stored.meta_texts("finalizers");
    let new: Vec<_> =
        object.meta_texts("finalizers").into_iter().filter(|finalizer| !known.contains(finalizer)).collect();
    if new.is_empty() {
        return None;
    }
    let list: Vec<_> = new.iter().map(|finalizer| format!("{finalizer:?}")).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        list.join(", ")
    );
    Some(FieldError::forbidden("metadata.finalizers", &detail))
}

/// Marks an object as being deleted, with a time of grace that is brought into its bounds. Where it is
/// marked already, a shorter time counts from the first deletion; a longer one changes nothing.
pub(super) fn mark_terminating(
    resource: &Resource,
    object: &mut Object,
    grace_seconds: i64,
    environment: &Environment,
) {
    let grace_seconds = grace_seconds.clamp(0, GRACE_SECONDS_MAX);
    let already = object.meta("deletionGracePeriodSeconds").and_then(Json::as_i64);
    if object.is_terminating() && already.is_some_and(|already| already <= grace_seconds) {
        return;
    }
    let first = first_deletion(object).unwrap_or_else(|| environment.now());
    if !object.is_terminating() && resource.writes.has_generation {
        let generation = object.meta("generation").and_then(Json::as_i64).unwrap_or(0) + 1;
        object.set_meta("generation", Some(Json::from(generation)));
    }
    let deletion = rfc3339_seconds(first + seconds(grace_seconds));
    object.set_meta("deletionTimestamp", Some(Json::from(deletion)));
    object.set_meta("deletionGracePeriodSeconds", Some(Json::from(grace_seconds)));
}

/// When an object that is being deleted was first asked to go.
fn first_deletion(object: &Object) -> Option<SystemTime> {
    let end = of_rfc3339(object.meta_text("deletionTimestamp"))?;
    let grace = object.meta("deletionGracePeriodSeconds").and_then(Json::as_i64).unwrap_or(0);
    end.checked_sub(seconds(grace))
}

/// A time of grace, none below zero.
fn seconds(grace_seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(grace_seconds).unwrap_or(0))
}

/// Whether nothing holds a terminating object any more.
pub(super) fn is_finished(resource: &Resource, object: &Object) -> bool {
    let grace = object.meta("deletionGracePeriodSeconds").and_then(Json::as_i64).unwrap_or(0);
    let held_by_spec = resource.is("", "Namespace")
        && object.pointer("/spec/finalizers").and_then(Json::as_array).is_some_and(|list| !list.is_empty());
    object.is_terminating() && grace == 0 && object.meta_texts("finalizers").is_empty() && !held_by_spec
}

fn refuse(resource: &Resource, name: &str, errors: Vec<FieldError>) -> Result<(), ApiError> {
    if errors.is_empty() { Ok(()) } else { Err(invalid_object(resource, name, errors)) }
}

/// A random uid, in the notation of RFC 9562.
fn new_uid(environment: &Environment) -> String {
    let bits = u128::from(environment.random()) << 64 | u128::from(environment.random());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
}

/// The tree of an empty object of a resource: what a scale or a patch starts from is never shared.
#[cfg(test)]
pub(super) fn test_object(metadata: Json) -> Object {
    let mut map = serde_json::Map::new();
    map.insert("metadata".to_owned(), metadata);
    Object::new(Json::Object(map))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::kinds::table::ResourceTable;

    fn resource(group: &str, plural: &str) -> std::sync::Arc<Resource> {
        std::sync::Arc::clone(ResourceTable::built_in().resource(group, "v1", plural).unwrap())
    }

    fn environment() -> Environment {
        Environment::simulated(UNIX_EPOCH + Duration::from_secs(1_000_000_000), 1)
    }

    #[tokio::test(start_paused = true)]
    async fn what_clients_may_not_choose_is_set_by_the_server() {
        let mut object = test_object(json!({
            "name": "w", "uid": "mine", "creationTimestamp": "2000-01-01T00:00:00Z", "generation": 9,
            "deletionTimestamp": "2000-01-01T00:00:00Z", "deletionGracePeriodSeconds": 3
        }));
        object.set("status", Some(json!({"replicas": 3})));
        prepare_create(&resource("apps", "deployments"), &mut object, &environment()).unwrap();
        assert_ne!(object.meta_text("uid"), "mine");
        assert_eq!(object.meta_text("uid").len(), 36);
        assert_eq!(object.meta_text("creationTimestamp"), "2001-09-09T01:46:40Z");
        assert_eq!(object.meta("generation"), Some(&json!(1)));
        assert!(!object.is_terminating());
        assert_eq!(object.get("status"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_generated_name_keeps_its_prefix_and_fits_into_a_label() {
        let prefix = "p".repeat(80);
        let mut object = test_object(json!({ "generateName": prefix }));
        place(&resource("", "pods"), &mut object, Some("n"), &environment()).unwrap();
        assert_eq!(object.meta_text("name").len(), 63);
        assert!(object.meta_text("name").starts_with(&"p".repeat(58)));
        assert_eq!(object.meta_text("namespace"), "n");
    }

    #[test]
    fn only_a_change_of_the_spec_counts_in_the_generation() {
        let deployments = resource("apps", "deployments");
        let mut stored = test_object(json!({"name": "w", "generation": 4}));
        stored.set("spec", Some(json!({"replicas": 1})));
        stored.set("status", Some(json!({"replicas": 1})));
        let generation = |change: fn(&mut Object), part| {
            let mut object = stored.clone();
            change(&mut object);
            prepare_update(&deployments, &mut object, &stored, part).unwrap();
            (object.meta("generation").cloned().unwrap(), object)
        };
        let labelled = |object: &mut Object| object.set_meta("labels", Some(json!({"a": "b"})));
        assert_eq!(generation(labelled, Part::Main).0, 4);
        let scaled = |object: &mut Object| object.set("spec", Some(json!({"replicas": 2})));
        assert_eq!(generation(scaled, Part::Main).0, 5);
        assert_eq!(generation(scaled, Part::Status).0, 4);
        let reported = |object: &mut Object| object.set("status", Some(json!({"replicas": 2})));
        assert_eq!(generation(reported, Part::Main).1.get("status"), stored.get("status"));
        assert_eq!(generation(reported, Part::Status).1.get("status"), Some(&json!({"replicas": 2})));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_grace_counts_from_the_first_deletion() {
        let (pods, environment) = (resource("", "pods"), environment());
        let mut pod = test_object(json!({"name": "p"}));
        mark_terminating(&pods, &mut pod, 30, &environment);
        environment.sleep(Duration::from_secs(10)).await;
        mark_terminating(&pods, &mut pod, 60, &environment);
        assert_eq!(pod.meta_text("deletionTimestamp"), "2001-09-09T01:47:10Z");
        mark_terminating(&pods, &mut pod, 5, &environment);
        assert_eq!(pod.meta_text("deletionTimestamp"), "2001-09-09T01:46:45Z");
        assert_eq!(pod.meta("deletionGracePeriodSeconds"), Some(&json!(5)));
    }

    #[test]
    fn a_terminating_object_takes_no_new_finalizers() {
        let stored = test_object(
            json!({"name": "f", "deletionTimestamp": "2000-01-01T00:00:00Z", "finalizers": ["example.com/x"]}),
        );
        let mut object = stored.clone();
        object.set_meta("finalizers", Some(json!(["example.com/x", "example.com/y"])));
        let error =
            prepare_update(&resource("", "configmaps"), &mut object, &stored, Part::Main).unwrap_err();
        assert_eq!(
            error.message,
            "ConfigMap \"f\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/y\"}"
        );
    }
}
