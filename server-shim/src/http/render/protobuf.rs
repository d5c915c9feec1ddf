//! JSON that this server wrote as the protobuf of its kind: objects, lists of them, their metadata alone, and Status.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::codec::Identity;
use crate::codec::protobuf::{Envelope, ListHead, encode};
use crate::kinds::field::{Field, Presence, Shape, Type};
use crate::kinds::generated::fields::{
    AUTHENTICATION_V1_TOKEN_REQUEST, AUTOSCALING_V1_SCALE, META_V1_OBJECT_META, META_V1_STATUS,
    POLICY_V1_EVICTION,
};
use crate::kinds::table::ResourceTable;

/// What `PartialObjectMetadata` consists of, in every version of its group.
pub(crate) static PARTIAL_OBJECT_METADATA: Type = Type::new(
    "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata",
    &[Field::new("metadata", &[1], Shape::Object(&META_V1_OBJECT_META), Presence::Always)],
);

/// The types of all kinds that are written as protobuf, by `apiVersion` and kind.
static KINDS: LazyLock<HashMap<(&'static str, &'static str), &'static Type>> = LazyLock::new(|| {
    let table = ResourceTable::built_in();
    let served =
        table.resources().iter().map(|resource| ((resource.api_version, resource.kind), resource.schema));
    let further: [((&'static str, &'static str), &'static Type); 6] = [
        (("v1", "Status"), &META_V1_STATUS),
        (("autoscaling/v1", "Scale"), &AUTOSCALING_V1_SCALE),
        (("policy/v1", "Eviction"), &POLICY_V1_EVICTION),
        (("authentication.k8s.io/v1", "TokenRequest"), &AUTHENTICATION_V1_TOKEN_REQUEST),
        (("meta.k8s.io/v1", "PartialObjectMetadata"), &PARTIAL_OBJECT_METADATA),
        (("meta.k8s.io/v1beta1", "PartialObjectMetadata"), &PARTIAL_OBJECT_METADATA),
    ];
    served.chain(further).collect()
});

/// The JSON as protobuf in its envelope. What is no JSON of a kind that has a protobuf comes back as it is.
pub fn protobuf(json: &[u8]) -> Vec<u8> {
    let object = serde_json::from_slice(json).ok();
    object.and_then(|object: Map<String, Value>| of_object(&object)).unwrap_or_else(|| json.to_vec())
}

fn of_object(object: &Map<String, Value>) -> Option<Vec<u8>> {
    let identity =
        Identity { api_version: object.get("apiVersion")?.as_str()?, kind: object.get("kind")?.as_str()? };
    if let Some(schema) = KINDS.get(&(identity.api_version, identity.kind)) {
        return Some(Envelope::close(identity, &encode(schema, object)));
    }
    let item = identity.kind.strip_suffix("List")?;
    let schema = KINDS.get(&(identity.api_version, item))?;
    let items = object.get("items")?.as_array()?;
    let messages: Vec<_> = items.iter().filter_map(|item| Some(encode(schema, item.as_object()?))).collect();
    let metadata = object.get("metadata")?;
    let head = ListHead {
        resource_version: metadata.get("resourceVersion").and_then(Value::as_str).unwrap_or_default(),
        continue_token: metadata.get("continue").and_then(Value::as_str),
        remaining: metadata.get("remainingItemCount").and_then(Value::as_u64),
    };
    Some(head.close(identity, &messages))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::protobuf::decode;
    use crate::kinds::generated::fields::{CORE_V1_POD, META_V1_LIST_META};

    static LIST: Type = Type::new(
        "PodList",
        &[
            Field::new("metadata", &[1], Shape::Object(&META_V1_LIST_META), Presence::Always),
            Field::new("items", &[2], Shape::List(&Shape::Object(&CORE_V1_POD)), Presence::Always),
        ],
    );

    fn rendered(json: &Value) -> Vec<u8> {
        protobuf(json.to_string().as_bytes())
    }

    #[test]
    fn an_object_is_in_the_envelope_of_its_kind() {
        let bytes = rendered(
            &json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v"}}),
        );
        let envelope = Envelope::open(&bytes).unwrap();
        assert_eq!((envelope.api_version, envelope.kind), ("v1", "ConfigMap"));
        let schema = KINDS[&("v1", "ConfigMap")];
        let object = decode(schema, envelope.message).unwrap();
        assert_eq!(Value::Object(object), json!({"metadata": {"name": "a"}, "data": {"k": "v"}}));
    }

    #[test]
    fn a_status_tells_all_that_it_does_in_json() {
        let status = json!({"metadata": {}, "status": "Failure", "message": "no", "reason": "Conflict", "code": 409,
            "details": {"name": "a", "kind": "pods", "causes": [{"reason": "r", "message": "m", "field": "f"}], "retryAfterSeconds": 1}});
        let mut sent = status.clone();
        sent["kind"] = json!("Status");
        sent["apiVersion"] = json!("v1");
        let bytes = rendered(&sent);
        let object = decode(&META_V1_STATUS, Envelope::open(&bytes).unwrap().message).unwrap();
        assert_eq!(Value::Object(object), status);
    }

    #[test]
    fn a_list_holds_its_items_without_their_envelopes() {
        let list = json!({"kind": "PodList", "apiVersion": "v1",
            "metadata": {"resourceVersion": "7", "continue": "c", "remainingItemCount": 2},
            "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]});
        let bytes = rendered(&list);
        let envelope = Envelope::open(&bytes).unwrap();
        assert_eq!(envelope.kind, "PodList");
        let object = decode(&LIST, envelope.message).unwrap();
        assert_eq!(object["metadata"], list["metadata"]);
        assert_eq!(object["items"], list["items"]);
    }

    #[test]
    fn metadata_alone_has_a_protobuf() {
        let bytes = rendered(
            &json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}}),
        );
        let object = decode(&PARTIAL_OBJECT_METADATA, Envelope::open(&bytes).unwrap().message).unwrap();
        assert_eq!(Value::Object(object), json!({"metadata": {"name": "a"}}));
    }
}
