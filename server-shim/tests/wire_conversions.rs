//! One object in two versions: what a client of the older one can change, and what it leaves alone. And
//! numbers, names and races at the edges of what a request can say.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::wire_client::{CONFIG_MAPS, MERGE, PODS, Wire, version_of};

const V1: &str = "/apis/autoscaling/v1/namespaces/t1/horizontalpodautoscalers";
const V2: &str = "/apis/autoscaling/v2/namespaces/t1/horizontalpodautoscalers";
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// A watch that begins with a state which is not there yet.
const FUTURE: &str = "/api/v1/namespaces/t1/configmaps?watch=1&resourceVersion=999999999&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

fn cpu(percent: i32) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": percent}}})
}

fn pods_metric() -> Value {
    json!({"type": "Pods", "pods": {"metric": {"name": "x"}, "target": {"type": "Value", "value": "1"}}})
}

fn v1_spec(percent: i32) -> Value {
    json!({"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"},
        "targetCPUUtilizationPercentage": percent})
}

/// Creates an autoscaler in v2 with these metrics and a status, and returns it as stored.
async fn make(wire: &Wire, metrics: Value) -> Value {
    let spec =
        json!({"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}, "metrics": metrics});
    wire.make(V2, &json!({"metadata": {"name": "h"}, "spec": spec})).await;
    let status = json!({"status": {
        "currentReplicas": 2, "desiredReplicas": 2,
        "conditions": [{"type": "AbleToScale", "status": "True"}],
        "currentMetrics": [
            {"type": "Pods", "pods": {"metric": {"name": "x"}, "current": {"averageValue": "1"}}},
            {"type": "Resource", "resource": {"name": "cpu",
                "current": {"averageValue": "5m", "averageUtilization": 40}}},
        ],
    }});
    wire.patch(MERGE, &format!("{V2}/h/status"), &status).await.expect(200)
}

#[tokio::test]
async fn an_annotation_that_is_no_value_of_its_field_is_dropped() {
    let wire = Wire::start().await;
    for (metrics, behavior) in [("5", "\"x\""), ("[5]", "[]"), ("{", "{\"scaleUp\": 1}"), ("null", "")] {
        let annotations = json!({METRICS: metrics, BEHAVIOR: behavior, "kept": "1"});
        let sent = json!({"metadata": {"name": "h", "annotations": annotations}, "spec": v1_spec(50)});
        wire.make(V1, &sent).await;
        let stored = wire.read(&format!("{V2}/h")).await;
        assert_eq!(stored["spec"]["metrics"], json!([cpu(50)]), "{metrics}");
        assert_eq!(stored["spec"].get("behavior"), None, "{behavior}");
        assert_eq!(stored["metadata"]["annotations"], json!({"kept": "1"}));
        wire.delete(&format!("{V2}/h")).await.expect(200);
    }
}

#[tokio::test]
async fn what_an_annotation_says_is_stored_in_canonical_form() {
    let wire = Wire::start().await;
    let metrics = r#"[{"pods": {"target": {"value": 0.5, "type": "Value"}, "bogus": 1, "metric": {"name": "x"}}, "type": "Pods"}]"#;
    let sent = json!({"metadata": {"name": "h", "annotations": {METRICS: metrics}}, "spec": v1_spec(50)});
    wire.make(V1, &sent).await;
    let answer = wire.get(&format!("{V2}/h")).await;
    let pods = r#"{"type":"Pods","pods":{"metric":{"name":"x"},"target":{"type":"Value","value":"500m"}}}"#;
    assert!(answer.text().contains(pods), "{}", answer.text());
}

#[tokio::test]
async fn a_label_patch_in_the_older_version_changes_the_label_only() {
    let wire = Wire::start().await;
    let mut expected = make(&wire, json!([pods_metric(), cpu(50)])).await;
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    let shown = wire.patch(MERGE, &format!("{V1}/h"), &patch).await.expect(200);
    assert_eq!(shown["spec"]["targetCPUUtilizationPercentage"], 50);
    assert_eq!(shown["status"]["currentCPUUtilizationPercentage"], 40);
    expected["metadata"]["labels"] = json!({"a": "b"});
    expected["metadata"]["resourceVersion"] = json!(version_of(&shown));
    assert_eq!(wire.read(&format!("{V2}/h")).await, expected);
}

#[tokio::test]
async fn a_patch_of_the_cpu_target_keeps_its_place_among_the_metrics() {
    let wire = Wire::start().await;
    make(&wire, json!([pods_metric(), cpu(50), pods_metric()])).await;
    let patch = json!({"spec": {"targetCPUUtilizationPercentage": 70}});
    wire.patch(MERGE, &format!("{V1}/h"), &patch).await.expect(200);
    let metrics = |stored: Value| stored["spec"]["metrics"].clone();
    let stored = wire.read(&format!("{V2}/h")).await;
    assert_eq!(metrics(stored), json!([pods_metric(), cpu(70), pods_metric()]));
    let patch = json!({"spec": {"targetCPUUtilizationPercentage": null}});
    wire.patch(MERGE, &format!("{V1}/h"), &patch).await.expect(200);
    let stored = wire.read(&format!("{V2}/h")).await;
    assert_eq!(metrics(stored), json!([pods_metric(), pods_metric()]));
}

#[tokio::test]
async fn a_put_in_the_older_version_leaves_the_status_alone() {
    let wire = Wire::start().await;
    let stored = make(&wire, json!([cpu(50)])).await;
    let annotations = json!({CONDITIONS: "[]"});
    let sent = json!({"metadata": {"name": "h", "annotations": annotations}, "spec": v1_spec(60)});
    wire.put(&format!("{V1}/h"), &sent).await.expect(200);
    let after = wire.read(&format!("{V2}/h")).await;
    assert_eq!(after["status"], stored["status"]);
    assert_eq!(after["spec"]["metrics"], json!([cpu(60)]));
}

#[tokio::test]
async fn a_put_of_the_status_in_the_older_version_leaves_the_spec_alone() {
    let wire = Wire::start().await;
    let stored = make(&wire, json!([pods_metric(), cpu(50)])).await;
    let annotations =
        json!({METRICS: r#"[{"type":"Pods"}]"#, CONDITIONS: r#"[{"type":"New","status":"True"}]"#});
    let sent = json!({"metadata": {"name": "h", "annotations": annotations}, "spec": v1_spec(99),
        "status": {"currentReplicas": 7, "desiredReplicas": 7, "currentCPUUtilizationPercentage": 9}});
    wire.put(&format!("{V1}/h/status"), &sent).await.expect(200);
    let after = wire.read(&format!("{V2}/h")).await;
    assert_eq!(after["spec"], stored["spec"]);
    assert_eq!(after["metadata"].get("annotations"), None);
    assert_eq!(
        after["status"],
        json!({"currentReplicas": 7, "desiredReplicas": 7,
            "conditions": [{"type": "New", "status": "True"}],
            "currentMetrics": [{"type": "Resource",
                "resource": {"name": "cpu", "current": {"averageUtilization": 9}}}]})
    );
}

#[tokio::test]
async fn annotations_of_the_older_version_do_not_count_against_their_limit() {
    let wire = Wire::start().await;
    let long = |n: usize| {
        json!({"type": "Pods", "pods": {"metric": {"name": format!("{n:0>600}")},
            "target": {"type": "Value", "value": "1"}}})
    };
    make(&wire, Value::Array((0..500).map(long).collect())).await;
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    wire.patch(MERGE, &format!("{V1}/h"), &patch).await.expect(200);
}

#[tokio::test]
async fn an_event_updated_in_the_newer_version_is_stored_in_the_older_one() {
    let wire = Wire::start().await;
    let (core, own) = ("/api/v1/namespaces/t1/events", "/apis/events.k8s.io/v1/namespaces/t1/events");
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"name": "p", "namespace": "t1"},
        "reason": "r", "message": "m", "type": "Normal"});
    wire.make(core, &event).await;
    wire.patch(MERGE, &format!("{own}/e"), &json!({"note": "n"})).await.expect(200);
    let stored = wire.read(&format!("{core}/e")).await;
    assert_eq!((&stored["message"], &stored["involvedObject"]["name"]), (&json!("n"), &json!("p")));
}

#[tokio::test]
async fn the_longest_timeout_of_a_watch_is_bounded() {
    let wire = Wire::start().await;
    for seconds in [i64::MAX, i64::MAX / 1_000_000_000, -1] {
        let mut watch = wire.watch(&format!("{CONFIG_MAPS}?watch=1&timeoutSeconds={seconds}")).await;
        wire.make_config_map(&format!("c{}", seconds.unsigned_abs())).await;
        assert_eq!(watch.next().await["type"], "ADDED", "{seconds}");
        wire.delete(CONFIG_MAPS).await.expect(200);
    }
}

#[tokio::test]
async fn no_grace_period_is_too_long_to_be_added_to_the_time() {
    let wire = Wire::start().await;
    for (name, own, query) in [
        ("sent", json!(null), format!("?gracePeriodSeconds={}", i64::MAX)),
        ("own", json!(i64::MAX), String::new()),
        ("far", json!(null), "?gracePeriodSeconds=300000000000".to_owned()),
    ] {
        let spec = json!({"nodeName": "n", "containers": [{"name": "c", "image": "i"}],
            "terminationGracePeriodSeconds": own});
        wire.make(PODS, &json!({"metadata": {"name": name}, "spec": spec})).await;
        let pod = wire.delete(&format!("{PODS}/{name}{query}")).await.expect(200);
        let deletion = pod["metadata"]["deletionTimestamp"].as_str().unwrap();
        assert!(deletion > "2050" && deletion.len() == 20, "{name}: {deletion}");
    }
}

#[tokio::test]
async fn a_negative_grace_period_is_none() {
    let wire = Wire::start().await;
    let spec = json!({"nodeName": "n", "containers": [{"name": "c", "image": "i"}]});
    wire.make(PODS, &json!({"metadata": {"name": "p"}, "spec": spec})).await;
    wire.delete(&format!("{PODS}/p?gracePeriodSeconds=-5")).await.expect(200);
    assert_eq!(wire.get(&format!("{PODS}/p")).await.status, 404);
}

#[tokio::test]
async fn an_object_that_a_client_has_known_is_not_made_again_by_its_put() {
    let wire = Wire::start().await;
    let services = "/api/v1/namespaces/t1/services";
    let sent = json!({"metadata": {"name": "s", "uid": "gone-uid"}, "spec": {}});
    for path in [format!("{services}/s"), format!("{services}/s?dryRun=All")] {
        let status = wire.put(&path, &sent).await.expect(409);
        assert_eq!(status["reason"], "Conflict");
        let message = status["message"].as_str().unwrap();
        assert!(message.contains("Precondition failed: UID in precondition: gone-uid"), "{message}");
    }
    assert_eq!(wire.get(&format!("{services}/s")).await.status, 404);
}

#[tokio::test]
async fn the_name_in_the_path_of_a_watch_is_one_name() {
    let wire = Wire::start().await;
    wire.make_config_map("a").await;
    let path = "/api/v1/watch/namespaces/t1/configmaps/a,metadata.namespace=t1?timeoutSeconds=1";
    wire.watch(path).await.assert_ends().await;
    let path = "/api/v1/watch/namespaces/t1/configmaps/a%5C?timeoutSeconds=1";
    wire.watch(path).await.assert_ends().await;
}

#[tokio::test]
async fn a_watch_on_a_name_keeps_the_field_selector() {
    let wire = Wire::start().await;
    wire.make_config_map("a").await;
    let path = "/api/v1/watch/namespaces/t1/configmaps/a?timeoutSeconds=1&fieldSelector=metadata.name";
    wire.watch(&format!("{path}!=a")).await.assert_ends().await;
    assert_eq!(wire.watch(&format!("{path}=a")).await.next().await["type"], "ADDED");
}

#[tokio::test]
async fn a_watch_on_a_future_revision_begins_at_once() {
    let wire = Wire::start().await;
    let begin = Instant::now();
    let mut watch = wire.watch(FUTURE).await;
    assert!(begin.elapsed() < Duration::from_secs(2), "the head is held back");
    let event = watch.next().await;
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(504)));
    watch.assert_ends().await;
}

#[tokio::test]
async fn the_end_of_a_watch_that_waits_is_a_clean_one() {
    let wire = Wire::start().await;
    let begin = Instant::now();
    wire.watch(&format!("{FUTURE}&timeoutSeconds=1")).await.assert_ends().await;
    assert!(begin.elapsed() < Duration::from_millis(2500), "its own time counts");
}

#[tokio::test]
async fn a_watch_on_a_future_revision_begins_when_it_is_reached() {
    let wire = Wire::start().await;
    let next = wire.revision().await.next().next();
    let mut watch = wire.watch(&FUTURE.replace("999999999", &next.to_string())).await;
    wire.make_config_map("a").await;
    wire.make_config_map("b").await;
    assert_eq!(watch.briefs(2).await, ["ADDED a", "ADDED b"]);
}

#[tokio::test]
async fn a_demand_of_the_client_holds_for_each_object_of_a_collection() {
    let wire = Wire::start().await;
    wire.make_config_map("a").await;
    let options = json!({"preconditions": {"uid": "of-another-one"}});
    wire.json("DELETE", CONFIG_MAPS, &options).await.expect(409);
    wire.read(&format!("{CONFIG_MAPS}/a")).await;
}
