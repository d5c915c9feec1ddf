//! POST to a collection: what is stored, and what a client is told of what is not.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Value, json};

use crate::wire_client::{
    CONFIG_MAPS, DEPLOYMENTS, PODS, Wire, cause, details, failure, invalid, invalid_options, version_of,
};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_KEY: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn bad_request(message: &str) -> Value {
    failure(400, "BadRequest", message, Value::Null)
}

fn name_required() -> Value {
    invalid(
        "ConfigMap",
        "",
        "",
        cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name"),
    )
}

#[tokio::test]
async fn a_created_object_comes_back_with_what_the_server_gave_it() {
    let wire = Wire::start().await;
    let answer = wire
        .post(
            CONFIG_MAPS,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}),
        )
        .await;
    let object = answer.expect(201);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.text().ends_with("}\n") && answer.text().matches('\n').count() == 1, "{}", answer.text());
    let (uid, time) = (&object["metadata"]["uid"], &object["metadata"]["creationTimestamp"]);
    let expected = json!({
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {
            "name": "a", "namespace": "t1", "uid": uid, "resourceVersion": wire.revision().await.to_string(),
            "creationTimestamp": time,
        },
        "data": {"x": "1"},
    });
    // Also the order of the fields.
    assert_eq!(answer.text().trim_end(), expected.to_string());
    let uid = uid.as_str().unwrap();
    assert_eq!((uid.len(), &uid[14..15]), (36, "4"), "a random uid: {uid}");
    let time = time.as_str().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z'), "seconds in UTC: {time}");
    assert_eq!(wire.read(&format!("{CONFIG_MAPS}/a")).await, object);
}

#[tokio::test]
async fn bodies_are_refused_as_by_the_reference() {
    const JSON: &[&str] = &["Content-Type: application/json"];
    let wire = Wire::start().await;
    wire.make_config_map("a").await;
    let unrecognized = |detail: &str| {
        bad_request(&format!(
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: {detail}"
        ))
    };
    let refused: &[(&str, &[&str], Value)] = &[
        (
            r#"{"metadata":{"name":"a"}}"#,
            &[],
            failure(409, "AlreadyExists", "configmaps \"a\" already exists", details("a", "", "configmaps")),
        ),
        (
            r#"{"metadata":{"name":"A_B"}}"#,
            &[],
            invalid(
                "ConfigMap",
                "",
                "A_B",
                cause("FieldValueInvalid", &format!("Invalid value: \"A_B\": {SUBDOMAIN}"), "metadata.name"),
            ),
        ),
        (r#"{"metadata":{}}"#, &[], name_required()),
        (r#"{"metadata":{"name":"","generateName":""}}"#, &[], name_required()),
        ("{}", JSON, name_required()),
        (
            r#"{"metadata":{"name":"x","namespace":"other"}}"#,
            &[],
            bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ),
        ),
        (
            r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}}"#,
            &[],
            bad_request(
                "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion",
            ),
        ),
        (
            r#"{"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"x"}}"#,
            &[],
            bad_request(
                "ConfigMap in version \"v2\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for version \"v2\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
            ),
        ),
        (
            "{bad",
            JSON,
            unrecognized("invalid character 'b' looking for beginning of object key string ({bad)"),
        ),
        ("", JSON, unrecognized("unexpected end of JSON input (<empty>)")),
        (
            r#"{"metadata":{"name":"x"},"data":{"a":1}}"#,
            &[],
            bad_request(
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
            ),
        ),
        (
            r#"{"metadata":{"name":"x","resourceVersion":"5"}}"#,
            &[],
            failure(500, "", "resourceVersion should not be set on objects to be created", Value::Null),
        ),
        (
            r#"{"metadata":{"name":"x"}}"#,
            &["Content-Type: text/plain"],
            failure(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
                Value::Null,
            ),
        ),
        (
            r#"{"metadata":{"name":"x"}}"#,
            &["Content-Type: application/vnd.kubernetes.protobuf"],
            bad_request(
                "the object provided is unrecognized (must be of type ConfigMap): it does not begin with the four bytes of a protobuf of Kubernetes ({\"metadata\":{\"name\":\"x\"}})",
            ),
        ),
    ];
    let before = wire.revision().await;
    for (body, headers, expected) in refused {
        wire.send("POST", CONFIG_MAPS, headers, body.as_bytes()).await.assert_is(expected, body);
    }
    assert_eq!(wire.revision().await, before, "nothing was stored");
}

#[tokio::test]
async fn bodies_may_leave_out_what_the_path_says() {
    let wire = Wire::start().await;
    let accepted: &[(&str, &[&str], &str)] = &[
        (r#"{"metadata":{"name":"nokind"}}"#, &[], "nokind"),
        (r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"noct"}}"#, &[], "noct"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yam\n",
            &["Content-Type: application/yaml"],
            "yam",
        ),
        (r#"{"metadata":{"name":"cs"}}"#, &["Content-Type: application/json; charset=utf-8"], "cs"),
        (r#"{"metadata":{"name":"own","namespace":"t1"}}"#, &[], "own"),
    ];
    for (body, headers, name) in accepted {
        let object = wire.send("POST", CONFIG_MAPS, headers, body.as_bytes()).await.expect(201);
        let expected = json!({"kind": "ConfigMap", "apiVersion": "v1", "name": name, "namespace": "t1"});
        let metadata = &object["metadata"];
        let found = json!({"kind": object["kind"], "apiVersion": object["apiVersion"], "name": metadata["name"], "namespace": metadata["namespace"]});
        assert_eq!(found, expected, "{body}");
    }
}

#[tokio::test]
async fn a_label_that_is_none_is_refused_with_both_its_faults() {
    let wire = Wire::start().await;
    let answer =
        wire.post(CONFIG_MAPS, &json!({"metadata": {"name": "lab", "labels": {"a b": "c d"}}})).await;
    let (key, value) =
        (format!("Invalid value: \"a b\": {LABEL_KEY}"), format!("Invalid value: \"c d\": {LABEL_VALUE}"));
    let message = format!("ConfigMap \"lab\" is invalid: [metadata.labels: {key}, metadata.labels: {value}]");
    let mut about = details("lab", "", "ConfigMap");
    let causes = [key, value].map(|message| cause("FieldValueInvalid", &message, "metadata.labels"));
    about["causes"] = json!(causes);
    answer.assert_is(&failure(422, "Invalid", &message, about), "labels");
}

#[tokio::test]
async fn options_of_a_creation_are_validated() {
    let wire = Wire::start().await;
    let field_validation =
        "Unsupported value: \"bogus\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"";
    let long = format!("fieldManager={}", "x".repeat(129));
    let table = [
        ("fieldValidation=bogus", cause("FieldValueNotSupported", field_validation, "fieldValidation")),
        (
            "dryRun=Some",
            cause(
                "FieldValueNotSupported",
                "Unsupported value: [\"Some\"]: supported values: \"All\"",
                "dryRun",
            ),
        ),
        (&*long, cause("FieldValueTooLong", "Too long: may not be more than 128 bytes", "fieldManager")),
    ];
    for (query, expected) in table {
        let path = format!("{CONFIG_MAPS}?{query}");
        let answer = wire.post(&path, &json!({"metadata": {"name": "x"}})).await;
        answer.assert_is(&invalid_options("CreateOptions", expected), query);
    }
    let path = format!("{CONFIG_MAPS}?fieldManager={}", "x".repeat(128));
    assert_eq!(wire.post(&path, &json!({"metadata": {"name": "x"}})).await.status, 201);
}

#[tokio::test]
async fn unknown_and_duplicate_fields_are_refused_warned_of_or_ignored() {
    let wire = Wire::start().await;
    let body = br#"{"metadata":{"name":"fv"},"data":{"a":"1","a":"2"},"bogus":1}"#;
    let path = |query: &str| format!("{CONFIG_MAPS}?dryRun=All&{query}");
    let strict = wire.send("POST", &path("fieldValidation=Strict"), &[], body).await;
    let message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"bogus\", duplicate field \"data.a\"";
    strict.assert_is(&bad_request(message), "Strict");
    let warnings = ["299 - \"unknown field \\\"bogus\\\"\"", "299 - \"duplicate field \\\"data.a\\\"\""];
    let table: [(&str, &[&str]); 4] = [
        ("fieldValidation=Warn", &warnings),
        ("", &warnings),
        ("fieldValidation=", &warnings),
        ("fieldValidation=Ignore", &[]),
    ];
    for (query, expected) in table {
        let answer = wire.send("POST", &path(query), &[], body).await;
        assert_eq!(answer.headers("warning"), expected, "{query}");
        let object = answer.expect(201);
        assert_eq!((&object["data"], object.get("bogus")), (&json!({"a": "2"}), None), "{query}");
    }
    let nested = json!({"metadata": {"name": "w"}, "spec": {"bogus": 1, "template": {"spec": {"containers": [{"name": "c", "nope": {}}]}}}});
    let answer = wire.post(&format!("{DEPLOYMENTS}?dryRun=All"), &nested).await;
    let expected = [
        "299 - \"unknown field \\\"spec.bogus\\\"\"",
        "299 - \"unknown field \\\"spec.template.spec.containers[0].nope\\\"\"",
    ];
    assert_eq!(answer.headers("warning"), expected);
}

#[tokio::test]
async fn warnings_have_a_bound() {
    let wire = Wire::start().await;
    let mut body = json!({"metadata": {"name": "x"}});
    for number in 0..2000 {
        body[format!("unknown-field-{number:05}-{}", "x".repeat(80))] = json!(1);
    }
    let answer = wire.post(CONFIG_MAPS, &body).await;
    assert_eq!(answer.status, 201);
    let length: usize =
        answer.headers("warning").iter().map(|warning| warning.len() - "299 - \"\"".len()).sum();
    assert!((1..=5000).contains(&length), "{length} characters of warnings");
}

#[tokio::test]
async fn a_dry_run_gives_a_uid_and_no_resource_version_and_stores_nothing() {
    let wire = Wire::start().await;
    wire.make_config_map("a").await;
    let before = wire.revision().await;
    let path = format!("{CONFIG_MAPS}?dryRun=All");
    let object = wire.post(&path, &json!({"metadata": {"name": "dry"}})).await.expect(201);
    assert_eq!(object["metadata"]["uid"].as_str().map(str::len), Some(36));
    assert_eq!(object["metadata"].get("resourceVersion"), None);
    assert!(object["metadata"]["creationTimestamp"].is_string());
    let taken = wire.post(&path, &json!({"metadata": {"name": "a"}})).await;
    let exists =
        failure(409, "AlreadyExists", "configmaps \"a\" already exists", details("a", "", "configmaps"));
    taken.assert_is(&exists, "a dry run notices what is there");
    assert_eq!(wire.get(&format!("{CONFIG_MAPS}/dry")).await.status, 404);
    assert_eq!(wire.revision().await, before);
}

#[tokio::test]
async fn what_clients_may_not_choose_is_dropped() {
    let wire = Wire::start().await;
    let chosen = json!({
        "name": "x", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x", "generation": 7,
        "deletionTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5,
    });
    let config_map = wire.make(CONFIG_MAPS, &json!({"metadata": chosen})).await;
    let deployment = wire
        .make(DEPLOYMENTS, &json!({"metadata": chosen, "spec": {"replicas": 2}, "status": {"replicas": 2}}))
        .await;
    for object in [&config_map, &deployment] {
        let metadata = &object["metadata"];
        assert_eq!(metadata["uid"].as_str().map(str::len), Some(36), "{metadata}");
        assert_ne!(metadata["creationTimestamp"], "2001-01-01T00:00:00Z");
        for field in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            assert_eq!(metadata.get(field), None, "{field}");
        }
    }
    assert_eq!(config_map["metadata"]["generation"], 7, "kinds without a spec keep it as it is");
    assert_eq!(deployment["metadata"]["generation"], 1);
    assert_eq!(deployment["status"], json!({}));
}

#[tokio::test]
async fn a_generated_name_is_the_prefix_and_five_characters_without_vowels() {
    let wire = Wire::start().await;
    let mut seen = std::collections::HashSet::new();
    for (prefix, kept) in [("gen-".to_owned(), 4), ("p".repeat(58), 58), ("q".repeat(80), 58)] {
        let object = wire.make(CONFIG_MAPS, &json!({"metadata": {"generateName": prefix}})).await;
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        assert_eq!((&name[..kept], name.len()), (&prefix[..kept], kept + 5));
        assert!(name[kept..].chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{name}");
        assert_eq!(object["metadata"]["generateName"], prefix);
        assert!(seen.insert(name[kept..].to_owned()));
    }
    let named = wire.make(CONFIG_MAPS, &json!({"metadata": {"name": "n", "generateName": "gen-"}})).await;
    assert_eq!(named["metadata"]["name"], "n", "a name wins");
}

#[tokio::test]
async fn names_follow_the_rule_of_their_kind() {
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/t1/roles";
    const SERVICES: &str = "/api/v1/namespaces/t1/services";
    let wire = Wire::start().await;
    let long = "a".repeat(254);
    let table = [
        (CONFIG_MAPS, "a.b-c.d", true),
        (CONFIG_MAPS, &long[..253], true),
        (CONFIG_MAPS, &long, false),
        (CONFIG_MAPS, "-a", false),
        (CONFIG_MAPS, "a..b", false),
        (CONFIG_MAPS, "a/b", false),
        (CONFIG_MAPS, "ä", false),
        ("/api/v1/namespaces", "a.b", false),
        ("/api/v1/namespaces", "1a", true),
        ("/api/v1/namespaces", &long[..63], true),
        ("/api/v1/namespaces", &long[..64], false),
        (SERVICES, "a.b", false),
        (SERVICES, "svc-1", true),
        (ROLES, "system:Role.x", true),
        (ROLES, "a/b", false),
        (ROLES, "a%b", false),
        (ROLES, "..", false),
        (ROLES, ".", false),
    ];
    for (path, name, fits) in table {
        let answer = wire.post(path, &json!({"metadata": {"name": name}})).await;
        let found = answer.json();
        if fits {
            assert_eq!(
                (answer.status, &found["metadata"]["name"]),
                (201, &json!(name)),
                "{path} {name}: {found}"
            );
        } else {
            let expected = (422, json!("Invalid"), json!("metadata.name"), json!(name));
            let causes = &found["details"]["causes"];
            let got = (
                answer.status,
                found["reason"].clone(),
                causes[0]["field"].clone(),
                found["details"]["name"].clone(),
            );
            assert_eq!(got, expected, "{path} {name}: {found}");
        }
    }
}

#[tokio::test]
async fn metadata_is_validated() {
    let wire = Wire::start().await;
    let owner = |name: &str, controller: bool| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": "u", "controller": controller});
    let table = [
        (json!({"annotations": {"a": "x".repeat(256 << 10)}}), "FieldValueTooLong", "metadata.annotations"),
        (json!({"annotations": {"a b": "x"}}), "FieldValueInvalid", "metadata.annotations"),
        (json!({"labels": {"a": "x".repeat(64)}}), "FieldValueInvalid", "metadata.labels"),
        (json!({"labels": {"A.b/c/d": "x"}}), "FieldValueInvalid", "metadata.labels"),
        (json!({"finalizers": ["not a name"]}), "FieldValueInvalid", "metadata.finalizers"),
        (
            json!({"ownerReferences": [owner("a", true), owner("b", true)]}),
            "FieldValueInvalid",
            "metadata.ownerReferences",
        ),
    ];
    for (metadata, reason, field) in table {
        let mut body = json!({"metadata": metadata});
        body["metadata"]["name"] = json!("x");
        let answer = wire.post(CONFIG_MAPS, &body).await;
        let status = answer.json();
        let cause = &status["details"]["causes"][0];
        assert_eq!(answer.status, 422, "{field}: {status}");
        assert_eq!((&cause["reason"], &cause["field"]), (&json!(reason), &json!(field)), "{status}");
    }
    let fits = json!({
        "name": "x", "annotations": {"Example.com/A": "x".repeat((256 << 10) - 13)}, "labels": {"a": "", "example.com/b": "x"},
        "finalizers": ["example.com/x"], "ownerReferences": [owner("a", true), owner("b", false)],
    });
    assert_eq!(wire.post(CONFIG_MAPS, &json!({"metadata": fits})).await.status, 201);
}

#[tokio::test]
async fn a_namespace_has_its_name_as_a_label_a_finalizer_and_a_phase() {
    let wire = Wire::start().await;
    let object =
        wire.make("/api/v1/namespaces", &json!({"metadata": {"name": "n1", "labels": {"a": "b"}}})).await;
    assert_eq!(object["metadata"]["labels"], json!({"a": "b", "kubernetes.io/metadata.name": "n1"}));
    assert_eq!(object["spec"], json!({"finalizers": ["kubernetes"]}));
    assert_eq!(object["status"], json!({"phase": "Active"}));
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        assert_eq!(wire.read(&format!("/api/v1/namespaces/{name}")).await["status"]["phase"], "Active");
    }
}

#[tokio::test]
async fn an_object_needs_a_namespace_that_is_there_and_stays() {
    let wire = Wire::start().await;
    let object = json!({"metadata": {"name": "x"}});
    let missing =
        failure(404, "NotFound", "namespaces \"nons\" not found", details("nons", "", "namespaces"));
    wire.post("/api/v1/namespaces/nons/configmaps", &object).await.assert_is(&missing, "missing");
    let answer = wire.post("/api/v1/configmaps", &object).await;
    let message = "the server does not allow this method on the requested resource";
    answer.assert_is(&failure(405, "MethodNotAllowed", message, json!({})), "without a namespace");
    wire.make("/api/v1/namespaces", &json!({"metadata": {"name": "t2"}})).await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/x"]}});
    wire.make("/api/v1/namespaces/t2/configmaps", &held).await;
    let ending = wire.delete("/api/v1/namespaces/t2").await.expect(200);
    assert_eq!((&ending["kind"], &ending["status"]["phase"]), (&json!("Namespace"), &json!("Terminating")));
    let answer = wire.post("/api/v1/namespaces/t2/configmaps", &object).await;
    let mut about = details("x", "", "configmaps");
    about["causes"] =
        json!([cause("NamespaceTerminating", "namespace t2 is being terminated", "metadata.namespace")]);
    let message = "configmaps \"x\" is forbidden: unable to create new content in namespace t2 because it is being terminated";
    answer.assert_is(&failure(403, "Forbidden", message, about), "terminating");
}

#[tokio::test]
async fn the_name_of_an_object_that_is_being_deleted_is_still_taken() {
    let wire = Wire::start().await;
    wire.make(CONFIG_MAPS, &json!({"metadata": {"name": "f1", "finalizers": ["example.com/x"]}})).await;
    assert_eq!(wire.delete(&format!("{CONFIG_MAPS}/f1")).await.status, 200);
    let answer = wire.post(CONFIG_MAPS, &json!({"metadata": {"name": "f1"}})).await;
    let message = "object is being deleted: configmaps \"f1\" already exists";
    answer.assert_is(&failure(409, "AlreadyExists", message, details("f1", "", "configmaps")), "terminating");
    wire.make(DEPLOYMENTS, &json!({"metadata": {"name": "d"}})).await;
    let answer = wire.post(DEPLOYMENTS, &json!({"metadata": {"name": "d"}})).await;
    let message = "deployments.apps \"d\" already exists";
    answer.assert_is(
        &failure(409, "AlreadyExists", message, details("d", "apps", "deployments")),
        "with a group",
    );
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_largest_is_not() {
    let wire = Wire::start().await;
    let config_map = |bytes: usize| json!({"metadata": {"name": "huge"}, "data": {"a": "x".repeat(bytes)}});
    let too_long = invalid(
        "ConfigMap",
        "",
        "huge",
        cause("FieldValueTooLong", "Too long: may not be more than 1048576 bytes", "[]"),
    );
    for bytes in [(1 << 20) + 1, 2 << 20] {
        wire.post(CONFIG_MAPS, &config_map(bytes)).await.assert_is(&too_long, "data");
    }
    let message = "Request entity too large: limit is 3145728";
    let too_large = failure(413, "RequestEntityTooLarge", message, Value::Null);
    wire.post(CONFIG_MAPS, &config_map(3 << 20)).await.assert_is(&too_large, "body");
    let pod = |bytes: usize| json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", "args": ["x".repeat(bytes)]}]}});
    let answer = wire.post(PODS, &pod(1536 << 10)).await;
    assert_eq!((answer.status, &answer.json()["reason"]), (413, &json!("RequestEntityTooLarge")));
    assert_eq!(wire.post(PODS, &pod(1 << 20)).await.status, 201);
    // Values count, keys do not.
    assert_eq!(wire.post(CONFIG_MAPS, &config_map(1 << 20)).await.status, 201);
}

#[tokio::test]
async fn one_of_many_creations_of_a_name_wins() {
    let wire = Wire::start().await;
    let body = json!({"metadata": {"name": "one"}});
    let tries: Vec<_> = (0..8).map(|_| wire.post(CONFIG_MAPS, &body)).collect();
    let mut codes: Vec<_> =
        futures_util::future::join_all(tries).await.iter().map(|answer| answer.status).collect();
    codes.sort_unstable();
    assert_eq!(codes, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn revisions_are_numbers_that_grow_over_the_whole_server() {
    let wire = Wire::start().await;
    let mut last = 0;
    for path in [CONFIG_MAPS, DEPLOYMENTS, PODS, "/api/v1/nodes", CONFIG_MAPS] {
        let object = wire.make(path, &json!({"metadata": {"generateName": "r-"}})).await;
        let text = version_of(&object);
        let number: u64 = text.parse().unwrap();
        assert!(number > last && number.to_string() == text, "{text} after {last}");
        last = number;
    }
}
