//! PATCH in its three formats: what they do, and what a client is told of a patch that does not fit.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Value, json};

use crate::wire_client::{
    CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, MERGE, PODS, STRATEGIC, Wire, cause, details, failure, invalid,
    invalid_options, not_found, version_of,
};

const MODIFIED: &str = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again";

fn bad_request(message: &str) -> Value {
    failure(400, "BadRequest", message, Value::Null)
}

fn rejected() -> Value {
    failure(422, "Invalid", "the server rejected our request due to an error in our request", json!({}))
}

async fn with_config_map() -> (Wire, String) {
    let wire = Wire::start().await;
    wire.make(CONFIG_MAPS, &json!({"metadata": {"name": "a"}, "data": {"n": "1", "y": "2"}})).await;
    (wire, format!("{CONFIG_MAPS}/a"))
}

#[tokio::test]
async fn a_merge_patch_sets_and_deletes() {
    let (wire, path) = with_config_map().await;
    let change = json!({"metadata": {"labels": {"l": "1"}, "annotations": {"x": null}}, "data": {"n": null, "z": "3"}});
    let object = wire.patch(MERGE, &path, &change).await.expect(200);
    assert_eq!(object["data"], json!({"y": "2", "z": "3"}));
    assert_eq!(object["metadata"]["labels"], json!({"l": "1"}));
    assert_eq!(object["metadata"].get("annotations"), None);
    assert_eq!(version_of(&object), wire.revision().await.to_string());
    assert_eq!(wire.read(&path).await, object);
    for same in [json!({}), json!({"data": {"z": "3"}}), json!({"data": {"gone": null}})] {
        assert_eq!(wire.patch(MERGE, &path, &same).await.expect(200), object, "{same} changes nothing");
    }
    let cleared = wire.patch(MERGE, &path, &json!({"data": null})).await.expect(200);
    assert_eq!(cleared.get("data"), None);
}

#[tokio::test]
async fn patches_are_refused_as_by_the_reference() {
    let (wire, a) = with_config_map().await;
    let nope = format!("{CONFIG_MAPS}/nope");
    let uid = cause("FieldValueInvalid", "Invalid value: \"1\": field is immutable", "metadata.uid");
    let uid_changed = invalid("ConfigMap", "", "a", uid);
    let unsupported = failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", json!({}));
    let forced = cause("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force");
    let forced = invalid_options("PatchOptions", forced);
    let table: &[(&str, &str, &str, &Value)] = &[
        (
            MERGE,
            &a,
            r#"{"metadata":{"resourceVersion":"1"},"data":{"q":"1"}}"#,
            &failure(409, "Conflict", MODIFIED, details("a", "", "configmaps")),
        ),
        (MERGE, &a, r#"{"metadata":{"uid":"1"}}"#, &uid_changed),
        (
            MERGE,
            &a,
            r#"{"metadata":{"name":"zz"}}"#,
            &bad_request("the name of the object (zz) does not match the name on the URL (a)"),
        ),
        (MERGE, &nope, r#"{"data":{}}"#, &not_found("configmaps", "nope")),
        (JSON_PATCH, &nope, "[]", &not_found("configmaps", "nope")),
        (STRATEGIC, &nope, "{}", &not_found("configmaps", "nope")),
        (
            MERGE,
            &a,
            "not json",
            &bad_request("error decoding patch: invalid character 'o' in literal null (expecting 'u')"),
        ),
        (
            MERGE,
            &a,
            "[]",
            &bad_request(
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
        ),
        (JSON_PATCH, &a, r#"[{"op":"test","path":"/data/y","value":"no"}]"#, &rejected()),
        (JSON_PATCH, &a, r#"[{"op":"remove","path":"/data/gone"}]"#, &rejected()),
        (JSON_PATCH, &a, r#"[{"op":"bogus","path":"/data/y"}]"#, &rejected()),
        (
            JSON_PATCH,
            &a,
            r#"{"data":{}}"#,
            &bad_request(
                "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
            ),
        ),
        (
            STRATEGIC,
            &a,
            r#"{"data":{"$patch":"bogus","k":"v"}}"#,
            &failure(500, "", "unknown patch type: bogus in map: map[$patch:bogus k:v]", Value::Null),
        ),
        ("Content-Type: application/json", &a, "{}", &unsupported),
        ("Content-Type: application/apply-patch+cbor", &a, "{}", &unsupported),
        ("X-None: none", &a, "{}", &unsupported),
        (MERGE, &format!("{a}?force=true"), "{}", &forced),
        (JSON_PATCH, &format!("{a}?force=true"), "[]", &forced),
    ];
    let before = wire.revision().await;
    for (kind, path, body, expected) in table {
        let answer = wire.send("PATCH", path, &[kind], body.as_bytes()).await;
        answer.assert_is(expected, &format!("{kind} {path} {body}"));
    }
    assert_eq!(wire.revision().await, before, "nothing was stored");
}

#[tokio::test]
async fn a_result_that_is_no_object_of_the_kind_is_shown_with_what_is_wrong() {
    let (wire, path) = with_config_map().await;
    let stored = wire.read(&path).await;
    let table = [
        (
            "",
            json!({"data": {"y": 3}}),
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
        ("?fieldValidation=Strict", json!({"bogus": 3}), "strict decoding error: unknown field \"bogus\""),
    ];
    for (query, patch, problem) in table {
        let mut result = stored.clone();
        for (key, value) in patch.as_object().unwrap() {
            match value {
                Value::Object(inner) => result[key].as_object_mut().unwrap().extend(inner.clone()),
                value => result[key] = value.clone(),
            }
        }
        let answer = wire.patch(MERGE, &format!("{path}{query}"), &patch).await;
        let status = answer.json();
        let message = status["message"].as_str().unwrap();
        let detail = message.strip_prefix(" \"\" is invalid: patch: ").unwrap();
        let mut expected = failure(422, "Invalid", message, json!({}));
        expected["details"]["causes"] = json!([cause("FieldValueInvalid", detail, "patch")]);
        answer.assert_is(&expected, &patch.to_string());
        let shown = detail.strip_prefix("Invalid value: ").unwrap().strip_suffix(problem).unwrap();
        let shown: String = serde_json::from_str(shown.strip_suffix(": ").unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), result);
    }
    let answer = wire.patch(MERGE, &path, &json!({"bogus": 3})).await;
    assert_eq!(answer.headers("warning"), ["299 - \"unknown field \\\"bogus\\\"\""]);
    assert_eq!(answer.expect(200), stored, "a warning, and no change");
}

#[tokio::test]
async fn a_json_patch_has_all_six_operations() {
    let (wire, path) = with_config_map().await;
    let change = json!([
        {"op": "test", "path": "/data/y", "value": "2"},
        {"op": "add", "path": "/metadata/labels", "value": {"a~b": "1"}},
        {"op": "copy", "from": "/data/y", "path": "/data/copy"},
        {"op": "move", "from": "/data/n", "path": "/data/moved"},
        {"op": "replace", "path": "/data/y", "value": "9"},
        {"op": "remove", "path": "/metadata/labels/a~0b"},
        {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/b"]},
        {"op": "add", "path": "/metadata/finalizers/0", "value": "example.com/a"},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/c"},
    ]);
    let object = wire.patch(JSON_PATCH, &path, &change).await.expect(200);
    assert_eq!(object["data"], json!({"copy": "2", "moved": "1", "y": "9"}));
    assert_eq!(object["metadata"]["finalizers"], json!(["example.com/a", "example.com/b", "example.com/c"]));
    assert_eq!(object["metadata"].get("labels"), None);
    let stale = wire
        .patch(
            JSON_PATCH,
            &path,
            &json!([{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}]),
        )
        .await;
    stale.assert_is(
        &failure(409, "Conflict", MODIFIED, details("a", "", "configmaps")),
        "a version in a JSON patch",
    );
    let many = vec![json!({"op": "add", "path": "/data/z", "value": "1"}); 10_001];
    let answer = wire.patch(JSON_PATCH, &path, &json!(many)).await;
    assert_eq!((answer.status, &answer.json()["reason"]), (413, &json!("RequestEntityTooLarge")));
    let answer = wire.patch(JSON_PATCH, &path, &json!(many[1..])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_strategic_patch_merges_lists_by_their_keys() {
    let wire = Wire::start().await;
    let container = json!({"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}]});
    wire.make(
        DEPLOYMENTS,
        &json!({"metadata": {"name": "w"}, "spec": {"template": {"spec": {"containers": [container]}}}}),
    )
    .await;
    let path = format!("{DEPLOYMENTS}/w");
    let containers = |list: Value| json!({"spec": {"template": {"spec": {"containers": list}}}});
    let found = |object: &Value| object["spec"]["template"]["spec"]["containers"].clone();
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let object = wire
        .patch(
            STRATEGIC,
            &path,
            &containers(json!([{"name": "c", "image": "j", "env": [{"name": "B", "value": "2"}]}])),
        )
        .await
        .expect(200);
    assert_eq!(found(&object)[0]["image"], "j");
    assert_eq!(names(&found(&object)[0]["env"]), ["B", "A"], "a new element comes first");
    let object =
        wire.patch(STRATEGIC, &path, &containers(json!([{"name": "d", "image": "k"}]))).await.expect(200);
    assert_eq!(names(&found(&object)), ["d", "c"]);
    let ordered = json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "d"}, {"name": "e"}], "containers": [{"name": "e"}]}}}});
    let object = wire.patch(STRATEGIC, &path, &ordered).await.expect(200);
    assert_eq!(names(&found(&object)), ["c", "d", "e"]);
    let object = wire
        .patch(STRATEGIC, &path, &containers(json!([{"name": "d", "$patch": "delete"}])))
        .await
        .expect(200);
    assert_eq!(names(&found(&object)), ["c", "e"]);
    let object = wire
        .patch(STRATEGIC, &path, &containers(json!([{"$patch": "replace"}, {"name": "f"}])))
        .await
        .expect(200);
    assert_eq!(names(&found(&object)), ["f"]);
    let answer = wire.patch(STRATEGIC, &path, &containers(json!([{"image": "noname"}]))).await;
    let message = "map: map[image:noname] does not contain declared merge key: name";
    answer.assert_is(&failure(500, "", message, Value::Null), "no merge key");
    let object = wire
        .patch(STRATEGIC, &path, &json!({"metadata": {"finalizers": ["example.com/a", "example.com/b"]}}))
        .await
        .expect(200);
    assert_eq!(object["metadata"]["finalizers"], json!(["example.com/a", "example.com/b"]));
    let object = wire
        .patch(
            STRATEGIC,
            &path,
            &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}}),
        )
        .await
        .expect(200);
    assert_eq!(object["metadata"]["finalizers"], json!(["example.com/b"]));
    let strategy = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    wire.patch(STRATEGIC, &path, &strategy).await.expect(200);
    let retained = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let object = wire.patch(STRATEGIC, &path, &retained).await.expect(200);
    assert_eq!(object["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[tokio::test]
async fn a_strategic_patch_of_a_map_is_a_merge() {
    let (wire, path) = with_config_map().await;
    let object = wire.patch(STRATEGIC, &path, &json!({"data": {"n": null, "z": "3"}})).await.expect(200);
    assert_eq!(object["data"], json!({"y": "2", "z": "3"}));
    let object =
        wire.patch(STRATEGIC, &path, &json!({"data": {"$patch": "replace", "only": "1"}})).await.expect(200);
    assert_eq!(object["data"], json!({"only": "1"}));
    let object = wire.patch(STRATEGIC, &path, &json!({"data": {"$patch": "delete"}})).await.expect(200);
    assert_eq!(object.get("data").filter(|data| **data != json!({})), None);
}

#[tokio::test]
async fn concurrent_patches_without_a_version_all_come_through() {
    let (wire, path) = with_config_map().await;
    let patches: Vec<_> = (0..5).map(|number| json!({"data": {format!("k{number}"): "1"}})).collect();
    let answers =
        futures_util::future::join_all(patches.iter().map(|patch| wire.patch(MERGE, &path, patch))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(wire.read(&path).await["data"].as_object().unwrap().len(), 7);
}

#[tokio::test]
async fn a_dry_run_of_a_patch_stores_nothing() {
    let (wire, path) = with_config_map().await;
    let before = wire.read(&path).await;
    let object =
        wire.patch(MERGE, &format!("{path}?dryRun=All"), &json!({"data": {"n": "9"}})).await.expect(200);
    assert_eq!(object["data"]["n"], "9");
    assert_eq!(wire.read(&path).await, before);
    let options =
        cause("FieldValueNotSupported", "Unsupported value: [\"x\"]: supported values: \"All\"", "dryRun");
    wire.patch(MERGE, &format!("{path}?dryRun=x"), &json!({}))
        .await
        .assert_is(&invalid_options("PatchOptions", options), "dryRun=x");
}

#[tokio::test]
async fn what_the_server_owns_survives_a_patch() {
    let (wire, path) = with_config_map().await;
    let before = wire.read(&path).await;
    let change = json!({"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": "2001-01-01T00:00:00Z", "uid": null, "namespace": null}, "data": {"x": "1"}});
    let object = wire.patch(MERGE, &path, &change).await.expect(200);
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "namespace", "name"] {
        assert_eq!(object["metadata"].get(field), before["metadata"].get(field), "{field}");
    }
    let typed = wire.patch(MERGE, &path, &json!({"kind": "Secret"})).await;
    assert!((400..500).contains(&typed.status), "the kind cannot change: {}", typed.text());
}

#[tokio::test]
async fn a_pod_patch_counts_in_its_generation() {
    let wire = Wire::start().await;
    wire.make(
        PODS,
        &json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
    )
    .await;
    let path = format!("{PODS}/p");
    let object = wire
        .patch(STRATEGIC, &path, &json!({"spec": {"containers": [{"name": "c", "image": "j"}]}}))
        .await
        .expect(200);
    assert_eq!(
        (&object["metadata"]["generation"], &object["spec"]["containers"][0]["image"]),
        (&json!(2), &json!("j"))
    );
    let object = wire
        .patch(
            JSON_PATCH,
            &format!("{path}/status"),
            &json!([{"op": "replace", "path": "/status/phase", "value": "Running"}]),
        )
        .await
        .expect(200);
    assert_eq!(
        (&object["metadata"]["generation"], &object["status"]["phase"]),
        (&json!(2), &json!("Running"))
    );
}

#[tokio::test]
async fn server_side_apply_is_refused_by_its_name() {
    let (wire, path) = with_config_map().await;
    let answer = wire
        .send(
            "PATCH",
            &format!("{path}?fieldManager=m"),
            &["Content-Type: application/apply-patch+yaml"],
            b"{}",
        )
        .await;
    let status = answer.json();
    assert_eq!((answer.status, &status["reason"]), (415, &json!("UnsupportedMediaType")));
    assert!(status["message"].as_str().unwrap().contains("application/merge-patch+json"), "{status}");
}
