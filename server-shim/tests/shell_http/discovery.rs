//! What clients look up before anything else, over HTTP.

use std::time::Duration;

use serde_json::json;

use crate::client::Running;

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2BETA1: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

async fn server() -> Running {
    Running::start(100, Duration::from_secs(5)).await
}

#[tokio::test]
async fn aggregated_discovery_is_known_by_its_content_type() {
    let server = server().await;
    for (accept, content_type) in [
        (format!("{V2},{V2BETA1},application/json"), V2),
        (format!("{V2BETA1},application/json"), V2BETA1),
        (
            "application/json;as=APIGroupDiscoveryList;v=v2;profile=nopeer;g=apidiscovery.k8s.io".to_owned(),
            V2,
        ),
        (
            "application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList,*/*".to_owned(),
            "application/json",
        ),
        ("application/json".to_owned(), "application/json"),
    ] {
        for path in ["/api", "/apis", "/apis/", "/api?timeout=32s"] {
            let answer = server.get(path, &[&format!("Accept: {accept}")]).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{accept}");
            assert_eq!(answer.header("vary"), Some("Accept"));
            let is_aggregated = answer.json()["kind"] == "APIGroupDiscoveryList";
            assert_eq!(is_aggregated, content_type != "application/json", "{accept}");
        }
    }
}

#[tokio::test]
async fn a_client_that_has_the_document_is_told_so() {
    let server = server().await;
    let accept = format!("Accept: {V2}");
    let first = server.get("/apis", &[&accept]).await;
    let etag = first.header("etag").unwrap().to_owned();
    assert!(etag.len() == 130 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    assert_eq!(first.header("cache-control"), Some("public"));
    let again = server.get("/apis", &[&accept, &format!("If-None-Match: {etag}")]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!((again.header("etag"), again.header("vary")), (Some(etag.as_str()), Some("Accept")));
    let other = server.get("/apis", &[&accept, "If-None-Match: \"0\""]).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn groups_and_versions_have_documents() {
    let server = server().await;
    for (path, kind) in [
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/apis/apps/", "APIGroup"),
        ("/api/v1", "APIResourceList"),
        ("/apis/apps/v1", "APIResourceList"),
    ] {
        let answer = server.get(path, &[]).await;
        assert_eq!((answer.status, &answer.json()["kind"]), (200, &json!(kind)), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache, private"));
        assert!(answer.body.ends_with(b"}\n"), "{path}");
    }
    let api = server.get("/api", &[]).await.json();
    assert_eq!(api["serverAddressByClientCIDRs"][0]["serverAddress"], server.address.to_string());
    let yaml = server.get("/apis/apps", &["Accept: application/yaml"]).await;
    assert!(yaml.text().starts_with("kind: APIGroup\napiVersion: v1\nname: apps\n"), "{}", yaml.text());
    let refused = server.get("/apis/apps", &["Accept: application/vnd.kubernetes.protobuf"]).await;
    let status = (refused.status, refused.header("content-type"));
    assert_eq!(status, (406, Some("application/vnd.kubernetes.protobuf")), "a Status as it was asked for");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_or_a_status() {
    let server = server().await;
    for path in ["/apis/nope.example.com/v1", "/apis/nope.example.com", "/api/v2", "//api/v1", "/nope"] {
        let answer = server.get(path, &[]).await;
        assert_eq!((answer.status, answer.text()), (404, "404 page not found\n"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let expected = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the server could not find the requested resource", "reason": "NotFound",
        "details": {}, "code": 404,
    });
    for path in ["/api/v1/nopes", "/apis/apps/v1/namespaces/default/nopes/a"] {
        let answer = server.get(path, &[]).await;
        assert_eq!((answer.status, answer.json()), (404, expected.clone()), "{path}");
    }
    let refused = server.request("POST", "/apis", &[]).await;
    assert_eq!((refused.status, &refused.json()["reason"]), (405, &json!("MethodNotAllowed")));
}

#[tokio::test]
async fn the_version_is_semantic_and_complete() {
    let server = server().await;
    for path in ["/version", "/version/"] {
        let answer = server.get(path, &[]).await;
        assert!(answer.text().starts_with("{\n  \"major\": \"1\",\n"), "{}", answer.text());
        let version = answer.json();
        assert_eq!(version["minor"], "35");
        assert!(version["gitVersion"].as_str().unwrap().starts_with("v1.35.0+watchkeep."), "{version}");
        for field in ["gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"] {
            assert!(version[field].is_string(), "{field}");
        }
    }
}

#[tokio::test]
async fn the_protobuf_document_is_empty_and_its_type_has_a_dot() {
    let server = server().await;
    let protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    for accept in ["application/com.github.proto-openapi.spec.v2@v1.0+protobuf", protobuf] {
        let answer = server.get("/openapi/v2", &[&format!("Accept: {accept}")]).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert_eq!(answer.header("content-type"), Some(protobuf));
    }
    assert_eq!(server.get("/openapi/v2", &[]).await.json()["swagger"], "2.0");
    assert_eq!(server.get("/openapi/v2", &["Accept: text/html"]).await.status, 406);
}

#[tokio::test]
async fn a_document_with_its_digest_may_be_kept_for_ever() {
    let server = server().await;
    let index = server.get("/openapi/v3", &["Accept: application/json, */*"]).await.json();
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    let right = server.get(&format!("{url}&timeout=32s"), &["Accept: application/json"]).await;
    assert_eq!(right.status, 200);
    assert!(right.header("cache-control").unwrap().contains("immutable"));
    let path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    let operation = &right.json()["paths"][path]["patch"];
    assert_eq!(operation["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let etag = right.header("etag").unwrap();
    let known = server.get(url, &[&format!("If-None-Match: {etag}")]).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let wrong = server.get("/openapi/v3/apis/apps/v1?hash=00", &[]).await;
    assert_eq!((wrong.status, wrong.header("location")), (301, Some(url)));
    let bare = server.get("/openapi/v3/apis/apps/v1", &[]).await;
    assert_eq!((bare.status, bare.header("cache-control")), (200, Some("no-cache, private")));
    assert_eq!(server.get("/openapi/v3/apis/nope/v1", &[]).await.status, 404);
}
