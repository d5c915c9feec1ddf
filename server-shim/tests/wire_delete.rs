//! DELETE of objects and collections: options, finalizers, graceful deletion, and the end of namespaces.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Value, json};

use crate::wire_client::{
    CONFIG_MAPS, DEPLOYMENTS, MERGE, PODS, Wire, cause, details, failure, invalid, invalid_options, names,
    not_found, version_of,
};

fn path(name: &str) -> String {
    format!("{CONFIG_MAPS}/{name}")
}

fn success(object: &Value, group: &str, plural: &str) -> Value {
    let mut about = details(object["metadata"]["name"].as_str().unwrap(), group, plural);
    about["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": about})
}

#[tokio::test]
async fn a_deletion_at_once_tells_of_its_success() {
    let wire = Wire::start().await;
    let bodies: [&[u8]; 5] = [
        b"",
        br#"{"propagationPolicy":"Background"}"#,
        br#"{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}"#,
        br#"{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/v1"}"#,
        b"{}",
    ];
    for body in bodies {
        let made = wire.make_config_map("d1").await;
        let answer = wire.send("DELETE", &path("d1"), &[], body).await;
        answer.assert_is(&success(&made, "", "configmaps"), "delete");
        wire.get(&path("d1")).await.assert_is(&not_found("configmaps", "d1"), "get");
        wire.delete(&path("d1")).await.assert_is(&not_found("configmaps", "d1"), "again");
    }
    let deployment = wire.make(DEPLOYMENTS, &json!({"metadata": {"name": "w"}})).await;
    wire.delete(&format!("{DEPLOYMENTS}/w"))
        .await
        .assert_is(&success(&deployment, "apps", "deployments"), "with a group");
}

#[tokio::test]
async fn options_of_a_deletion_are_validated() {
    let wire = Wire::start().await;
    let made = wire.make_config_map("d3").await;
    let (uid, version) = (made["metadata"]["uid"].as_str().unwrap(), version_of(&made));
    let conflict = |text: &str| {
        let message = format!("Operation cannot be fulfilled on ConfigMap \"d3\": {text}");
        failure(409, "Conflict", &message, details("d3", "", "ConfigMap"))
    };
    let supported =
        "Unsupported value: \"Foo\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"";
    let bad_policy =
        invalid_options("DeleteOptions", cause("FieldValueNotSupported", supported, "propagationPolicy"));
    let both = "Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set";
    let both = invalid_options("DeleteOptions", cause("FieldValueInvalid", both, "propagationPolicy"));
    let dry_run = "Unsupported value: [\"Some\"]: supported values: \"All\"";
    let dry_run = invalid_options("DeleteOptions", cause("FieldValueNotSupported", dry_run, "dryRun"));
    let table = [
        (
            "",
            json!({"preconditions": {"uid": "nope"}}),
            conflict(&format!(
                "the UID in the precondition (nope) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            )),
        ),
        (
            "",
            json!({"preconditions": {"resourceVersion": "1"}}),
            conflict(&format!(
                "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({version}). The object might have been modified"
            )),
        ),
        ("", json!({"propagationPolicy": "Foo"}), bad_policy.clone()),
        ("?propagationPolicy=Foo", json!({}), bad_policy),
        ("", json!({"propagationPolicy": "Orphan", "orphanDependents": true}), both),
        ("", json!({"dryRun": ["Some"]}), dry_run.clone()),
        ("?dryRun=Some", json!({}), dry_run),
        (
            "",
            json!({"kind": "ConfigMap", "apiVersion": "v1"}),
            failure(
                400,
                "BadRequest",
                "no kind \"ConfigMap\" is registered for version \"v1\" in scheme \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\"",
                Value::Null,
            ),
        ),
    ];
    for (query, body, expected) in table {
        let answer = wire.json("DELETE", &format!("{}{query}", path("d3")), &body).await;
        answer.assert_is(&expected, &format!("{query} {body}"));
    }
    for body in ["{", "[]", "1", "\"x\"", r#"{"gracePeriodSeconds":"x"}"#, r#"{"preconditions":[]}"#] {
        let answer = wire.send("DELETE", &path("d3"), &[], body.as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["reason"]), (400, &json!("BadRequest")), "{body}");
    }
    assert_eq!(wire.read(&path("d3")).await, made, "it is still there");
    let right = json!({"preconditions": {"uid": uid, "resourceVersion": version}});
    wire.json("DELETE", &path("d3"), &right).await.assert_is(&success(&made, "", "configmaps"), "met");
}

#[tokio::test]
async fn a_dry_run_of_a_deletion_deletes_nothing() {
    let wire = Wire::start().await;
    let made = wire.make_config_map("d").await;
    let table = [
        ("?propagationPolicy=Background&gracePeriodSeconds=0&dryRun=All", ""),
        ("", r#"{"dryRun":["All"]}"#),
        ("?gracePeriodSeconds=0", r#"{"dryRun":["All"]}"#),
    ];
    for (query, body) in table {
        let answer = wire.send("DELETE", &format!("{}{query}", path("d")), &[], body.as_bytes()).await;
        answer.assert_is(&success(&made, "", "configmaps"), query);
    }
    let list = wire.delete(&format!("{CONFIG_MAPS}?dryRun=All")).await.expect(200);
    assert_eq!(names(&list), ["d"]);
    assert_eq!(wire.read(&path("d")).await, made);
}

#[tokio::test]
async fn foreground_and_orphan_are_finalizers_that_hold_the_object() {
    let wire = Wire::start().await;
    for (policy, finalizer) in [
        (json!({"propagationPolicy": "Foreground"}), "foregroundDeletion"),
        (json!({"propagationPolicy": "Orphan"}), "orphan"),
        (json!({"orphanDependents": true}), "orphan"),
    ] {
        let made = wire.make(CONFIG_MAPS, &json!({"metadata": {"name": "d4", "labels": {"z": "1"}}})).await;
        let held = wire.json("DELETE", &path("d4"), &policy).await.expect(200);
        let metadata = &held["metadata"];
        let mut expected = made.clone();
        expected["metadata"]["resourceVersion"] = json!(wire.revision().await.to_string());
        expected["metadata"]["deletionTimestamp"] = metadata["deletionTimestamp"].clone();
        expected["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        expected["metadata"]["finalizers"] = json!([finalizer]);
        assert_eq!(held, expected);
        assert_eq!(metadata["deletionTimestamp"].as_str().map(str::len), Some(20));
        assert_eq!(wire.read(&path("d4")).await, held);
        assert_eq!(wire.json("DELETE", &path("d4"), &policy).await.expect(200), held, "again: no change");
        let released =
            wire.patch(MERGE, &path("d4"), &json!({"metadata": {"finalizers": null}})).await.expect(200);
        // The last state that never was stored, with the last version that was.
        let mut last = held.clone();
        last["metadata"].as_object_mut().unwrap().remove("finalizers");
        assert_eq!(released, last);
        wire.get(&path("d4")).await.assert_is(&not_found("configmaps", "d4"), "released");
    }
}

#[tokio::test]
async fn a_finalizer_holds_an_object_that_can_still_be_changed() {
    let wire = Wire::start().await;
    wire.make(CONFIG_MAPS, &json!({"metadata": {"name": "f1", "finalizers": ["example.com/x"]}})).await;
    let held = wire.delete(&path("f1")).await.expect(200);
    assert_eq!(held["metadata"]["finalizers"], json!(["example.com/x"]));
    assert_eq!(held["metadata"]["deletionGracePeriodSeconds"], 0);
    let added = cause(
        "FieldValueForbidden",
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/y\"}",
        "metadata.finalizers",
    );
    let refused = invalid("ConfigMap", "", "f1", added);
    let patch = json!({"metadata": {"finalizers": ["example.com/x", "example.com/y"]}});
    wire.patch(MERGE, &path("f1"), &patch).await.assert_is(&refused, "a new finalizer");
    let changed = wire.patch(MERGE, &path("f1"), &json!({"data": {"k": "v"}})).await.expect(200);
    assert_eq!(changed["data"], json!({"k": "v"}));
    let same = wire
        .patch(
            MERGE,
            &path("f1"),
            &json!({"metadata": {"deletionTimestamp": null, "deletionGracePeriodSeconds": null}}),
        )
        .await
        .expect(200);
    assert_eq!(same, changed, "what is being deleted stays so");
    let mut without = changed.clone();
    without["metadata"].as_object_mut().unwrap().remove("finalizers");
    assert_eq!(wire.put(&path("f1"), &without).await.status, 200);
    assert_eq!(wire.get(&path("f1")).await.status, 404, "the last finalizer is gone by a PUT");
}

#[tokio::test]
async fn the_generation_counts_the_beginning_of_a_deletion() {
    let wire = Wire::start().await;
    wire.make(DEPLOYMENTS, &json!({"metadata": {"name": "w"}, "spec": {"replicas": 1}})).await;
    let held = wire
        .json("DELETE", &format!("{DEPLOYMENTS}/w"), &json!({"propagationPolicy": "Foreground"}))
        .await
        .expect(200);
    assert_eq!(held["metadata"]["generation"], 2);
    let again = wire
        .json("DELETE", &format!("{DEPLOYMENTS}/w"), &json!({"propagationPolicy": "Foreground"}))
        .await
        .expect(200);
    assert_eq!(again["metadata"]["generation"], 2);
}

#[tokio::test]
async fn a_pod_goes_at_once_or_after_its_grace() {
    let wire = Wire::start().await;
    let pod = |name: &str, node: &str| json!({"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}});
    wire.make(PODS, &pod("p1", "")).await;
    let gone = wire.delete(&format!("{PODS}/p1")).await.expect(200);
    assert_eq!(
        (&gone["kind"], &gone["metadata"]["name"]),
        (&json!("Pod"), &json!("p1")),
        "the object, not a Status"
    );
    assert_eq!(
        (&gone["metadata"]["generation"], &gone["metadata"]["deletionGracePeriodSeconds"]),
        (&json!(2), &json!(0))
    );
    assert!(gone["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(version_of(&gone), wire.revision().await.to_string());
    wire.get(&format!("{PODS}/p1")).await.assert_is(&not_found("pods", "p1"), "unscheduled");
    wire.make(PODS, &pod("p2", "n1")).await;
    let p2 = format!("{PODS}/p2");
    let seconds = |object: &Value| -> i64 {
        let metadata = &object["metadata"];
        let parse =
            |field: &str| metadata[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        parse("deletionTimestamp") - parse("creationTimestamp")
    };
    let held = wire.delete(&p2).await.expect(200);
    assert_eq!(held["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!((30..35).contains(&seconds(&held)), "{held}");
    assert_eq!(held["metadata"]["generation"], 2);
    let longer = wire.json("DELETE", &p2, &json!({"gracePeriodSeconds": 60})).await.expect(200);
    assert_eq!(longer, held, "the grace does not get longer");
    let shorter = wire.json("DELETE", &p2, &json!({"gracePeriodSeconds": 5})).await.expect(200);
    assert_eq!(
        (&shorter["metadata"]["deletionGracePeriodSeconds"], &shorter["metadata"]["generation"]),
        (&json!(5), &json!(2))
    );
    assert!((5..10).contains(&seconds(&shorter)), "{shorter}");
    let now = wire.delete(&format!("{p2}?gracePeriodSeconds=0")).await.expect(200);
    assert_eq!(now["metadata"]["deletionGracePeriodSeconds"], 0);
    wire.get(&p2).await.assert_is(&not_found("pods", "p2"), "no grace");
}

#[tokio::test]
async fn a_collection_is_deleted_by_selectors() {
    let wire = Wire::start().await;
    for (name, label) in [("e1", "2"), ("e2", "2"), ("e3", "3")] {
        wire.make(CONFIG_MAPS, &json!({"metadata": {"name": name, "labels": {"z": label}}})).await;
    }
    wire.make(
        CONFIG_MAPS,
        &json!({"metadata": {"name": "f", "labels": {"z": "4"}, "finalizers": ["example.com/x"]}}),
    )
    .await;
    let before = wire.read(&format!("{CONFIG_MAPS}?labelSelector=z=2")).await;
    let gone = wire.delete(&format!("{CONFIG_MAPS}?labelSelector=z=2")).await.expect(200);
    assert_eq!(gone["items"], before["items"], "what was deleted, as it was");
    assert_eq!((&gone["kind"], names(&gone)), (&json!("ConfigMapList"), vec!["e1", "e2"]));
    assert_eq!(version_of(&gone), version_of(&before), "the version of the list that was deleted");
    assert_eq!(gone["items"][0].get("kind"), None);
    let none = wire.delete(&format!("{CONFIG_MAPS}?labelSelector=z=2")).await.expect(200);
    assert_eq!((&none["kind"], &none["items"]), (&json!("ConfigMapList"), &json!([])));
    let message = "\"foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    let answer = wire.delete(&format!("{CONFIG_MAPS}?fieldSelector=foo=1")).await;
    answer.assert_is(&failure(400, "BadRequest", message, Value::Null), "foo");
    let by_name = wire.delete(&format!("{CONFIG_MAPS}?fieldSelector=metadata.name=e3")).await.expect(200);
    assert_eq!(names(&by_name), ["e3"]);
    let held = wire.delete(CONFIG_MAPS).await.expect(200);
    assert_eq!(names(&held), ["f"]);
    assert!(wire.read(&path("f")).await["metadata"]["deletionTimestamp"].is_string());
}

#[tokio::test]
async fn all_collections_but_namespaces_can_be_deleted() {
    let wire = Wire::start().await;
    let table = wire.app.table.load_full();
    for resource in table.resources() {
        let root = if resource.group.is_empty() { "/api" } else { "/apis" };
        let namespaced = resource.scope == watchkeep_server::kinds::resource::Scope::Namespaced;
        let namespace = if namespaced { "namespaces/t1/" } else { "" };
        let path = format!("{root}/{}/{namespace}{}", resource.api_version, resource.plural);
        let answer = wire.delete(&path).await;
        if resource.kind == "Namespace" {
            let message = "the server does not allow this method on the requested resource";
            answer.assert_is(&failure(405, "MethodNotAllowed", message, json!({})), &path);
            continue;
        }
        assert_eq!(answer.expect(200)["kind"], resource.list_kind, "{path}");
    }
}

#[tokio::test]
async fn a_namespace_ends_with_its_content() {
    let wire = Wire::start().await;
    wire.make("/api/v1/namespaces", &json!({"metadata": {"name": "t2"}})).await;
    wire.make("/api/v1/namespaces/t2/configmaps", &json!({"metadata": {"name": "c"}})).await;
    wire.make(
        "/api/v1/namespaces/t2/configmaps",
        &json!({"metadata": {"name": "held", "finalizers": ["example.com/x"]}}),
    )
    .await;
    let mut watch =
        wire.watch("/api/v1/namespaces?watch=true&fieldSelector=metadata.name=t2&timeoutSeconds=60").await;
    assert_eq!(watch.briefs(1).await, ["ADDED t2"]);
    let mut content = wire.watch("/api/v1/namespaces/t2/configmaps?watch=true&timeoutSeconds=60").await;
    assert_eq!(content.briefs(2).await, ["ADDED c", "ADDED held"]);
    let ending = wire.delete("/api/v1/namespaces/t2").await.expect(200);
    assert_eq!(
        (&ending["status"]["phase"], &ending["spec"]["finalizers"]),
        (&json!("Terminating"), &json!(["kubernetes"]))
    );
    assert!(ending["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(watch.briefs(1).await, ["MODIFIED t2"]);
    assert_eq!(content.briefs(2).await, ["DELETED c", "MODIFIED held"]);
    assert_eq!(
        wire.read("/api/v1/namespaces/t2").await["status"]["phase"],
        "Terminating",
        "it waits for what is held"
    );
    wire.patch(MERGE, "/api/v1/namespaces/t2/configmaps/held", &json!({"metadata": {"finalizers": []}}))
        .await
        .expect(200);
    let (event, name, _) = watch.brief().await;
    let last = if event == "MODIFIED" { watch.briefs(1).await.remove(0) } else { format!("{event} {name}") };
    assert_eq!(last, "DELETED t2");
    wire.get("/api/v1/namespaces/t2").await.assert_is(&not_found("namespaces", "t2"), "gone");
}

#[tokio::test]
async fn a_namespace_is_released_by_finalize() {
    let wire = Wire::start().await;
    wire.make("/api/v1/namespaces", &json!({"metadata": {"name": "t2"}})).await;
    wire.make(
        "/api/v1/namespaces/t2/configmaps",
        &json!({"metadata": {"name": "held", "finalizers": ["example.com/x"]}}),
    )
    .await;
    let mut ending = wire.delete("/api/v1/namespaces/t2").await.expect(200);
    ending["spec"] = json!({});
    let answer = wire.put("/api/v1/namespaces/t2/finalize", &ending).await;
    let object = answer.expect(200);
    assert_eq!((&object["kind"], &object["spec"]), (&json!("Namespace"), &json!({})));
    wire.get("/api/v1/namespaces/t2").await.assert_is(&not_found("namespaces", "t2"), "released");
}

#[tokio::test]
async fn the_namespaces_of_every_cluster_stay() {
    let wire = Wire::start().await;
    for name in ["default", "kube-system", "kube-public"] {
        let message = format!("namespaces {name:?} is forbidden: this namespace may not be deleted");
        let refused = failure(403, "Forbidden", &message, details(name, "", "namespaces"));
        wire.delete(&format!("/api/v1/namespaces/{name}")).await.assert_is(&refused, name);
        assert_eq!(wire.read(&format!("/api/v1/namespaces/{name}")).await["status"]["phase"], "Active");
    }
}

#[tokio::test]
async fn one_of_many_deletions_succeeds() {
    let wire = Wire::start().await;
    wire.make_config_map("d").await;
    let one = path("d");
    let mut codes: Vec<_> = futures_util::future::join_all((0..6).map(|_| wire.delete(&one)))
        .await
        .iter()
        .map(|answer| answer.status)
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [200, 404, 404, 404, 404, 404]);
}
