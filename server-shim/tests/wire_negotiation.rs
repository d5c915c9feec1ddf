//! What a client gets for its `Accept`, `Accept-Encoding`, `pretty`, and in which protocol.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use std::io::Read as _;

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

use crate::wire_client::{
    AS_METADATA, AS_METADATA_LIST, AS_TABLE, CONFIG_MAPS, DEPLOYMENTS, MERGE, PODS, Wire, failure, names,
    not_found, version_of,
};

const SERVED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

async fn with_config_map() -> (Wire, String) {
    let wire = Wire::start().await;
    wire.make(
        CONFIG_MAPS,
        &json!({"metadata": {"name": "tt", "labels": {"l": "1"}}, "data": {"a": "1", "b": "2"}}),
    )
    .await;
    (wire, format!("{CONFIG_MAPS}/tt"))
}

fn not_acceptable(message: &str) -> Value {
    failure(406, "NotAcceptable", message, Value::Null)
}

#[tokio::test]
async fn the_most_wanted_form_that_is_served_wins() {
    let (wire, path) = with_config_map().await;
    let table = [
        ("", "application/json", "ConfigMap"),
        ("*/*", "application/json", "ConfigMap"),
        ("application/json", "application/json", "ConfigMap"),
        ("application/json; charset=utf-8", "application/json", "ConfigMap"),
        ("APPLICATION/JSON", "application/json", "ConfigMap"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json", "ConfigMap"),
        ("application/vnd.kubernetes.protobuf,application/json", "application/vnd.kubernetes.protobuf", ""),
        ("application/vnd.kubernetes.protobuf, */*", "application/vnd.kubernetes.protobuf", ""),
        ("application/vnd.kubernetes.protobuf;q=0.1, */*", "application/json", "ConfigMap"),
        ("application/yaml", "application/yaml", ""),
        ("application/json;q=0.1,application/yaml;q=0.9", "application/yaml", ""),
        ("application/json;q=0.9,application/yaml;q=0.1", "application/json", "ConfigMap"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", "application/json", "Table"),
        (
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            "application/json",
            "Table",
        ),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", "application/json", "ConfigMap"),
        (
            "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io",
            "application/json",
            "Table",
        ),
        (
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
            "application/vnd.kubernetes.protobuf",
            "",
        ),
    ];
    for (accept, content_type, kind) in table {
        let answer = wire.send("GET", &path, &[&format!("Accept: {accept}")], b"").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{accept}");
        if !kind.is_empty() {
            assert_eq!(answer.json()["kind"], kind, "{accept}");
        }
    }
}

#[tokio::test]
async fn what_is_not_served_is_refused_with_what_is() {
    let (wire, path) = with_config_map().await;
    let only = not_acceptable(&format!("only the following media types are accepted: {SERVED}"));
    let watch = not_acceptable(
        "only the following media types are accepted: application/json;stream=watch, \
         application/vnd.kubernetes.protobuf;stream=watch",
    );
    let list = not_acceptable("you requested PartialObjectMetadata, but the requested object is a list");
    let single =
        not_acceptable("you requested PartialObjectMetadataList, but the requested object is not a list");
    let table = [
        (path.clone(), "application/json;as=Foo;g=x;v=v1", &only),
        (path.clone(), "application/json;as=Table;v=v9;g=meta.k8s.io", &only),
        (path.clone(), "application/json;stream=bogus", &only),
        (path.clone(), "application/json;as=Bar;v=v1;g=meta.k8s.io", &only),
        (path.clone(), "application/cbor", &only),
        (path.clone(), "application/*", &only),
        (path.clone(), "text/html", &only),
        (CONFIG_MAPS.to_owned(), "application/cbor", &only),
        (format!("{CONFIG_MAPS}?watch=1"), "application/json;stream=bogus", &watch),
        (format!("{CONFIG_MAPS}?watch=1"), "application/cbor-seq", &watch),
        (CONFIG_MAPS.to_owned(), "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", &list),
        (path.clone(), "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", &single),
    ];
    for (path, accept, expected) in table {
        let answer = wire.send("GET", &path, &[&format!("Accept: {accept}")], b"").await;
        answer.assert_is(expected, &format!("{path} {accept}"));
    }
    let yaml = wire.send("GET", &format!("{CONFIG_MAPS}?watch=1"), &["Accept: application/yaml"], b"").await;
    assert_eq!(
        (yaml.status, yaml.header("content-type")),
        (406, Some("application/yaml")),
        "a Status as it was asked for"
    );
    assert!(yaml.text().contains("\nreason: NotAcceptable\n"), "{}", yaml.text());
    let post = wire
        .send("POST", CONFIG_MAPS, &["Accept: application/cbor"], br#"{"metadata":{"name":"never"}}"#)
        .await;
    post.assert_is(&only, "a POST");
    assert_eq!(
        wire.get(&format!("{CONFIG_MAPS}/never")).await.status,
        404,
        "it was refused before anything was done"
    );
}

#[tokio::test]
async fn yaml_is_read_and_written() {
    let (wire, path) = with_config_map().await;
    let object = wire.read(&path).await;
    let answer = wire.send("GET", &path, &["Accept: application/yaml"], b"").await;
    let parsed: Value = serde_yaml_ng::from_str(answer.text()).unwrap();
    assert_eq!(parsed, object);
    assert!(answer.text().contains("data:\n  a: \"1\"\n  b: \"2\"\n"), "{}", answer.text());
    let list = wire.send("GET", CONFIG_MAPS, &["Accept: application/yaml"], b"").await;
    assert_eq!(serde_yaml_ng::from_str::<Value>(list.text()).unwrap(), wire.read(CONFIG_MAPS).await);
    let missing = wire.send("GET", &format!("{CONFIG_MAPS}/nope"), &["Accept: application/yaml"], b"").await;
    assert_eq!((missing.status, missing.header("content-type")), (404, Some("application/yaml")));
    assert_eq!(serde_yaml_ng::from_str::<Value>(missing.text()).unwrap(), not_found("configmaps", "nope"));
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  yes: \"yes\"\n  multi: |\n    a\n    b\n";
    let both = ["Content-Type: application/yaml", "Accept: application/yaml"];
    let made = wire.send("POST", CONFIG_MAPS, &both, body.as_bytes()).await;
    assert_eq!((made.status, made.header("content-type")), (201, Some("application/yaml")));
    let made: Value = serde_yaml_ng::from_str(made.text()).unwrap();
    assert_eq!(made["data"]["multi"], "a\nb\n");
    for bad in ["a: b: c", "\t", "- x", "{", "&a [*a, *b]", "!!binary x", "a: 1\na: 2"] {
        let answer =
            wire.send("POST", CONFIG_MAPS, &["Content-Type: application/yaml"], bad.as_bytes()).await;
        assert!((400..500).contains(&answer.status), "{bad}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_table_of_one_object() {
    let (wire, path) = with_config_map().await;
    let object = wire.read(&path).await;
    let table = wire.send("GET", &path, &[AS_TABLE], b"").await.expect(200);
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    assert_eq!(table["metadata"], json!({"resourceVersion": version_of(&object)}));
    let columns: Vec<_> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| {
            assert!(column["description"].as_str().is_some_and(|text| !text.is_empty()), "{column}");
            json!([column["name"], column["type"], column["format"], column["priority"]])
        })
        .collect();
    let expected = [
        json!(["Name", "string", "name", 0]),
        json!(["Data", "string", "", 0]),
        json!(["Age", "string", "", 0]),
    ];
    assert_eq!(columns, expected);
    let row = &table["rows"][0];
    assert_eq!((&row["cells"][0], &row["cells"][1]), (&json!("tt"), &json!(2)));
    assert!(row["cells"][2].as_str().unwrap().ends_with('s'), "{row}");
    let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
    assert_eq!(row["object"], partial);
    let beta = "Accept: application/json;as=Table;v=v1beta1;g=meta.k8s.io";
    let beta = wire.send("GET", &path, &[beta], b"").await.expect(200);
    assert_eq!(beta["apiVersion"], "meta.k8s.io/v1beta1");
    assert_eq!(beta["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn a_row_holds_as_much_of_the_object_as_is_asked_for() {
    let (wire, path) = with_config_map().await;
    let object = wire.read(&path).await;
    let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
    for (include, expected) in
        [("", Some(&partial)), ("Metadata", Some(&partial)), ("Object", Some(&object)), ("None", None)]
    {
        let table =
            wire.send("GET", &format!("{path}?includeObject={include}"), &[AS_TABLE], b"").await.expect(200);
        let found = table["rows"][0].get("object").filter(|object| !object.is_null());
        assert_eq!(found, expected, "{include}");
    }
    let message = "Unable to convert to Table as requested: includeObject: Invalid value: \"Foo\": must be 'Metadata', 'Object', 'None', or empty";
    let answer = wire.send("GET", &format!("{path}?includeObject=Foo"), &[AS_TABLE], b"").await;
    answer.assert_is(&failure(400, "BadRequest", message, Value::Null), "Foo");
    assert_eq!(
        wire.get(&format!("{path}?includeObject=Foo")).await.status,
        200,
        "without a table it means nothing"
    );
}

#[tokio::test]
async fn a_table_of_a_list_has_its_metadata() {
    let (wire, _) = with_config_map().await;
    for name in ["a", "b"] {
        wire.make_config_map(name).await;
    }
    let list = wire.read(&format!("{CONFIG_MAPS}?limit=1")).await;
    let table = wire.send("GET", &format!("{CONFIG_MAPS}?limit=1"), &[AS_TABLE], b"").await.expect(200);
    assert_eq!(table["metadata"], list["metadata"], "version, token and count");
    let table = wire.send("GET", CONFIG_MAPS, &[AS_TABLE], b"").await.expect(200);
    let cells: Vec<_> =
        table["rows"].as_array().unwrap().iter().map(|row| row["cells"][0].as_str().unwrap()).collect();
    assert_eq!(cells, ["a", "b", "tt"]);
    let empty =
        wire.send("GET", &format!("{CONFIG_MAPS}?labelSelector=zz=1"), &[AS_TABLE], b"").await.expect(200);
    assert_eq!((&empty["rows"], empty["columnDefinitions"].as_array().map(Vec::len)), (&json!([]), Some(3)));
    let error = wire.send("GET", &format!("{CONFIG_MAPS}/nope"), &[AS_TABLE], b"").await;
    error.assert_is(&not_found("configmaps", "nope"), "a failure is a Status");
}

#[tokio::test]
async fn writes_are_answered_as_tables_too() {
    let (wire, path) = with_config_map().await;
    let body = br#"{"metadata":{"name":"new"}}"#;
    let dry = wire.send("POST", &format!("{CONFIG_MAPS}?dryRun=All"), &[AS_TABLE], body).await.expect(201);
    assert_eq!((&dry["kind"], &dry["metadata"]), (&json!("Table"), &json!({})), "no version in a dry run");
    let made = wire.send("POST", CONFIG_MAPS, &[AS_TABLE], body).await.expect(201);
    assert_eq!(made["rows"][0]["cells"][0], "new");
    let patched = wire.send("PATCH", &path, &[AS_TABLE, MERGE], br#"{"data":{"c":"3"}}"#).await.expect(200);
    assert_eq!(patched["rows"][0]["cells"][1], 3);
    let uid = wire.read(&path).await["metadata"]["uid"].clone();
    let gone = wire.send("DELETE", &path, &[AS_TABLE], b"").await;
    let success = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {"name": "tt", "kind": "configmaps", "uid": uid}});
    gone.assert_is(&success, "a Status stays one");
}

#[tokio::test]
async fn cells_are_those_of_kubectl() {
    let wire = Wire::start().await;
    let containers = json!([{"name": "c", "image": "i"}]);
    let selector = json!({"matchLabels": {"a": "b"}});
    let table: [(&str, Value, &[Value]); 4] = [
        (
            DEPLOYMENTS,
            json!({"spec": {"replicas": 1, "selector": selector, "template": {"spec": {"containers": containers}}}}),
            &[json!("x"), json!("0/1"), json!(0), json!(0)],
        ),
        (
            "/api/v1/namespaces/t1/secrets",
            json!({"type": "Opaque", "data": {"k": "eA=="}}),
            &[json!("x"), json!("Opaque"), json!(1)],
        ),
        (
            PODS,
            json!({"spec": {"containers": containers}}),
            &[json!("x"), json!("0/1"), json!("Pending"), json!("0")],
        ),
        ("/api/v1/namespaces", json!({}), &[json!("x"), json!("Active")]),
    ];
    for (path, mut object, cells) in table {
        object["metadata"] = json!({"name": "x"});
        wire.make(path, &object).await;
        let found = wire.send("GET", &format!("{path}/x"), &[AS_TABLE], b"").await.expect(200);
        let row = found["rows"][0]["cells"].as_array().unwrap();
        assert_eq!(&row[..cells.len()], cells, "{path}");
        assert_eq!(row.len(), found["columnDefinitions"].as_array().unwrap().len(), "{path}");
    }
}

#[tokio::test]
async fn metadata_alone() {
    let (wire, path) = with_config_map().await;
    wire.make_config_map("u").await;
    let object = wire.read(&path).await;
    let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
    assert_eq!(wire.send("GET", &path, &[AS_METADATA], b"").await.expect(200), partial);
    let list =
        wire.send("GET", &format!("{CONFIG_MAPS}?limit=1"), &[AS_METADATA_LIST], b"").await.expect(200);
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("PartialObjectMetadataList"), &json!("meta.k8s.io/v1"))
    );
    assert_eq!((&list["items"], &list["metadata"]["remainingItemCount"]), (&json!([partial]), &json!(1)));
    let gone = wire.send("DELETE", CONFIG_MAPS, &[AS_METADATA_LIST], b"").await.expect(200);
    assert_eq!((&gone["kind"], names(&gone)), (&json!("PartialObjectMetadataList"), vec!["tt", "u"]));
}

#[tokio::test]
async fn people_get_indented_json() {
    let (wire, path) = with_config_map().await;
    let agents = ["curl/8.0", "Wget/1.2", "Mozilla/5.0 (X11)"];
    let flat = wire.get(&path).await;
    let mut answers = vec![];
    for agent in agents {
        answers.push(wire.send("GET", &path, &[&format!("User-Agent: {agent}")], b"").await);
    }
    answers.push(wire.get(&format!("{path}?pretty=true")).await);
    answers.push(wire.get(&format!("{path}?pretty=1")).await);
    for answer in &answers {
        assert!(
            answer.text().starts_with("{\n  \"kind\": \"ConfigMap\",\n  \"apiVersion\": \"v1\",\n"),
            "{}",
            answer.text()
        );
        assert_eq!(answer.json(), flat.json());
    }
    for (query, agent) in [("pretty=false", "curl/8.0"), ("pretty=0", "curl/8.0"), ("", "kubectl/v1.33")] {
        let answer =
            wire.send("GET", &format!("{path}?{query}"), &[&format!("User-Agent: {agent}")], b"").await;
        assert_eq!(answer.text(), flat.text(), "{query} {agent}");
    }
    let list = wire.get(&format!("{CONFIG_MAPS}?pretty=true&limit=1")).await;
    assert!(
        list.text()
            .starts_with("{\n  \"kind\": \"ConfigMapList\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {\n"),
        "{}",
        list.text()
    );
    let error = wire.get(&format!("{CONFIG_MAPS}/nope?pretty=true")).await;
    assert!(error.text().starts_with("{\n  \"kind\": \"Status\",\n"), "{}", error.text());
    let mut watch = wire.watch(&format!("{CONFIG_MAPS}?watch=1&pretty=true&timeoutSeconds=60")).await;
    assert_eq!(watch.briefs(1).await, ["ADDED tt"], "events stay on one line");
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut content).unwrap();
    content
}

#[tokio::test]
async fn what_is_large_is_compressed_for_those_who_want_it() {
    const GZIP: &str = "Accept-Encoding: gzip";
    let wire = Wire::start().await;
    let big = json!({"metadata": {"name": "big"}, "data": {"x": "y".repeat(200_000)}});
    wire.make(CONFIG_MAPS, &big).await;
    let path = format!("{CONFIG_MAPS}/big");
    for url in [path.as_str(), CONFIG_MAPS] {
        let plain = wire.get(url).await;
        assert_eq!(plain.header("content-encoding"), None);
        for accept in [GZIP, "Accept-Encoding: deflate, gzip;q=1.0", "Accept-Encoding: gzip, deflate, br"] {
            let zipped = wire.send("GET", url, &[accept], b"").await;
            assert_eq!(
                (zipped.status, zipped.header("content-encoding")),
                (200, Some("gzip")),
                "{url} {accept}"
            );
            assert_eq!(zipped.header("vary"), Some("Accept-Encoding"));
            assert!(zipped.body.len() < 10_000 && unzipped(&zipped.body) == plain.body, "{url}");
        }
    }
    let patched = wire.send("PATCH", &path, &[GZIP, MERGE], br#"{"data":{"z":"1"}}"#).await;
    assert_eq!(patched.header("content-encoding"), Some("gzip"), "writes too");
    assert!(unzipped(&patched.body).starts_with(b"{\"kind\":\"ConfigMap\""));
    wire.make_config_map("small").await;
    let small = wire.send("GET", &format!("{CONFIG_MAPS}/small"), &[GZIP], b"").await;
    assert_eq!(small.header("content-encoding"), None);
    let mut watch = wire.watch_with(&format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=60"), &[GZIP]).await;
    assert_eq!(watch.header("content-encoding"), None, "watches are not compressed");
    assert_eq!(watch.briefs(2).await, ["ADDED big", "ADDED small"]);
}

#[tokio::test]
async fn http_2_carries_many_requests_and_a_watch_on_one_connection() {
    let (wire, path) = with_config_map().await;
    let io = TokioIo::new(wire.connect().await);
    let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    wire.app.environment.spawn(connection);
    let send = |method: &str, path: &str, body: &str| {
        let uri = format!("http://{}{path}", wire.address);
        let request = hyper::Request::builder().method(method).uri(uri);
        let request = request.body(Full::new(bytes::Bytes::from(body.to_owned()))).unwrap();
        let mut client = client.clone();
        async move { client.send_request(request).await.unwrap() }
    };
    let mut watch = send("GET", &format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=60"), "").await.into_body();
    let first = watch.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"{\"type\":\"ADDED\",") && first.ends_with(b"}\n"));
    let bodies: Vec<_> = (0..50).map(|number| format!(r#"{{"metadata":{{"name":"h{number}"}}}}"#)).collect();
    let answers =
        futures_util::future::join_all(bodies.iter().map(|body| send("POST", CONFIG_MAPS, body))).await;
    assert!(
        answers.iter().all(|answer| answer.status() == 201 && answer.version() == hyper::Version::HTTP_2)
    );
    let mut events = 0;
    while events < 50 {
        let frame = tokio::time::timeout(wire_client::DEADLINE, watch.frame()).await.expect("no event");
        let data = frame.unwrap().unwrap().into_data().unwrap();
        events += std::str::from_utf8(&data).unwrap().lines().count();
    }
    let object = send("GET", &path, "").await.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<Value>(&object).unwrap(), wire.read(&path).await);
}

#[tokio::test]
async fn one_connection_carries_requests_one_after_the_other() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (wire, path) = with_config_map().await;
    let mut stream = wire.connect().await;
    let one = wire_client::request("GET", &path, &[], b"");
    let last = wire_client::request("GET", &format!("{CONFIG_MAPS}/nope"), &["Connection: close"], b"");
    // Both at once: a client may send ahead.
    stream.write_all(&[one, last].concat()).await.unwrap();
    let mut all = String::new();
    tokio::time::timeout(wire_client::DEADLINE, stream.read_to_string(&mut all)).await.unwrap().unwrap();
    let codes: Vec<_> = all.match_indices("HTTP/1.1 ").map(|(at, _)| &all[at + 9..at + 12]).collect();
    assert_eq!(codes, ["200", "404"]);
}
