//! What is not there, what is not allowed, what every answer has, and what never gets out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::wire_client::{
    CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, MERGE, PODS, STRATEGIC, Wire, failure, names, not_found,
};

fn unknown() -> Value {
    failure(404, "NotFound", "the server could not find the requested resource", json!({}))
}

fn not_allowed() -> Value {
    let message = "the server does not allow this method on the requested resource";
    failure(405, "MethodNotAllowed", message, json!({}))
}

#[tokio::test]
async fn what_is_not_there_is_a_status_below_a_known_version_and_a_page_elsewhere() {
    let wire = Wire::start().await;
    for path in [
        "/api/v1/namespaces/t1/foos",
        "/api/v1/foos",
        "/api/v1/namespaces/t1/foos/a",
        "/api/v1/namespaces/t1/configmaps/a/nope",
        "/api/v1/namespaces/t1/configmaps/a/status",
        "/api/v1/namespaces/t1/pods/p/nope",
        "/api/v1/namespaces/t1/configmaps/a/b/c",
        "/api/v1/namespaces/t1/nodes",
        "/api/v1/namespaces/t1/nodes/n",
        "/apis/apps/v1/namespaces/t1/nopes/a",
        "/apis/apps/v1/configmaps",
        "/api/v1/watch/foos",
        "/apis/apps/v1/namespaces/t1/daemonsets/d/scale",
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            wire.send(method, path, &[], b"{}").await.assert_is(&unknown(), &format!("{method} {path}"));
        }
    }
    for path in [
        "/apis/foo/v1",
        "/apis/apps/v9/deployments",
        "/foo",
        "/apis/foo/v1/bars",
        "/api/v2/pods",
        "/api/v1beta1",
        "//",
        "/api//v1",
        "/.",
    ] {
        let answer = wire.get(path).await;
        assert_eq!((answer.status, answer.text()), (404, "404 page not found\n"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    wire.get("/api/v1/namespaces/t1/pods/nope")
        .await
        .assert_is(&not_found("pods", "nope"), "a missing object");
    wire.get("/api/v1/nodes/nope").await.assert_is(&not_found("nodes", "nope"), "a missing node");
    let empty = wire.read("/api/v1/namespaces/nons/configmaps").await;
    assert_eq!(empty["items"], json!([]), "a list in a namespace that is not there is empty");
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_not_allowed() {
    let wire = Wire::start().await;
    let table = [
        ("POST", "/api/v1/namespaces/t1/configmaps/a"),
        ("PUT", CONFIG_MAPS),
        ("PATCH", CONFIG_MAPS),
        ("DELETE", "/api/v1/namespaces"),
        ("POST", "/api/v1/configmaps"),
        ("DELETE", "/api/v1/configmaps"),
        ("PUT", "/api/v1/configmaps"),
        ("DELETE", "/apis/apps/v1/namespaces/t1/deployments/w/status"),
        ("POST", "/apis/apps/v1/namespaces/t1/deployments/w/scale"),
        ("DELETE", "/apis/apps/v1/namespaces/t1/deployments/w/scale"),
        ("OPTIONS", CONFIG_MAPS),
        ("TRACE", CONFIG_MAPS),
        ("BREW", CONFIG_MAPS),
        ("POST", "/api/v1"),
        ("PUT", "/apis"),
        ("DELETE", "/api"),
        ("POST", "/apis/apps"),
        ("PATCH", "/version"),
        ("POST", "/api/v1/watch/namespaces/t1/configmaps"),
    ];
    for (method, path) in table {
        wire.send(method, path, &[MERGE], b"{}").await.assert_is(&not_allowed(), &format!("{method} {path}"));
    }
}

#[tokio::test]
async fn every_answer_has_an_id_a_date_and_says_that_it_may_not_be_kept() {
    let wire = Wire::start().await;
    for path in [
        "/api",
        "/apis",
        "/version",
        "/nope",
        "/api/v1/nopes",
        CONFIG_MAPS,
        "/api/v1/namespaces/t1",
        "/api/v1/namespaces/t1/configmaps/x",
    ] {
        let answer = wire.send("GET", path, &["Audit-ID: given-1"], b"").await;
        assert_eq!(answer.header("audit-id"), Some("given-1"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache, private"), "{path}");
        assert!(answer.header("date").unwrap().ends_with(" GMT"), "{path}");
        assert_eq!(wire.get(path).await.header("audit-id").map(str::len), Some(36), "{path}");
    }
}

#[tokio::test]
async fn what_clients_write_differently_means_the_same() {
    let wire = Wire::start().await;
    wire.make_config_map("a").await;
    for path in ["/version/", "/apis/", "/api/", "/apis/apps/", "/apis/apps/v1/", "/api/v1/"] {
        assert_eq!(wire.get(path).await.body, wire.get(path.trim_end_matches('/')).await.body, "{path}");
        assert_eq!(wire.get(path).await.status, 200, "{path}");
    }
    for query in ["?", "?&limit=500", "?limit=500&", "?&&"] {
        assert_eq!(names(&wire.read(&format!("{CONFIG_MAPS}{query}")).await), ["a"], "{query}");
    }
    let version = wire.revision().await;
    let query = format!("?&watch=true&timeoutSeconds=290&allowWatchBookmarks=true&resourceVersion={version}");
    let mut watch = wire.watch(&format!("{CONFIG_MAPS}{query}")).await;
    wire.make_config_map("b").await;
    assert_eq!(watch.briefs(1).await, ["ADDED b"]);
    let escaped = wire.read("/api/v1/namespaces/t1/configmaps/%61").await;
    assert_eq!(escaped["metadata"]["name"], "a");
    assert_eq!(
        wire.get(&format!("{CONFIG_MAPS}/a%2Fb")).await.status,
        404,
        "an escaped slash is no separator"
    );
    let headers = [
        "Kubectl-Command: kubectl get",
        "Kubectl-Session: x",
        "Authorization: Bearer x",
        "Impersonate-User: y",
    ];
    assert_eq!(
        wire.send("GET", CONFIG_MAPS, &headers, b"").await.status,
        200,
        "what means nothing here is ignored"
    );
}

#[tokio::test]
async fn what_clients_discover_is_typed_as_they_need_it() {
    let wire = Wire::start().await;
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    let asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let table = [
        ("/apis", aggregated, aggregated, "APIGroupDiscoveryList"),
        ("/api", aggregated, aggregated, "APIGroupDiscoveryList"),
        ("/apis", "application/json", "application/json", "APIGroupList"),
        ("/api", "application/json", "application/json", "APIVersions"),
        ("/apis/apps/v1", "application/json", "application/json", "APIResourceList"),
        ("/openapi/v2", asked, protobuf, ""),
        ("/openapi/v3", "application/json", "application/json", ""),
    ];
    for (path, accept, content_type, kind) in table {
        for query in ["", "?timeout=32s"] {
            let answer =
                wire.send("GET", &format!("{path}{query}"), &[&format!("Accept: {accept}")], b"").await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, Some(content_type)),
                "{path} {accept}"
            );
            assert!(
                kind.is_empty() || answer.json()["kind"] == kind,
                "{path} {accept}: {:.200}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn what_may_be_tried_again_says_when() {
    let wire = Wire::start().await;
    let answer = wire.get(&format!("{CONFIG_MAPS}?resourceVersion=99999999")).await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.json()["details"]["retryAfterSeconds"], 1);
    let answer = wire.get(&format!("{CONFIG_MAPS}/nope")).await;
    assert_eq!(answer.header("retry-after"), None);
}

#[tokio::test]
async fn a_body_of_3_mib_is_refused_wherever_bodies_are_read() {
    let wire = Wire::start().await;
    wire.make_config_map("a").await;
    wire.make(DEPLOYMENTS, &json!({"metadata": {"name": "w"}})).await;
    let (one, scale) = (format!("{CONFIG_MAPS}/a"), format!("{DEPLOYMENTS}/w/scale"));
    let body = vec![b' '; (3 << 20) + 1];
    let message = "Request entity too large: limit is 3145728";
    let expected = failure(413, "RequestEntityTooLarge", message, Value::Null);
    let table: [(&str, &str, &[&str]); 8] = [
        ("POST", CONFIG_MAPS, &[]),
        ("PUT", &one, &[]),
        ("PATCH", &one, &[MERGE]),
        ("PATCH", &one, &[JSON_PATCH]),
        ("PATCH", &one, &[STRATEGIC]),
        ("DELETE", &one, &[]),
        ("DELETE", CONFIG_MAPS, &[]),
        ("PUT", &scale, &[]),
    ];
    for (method, path, headers) in table {
        wire.send(method, path, headers, &body).await.assert_is(&expected, &format!("{method} {path}"));
    }
    assert_eq!(names(&wire.read(CONFIG_MAPS).await), ["a"]);
    let mut chunked = b"POST /api/v1/namespaces/t1/configmaps HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n".to_vec();
    chunked.resize(chunked.len() + (4 << 20), b' ');
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let answer = wire.raw(&chunked).await.expect("no answer to a chunked body");
    answer.assert_is(&expected, "a body whose length is not told");
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let wire = Wire::start().await;
    let before = wire.revision().await;
    let mut stream = wire.connect().await;
    stream.write_all(b"POST /api/v1/namespaces/t1/configmaps HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"metadata\":{\"name\":\"x\"}}").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    // An answer or a close: both tell the client.
    let _ =
        tokio::time::timeout(wire_client::DEADLINE, stream.read_to_end(&mut rest)).await.expect("neither");
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(wire.revision().await, before);
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All tasks of a test run on its one thread, so a subscriber of the thread sees everything.
#[tokio::test]
async fn the_data_of_a_secret_is_never_logged() {
    const SECRETS: &str = "/api/v1/namespaces/t1/secrets";
    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || sink.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let wire = Wire::start().await;
    // "hunter2-in-base-64" as text and as base64.
    let (text, encoded) = ("hunter2-in-base-64", "aHVudGVyMi1pbi1iYXNlLTY0");
    let one = format!("{SECRETS}/s");
    let mut watch = wire.watch(&format!("{SECRETS}?watch=1&timeoutSeconds=60&labelSelector=owner")).await;
    wire.make(SECRETS, &json!({"metadata": {"name": "s", "labels": {"owner": "x"}}, "data": {"k": encoded}}))
        .await;
    wire.read(&one).await;
    wire.read(SECRETS).await;
    assert_eq!(watch.briefs(1).await, ["ADDED s"]);
    let bad =
        format!(r#"{{"metadata":{{"name":"t"}},"data":{{"k":"{encoded}","k":"{encoded}"}},"{text}":1}}"#);
    let writes: [(&str, &str, &[&str], String); 9] = [
        (
            "PUT",
            &one,
            &[],
            format!(
                r#"{{"metadata":{{"name":"s","labels":{{"owner":"x"}}}},"data":{{"k":"{encoded}","l":"{encoded}"}}}}"#
            ),
        ),
        ("PATCH", &one, &[MERGE], format!(r#"{{"data":{{"m":"{encoded}"}}}}"#)),
        ("PATCH", &one, &[STRATEGIC], format!(r#"{{"data":{{"$patch":"{text}","k":"{encoded}"}}}}"#)),
        ("PATCH", &one, &[JSON_PATCH], format!(r#"[{{"op":"test","path":"/data/k","value":"{text}"}}]"#)),
        ("PATCH", &one, &[MERGE], format!(r#"{{"data":{{"m":["{encoded}"]}}}}"#)),
        ("PATCH", &one, &[MERGE], format!(r#"{{"data":{{"m":"{encoded}"#)),
        ("POST", SECRETS, &[], bad),
        (
            "POST",
            "/api/v1/namespaces/t1/secrets?fieldValidation=Strict",
            &[],
            format!(r#"{{"metadata":{{"name":"u"}},"{text}":"{encoded}"}}"#),
        ),
        ("POST", SECRETS, &[], format!(r#"{{"metadata":{{"name":"v"}},"data":{{"k":"{text}!"}}}}"#)),
    ];
    for (method, path, headers, body) in &writes {
        wire.send(method, path, headers, body.as_bytes()).await;
    }
    wire.get(&format!("{SECRETS}?labelSelector=k={text}&fieldSelector=type={text}")).await;
    wire.delete(&one).await.expect(200);
    let written = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(written.contains(SECRETS), "requests are logged at all: {written}");
    for secret in [text, encoded, "hunter2"] {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

#[tokio::test]
async fn the_data_of_a_secret_is_not_in_the_messages_of_errors_about_others() {
    const SECRETS: &str = "/api/v1/namespaces/t1/secrets";
    let wire = Wire::start().await;
    wire.make(SECRETS, &json!({"metadata": {"name": "s"}, "data": {"k": "aHVudGVyMi1pbi1iYXNlLTY0"}})).await;
    let one = format!("{SECRETS}/s");
    let answers = [
        wire.patch(JSON_PATCH, &one, &json!([{"op": "test", "path": "/data/k", "value": "x"}])).await,
        wire.patch(MERGE, &one, &json!({"metadata": {"name": "t"}})).await,
        wire.put(&one, &json!({"metadata": {"name": "s", "resourceVersion": "1"}})).await,
        wire.post(SECRETS, &json!({"metadata": {"name": "s"}})).await,
        wire.json("DELETE", &one, &json!({"preconditions": {"uid": "x"}})).await,
    ];
    for answer in answers {
        assert!((400..500).contains(&answer.status), "{}", answer.text());
        assert!(!answer.text().contains("aHVudGVy"), "{}", answer.text());
    }
}

/// Every kind, from its creation to its end, over the whole of its verbs.
#[tokio::test]
async fn every_kind_can_be_made_read_listed_changed_and_deleted() {
    let wire = Wire::start().await;
    let table = wire.app.table.load_full();
    assert!(table.resources().len() > 40);
    for resource in table.resources() {
        let root = if resource.group.is_empty() { "/api" } else { "/apis" };
        let namespaced = resource.scope == watchkeep_server::kinds::resource::Scope::Namespaced;
        let namespace = if namespaced { "namespaces/t1/" } else { "" };
        let path = format!("{root}/{}/{namespace}{}", resource.api_version, resource.plural);
        let one = format!("{path}/every");
        let made = wire.make(&path, &json!({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {"name": "every"}})).await;
        assert_eq!(wire.read(&one).await, made, "{path}");
        assert_eq!(
            wire.put(&one, &made).await.expect(200),
            made,
            "{path}: a PUT of what was read changes nothing"
        );
        let list = wire.read(&path).await;
        assert_eq!(
            (&list["kind"], &list["apiVersion"]),
            (&json!(resource.list_kind), &json!(resource.api_version))
        );
        assert!(names(&list).contains(&"every"), "{path}");
        for kind in [MERGE, STRATEGIC] {
            let patched =
                wire.patch(kind, &one, &json!({"metadata": {"labels": {"a": "b"}}})).await.expect(200);
            assert_eq!(patched["metadata"]["labels"]["a"], "b", "{path}");
        }
        let strict = wire
            .post(
                &format!("{path}?fieldValidation=Strict&dryRun=All"),
                &json!({"metadata": {"name": "x"}, "bogus": 1}),
            )
            .await;
        assert_eq!((strict.status, &strict.json()["reason"]), (400, &json!("BadRequest")), "{path}");
        let table = wire.send("GET", &one, &[wire_client::AS_TABLE], b"").await.expect(200);
        let columns = table["columnDefinitions"].as_array().unwrap();
        assert_eq!(table["rows"][0]["cells"].as_array().map(Vec::len), Some(columns.len()), "{path}");
        assert_eq!(wire.delete(&one).await.status, 200, "{path}");
        if resource.kind != "Namespace" {
            assert_eq!(wire.get(&one).await.status, 404, "{path}");
        }
    }
    assert_eq!(names(&wire.read(PODS).await), [""; 0]);
}
