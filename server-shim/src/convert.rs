//! Kinds that are served in two versions are stored in one; these functions go between the two.
//!
//! What comes out of [`to_storage`] is in canonical form, whatever a client put where this module looks.
//!
//! An object that goes from its stored version to the other and back is the same object, save that
//! [`keep_order`] has to put one element of one list back into its place, and that annotations which carry
//! fields between the versions are taken off an object that was stored with them. The other way round, what
//! a client says in such an annotation is lost where it is no value of its field.

mod autoscaler;

use serde_json::{Map, Value as Json};

use crate::codec::{self, Identity, TypeError};
use crate::http::objects::object::Object;
use crate::kinds::field::Type;
use crate::kinds::resource::Resource;

/// Fields of an Event that have other names in `events.k8s.io`: (core, events.k8s.io).
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Whether a resource is served in another version than it is stored in.
pub(crate) fn is_needed(resource: &Resource) -> bool {
    resource.api_version != resource.storage_api_version
}

/// From the version of a request to the stored one, whose schema is `schema`.
///
/// # Errors
/// What has no canonical form there: no object that has one in its own version.
pub(crate) fn to_storage(
    resource: &Resource,
    schema: &'static Type,
    mut tree: Json,
) -> Result<Json, TypeError> {
    if let Json::Object(object) = &mut tree {
        match resource.api_version {
            "events.k8s.io/v1" => EVENT_FIELDS.iter().for_each(|(core, own)| rename(object, own, core)),
            "autoscaling/v1" => autoscaler::to_v2(object, schema),
            _ => {}
        }
    }
    let identity = Identity { api_version: resource.storage_api_version, kind: resource.kind };
    codec::decode(schema, identity, tree).map(|(tree, _)| tree)
}

/// From the stored version to that of a request.
pub(crate) fn from_storage(resource: &Resource, mut tree: Json) -> Json {
    if let Json::Object(object) = &mut tree {
        match resource.api_version {
            "events.k8s.io/v1" => EVENT_FIELDS.iter().for_each(|(core, own)| rename(object, core, own)),
            "autoscaling/v1" => autoscaler::to_v1(object),
            _ => {}
        }
        object.insert("apiVersion".to_owned(), Json::from(resource.api_version));
    }
    tree
}

/// Gives the order of the stored object to what the version of the request could not keep in order. Both
/// objects are in the stored version.
pub(crate) fn keep_order(resource: &Resource, object: &mut Object, stored: &Object) {
    if resource.api_version == "autoscaling/v1" {
        autoscaler::keep_order(object, stored);
    }
}

fn rename(object: &mut Map<String, Json>, from: &str, to: &str) {
    if let Some(value) = object.shift_remove(from) {
        object.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::table::ResourceTable;

    #[test]
    fn an_event_comes_back_as_it_went() {
        let table = ResourceTable::built_in();
        let (own, core) =
            ["events.k8s.io", ""].map(|group| table.resource(group, "v1", "events").unwrap()).into();
        assert!(is_needed(own) && !is_needed(core));
        let event = json!({
            "kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "e"},
            "note": "n", "regarding": {"name": "p"}, "reportingController": "c", "deprecatedCount": 3
        });
        let identity = Identity { api_version: own.api_version, kind: own.kind };
        let (event, _) = codec::decode(own.schema, identity, event).unwrap();
        let stored = to_storage(own, core.schema, event.clone()).unwrap();
        assert_eq!((&stored["apiVersion"], &stored["message"]), (&json!("v1"), &json!("n")));
        let shown = from_storage(own, stored);
        assert_eq!(codec::encode(own.schema, &shown), codec::encode(own.schema, &event));
    }
}
