//! Watches: what their events are, in which order, where they begin and how they end.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::wire_client::{
    AS_METADATA, AS_TABLE, CONFIG_MAPS, DEPLOYMENTS, MERGE, PODS, Wire, cause, details, failure,
    invalid_options, version_of,
};

const STREAMING_LIST: &str =
    "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=60";

fn watch(query: &str) -> String {
    format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=60&{query}")
}

async fn with_config_maps(names: &[&str]) -> Wire {
    let wire = Wire::start().await;
    wire.make_labelled_config_maps(names).await;
    wire
}

fn event(event_type: &str, object: &Value) -> Value {
    json!({"type": event_type, "object": object})
}

#[tokio::test]
async fn events_come_as_lines_with_the_whole_object() {
    let wire = with_config_maps(&["a"]).await;
    let mut events = wire.watch(&watch("resourceVersion=0")).await;
    assert_eq!(events.header("content-type"), Some("application/json"));
    assert_eq!(events.header("transfer-encoding"), Some("chunked"));
    assert_eq!(events.header("cache-control"), Some("no-cache, private"));
    let path = format!("{CONFIG_MAPS}/a");
    let object = wire.read(&path).await;
    assert_eq!(events.next().await, event("ADDED", &object));
    let object = wire.patch(MERGE, &path, &json!({"data": {"x": "1"}})).await.expect(200);
    assert_eq!(events.next().await, event("MODIFIED", &object));
    wire.patch(MERGE, &path, &json!({"data": {"x": "1"}})).await.expect(200);
    wire.patch(MERGE, &format!("{path}?dryRun=All"), &json!({"data": {"x": "2"}})).await.expect(200);
    assert_eq!(wire.delete(&path).await.status, 200);
    let mut last = object.clone();
    last["metadata"]["resourceVersion"] = json!(wire.revision().await.to_string());
    assert_eq!(events.next().await, event("DELETED", &last), "the last state, at the version of its end");
    let again = wire.make_config_map("a").await;
    assert_eq!(events.next().await, event("ADDED", &again));
    assert_ne!(again["metadata"]["uid"], object["metadata"]["uid"]);
}

#[tokio::test]
async fn the_head_comes_before_any_event() {
    let wire = Wire::start().await;
    let mut events = wire.watch(&watch("resourceVersion=0")).await;
    assert_eq!(events.status(), 200);
    wire.make_config_map("first").await;
    assert_eq!(events.briefs(1).await, ["ADDED first"]);
}

#[tokio::test]
async fn any_value_but_0_and_false_asks_for_a_watch() {
    let wire = with_config_maps(&["a"]).await;
    for query in ["watch=banana", "watch=", "watch", "watch=1", "watch=true", "&watch=true", "watch=True"] {
        let mut events = wire.watch(&format!("{CONFIG_MAPS}?{query}&limit=1&timeoutSeconds=60")).await;
        assert_eq!(events.briefs(1).await, ["ADDED a"], "{query}");
    }
}

#[tokio::test]
async fn old_paths_are_watches() {
    let wire = with_config_maps(&["a", "b"]).await;
    let table: [(&str, &[&str]); 5] = [
        ("/api/v1/watch/namespaces/t1/configmaps", &["ADDED a", "ADDED b"]),
        ("/api/v1/watch/namespaces/t1/configmaps/b", &["ADDED b"]),
        ("/api/v1/watch/configmaps", &["ADDED a", "ADDED b"]),
        ("/api/v1/watch/namespaces/t1", &["ADDED t1"]),
        ("/apis/apps/v1/watch/namespaces/t1/deployments", &[]),
    ];
    for (path, expected) in table {
        let mut events = wire.watch(&format!("{path}?timeoutSeconds=60")).await;
        assert_eq!(events.briefs(expected.len()).await, expected, "{path}");
    }
    let mut one = wire.watch("/api/v1/watch/namespaces/t1/configmaps/b?timeoutSeconds=60").await;
    assert_eq!(one.briefs(1).await, ["ADDED b"]);
    wire.make_config_map("c").await;
    wire.delete(&format!("{CONFIG_MAPS}/b")).await.expect(200);
    assert_eq!(one.briefs(1).await, ["DELETED b"], "of one name only");
}

#[tokio::test]
async fn an_object_that_starts_or_stops_to_match_is_added_or_deleted() {
    let wire = with_config_maps(&["a"]).await;
    let path = format!("{CONFIG_MAPS}/a");
    let mut events =
        wire.watch(&watch(&format!("resourceVersion={}&labelSelector=x=1", wire.revision().await))).await;
    let label = |value: Value| json!({"metadata": {"labels": {"x": value}}});
    let matching = wire.patch(MERGE, &path, &label(json!("1"))).await.expect(200);
    assert_eq!(events.next().await, event("ADDED", &matching));
    let changed = wire.patch(MERGE, &path, &json!({"data": {"k": "v"}})).await.expect(200);
    assert_eq!(events.next().await, event("MODIFIED", &changed));
    let gone = wire.patch(MERGE, &path, &label(json!("2"))).await.expect(200);
    let mut last = changed.clone();
    last["metadata"]["resourceVersion"] = gone["metadata"]["resourceVersion"].clone();
    assert_eq!(events.next().await, event("DELETED", &last), "the previous state at the new version");
    wire.patch(MERGE, &path, &json!({"data": {"k": "w"}})).await.expect(200);
    wire.delete(&path).await.expect(200);
    wire.make(CONFIG_MAPS, &json!({"metadata": {"name": "b", "labels": {"x": "1"}}})).await;
    assert_eq!(events.briefs(1).await, ["ADDED b"], "what does not match is silent");
}

#[tokio::test]
async fn a_field_selector_follows_its_field() {
    let wire = Wire::start().await;
    let mut events =
        wire.watch(&format!("{PODS}?watch=true&timeoutSeconds=60&fieldSelector=spec.nodeName=n1")).await;
    let mut named =
        wire.watch(&format!("{PODS}?watch=true&timeoutSeconds=60&fieldSelector=metadata.name=q")).await;
    for name in ["p", "q"] {
        wire.make(PODS, &json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c"}]}})).await;
    }
    wire.patch(MERGE, &format!("{PODS}/p"), &json!({"spec": {"nodeName": "n1"}})).await.expect(200);
    assert_eq!(events.briefs(1).await, ["ADDED p"]);
    assert_eq!(named.briefs(1).await, ["ADDED q"]);
}

#[tokio::test]
async fn bad_parameters_are_refused_before_the_stream() {
    let wire = with_config_maps(&["a"]).await;
    let forbidden = |detail: &str| {
        let cause = cause("FieldValueForbidden", &format!("Forbidden: {detail}"), "resourceVersionMatch");
        invalid_options("ListOptions", cause)
    };
    let requires = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    let unsupported = "Unsupported value: \"Exact\": supported values: \"NotOlderThan\"";
    let message = format!(
        "ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: {requires}, resourceVersionMatch: {unsupported}]"
    );
    let mut both = details("", "meta.k8s.io", "ListOptions");
    both["causes"] = json!([
        cause("FieldValueForbidden", &format!("Forbidden: {requires}"), "resourceVersionMatch"),
        cause("FieldValueNotSupported", unsupported, "resourceVersionMatch"),
    ]);
    let version =
        "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax";
    let table = [
        ("resourceVersion=abc", failure(500, "", version, Value::Null)),
        ("sendInitialEvents=true", forbidden(requires)),
        (
            "resourceVersionMatch=NotOlderThan",
            forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"),
        ),
        ("resourceVersionMatch=Exact&sendInitialEvents=true", failure(422, "Invalid", &message, both)),
        (
            "timeoutSeconds=abc",
            failure(400, "BadRequest", "strconv.ParseInt: parsing \"abc\": invalid syntax", Value::Null),
        ),
        (
            "fieldSelector=foo=1",
            failure(
                400,
                "BadRequest",
                "\"foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                Value::Null,
            ),
        ),
        (
            "labelSelector=a%20b%20c",
            failure(
                400,
                "BadRequest",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
                Value::Null,
            ),
        ),
    ];
    for (query, expected) in table {
        wire.get(&format!("{CONFIG_MAPS}?watch=1&{query}")).await.assert_is(&expected, query);
    }
}

#[tokio::test]
async fn initial_events_without_bookmarks_and_bookmarks_without_initial_events() {
    let wire = with_config_maps(&["a"]).await;
    let mut unmarked = wire.watch(&format!("{CONFIG_MAPS}?{STREAMING_LIST}")).await;
    let mut skipped = Vec::new();
    for bookmarks in ["", "&allowWatchBookmarks=true"] {
        let query = format!("sendInitialEvents=false&resourceVersionMatch=NotOlderThan{bookmarks}");
        skipped.push(wire.watch(&watch(&query)).await);
    }
    wire.make_config_map("b").await;
    assert_eq!(unmarked.briefs(2).await, ["ADDED a", "ADDED b"], "no bookmark is allowed");
    for events in &mut skipped {
        assert_eq!(events.briefs(1).await, ["ADDED b"], "it begins with what comes");
    }
}

#[tokio::test]
async fn a_streaming_list_of_a_version_that_does_not_come_ends_with_an_error() {
    let wire = with_config_maps(&["a"]).await;
    let now = wire.revision().await;
    let path = format!("{CONFIG_MAPS}?{STREAMING_LIST}&allowWatchBookmarks=true&resourceVersion=99999999");
    let mut events = wire.watch(&path).await;
    let message = format!("Timeout: Too large resource version: 99999999, current: {now}");
    let about = json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1});
    assert_eq!(events.next().await, event("ERROR", &failure(504, "Timeout", &message, about)));
    events.assert_ends().await;
}

#[tokio::test]
async fn a_watch_from_a_version_in_the_future_waits() {
    let wire = with_config_maps(&["a"]).await;
    let now = wire.revision().await;
    let mut events = wire.watch(&watch(&format!("resourceVersion={}", now.next()))).await;
    wire.make_config_map("b").await;
    wire.make_config_map("c").await;
    assert_eq!(events.briefs(1).await, ["ADDED c"], "only what comes after that version");
    let mut never =
        wire.watch(&format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=1&resourceVersion=99999999")).await;
    never.assert_ends().await;
}

#[tokio::test]
async fn a_watch_ends_cleanly_after_its_time() {
    let wire = with_config_maps(&["a"]).await;
    let begin = Instant::now();
    let mut events = wire.watch(&format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=1")).await;
    assert_eq!(events.briefs(1).await, ["ADDED a"]);
    events.assert_ends().await;
    let passed = begin.elapsed().as_millis();
    assert!((900..3000).contains(&passed), "{passed} ms");
}

#[tokio::test]
async fn a_bookmark_comes_before_the_end() {
    let wire = with_config_maps(&["a"]).await;
    let from = format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=3&resourceVersion={}", wire.revision().await);
    let mut marked = wire.watch(&format!("{from}&allowWatchBookmarks=true")).await;
    let mut unmarked = wire.watch(&from).await;
    wire.make(DEPLOYMENTS, &json!({"metadata": {"name": "w"}})).await;
    let now = wire.revision().await.to_string();
    let bookmark = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": now}});
    assert_eq!(marked.next().await, event("BOOKMARK", &bookmark), "the version of the whole server");
    marked.assert_ends().await;
    unmarked.assert_ends().await;
}

#[tokio::test]
async fn a_watch_ends_cleanly_when_the_server_stops() {
    let wire = with_config_maps(&["a"]).await;
    let mut events = wire.watch(&watch("")).await;
    assert_eq!(events.briefs(1).await, ["ADDED a"]);
    wire.app.draining.cancel();
    events.assert_ends().await;
}

#[tokio::test]
async fn a_watch_as_a_table_has_its_columns_once() {
    let wire = with_config_maps(&["a", "b"]).await;
    let mut events = wire.watch_with(&watch("resourceVersion=0"), &[AS_TABLE]).await;
    let first = events.next().await;
    assert_eq!((&first["type"], &first["object"]["kind"]), (&json!("ADDED"), &json!("Table")));
    assert_eq!(first["object"]["apiVersion"], "meta.k8s.io/v1");
    let columns = first["object"]["columnDefinitions"].as_array().unwrap();
    assert_eq!(
        columns.iter().map(|column| column["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["Name", "Data", "Age"]
    );
    let row = &first["object"]["rows"][0];
    assert_eq!((&row["cells"][0], &row["cells"][1]), (&json!("a"), &json!(0)));
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(version_of(&first["object"]), version_of(&row["object"]));
    let second = events.next().await;
    assert_eq!(
        (&second["object"]["columnDefinitions"], &second["object"]["rows"][0]["cells"][0]),
        (&Value::Null, &json!("b"))
    );
    wire.delete(&format!("{CONFIG_MAPS}/a")).await.expect(200);
    let gone = events.next().await;
    assert_eq!(
        (&gone["type"], version_of(&gone["object"])),
        (&json!("DELETED"), &*wire.revision().await.to_string())
    );
    assert_eq!(version_of(&gone["object"]["rows"][0]["object"]), wire.revision().await.to_string());
    let path = format!("{CONFIG_MAPS}?{STREAMING_LIST}&allowWatchBookmarks=true&labelSelector=l=b");
    let mut events = wire.watch_with(&path, &[AS_TABLE]).await;
    assert_eq!(events.next().await["type"], "ADDED");
    let mark = events.next().await;
    assert_eq!((&mark["type"], &mark["object"]["kind"]), (&json!("BOOKMARK"), &json!("Table")));
    assert_eq!(mark["object"]["columnDefinitions"], Value::Null);
    let metadata = &mark["object"]["rows"][0]["object"]["metadata"];
    assert_eq!(metadata["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    assert_eq!(metadata["resourceVersion"], wire.revision().await.to_string());
}

#[tokio::test]
async fn a_watch_of_metadata_has_metadata_only() {
    let wire = with_config_maps(&["a"]).await;
    let path = format!("{CONFIG_MAPS}?{STREAMING_LIST}&allowWatchBookmarks=true");
    let mut events = wire.watch_with(&path, &[AS_METADATA]).await;
    let object = wire.read(&format!("{CONFIG_MAPS}/a")).await;
    let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
    assert_eq!(events.next().await, event("ADDED", &partial));
    let mark = events.next().await;
    assert_eq!(
        (&mark["type"], &mark["object"]["kind"]),
        (&json!("BOOKMARK"), &json!("PartialObjectMetadata"))
    );
    assert_eq!(mark["object"]["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
}

#[tokio::test]
async fn every_kind_can_be_watched_under_its_own_name() {
    let wire = Wire::start().await;
    let table = wire.app.table.load_full();
    for resource in table.resources() {
        let root = if resource.group.is_empty() { "/api" } else { "/apis" };
        let namespaced = resource.scope == watchkeep_server::kinds::resource::Scope::Namespaced;
        let namespace = if namespaced { "namespaces/t1/" } else { "" };
        let path = format!("{root}/{}/{namespace}{}", resource.api_version, resource.plural);
        let from = format!(
            "{path}?watch=true&timeoutSeconds=60&allowWatchBookmarks=true&resourceVersion={}",
            wire.revision().await
        );
        let mut events = wire.watch(&from).await;
        let made = wire.make(&path, &json!({"metadata": {"name": "every"}})).await;
        assert_eq!(events.next().await, event("ADDED", &made), "{path}");
        assert_eq!(
            (&made["kind"], &made["apiVersion"]),
            (&json!(resource.kind), &json!(resource.api_version))
        );
        assert_eq!(wire.delete(&format!("{path}/every")).await.status, 200, "{path}");
        let end = events.next().await;
        let expected = if resource.kind == "Namespace" { "MODIFIED" } else { "DELETED" };
        assert_eq!(
            (&end["type"], &end["object"]["kind"]),
            (&json!(expected), &json!(resource.kind)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn all_watches_see_all_writes_in_one_order() {
    let wire = Wire::start().await;
    let mut watches = Vec::new();
    for _ in 0..10 {
        watches.push(wire.watch(&watch("resourceVersion=0")).await);
    }
    let bodies: Vec<_> = (0..40).map(|number| json!({"metadata": {"name": format!("c{number}")}})).collect();
    futures_util::future::join_all(bodies.iter().map(|body| wire.make(CONFIG_MAPS, body))).await;
    let mut orders = Vec::new();
    for events in &mut watches {
        let mut order = Vec::new();
        for _ in 0..40 {
            order.push(events.brief().await.2.parse::<u64>().unwrap());
        }
        assert!(order.is_sorted(), "{order:?}");
        orders.push(order);
    }
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]));
}
