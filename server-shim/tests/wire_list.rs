//! GET of objects and collections: parameters, pages, selectors, and the versions of what is read.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Value, json};

use crate::wire_client::{
    CONFIG_MAPS, MERGE, PODS, Wire, cause, failure, invalid_options, names, not_found, version_of,
};

fn bad_request(message: &str) -> Value {
    failure(400, "BadRequest", message, Value::Null)
}

fn forbidden(field: &str, detail: &str) -> Value {
    invalid_options("ListOptions", cause("FieldValueForbidden", &format!("Forbidden: {detail}"), field))
}

fn list(query: &str) -> String {
    format!("{CONFIG_MAPS}?{query}")
}

async fn with_config_maps(names: &[&str]) -> Wire {
    let wire = Wire::start().await;
    wire.make_labelled_config_maps(names).await;
    wire
}

fn token(json: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
}

#[tokio::test]
async fn a_list_has_the_form_of_the_reference() {
    let wire = Wire::start().await;
    let empty = wire.get(CONFIG_MAPS).await;
    let revision = wire.revision().await;
    let head = "{\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"";
    assert_eq!(empty.text(), format!("{head}{revision}\"}},\"items\":[]}}\n"));
    let made = wire.make(CONFIG_MAPS, &json!({"metadata": {"name": "a"}, "data": {"x": "<&>"}})).await;
    let answer = wire.get(CONFIG_MAPS).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let list = answer.expect(200);
    let mut item = made.clone();
    item.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "apiVersion");
    assert_eq!(list["items"], json!([item]), "items have neither kind nor apiVersion");
    assert_eq!(version_of(&list), version_of(&made));
    wire.make("/api/v1/namespaces/default/configmaps", &json!({"metadata": {"name": "z"}})).await;
    let all = wire.read("/api/v1/configmaps").await;
    assert_eq!(names(&all), ["z", "a"], "in the order of namespace and name");
}

#[tokio::test]
async fn items_are_in_the_order_of_their_bytes() {
    let wire = with_config_maps(&["b", "a-b", "a", "a.b", "ab", "a0", "a-a"]).await;
    assert_eq!(names(&wire.read(CONFIG_MAPS).await), ["a", "a-a", "a-b", "a.b", "a0", "ab", "b"]);
}

#[tokio::test]
async fn bad_parameters_are_refused_as_by_the_reference() {
    let wire = with_config_maps(&["a", "b"]).await;
    let number = bad_request("strconv.ParseInt: parsing \"abc\": invalid syntax");
    let page =
        token(&format!(r#"{{"v":"meta.k8s.io/v1","rv":{},"start":"a\u0000"}}"#, wire.revision().await));
    let version =
        "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax";
    let supported = "Unsupported value: \"Foo\": supported values: \"Exact\", \"NotOlderThan\", \"\"";
    let table = [
        (list("limit=abc"), number.clone()),
        (list("timeoutSeconds=abc"), number),
        (
            list("labelSelector=a%20b%20c"),
            bad_request("unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ),
        (
            list("fieldSelector=foo=bar"),
            bad_request(
                "\"foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            ),
        ),
        (format!("{PODS}?fieldSelector=foo=bar"), bad_request("field label not supported: foo")),
        (
            "/api/v1/namespaces/t1/events?fieldSelector=foo=bar".to_owned(),
            bad_request("field label not supported: foo"),
        ),
        (
            list("fieldSelector=metadata.name"),
            bad_request("invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        ),
        (list("resourceVersion=abc"), bad_request(&format!("invalid resource version: {version}"))),
        (
            list(&format!("limit=1&resourceVersion=5&continue={page}")),
            bad_request("specifying resource version is not allowed when using continue"),
        ),
        (
            list("resourceVersionMatch=Exact"),
            forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            ),
        ),
        (
            list("resourceVersionMatch=Exact&resourceVersion=0"),
            forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            ),
        ),
        (
            list("resourceVersionMatch=Foo&resourceVersion=1"),
            invalid_options(
                "ListOptions",
                cause("FieldValueNotSupported", supported, "resourceVersionMatch"),
            ),
        ),
        (
            list("sendInitialEvents=true"),
            forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"),
        ),
        (
            list("sendInitialEvents=false"),
            forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"),
        ),
        (format!("{CONFIG_MAPS}/a?resourceVersion=abc"), failure(500, "", version, Value::Null)),
        (
            list("timeout=abc"),
            bad_request("invalid timeout specified in the request URL - time: invalid duration \"abc\""),
        ),
    ];
    for (path, expected) in table {
        wire.get(&path).await.assert_is(&expected, &path);
    }
    let answer = wire.get(&list(&format!("resourceVersionMatch=Exact&continue={page}"))).await;
    assert_eq!((answer.status, &answer.json()["reason"]), (422, &json!("Invalid")), "{}", answer.text());
    for garbage in ["garbage", "e30", "!!", "eyJ2IjoibWV0YS5rOHMuaW8vdjIiLCJydiI6MX0", &token("[]")] {
        let answer = wire.get(&list(&format!("continue={garbage}"))).await;
        let status = answer.json();
        assert_eq!((answer.status, &status["reason"]), (400, &json!("BadRequest")), "{garbage}: {status}");
        assert!(status["message"].as_str().unwrap().contains("continue"), "{status}");
    }
    let answer = wire.get(&list("continue=garbage")).await;
    let begins = answer.json()["message"]
        .as_str()
        .unwrap()
        .starts_with("invalid continue token: continue key is not valid: ");
    assert!(begins, "{}", answer.text());
}

#[tokio::test]
async fn a_token_cannot_leave_its_collection() {
    let wire = with_config_maps(&["a"]).await;
    wire.make("/api/v1/namespaces/default/configmaps", &json!({"metadata": {"name": "z"}})).await;
    for start in ["../default/", "/../../secrets/default/", "../../", "a/../../default/"] {
        let page =
            token(&format!(r#"{{"v":"meta.k8s.io/v1","rv":{},"start":{start:?}}}"#, wire.revision().await));
        let answer = wire.get(&list(&format!("continue={page}"))).await;
        if answer.status != 200 {
            assert_eq!((answer.status, &answer.json()["reason"]), (400, &json!("BadRequest")), "{start}");
            continue;
        }
        assert!(!names(&answer.json()).contains(&"z"), "{start}: {}", answer.text());
    }
}

#[tokio::test]
async fn parameters_that_mean_nothing_are_ignored() {
    let wire = with_config_maps(&["a", "b"]).await;
    for query in [
        "",
        "limit=0",
        "limit=-1",
        "limit=",
        "continue=",
        "watch=0",
        "watch=false",
        "labelSelector=",
        "fieldSelector=",
        "resourceVersion=",
        "resourceVersion=0",
        "resourceVersionMatch=",
        "timeoutSeconds=",
        "timeout=32s",
        "timeout=2h",
        "bogus=1",
        "&&",
        "limit=500&",
        "a=%zz",
        "timeoutSeconds=5",
        "allowWatchBookmarks=true",
        "pretty=false",
        "resourceVersionMatch=NotOlderThan&resourceVersion=0",
    ] {
        assert_eq!(names(&wire.read(&list(query)).await), ["a", "b"], "{query}");
    }
}

#[tokio::test]
async fn pages_go_over_namespaces() {
    let wire = with_config_maps(&["a", "b"]).await;
    for name in ["y", "z"] {
        wire.make("/api/v1/namespaces/default/configmaps", &json!({"metadata": {"name": name}})).await;
    }
    let mut query = String::from("limit=1");
    let mut seen = Vec::new();
    loop {
        let page = wire.read(&format!("/api/v1/configmaps?{query}")).await;
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let Some(token) = page["metadata"]["continue"].as_str() else { break };
        query = format!("limit=1&continue={token}");
    }
    assert_eq!(seen, ["y", "z", "a", "b"]);
}

#[tokio::test]
async fn a_page_with_a_selector_has_a_token_and_no_count() {
    let wire = with_config_maps(&["a", "b", "c"]).await;
    let page = wire.read(&list("limit=1&labelSelector=n=5")).await;
    assert_eq!(names(&page), ["a"]);
    assert!(page["metadata"]["continue"].is_string());
    assert_eq!(page["metadata"].get("remainingItemCount"), None);
    let page = wire.read(&list("limit=1&fieldSelector=metadata.name=b")).await;
    assert_eq!((names(&page), page["metadata"].get("remainingItemCount")), (vec!["b"], None));
}

#[tokio::test]
async fn a_list_shows_the_version_that_is_asked_for() {
    let wire = with_config_maps(&["a"]).await;
    let old = wire.revision().await;
    wire.make_config_map("b").await;
    let now = wire.revision().await;
    let table: [(String, &[&str], _); 7] = [
        (format!("resourceVersion={old}&resourceVersionMatch=Exact"), &["a"], old),
        (format!("resourceVersion={old}&limit=1"), &["a"], old),
        (format!("resourceVersion={old}&resourceVersionMatch=NotOlderThan"), &["a", "b"], now),
        (format!("resourceVersion={old}"), &["a", "b"], now),
        ("resourceVersion=0".to_owned(), &["a", "b"], now),
        ("resourceVersion=0&resourceVersionMatch=NotOlderThan".to_owned(), &["a", "b"], now),
        (format!("resourceVersion={now}&resourceVersionMatch=Exact"), &["a", "b"], now),
    ];
    for (query, expected, version) in table {
        let found = wire.read(&list(&query)).await;
        assert_eq!(
            (names(&found), version_of(&found)),
            (expected.to_vec(), &*version.to_string()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_version_in_the_future_is_waited_for_and_then_refused() {
    let wire = with_config_maps(&["a"]).await;
    let now = wire.revision().await;
    let message = format!("Timeout: Too large resource version: 99999999, current: {now}");
    let about = json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1});
    let expected = failure(504, "Timeout", &message, about);
    let (paths, next) = (
        [
            list("resourceVersion=99999999"),
            format!("{CONFIG_MAPS}/a?resourceVersion=99999999"),
            list("resourceVersion=99999999&resourceVersionMatch=NotOlderThan"),
        ],
        list(&format!("resourceVersion={}", now.next())),
    );
    let refused = futures_util::future::join_all(paths.iter().map(|path| wire.get(path))).await;
    for (answer, path) in refused.iter().zip(&paths) {
        answer.assert_is(&expected, path);
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
    }
    let (met, _) = futures_util::future::join(wire.read(&next), wire.make_config_map("b")).await;
    assert_eq!(names(&met), ["a", "b"]);
}

#[tokio::test]
async fn selectors_select() {
    let wire = Wire::start().await;
    for (name, labels) in [
        ("a", json!({"x": "1", "n": "5"})),
        ("b", json!({"x": "2", "n": "10"})),
        ("c", json!({"y": ""})),
        ("d", json!({})),
    ] {
        wire.make(CONFIG_MAPS, &json!({"metadata": {"name": name, "labels": labels}})).await;
    }
    let table: [(&str, &[&str]); 22] = [
        ("labelSelector=x", &["a", "b"]),
        ("labelSelector=!x", &["c", "d"]),
        ("labelSelector=x=1", &["a"]),
        ("labelSelector=x==1", &["a"]),
        ("labelSelector=x!=1", &["b", "c", "d"]),
        ("labelSelector=x%20in%20(1,2)", &["a", "b"]),
        ("labelSelector=x+in+(2)", &["b"]),
        ("labelSelector=x%20notin%20(1)", &["b", "c", "d"]),
        ("labelSelector=n%3E5", &["b"]),
        ("labelSelector=n%3C10", &["a"]),
        ("labelSelector=y=", &["c"]),
        ("labelSelector=x,n=5", &["a"]),
        ("labelSelector=x=1,x=2", &[]),
        ("fieldSelector=metadata.name=a", &["a"]),
        ("fieldSelector=metadata.name==a", &["a"]),
        ("fieldSelector=metadata.name!=a", &["b", "c", "d"]),
        ("fieldSelector=metadata.namespace=t1", &["a", "b", "c", "d"]),
        ("fieldSelector=metadata.namespace=t2", &[]),
        ("fieldSelector=metadata.name=a,metadata.name=b", &[]),
        ("fieldSelector=metadata.name!=a,metadata.name!=b", &["c", "d"]),
        ("fieldSelector=metadata.name=a&labelSelector=x=2", &[]),
        ("fieldSelector=metadata.name=nope", &[]),
    ];
    for (query, expected) in table {
        assert_eq!(names(&wire.read(&list(query)).await), expected, "{query}");
    }
}

/// Each line: a collection, an object, selectors that find it, and one that does not.
#[tokio::test]
async fn each_kind_has_its_own_fields_to_select_by() {
    let wire = Wire::start().await;
    let table: [(&str, Value, &[&str], &str); 8] = [
        (
            PODS,
            json!({"spec": {"nodeName": "n1", "restartPolicy": "Always", "schedulerName": "s", "serviceAccountName": "sa", "hostNetwork": true}}),
            &[
                "spec.nodeName=n1",
                "spec.restartPolicy=Always",
                "spec.schedulerName=s",
                "spec.serviceAccountName=sa",
                "spec.hostNetwork=true",
                "status.phase=Pending",
                "spec.nodeName=n1,status.phase=Pending",
                "status.podIP=",
                "status.nominatedNodeName=",
            ],
            "spec.nodeName=n2",
        ),
        (
            "/api/v1/namespaces/t1/events",
            json!({"involvedObject": {"kind": "Pod", "namespace": "t1", "name": "p", "uid": "u", "apiVersion": "v1", "resourceVersion": "5", "fieldPath": "spec"}, "reason": "R", "type": "Normal", "source": {"component": "kubelet"}, "reportingComponent": "rc"}),
            &[
                "involvedObject.kind=Pod",
                "involvedObject.name=p,involvedObject.namespace=t1,involvedObject.uid=u",
                "involvedObject.apiVersion=v1",
                "involvedObject.resourceVersion=5",
                "involvedObject.fieldPath=spec",
                "reason=R",
                "type=Normal",
                "source=kubelet",
                "reportingComponent=rc",
            ],
            "involvedObject.kind=Node",
        ),
        (
            "/api/v1/nodes",
            json!({"spec": {"unschedulable": true}}),
            &["spec.unschedulable=true"],
            "spec.unschedulable=false",
        ),
        (
            "/api/v1/namespaces",
            json!({}),
            &["status.phase=Active", "metadata.name=s"],
            "status.phase=Terminating",
        ),
        ("/api/v1/namespaces/t1/secrets", json!({"type": "Opaque"}), &["type=Opaque", "type!=x"], "type=x"),
        (
            "/api/v1/namespaces/t1/services",
            json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.9"}}),
            &["spec.type=NodePort", "spec.clusterIP=10.0.0.9"],
            "spec.type=ClusterIP",
        ),
        (
            "/apis/batch/v1/namespaces/t1/jobs",
            json!({}),
            &["status.successful=0", "metadata.name=s"],
            "status.successful=1",
        ),
        (
            "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            json!({"spec": {"signerName": "example.com/s"}}),
            &["spec.signerName=example.com/s"],
            "spec.signerName=x",
        ),
    ];
    for (path, mut object, found, missed) in table {
        object["metadata"] = json!({"name": "s"});
        wire.make(path, &object).await;
        for selector in found {
            let list = wire.read(&format!("{path}?fieldSelector={selector}")).await;
            assert!(names(&list).contains(&"s"), "{path} {selector}: {list}");
        }
        let list = wire.read(&format!("{path}?fieldSelector={missed}")).await;
        assert!(!names(&list).contains(&"s"), "{path} {missed}: {list}");
    }
}

#[tokio::test]
async fn a_single_object_is_read_with_the_parameters_of_a_list() {
    let wire = with_config_maps(&["a"]).await;
    let path = format!("{CONFIG_MAPS}/a");
    let object = wire.read(&path).await;
    for query in [
        "",
        "resourceVersion=0",
        "resourceVersion=",
        "resourceVersion=1",
        "watch=1&timeoutSeconds=1",
        "watch=true",
        "limit=1",
        "timeout=32s",
    ] {
        assert_eq!(wire.read(&format!("{path}?{query}")).await, object, "{query}");
    }
    wire.get(&format!("{CONFIG_MAPS}/nope")).await.assert_is(&not_found("configmaps", "nope"), "missing");
    let missing = "/apis/apps/v1/namespaces/t1/deployments/x";
    let about = json!({"name": "x", "group": "apps", "kind": "deployments"});
    wire.get(missing)
        .await
        .assert_is(&failure(404, "NotFound", "deployments.apps \"x\" not found", about), "a group");
}

#[tokio::test]
async fn a_head_of_objects_is_not_allowed_and_has_no_body() {
    let wire = with_config_maps(&["a"]).await;
    for path in [CONFIG_MAPS.to_owned(), format!("{CONFIG_MAPS}/a"), format!("{CONFIG_MAPS}/nope")] {
        let head = wire.send("HEAD", &path, &[], b"").await;
        assert_eq!((head.status, head.body.len()), (405, 0), "{path}");
        assert_eq!(head.header("content-type"), Some("application/json"), "{path}");
    }
    for path in ["/api/v1", "/apis", "/version", "/healthz"] {
        let (get, head) = (wire.get(path).await, wire.send("HEAD", path, &[], b"").await);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), Some(&*get.body.len().to_string()), "{path}");
    }
}

#[tokio::test]
async fn a_list_that_is_large_comes_whole() {
    let wire = Wire::start().await;
    let data = "x".repeat(20_000);
    let bodies: Vec<_> = (0..120)
        .map(|number| json!({"metadata": {"name": format!("c{number:03}")}, "data": {"d": data}}))
        .collect();
    futures_util::future::join_all(bodies.iter().map(|body| wire.make(CONFIG_MAPS, body))).await;
    let list = wire.read(CONFIG_MAPS).await;
    let all: Vec<_> = (0..120).map(|number| format!("c{number:03}")).collect();
    assert_eq!(names(&list), all);
    assert!(list["items"].as_array().unwrap().iter().all(|item| item["data"]["d"] == *data));
}

/// What is in a list and what a GET shows is one state.
#[tokio::test]
async fn a_write_is_seen_by_every_read_after_it() {
    let wire = with_config_maps(&["a"]).await;
    let path = format!("{CONFIG_MAPS}/a");
    for number in 0..20 {
        let object = wire.patch(MERGE, &path, &json!({"data": {"n": number.to_string()}})).await.expect(200);
        assert_eq!(wire.read(&path).await, object);
        let list = wire.read(CONFIG_MAPS).await;
        assert_eq!(
            (version_of(&list["items"][0]), version_of(&list)),
            (version_of(&object), version_of(&object))
        );
    }
}
