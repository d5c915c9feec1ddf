//! Lists and watches whose answers come from deep inside the backend: pages while writes go on, watches from
//! a revision, streamed lists, and what is said once history is given up. Each backend of this build gives
//! the same answers, and so does memory without the watch cache before it.

#![cfg(any(feature = "memory", feature = "rocksdb"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Value, json};

use crate::wire_client::{
    AS_METADATA, AS_TABLE, CONFIG_MAPS, DEPLOYMENTS, MERGE, Watch, Wire, failure, names, version_of,
};

/// Makes a test of each function, for each backend, on a server of its own.
macro_rules! on_every_backend {
    ($($test:ident),+ $(,)?) => {
        #[cfg(feature = "memory")]
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Wire::start().await).await;
            })+
        }

        #[cfg(feature = "memory")]
        mod memory_uncached {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Wire::start_uncached().await).await;
            })+
        }

        #[cfg(feature = "rocksdb")]
        mod rocksdb {
            $(#[tokio::test]
            async fn $test() {
                let directory = tempfile::tempdir().unwrap();
                super::$test(super::Wire::start_on_disk(directory.path()).await).await;
            })+
        }
    };
}

on_every_backend!(
    pages_have_one_version_and_count_down,
    a_limit_holds_for_any_version_too,
    an_expired_token_comes_back_with_one_that_goes_on,
    a_watch_begins_with_the_present_state_or_after_a_version,
    a_streaming_list_ends_its_initial_events_with_a_bookmark,
    a_watch_from_a_version_that_is_gone_ends_with_an_error,
);

const STREAMING_LIST: &str =
    "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=60";

fn list(query: &str) -> String {
    format!("{CONFIG_MAPS}?{query}")
}

fn event(event_type: &str, object: &Value) -> Value {
    json!({"type": event_type, "object": object})
}

fn watch(query: &str) -> String {
    list(&format!("watch=true&timeoutSeconds=60&{query}"))
}

fn token_text(list: &Value) -> String {
    use base64::Engine as _;
    let token = list["metadata"]["continue"].as_str().unwrap();
    String::from_utf8(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap()
}

/// The stream of a watch with `sendInitialEvents` up to the end of its initial events.
async fn initial(events: &mut Watch) -> (Vec<String>, Value) {
    let mut briefs = Vec::new();
    loop {
        let event = events.next().await;
        let object = &event["object"];
        if event["type"] == "BOOKMARK" {
            return (briefs, object.clone());
        }
        let name = object["metadata"]["name"].as_str().unwrap();
        briefs.push(format!("{} {name}", event["type"].as_str().unwrap()));
    }
}

async fn pages_have_one_version_and_count_down(wire: Wire) {
    wire.make_labelled_config_maps(&["a", "b", "c", "d", "e"]).await;
    let revision = wire.revision().await.to_string();
    let first = wire.read(&list("limit=2")).await;
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));
    assert_eq!(token_text(&first), format!(r#"{{"v":"meta.k8s.io/v1","rv":{revision},"start":"b\u0000"}}"#));
    // What happens in between is not seen.
    wire.make_config_map("c5").await;
    assert_eq!(wire.delete(&format!("{CONFIG_MAPS}/d")).await.status, 200);
    let page = |list: &Value| format!("limit=2&continue={}", list["metadata"]["continue"].as_str().unwrap());
    let second = wire.read(&list(&page(&first))).await;
    assert_eq!((names(&second), &second["metadata"]["remainingItemCount"]), (vec!["c", "d"], &json!(1)));
    let third = wire.read(&list(&page(&second))).await;
    assert_eq!(names(&third), ["e"]);
    assert_eq!(third["metadata"], json!({"resourceVersion": revision}), "the last page has no token");
    for page in [&first, &second, &third] {
        assert_eq!(version_of(page), revision);
    }
    let exact = wire.read(&list("limit=5")).await;
    assert_eq!(
        (names(&exact).len(), exact["metadata"].get("continue")),
        (5, None),
        "a full last page has no token"
    );
    let whole = wire.read(&list(&page(&first).replace("limit=2", "limit=0"))).await;
    assert_eq!(names(&whole), ["c", "d", "e"]);
}

/// The reference ignores the limit here.
async fn a_limit_holds_for_any_version_too(wire: Wire) {
    wire.make_labelled_config_maps(&["a", "b", "c"]).await;
    for any in ["resourceVersion=0", "resourceVersion=0&resourceVersionMatch=NotOlderThan"] {
        let first = wire.read(&list(&format!("limit=2&{any}"))).await;
        assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(1)));
        let token = first["metadata"]["continue"].as_str().unwrap();
        let second = wire.read(&list(&format!("limit=2&continue={token}"))).await;
        assert_eq!((names(&second), version_of(&second)), (vec!["c"], version_of(&first)), "{any}");
    }
}

async fn an_expired_token_comes_back_with_one_that_goes_on(wire: Wire) {
    wire.make_labelled_config_maps(&["a", "b", "c"]).await;
    let first = wire.read(&list("limit=1")).await;
    let old = wire.revision().await;
    wire.make_config_map("bb").await;
    wire.compact().await;
    let next = |list: &Value| format!("limit=2&continue={}", list["metadata"]["continue"].as_str().unwrap());
    let answer = wire.get(&list(&next(&first))).await;
    let status = answer.json();
    assert_eq!((answer.status, &status["reason"], &status["code"]), (410, &json!("Expired"), &json!(410)));
    let message = status["message"].as_str().unwrap();
    assert!(
        message.starts_with("The provided continue parameter is too old to display a consistent list result"),
        "{message}"
    );
    assert_eq!(token_text(&status), r#"{"v":"meta.k8s.io/v1","rv":-1,"start":"a\u0000"}"#);
    let second = wire.read(&list(&next(&status))).await;
    assert_eq!(names(&second), ["b", "bb"], "as it is now");
    let third = wire.read(&list(&next(&second))).await;
    assert_eq!((names(&third), version_of(&third)), (vec!["c"], version_of(&second)));
    let exact = wire.get(&list(&format!("resourceVersion={old}&resourceVersionMatch=Exact"))).await;
    let expired =
        failure(410, "Expired", "The resourceVersion for the provided list is too old.", Value::Null);
    exact.assert_is(&expired, "an exact version that is gone");
    wire.get(&list(&format!("limit=1&resourceVersion={old}"))).await.assert_is(&expired, "and with a limit");
    assert_eq!(
        wire.get(&list(&format!("resourceVersion={old}"))).await.status,
        200,
        "not older than is no matter"
    );
}

async fn a_watch_begins_with_the_present_state_or_after_a_version(wire: Wire) {
    wire.make_labelled_config_maps(&["a", "b"]).await;
    let seen = wire.revision().await;
    let c = wire.make_config_map("c").await;
    wire.patch(MERGE, &format!("{CONFIG_MAPS}/a"), &json!({"data": {"x": "1"}})).await.expect(200);
    wire.delete(&format!("{CONFIG_MAPS}/b")).await.expect(200);
    let table: [(String, &[&str]); 5] = [
        (String::new(), &["ADDED a", "ADDED c"]),
        ("resourceVersion=".to_owned(), &["ADDED a", "ADDED c"]),
        ("resourceVersion=0".to_owned(), &["ADDED a", "ADDED c"]),
        (format!("resourceVersion={seen}"), &["ADDED c", "MODIFIED a", "DELETED b"]),
        (format!("resourceVersion={}", version_of(&c)), &["MODIFIED a", "DELETED b"]),
    ];
    let mut watches = Vec::new();
    for (query, expected) in &table {
        let mut events = wire.watch(&watch(query)).await;
        assert_eq!(events.briefs(expected.len()).await, *expected, "{query}");
        watches.push(events);
    }
    watches.push(wire.watch(&watch(&format!("resourceVersion={}", wire.revision().await))).await);
    wire.make_config_map("mark").await;
    for events in &mut watches {
        assert_eq!(events.briefs(1).await, ["ADDED mark"], "and nothing else before it");
    }
}

async fn a_streaming_list_ends_its_initial_events_with_a_bookmark(wire: Wire) {
    wire.make_labelled_config_maps(&["a", "b"]).await;
    let now = wire.revision().await;
    let mark = |kind: &str, api_version: &str| json!({"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": now.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}}});
    for version in [
        "",
        "&resourceVersion=",
        "&resourceVersion=0",
        &format!("&resourceVersion={now}"),
        "&resourceVersion=5",
    ] {
        let path = format!("{CONFIG_MAPS}?{STREAMING_LIST}&allowWatchBookmarks=true{version}");
        let mut events = wire.watch(&path).await;
        let (briefs, bookmark) = initial(&mut events).await;
        assert_eq!(briefs, ["ADDED a", "ADDED b"], "{version}");
        assert_eq!(bookmark, mark("ConfigMap", "v1"), "{version}");
    }
    let mut empty = wire.watch(&format!("{DEPLOYMENTS}?{STREAMING_LIST}&allowWatchBookmarks=true")).await;
    let (briefs, bookmark) = initial(&mut empty).await;
    assert_eq!(
        (briefs.len(), &bookmark["kind"], &bookmark["apiVersion"]),
        (0, &json!("Deployment"), &json!("apps/v1"))
    );
    assert_eq!(bookmark["metadata"], mark("", "")["metadata"], "an empty collection has its bookmark");
    let mut live = wire
        .watch(&format!("{CONFIG_MAPS}?{STREAMING_LIST}&allowWatchBookmarks=true&labelSelector=l=b"))
        .await;
    assert_eq!(initial(&mut live).await.0, ["ADDED b"]);
    wire.delete(&format!("{CONFIG_MAPS}/a")).await.expect(200);
    wire.delete(&format!("{CONFIG_MAPS}/b")).await.expect(200);
    assert_eq!(live.briefs(1).await, ["DELETED b"], "it goes on on the same stream");
}

async fn a_watch_from_a_version_that_is_gone_ends_with_an_error(wire: Wire) {
    wire.make_labelled_config_maps(&["a", "b"]).await;
    wire.make_config_map("c").await;
    let oldest = wire.compact().await;
    for headers in [&[][..], &[AS_TABLE], &[AS_METADATA]] {
        let mut events = wire.watch_with(&watch("resourceVersion=101"), headers).await;
        let error = events.next().await;
        let message = error["object"]["message"].as_str().unwrap();
        assert!(message.starts_with("too old resource version: 101 ("), "{message}");
        assert_eq!(
            error,
            event("ERROR", &failure(410, "Expired", message, Value::Null)),
            "a plain Status in every form"
        );
        events.assert_ends().await;
    }
    let mut events = wire.watch(&watch(&format!("resourceVersion={oldest}"))).await;
    wire.make_config_map("d").await;
    assert_eq!(events.briefs(1).await, ["ADDED d"], "the compacted version itself can be gone on from");
}
