//! PUT: replacing an object, its status and its scale; what counts as a change; and who loses a race.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Value, json};

use crate::wire_client::{
    CONFIG_MAPS, DEPLOYMENTS, MERGE, PODS, Wire, cause, details, failure, invalid, names, not_found,
    version_of,
};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/t1/leases";
const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

fn conflict(plural: &str, group: &str, name: &str, text: &str) -> Value {
    let dot = if group.is_empty() { "" } else { "." };
    let message = format!("Operation cannot be fulfilled on {plural}{dot}{group} {name:?}: {text}");
    failure(409, "Conflict", &message, details(name, group, plural))
}

#[tokio::test]
async fn a_put_replaces_what_clients_own_and_keeps_what_the_server_owns() {
    let wire = Wire::start().await;
    let made = wire
        .make(CONFIG_MAPS, &json!({"metadata": {"name": "a", "labels": {"l": "1"}}, "data": {"x": "1"}}))
        .await;
    let path = format!("{CONFIG_MAPS}/a");
    let sent = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "resourceVersion": version_of(&made), "creationTimestamp": "2001-01-01T00:00:00Z",
            "deletionTimestamp": "2001-01-01T00:00:00Z", "annotations": {"b": "c"}},
        "data": {"y": "2"},
    });
    let updated = wire.put(&path, &sent).await.expect(200);
    let mut expected = made.clone();
    expected["metadata"].as_object_mut().unwrap().remove("labels");
    expected["metadata"]["annotations"] = json!({"b": "c"});
    expected["metadata"]["resourceVersion"] = json!(wire.revision().await.to_string());
    expected["data"] = json!({"y": "2"});
    assert_eq!(updated, expected);
    assert_eq!(wire.read(&path).await, expected);
}

#[tokio::test]
async fn updates_are_refused_as_by_the_reference() {
    let wire = Wire::start().await;
    let made = wire.make_config_map("a").await;
    let uid = made["metadata"]["uid"].as_str().unwrap();
    wire.make(LEASES, &json!({"metadata": {"name": "l"}})).await;
    let (a, nope, lease) = (format!("{CONFIG_MAPS}/a"), format!("{CONFIG_MAPS}/nope"), format!("{LEASES}/l"));
    let precondition = format!(
        "StorageError: invalid object, Code: 4, Key: /configmaps/t1/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: zzz, UID in object meta: {uid}"
    );
    let required = cause(
        "FieldValueInvalid",
        "Invalid value: 0: must be specified for an update",
        "metadata.resourceVersion",
    );
    let table = [
        (
            &a,
            json!({"metadata": {"name": "a", "resourceVersion": "1"}}),
            conflict("configmaps", "", "a", MODIFIED),
        ),
        (
            &a,
            json!({"metadata": {"name": "a", "uid": "zzz"}}),
            conflict("configmaps", "", "a", &precondition),
        ),
        (
            &a,
            json!({"metadata": {"name": "other"}}),
            failure(
                400,
                "BadRequest",
                "the name of the object (other) does not match the name on the URL (a)",
                Value::Null,
            ),
        ),
        (
            &a,
            json!({"metadata": {"name": "a", "namespace": "other"}}),
            failure(
                400,
                "BadRequest",
                "the namespace of the provided object does not match the namespace sent on the request",
                Value::Null,
            ),
        ),
        (&nope, json!({"metadata": {"name": "nope"}}), not_found("configmaps", "nope")),
        (
            &nope,
            json!({"metadata": {"name": "nope", "resourceVersion": "5"}}),
            not_found("configmaps", "nope"),
        ),
        (&lease, json!({"metadata": {"name": "l"}}), invalid("leases", "coordination.k8s.io", "l", required)),
        (
            &a,
            json!({"metadata": {"name": "a"}, "data": 1}),
            failure(
                400,
                "BadRequest",
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string",
                Value::Null,
            ),
        ),
    ];
    let before = wire.revision().await;
    for (path, body, expected) in table {
        wire.put(path, &body).await.assert_is(&expected, &body.to_string());
    }
    let options =
        cause("FieldValueNotSupported", "Unsupported value: [\"No\"]: supported values: \"All\"", "dryRun");
    let answer = wire.put(&format!("{a}?dryRun=No"), &json!({"metadata": {"name": "a"}})).await;
    answer.assert_is(&invalid("UpdateOptions", "meta.k8s.io", "", options), "dryRun=No");
    assert_eq!(wire.revision().await, before, "nothing was stored");
}

/// Which kinds a PUT creates, and which it changes without a resourceVersion.
#[tokio::test]
async fn each_kind_has_its_own_rules_of_concurrency() {
    const CREATED: [&str; 11] = [
        "leases",
        "leasecandidates",
        "events",
        "endpoints",
        "services",
        "limitranges",
        "roles",
        "rolebindings",
        "clusterroles",
        "clusterrolebindings",
        "runtimeclasses",
    ];
    const VERSIONED: [&str; 8] = [
        "leases",
        "leasecandidates",
        "poddisruptionbudgets",
        "runtimeclasses",
        "csidrivers",
        "csinodes",
        "csistoragecapacities",
        "volumeattachments",
    ];
    let wire = Wire::start().await;
    let table = wire.app.table.load_full();
    for resource in table.resources() {
        let plural = resource.plural;
        let creates = CREATED.contains(&plural);
        let needs_version = VERSIONED.contains(&plural) || resource.group == "admissionregistration.k8s.io";
        let path = collection(resource);
        let object = json!({"metadata": {"name": "put"}});
        let one = format!("{path}/put");
        let answer = wire.put(&one, &object).await;
        assert_eq!(
            answer.status,
            if creates { 201 } else { 404 },
            "PUT of a missing {path}: {}",
            answer.text()
        );
        if answer.status != 201 {
            wire.make(&path, &object).await;
        }
        let blind = wire.put(&one, &json!({"metadata": {"name": "put", "labels": {"a": "b"}}})).await;
        assert_eq!(
            blind.status,
            if needs_version { 422 } else { 200 },
            "blind PUT of {path}: {}",
            blind.text()
        );
        let mut seen = wire.read(&one).await;
        seen["metadata"]["labels"] = json!({"a": "c"});
        let updated = wire.put(&one, &seen).await.expect(200);
        // A namespace has a label of its own beside those of the client.
        assert_eq!(updated["metadata"]["labels"]["a"], "c", "{path}");
        assert_eq!(
            (&updated["kind"], &updated["apiVersion"]),
            (&json!(resource.kind), &json!(resource.api_version))
        );
        let stale = wire.put(&one, &seen).await;
        stale.assert_is(&conflict(plural, resource.group, "put", MODIFIED), &path);
        // Two versions of a kind share their objects.
        assert_eq!(wire.delete(&one).await.status, 200, "{path}");
    }
}

fn collection(resource: &watchkeep_server::kinds::resource::Resource) -> String {
    let root = if resource.group.is_empty() { "/api" } else { "/apis" };
    let namespace = match resource.scope {
        watchkeep_server::kinds::resource::Scope::Namespaced => "namespaces/t1/",
        watchkeep_server::kinds::resource::Scope::Cluster => "",
    };
    format!("{root}/{}/{namespace}{}", resource.api_version, resource.plural)
}

#[tokio::test]
async fn a_put_creates_a_lease_that_is_missing() {
    let wire = Wire::start().await;
    let answer = wire
        .put(
            &format!("{LEASES}/newone"),
            &json!({"metadata": {"name": "newone"}, "spec": {"holderIdentity": "me"}}),
        )
        .await;
    let object = answer.expect(201);
    assert_eq!((&object["kind"], &object["metadata"]["namespace"]), (&json!("Lease"), &json!("t1")));
    let gone = wire
        .put(&format!("{LEASES}/never"), &json!({"metadata": {"name": "never", "resourceVersion": "7"}}))
        .await;
    let message = "leases.coordination.k8s.io \"never\" not found";
    gone.assert_is(
        &failure(404, "NotFound", message, details("never", "coordination.k8s.io", "leases")),
        "versioned",
    );
}

/// Each line: a path, what is created, and other spellings of the same.
#[tokio::test]
async fn a_put_that_spells_the_same_object_differently_keeps_its_resource_version() {
    let wire = Wire::start().await;
    let pod = r#"{"metadata":{"name":"s"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1","memory":"1Gi"}}}]}}"#;
    let table: [(&str, &str, &[&str]); 4] = [
        (
            CONFIG_MAPS,
            r#"{"metadata":{"name":"s","labels":{"a":"1","b":"2"}},"data":{"x":"1","y":"2"}}"#,
            &[
                r#"{"data":{"y":"2","x":"1"},"metadata":{"labels":{"b":"2","a":"1"},"name":"s"},"kind":"ConfigMap","apiVersion":"v1"}"#,
                r#"{"metadata":{"name":"s","labels":{"a":"1","b":"2"},"annotations":null,"creationTimestamp":null,"managedFields":null},"data":{"x":"1","y":"2"},"binaryData":null,"immutable":null}"#,
                r#"{"metadata":{"name":"s","labels":{"a":"1","b":"2"},"annotations":{},"finalizers":[],"ownerReferences":[],"generateName":"","selfLink":"","generation":0},"data":{"x":"1","y":"2"},"binaryData":{}}"#,
                r#"{"metadata":{"name":"s","labels":{"a":"1","b":"2"},"nope":1},"data":{"x":"\u0031","y":"2"},"bogus":{"a":[]}}"#,
                r#"  { "metadata" : {"name":"s", "labels":{"a":"9","a":"1","b":"2"} } , "data":{"x":"1","y":"2"} }  "#,
            ],
        ),
        (
            PODS,
            pod,
            &[
                r#"{"metadata":{"name":"s"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1000m","memory":"1024Mi"}}}]}}"#,
                r#"{"metadata":{"name":"s"},"spec":{"containers":[{"image":"i","resources":{"requests":null,"limits":{"memory":"1048576Ki","cpu":1}},"name":"c","command":[],"env":null,"tty":false}],"hostNetwork":false,"nodeName":"","volumes":[]},"status":{"phase":"Running"}}"#,
                r#"{"metadata":{"name":"s"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1.0","memory":"1Gi"}}}]}}"#,
            ],
        ),
        (
            DEPLOYMENTS,
            r#"{"metadata":{"name":"s"},"spec":{"replicas":0,"template":{"spec":{"containers":[{"name":"c"}]}}}}"#,
            &[
                r#"{"metadata":{"name":"s"},"spec":{"paused":false,"minReadySeconds":0,"template":{"metadata":{"creationTimestamp":null},"spec":{"containers":[{"name":"c","resources":{}}]}},"replicas":0,"strategy":{}},"status":{}}"#,
                r#"{"metadata":{"name":"s"},"spec":{"replicas":0,"template":{"metadata":{},"spec":{"containers":[{"name":"c","image":""}]}}},"status":{"replicas":7}}"#,
            ],
        ),
        (
            "/api/v1/namespaces/t1/secrets",
            r#"{"metadata":{"name":"s"},"data":{"k":"AAEC/w=="}}"#,
            &[
                r#"{"metadata":{"name":"s"},"data":{"k":"AAEC\/w=="},"stringData":null}"#,
                r#"{"metadata":{"name":"s"},"data":{"k":"AAEC\n/w=="}}"#,
            ],
        ),
    ];
    for (path, created, spellings) in table {
        let made = wire.send("POST", path, &[], created.as_bytes()).await.expect(201);
        let one = format!("{path}/s?fieldValidation=Ignore");
        for spelling in spellings {
            let object = wire.send("PUT", &one, &[], spelling.as_bytes()).await.expect(200);
            assert_eq!(object, made, "{spelling}");
        }
        let yaml = serde_yaml_ng::to_string(&made).unwrap();
        let object =
            wire.send("PUT", &one, &["Content-Type: application/yaml"], yaml.as_bytes()).await.expect(200);
        assert_eq!(object, made, "{yaml}");
        let different = created.replacen("\"s\"", "\"s\",\"annotations\":{\"n\":\"1\"}", 1);
        let object = wire.send("PUT", &one, &[], different.as_bytes()).await.expect(200);
        assert_ne!(version_of(&object), version_of(&made), "{different}");
    }
}

#[tokio::test]
async fn the_status_changes_by_its_own_path_only_and_the_generation_with_the_spec_only() {
    let wire = Wire::start().await;
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"a": "b"}}});
    wire.make(DEPLOYMENTS, &json!({"metadata": {"name": "w", "labels": {"l": "1"}}, "spec": spec})).await;
    let (main, status) = (format!("{DEPLOYMENTS}/w"), format!("{DEPLOYMENTS}/w/status"));
    let generation = |object: &Value| object["metadata"]["generation"].clone();
    let reported = json!({"metadata": {"name": "w", "labels": {"l": "2"}, "annotations": {"n": "1"}, "finalizers": ["example.com/x"]}, "spec": {"replicas": 9}, "status": {"observedGeneration": 1, "replicas": 2}});
    let object = wire.put(&status, &reported).await.expect(200);
    assert_eq!((generation(&object), &object["spec"]["replicas"]), (json!(1), &json!(2)), "the spec stays");
    assert_eq!(object["status"], json!({"observedGeneration": 1, "replicas": 2}));
    let metadata = &object["metadata"];
    assert_eq!(metadata["labels"], json!({"l": "1"}), "labels stay");
    assert_eq!(
        (&metadata["annotations"], &metadata["finalizers"]),
        (&json!({"n": "1"}), &json!(["example.com/x"]))
    );
    assert_eq!(wire.read(&status).await, object, "the status can be read by its path");
    let changed = json!({"metadata": {"name": "w"}, "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}}, "status": {"replicas": 9}});
    let object = wire.put(&main, &changed).await.expect(200);
    assert_eq!(
        (generation(&object), &object["status"]["replicas"]),
        (json!(2), &json!(2)),
        "the status stays"
    );
    let labelled = wire
        .patch(MERGE, &main, &json!({"metadata": {"labels": {"x": "y"}, "generation": 77}}))
        .await
        .expect(200);
    assert_eq!(generation(&labelled), 2, "metadata does not count");
    let patched = wire
        .patch(MERGE, &status, &json!({"status": {"replicas": 3}, "spec": {"replicas": 8}}))
        .await
        .expect(200);
    assert_eq!((&patched["status"]["replicas"], &patched["spec"]["replicas"]), (&json!(3), &json!(3)));
    assert_eq!(generation(&patched), 2);
    wire.make(PODS, &json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}})).await;
    let pod = wire
        .put(
            &format!("{PODS}/p/status"),
            &json!({"metadata": {"name": "p", "labels": {"l": "2"}}, "status": {"phase": "Running"}}),
        )
        .await
        .expect(200);
    assert_eq!(
        (&pod["metadata"]["labels"], &pod["status"]["phase"]),
        (&json!({"l": "2"}), &json!("Running")),
        "labels of a Pod"
    );
    assert_eq!(pod["spec"]["containers"][0]["name"], "c");
    let answer = wire.put(&format!("{CONFIG_MAPS}/a/status"), &json!({})).await;
    let unknown = failure(404, "NotFound", "the server could not find the requested resource", json!({}));
    answer.assert_is(&unknown, "a ConfigMap has no status");
}

#[tokio::test]
async fn the_scale_is_read_replaced_and_patched() {
    let wire = Wire::start().await;
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"a": "b"}}});
    let made = wire.make(DEPLOYMENTS, &json!({"metadata": {"name": "w"}, "spec": spec})).await;
    wire.patch(MERGE, &format!("{DEPLOYMENTS}/w/status"), &json!({"status": {"replicas": 2}}))
        .await
        .expect(200);
    let path = format!("{DEPLOYMENTS}/w/scale");
    let metadata = &made["metadata"];
    let scale = |replicas: i64, version: &str| {
        json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {"name": "w", "namespace": "t1", "uid": metadata["uid"], "resourceVersion": version, "creationTimestamp": metadata["creationTimestamp"]},
            "spec": {"replicas": replicas}, "status": {"replicas": 2, "selector": "a=b"},
        })
    };
    let seen = wire.read(&path).await;
    assert_eq!(seen, scale(2, &wire.revision().await.to_string()));
    let mut wanted = seen.clone();
    wanted["spec"]["replicas"] = json!(4);
    let scaled = wire.put(&path, &wanted).await.expect(200);
    assert_eq!(scaled, scale(4, &wire.revision().await.to_string()));
    wire.put(&path, &wanted).await.assert_is(&conflict("deployments", "apps", "w", MODIFIED), "stale");
    let patched = wire.patch(MERGE, &path, &json!({"spec": {"replicas": 6}})).await.expect(200);
    assert_eq!(patched, scale(6, &wire.revision().await.to_string()));
    let negative =
        cause("FieldValueInvalid", "Invalid value: -6: must be greater than or equal to 0", "spec.replicas");
    let refused = invalid("Scale", "autoscaling", "w", negative);
    wire.patch(MERGE, &path, &json!({"spec": {"replicas": -6}})).await.assert_is(&refused, "negative");
    let object = wire.read(&format!("{DEPLOYMENTS}/w")).await;
    assert_eq!((&object["spec"]["replicas"], &object["metadata"]["generation"]), (&json!(6), &json!(3)));
    assert_eq!(object["spec"]["selector"], spec["selector"], "the rest stays");
    let dry = wire
        .put(&format!("{path}?dryRun=All"), &json!({"metadata": {"name": "w"}, "spec": {"replicas": 9}}))
        .await
        .expect(200);
    assert_eq!(dry["spec"]["replicas"], 9);
    assert_eq!(wire.read(&path).await["spec"]["replicas"], 6);
    let message = "deployments.apps \"nope\" not found";
    let missing = failure(404, "NotFound", message, details("nope", "apps", "deployments"));
    wire.get(&format!("{DEPLOYMENTS}/nope/scale")).await.assert_is(&missing, "missing");
}

#[tokio::test]
async fn a_dry_run_of_an_update_stores_nothing() {
    let wire = Wire::start().await;
    wire.make(CONFIG_MAPS, &json!({"metadata": {"name": "a"}, "data": {"x": "1"}})).await;
    let before = wire.revision().await;
    let path = format!("{CONFIG_MAPS}/a");
    let object = wire
        .put(&format!("{path}?dryRun=All"), &json!({"metadata": {"name": "a"}, "data": {"x": "2"}}))
        .await
        .expect(200);
    assert_eq!(object["data"]["x"], "2");
    assert_eq!(wire.read(&path).await["data"]["x"], "1");
    assert_eq!(wire.revision().await, before);
    let stale = wire
        .put(&format!("{path}?dryRun=All"), &json!({"metadata": {"name": "a", "resourceVersion": "1"}}))
        .await;
    stale.assert_is(&conflict("configmaps", "", "a", MODIFIED), "a dry run meets conflicts");
}

#[tokio::test]
async fn one_of_many_updates_from_the_same_version_wins() {
    let wire = Wire::start().await;
    let made = wire.make_config_map("a").await;
    let path = format!("{CONFIG_MAPS}/a");
    let bodies: Vec<_> = (0..8)
        .map(|number| json!({"metadata": {"name": "a", "resourceVersion": version_of(&made)}, "data": {"n": number.to_string()}}))
        .collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| wire.put(&path, body))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)));
    assert_eq!(wire.read(&path).await, won[0].json());
}

#[tokio::test]
async fn an_event_has_two_versions_and_is_stored_once() {
    let wire = Wire::start().await;
    let (core, group) = ("/api/v1/namespaces/t1/events", "/apis/events.k8s.io/v1/namespaces/t1/events");
    let made = wire.make(core, &json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p"}, "message": "hello", "count": 3, "reason": "Because"})).await;
    let other = wire.read(&format!("{group}/e")).await;
    assert_eq!((&other["apiVersion"], &other["kind"]), (&json!("events.k8s.io/v1"), &json!("Event")));
    assert_eq!(
        (&other["regarding"]["name"], &other["note"], &other["deprecatedCount"]),
        (&json!("p"), &json!("hello"), &json!(3))
    );
    assert_eq!((other.get("message"), other.get("involvedObject")), (None, None));
    assert_eq!(other["metadata"], made["metadata"], "one object: the same uid and version");
    let exists = wire.post(group, &json!({"metadata": {"name": "e"}, "note": "x"})).await;
    assert_eq!(exists.status, 409);
    let second =
        wire.make(group, &json!({"metadata": {"name": "f"}, "note": "hi", "regarding": {"name": "q"}})).await;
    let as_core = wire.read(&format!("{core}/f")).await;
    assert_eq!((&as_core["message"], &as_core["involvedObject"]["name"]), (&json!("hi"), &json!("q")));
    assert_eq!(second["metadata"], as_core["metadata"]);
    for path in [core, group] {
        let list = wire.read(path).await;
        assert_eq!((&list["kind"], names(&list)), (&json!("EventList"), vec!["e", "f"]));
    }
    let mut watch = wire.watch(&format!("{group}?watch=true&resourceVersion=0&timeoutSeconds=60")).await;
    assert_eq!(watch.next().await["object"]["apiVersion"], "events.k8s.io/v1");
    assert_eq!(
        wire.put(&format!("{group}/e"), &other).await.expect(200),
        other,
        "nothing is lost, so nothing changes"
    );
    assert_eq!(wire.delete(&format!("{group}/e")).await.status, 200);
    assert_eq!(wire.get(&format!("{core}/e")).await.status, 404);
}

#[tokio::test]
async fn an_autoscaler_has_two_versions_and_is_stored_once() {
    let wire = Wire::start().await;
    let (one, two) = (
        "/apis/autoscaling/v1/namespaces/t1/horizontalpodautoscalers",
        "/apis/autoscaling/v2/namespaces/t1/horizontalpodautoscalers",
    );
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "w"});
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}});
    let memory = json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}});
    wire.make(one, &json!({"metadata": {"name": "h"}, "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70}})).await;
    let as_two = wire.read(&format!("{two}/h")).await;
    assert_eq!(
        (&as_two["apiVersion"], &as_two["spec"]["metrics"]),
        (&json!("autoscaling/v2"), &json!([cpu]))
    );
    assert_eq!(as_two["spec"].get("targetCPUUtilizationPercentage"), None);
    let made = wire.make(two, &json!({"metadata": {"name": "i"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [memory, cpu]}})).await;
    let as_one = wire.read(&format!("{one}/i")).await;
    assert_eq!(
        (&as_one["apiVersion"], &as_one["spec"]["targetCPUUtilizationPercentage"]),
        (&json!("autoscaling/v1"), &json!(70))
    );
    assert_eq!(as_one["spec"].get("metrics"), None);
    assert_eq!(as_one["metadata"]["uid"], made["metadata"]["uid"]);
    let back = wire.put(&format!("{one}/i"), &as_one).await.expect(200);
    assert_eq!(back["metadata"]["uid"], made["metadata"]["uid"]);
    let metrics = wire.read(&format!("{two}/i")).await["spec"]["metrics"].clone();
    assert_eq!(
        metrics.as_array().map(Vec::len),
        Some(2),
        "an update in the old version loses nothing: {metrics}"
    );
}
