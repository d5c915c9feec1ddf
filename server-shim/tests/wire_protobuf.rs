//! Requests and responses in protobuf: as JSON, in other bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Map, Value, json};
use watchkeep_server::codec::protobuf::{Envelope, decode, encode};
use watchkeep_server::codec::{self, Identity};
use watchkeep_server::kinds::field::Type;
use watchkeep_server::kinds::generated::fields::{
    CORE_V1_CONFIG_MAP, META_V1_DELETE_OPTIONS, META_V1_STATUS,
};

use crate::wire_client::{Answer, CONFIG_MAPS, DEPLOYMENTS, MERGE, Wire, not_found};

const SENT: &str = "Content-Type: application/vnd.kubernetes.protobuf";
const WANTED: &str = "Accept: application/vnd.kubernetes.protobuf,application/json";
const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

const CONFIG_MAP: Identity<'_> = Identity { api_version: "v1", kind: "ConfigMap" };

fn body(schema: &'static Type, identity: Identity<'_>, object: &Value) -> Vec<u8> {
    Envelope::close(identity, &encode(schema, object.as_object().unwrap()))
}

/// The object in an envelope, as its JSON would be.
fn opened(schema: &'static Type, bytes: &[u8]) -> Value {
    let envelope = Envelope::open(bytes).unwrap();
    let identity = Identity { api_version: envelope.api_version, kind: envelope.kind };
    let read = Value::Object(decode(schema, envelope.message).unwrap());
    let (object, _) = codec::decode(schema, identity, read).unwrap();
    object
}

fn answered(answer: &Answer, status: u16, schema: &'static Type) -> Value {
    assert_eq!((answer.status, answer.header("content-type")), (status, Some(MEDIA_TYPE)));
    opened(schema, &answer.body)
}

#[tokio::test]
async fn an_object_is_made_read_changed_and_deleted_in_protobuf() {
    let wire = Wire::start().await;
    let object = json!({"metadata": {"name": "a", "labels": {"l": "1"}}, "data": {"k": "v"}});
    let sent = body(&CORE_V1_CONFIG_MAP, CONFIG_MAP, &object);
    let made =
        answered(&wire.send("POST", CONFIG_MAPS, &[SENT, WANTED], &sent).await, 201, &CORE_V1_CONFIG_MAP);
    let path = format!("{CONFIG_MAPS}/a");
    assert_eq!(made, wire.read(&path).await);

    let mut newer = made.clone();
    newer["data"]["k"] = json!("w");
    let sent = body(&CORE_V1_CONFIG_MAP, CONFIG_MAP, &newer);
    let put = answered(&wire.send("PUT", &path, &[SENT, WANTED], &sent).await, 200, &CORE_V1_CONFIG_MAP);
    assert_eq!(put["data"], json!({"k": "w"}));
    // Whoever has seen the first revision only is told so, in protobuf.
    let sent = body(&CORE_V1_CONFIG_MAP, CONFIG_MAP, &made);
    let refused = answered(&wire.send("PUT", &path, &[SENT, WANTED], &sent).await, 409, &META_V1_STATUS);
    assert_eq!((&refused["kind"], &refused["reason"]), (&json!("Status"), &json!("Conflict")));

    let options = json!({"preconditions": {"uid": "another"}});
    let identity = Identity { api_version: "v1", kind: "DeleteOptions" };
    let sent = body(&META_V1_DELETE_OPTIONS, identity, &options);
    let refused = wire.send("DELETE", &path, &[SENT, WANTED], &sent).await;
    assert_eq!(answered(&refused, 409, &META_V1_STATUS)["code"], 409);
    let sent = body(&META_V1_DELETE_OPTIONS, identity, &json!({}));
    let gone = answered(&wire.send("DELETE", &path, &[SENT, WANTED], &sent).await, 200, &META_V1_STATUS);
    assert_eq!(gone["status"], "Success");
    let missing = wire.send("GET", &path, &[WANTED], b"").await;
    assert_eq!(answered(&missing, 404, &META_V1_STATUS), not_found("configmaps", "a"));
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused_as_one_of_json() {
    let wire = Wire::start().await;
    let identity = Identity { api_version: "v1", kind: "Secret" };
    let sent = body(&CORE_V1_CONFIG_MAP, identity, &json!({"metadata": {"name": "a"}}));
    let answer = wire.send("POST", CONFIG_MAPS, &[SENT], &sent).await;
    let json = wire
        .post(CONFIG_MAPS, &json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}}))
        .await;
    assert_eq!((answer.status, answer.json()), (400, json.json()));
    for broken in [&sent[..sent.len() / 2], b"k8s\0\xff\xff", b"{}"] {
        let answer = wire.send("POST", CONFIG_MAPS, &[SENT], broken).await;
        assert_eq!(answer.status, 400, "{broken:?}: {}", answer.text());
        assert!(answer.text().contains("the object provided is unrecognized"), "{}", answer.text());
    }
}

/// The items of a list, and what it says of itself.
fn list(answer: &Answer, schema: &'static Type) -> (Value, Vec<Value>) {
    use watchkeep_server::kinds::field::{Field, Presence, Shape};
    use watchkeep_server::kinds::generated::fields::META_V1_LIST_META;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(MEDIA_TYPE)));
    let item = Box::leak(Box::new(Shape::Object(schema)));
    let fields = Box::leak(Box::new([
        Field {
            tags: &[1],
            shape: Shape::Object(&META_V1_LIST_META),
            ..*META_V1_STATUS.field("metadata").unwrap()
        },
        Field {
            json: "items",
            tags: &[2],
            shape: Shape::List(item),
            presence: Presence::Always,
            ..*META_V1_STATUS.field("metadata").unwrap()
        },
    ]));
    let schema = Box::leak(Box::new(Type::new("List", fields)));
    let mut object: Map<String, Value> =
        decode(schema, Envelope::open(&answer.body).unwrap().message).unwrap();
    let items = object.remove("items").and_then(|items| items.as_array().cloned()).unwrap_or_default();
    (object.remove("metadata").unwrap_or_default(), items)
}

#[tokio::test]
async fn lists_and_their_pages_say_what_they_say_in_json() {
    let wire = Wire::start().await;
    wire.make_labelled_config_maps(&["a", "b", "c"]).await;
    for query in ["", "?limit=2", "?labelSelector=nothing"] {
        let path = format!("{CONFIG_MAPS}{query}");
        let (metadata, items) = list(&wire.send("GET", &path, &[WANTED], b"").await, &CORE_V1_CONFIG_MAP);
        let json = wire.read(&path).await;
        assert_eq!(metadata, json["metadata"], "{query}");
        assert_eq!(Value::Array(items), json["items"], "{query}");
    }
}

#[tokio::test]
async fn the_events_of_a_watch_are_frames_with_a_length() {
    let wire = Wire::start().await;
    wire.make_labelled_config_maps(&["a"]).await;
    let path = format!("{CONFIG_MAPS}/a");
    let query = "watch=true&timeoutSeconds=3&resourceVersion=0&allowWatchBookmarks=true";
    let watched = format!("{CONFIG_MAPS}?{query}");
    let watch = wire.send("GET", &watched, &[WANTED], b"");
    let first = wire.read(&path).await;
    let (answer, second) = tokio::join!(watch, async {
        wire.patch(MERGE, &path, &json!({"data": {"x": "1"}})).await.expect(200)
    });
    assert_eq!(answer.header("content-type"), Some("application/vnd.kubernetes.protobuf;stream=watch"));
    let mut events = Vec::new();
    let mut rest = &answer.body[..];
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (frame, behind) = behind.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        rest = behind;
        // WatchEvent { 1: type, 2: RawExtension { 1: object } }, each shorter than 16 KiB.
        let (kind, object) =
            (usize::from(frame[1]), frame.windows(4).position(|bytes| bytes == b"k8s\0").unwrap());
        let kind = std::str::from_utf8(&frame[2..2 + kind]).unwrap().to_owned();
        events.push((kind, opened(&CORE_V1_CONFIG_MAP, &frame[object..])));
    }
    assert!(rest.is_empty());
    // The second may come as the state that the watch begins with, where it was written before that.
    let (kind, object) = events.iter().find(|(_, object)| *object == second).unwrap();
    assert!(kind == "MODIFIED" && events[0] == ("ADDED".to_owned(), first) || kind == "ADDED", "{object}");
    let (kind, bookmark) = events.last().unwrap();
    assert_eq!((kind.as_str(), &bookmark["kind"]), ("BOOKMARK", &json!("ConfigMap")));
    assert_eq!(bookmark["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_watch_that_comes_too_late_ends_with_a_status_in_protobuf() {
    let wire = Wire::start().await;
    wire.make_labelled_config_maps(&["a", "b"]).await;
    wire.compact().await;
    let path = format!("{CONFIG_MAPS}?watch=true&resourceVersion=1");
    let answer = wire.send("GET", &path, &[WANTED], b"").await;
    let object = answer.body.windows(4).position(|bytes| bytes == b"k8s\0").unwrap();
    let status = opened(&META_V1_STATUS, &answer.body[object..]);
    assert_eq!((&status["code"], &status["reason"]), (&json!(410), &json!("Expired")));
}

#[tokio::test]
async fn metadata_alone_comes_in_protobuf_too() {
    let wire = Wire::start().await;
    wire.make_labelled_config_maps(&["a"]).await;
    let accept = format!("Accept: {MEDIA_TYPE};as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    let answer = wire.send("GET", &format!("{CONFIG_MAPS}/a"), &[&accept], b"").await;
    let envelope = Envelope::open(&answer.body).unwrap();
    assert_eq!((envelope.api_version, envelope.kind), ("meta.k8s.io/v1", "PartialObjectMetadata"));
    // Its metadata stands under the same tag as that of any kind.
    let object = decode(&CORE_V1_CONFIG_MAP, envelope.message).unwrap();
    assert_eq!(object["metadata"], wire.read(&format!("{CONFIG_MAPS}/a")).await["metadata"]);
    assert_eq!(object.len(), 1);
}

#[tokio::test]
async fn a_scale_is_read_and_written_in_protobuf() {
    use watchkeep_server::kinds::generated::fields::AUTOSCALING_V1_SCALE;
    let wire = Wire::start().await;
    let template =
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template});
    wire.make(DEPLOYMENTS, &json!({"metadata": {"name": "d"}, "spec": spec})).await;
    let path = format!("{DEPLOYMENTS}/d/scale");
    let mut scale = answered(&wire.send("GET", &path, &[WANTED], b"").await, 200, &AUTOSCALING_V1_SCALE);
    assert_eq!(scale["spec"]["replicas"], 1);
    scale["spec"]["replicas"] = json!(3);
    let identity = Identity { api_version: "autoscaling/v1", kind: "Scale" };
    let sent = body(&AUTOSCALING_V1_SCALE, identity, &scale);
    let scaled = answered(&wire.send("PUT", &path, &[SENT, WANTED], &sent).await, 200, &AUTOSCALING_V1_SCALE);
    assert_eq!(scaled["spec"]["replicas"], 3);
    assert_eq!(wire.read(&format!("{DEPLOYMENTS}/d")).await["spec"]["replicas"], 3);
}
