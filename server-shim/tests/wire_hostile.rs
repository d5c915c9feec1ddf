//! Requests of people who mean no good, and of programs that do not know what they do: the answer is a
//! Status with a code of the four hundreds, and never a panic. Seeded, so that a failure can be replayed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::wire_client::{Answer, CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, MERGE, PODS, STRATEGIC, Wire};

const SEED: u64 = 20;

/// Texts that have broken parsers before.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "1e999",
    "-0",
    "0.0000001",
    "metadata",
    "\"metadata\":{\"name\":\"x\"}",
    "\"$patch\":\"delete\"",
    "\"$retainKeys\":[1]",
    "\"$setElementOrder/containers\":[{}]",
    "\"op\":\"add\"",
    "\"path\":\"/a/-\"",
    "\"value\":",
    "'",
    "`",
    "\n",
    "\t",
    "\0",
    "é",
    "\u{202e}",
    "\u{1F600}",
    "&a",
    "*a",
    "!!",
    "---",
    "<<:",
    "%",
    "..",
    "/",
    "18446744073709551616",
];

/// Fails unless a refusal is a Status with a code of the four hundreds; what succeeds succeeds.
fn check(answer: &Answer, about: &str) {
    if (200..300).contains(&answer.status) {
        return;
    }
    assert!((400..500).contains(&answer.status), "{about}: {} {}", answer.status, answer.head);
    if answer.header("content-type") == Some("application/json") && !about.starts_with("HEAD ") {
        let status = answer.json();
        assert_eq!(
            (&status["kind"], &status["code"]),
            (&json!("Status"), &json!(answer.status)),
            "{about}: {status}"
        );
        assert!(status["message"].as_str().is_some_and(|message| !message.is_empty()), "{about}: {status}");
    }
}

/// Fails if the server does not go on as before.
async fn check_alive(wire: &Wire) {
    assert_eq!(wire.get("/readyz").await.text(), "ok");
    let name = json!({"metadata": {"generateName": "alive-"}});
    assert_eq!(wire.post(CONFIG_MAPS, &name).await.status, 201);
}

fn random_text(random: &mut StdRng) -> Vec<u8> {
    let length = random.random_range(0..12);
    let mut text = Vec::new();
    for _ in 0..length {
        if random.random_bool(0.15) {
            text.push(random.random::<u8>());
        } else {
            text.extend_from_slice(PIECES[random.random_range(0..PIECES.len())].as_bytes());
        }
    }
    text
}

/// A valid text with a few bytes changed, taken out or doubled.
fn damaged(valid: &str, random: &mut StdRng) -> Vec<u8> {
    let mut bytes = valid.as_bytes().to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..4) {
            0 => bytes[at] = random.random::<u8>(),
            1 => {
                bytes.remove(at);
            }
            2 => bytes.insert(at, bytes[at]),
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

async fn prepared() -> Wire {
    let wire = Wire::start().await;
    wire.make_config_map("a").await;
    let container = json!({"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}]});
    wire.make(
        DEPLOYMENTS,
        &json!({"metadata": {"name": "w"}, "spec": {"template": {"spec": {"containers": [container]}}}}),
    )
    .await;
    wire
}

#[tokio::test]
async fn random_bodies_are_refused() {
    const YAML: &str = "Content-Type: application/yaml";
    let wire = prepared().await;
    let mut random = StdRng::seed_from_u64(SEED);
    let (map, web) = (format!("{CONFIG_MAPS}/a"), format!("{DEPLOYMENTS}/w"));
    let (status, scale) = (format!("{web}/status"), format!("{web}/scale"));
    let targets: [(&str, &str, &str); 13] = [
        ("POST", CONFIG_MAPS, "Content-Type: application/json"),
        ("POST", CONFIG_MAPS, YAML),
        ("POST", DEPLOYMENTS, YAML),
        ("PUT", &map, "Content-Type: application/json"),
        ("PUT", &web, YAML),
        ("PUT", &status, "Content-Type: application/json"),
        ("PUT", &scale, "Content-Type: application/json"),
        ("PATCH", &map, MERGE),
        ("PATCH", &web, JSON_PATCH),
        ("PATCH", &scale, MERGE),
        ("PATCH", &status, MERGE),
        ("DELETE", "/api/v1/namespaces/t1/configmaps/nope", "Content-Type: application/json"),
        ("DELETE", "/api/v1/namespaces/t1/pods", YAML),
    ];
    let valid = r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"x","labels":{"a":"b"}},"spec":{"replicas":1,"template":{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1"}}}]}}}}"#;
    for round in 0..60 {
        for (method, path, kind) in targets {
            let body = if round % 2 == 0 { random_text(&mut random) } else { damaged(valid, &mut random) };
            let about = format!("{method} {path} {kind} {:?}", String::from_utf8_lossy(&body));
            check(&wire.send(method, path, &[kind], &body).await, &about);
        }
    }
    check_alive(&wire).await;
}

/// The reference answers some patches that make no sense with 500 and no reason; those are known.
#[tokio::test]
async fn random_patches_are_refused() {
    let wire = prepared().await;
    let mut random = StdRng::seed_from_u64(SEED + 1);
    let web = format!("{DEPLOYMENTS}/w");
    let strategic = r#"{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"c"}],"containers":[{"name":"c","env":[{"name":"A","$patch":"delete"},{"name":"B","value":"2"}]},{"$patch":"merge"}],"$retainKeys":["containers"]}}},"metadata":{"$deleteFromPrimitiveList/finalizers":["x"]}}"#;
    let json_patch = r#"[{"op":"test","path":"/metadata/name","value":"w"},{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"d"}},{"op":"move","from":"/spec/template/spec/containers/0","path":"/spec/template/spec/containers/1"},{"op":"copy","from":"/spec","path":"/spec/nope"},{"op":"remove","path":"/metadata/labels"}]"#;
    for _ in 0..250 {
        for (kind, valid) in [(STRATEGIC, strategic), (JSON_PATCH, json_patch)] {
            let body = damaged(valid, &mut random);
            let about = format!("{kind} {}", String::from_utf8_lossy(&body));
            let answer = wire.send("PATCH", &format!("{web}?dryRun=All"), &[kind], &body).await;
            if answer.status == 500 && kind == STRATEGIC {
                let status = answer.json();
                assert_eq!(
                    (&status["kind"], status.get("reason")),
                    (&json!("Status"), None),
                    "{about}: {status}"
                );
                continue;
            }
            check(&answer, &about);
        }
    }
    check_alive(&wire).await;
}

#[tokio::test]
async fn random_paths_are_not_there() {
    const STEPS: [&str; 34] = [
        "api",
        "apis",
        "v1",
        "apps",
        "namespaces",
        "t1",
        "configmaps",
        "a",
        "watch",
        "status",
        "scale",
        "deployments",
        "w",
        "pods",
        "",
        ".",
        "..",
        "%2e%2e",
        "%2F",
        "%00",
        "%ff",
        "%",
        "%zz",
        "*",
        "~",
        "'",
        "\"",
        "|",
        "openapi",
        "v2",
        "version",
        "healthz",
        "é",
        "finalize",
    ];
    let wire = prepared().await;
    let mut random = StdRng::seed_from_u64(SEED + 2);
    for _ in 0..1500 {
        let mut path = String::new();
        for _ in 0..random.random_range(1..9) {
            path.push('/');
            path.push_str(STEPS[random.random_range(0..STEPS.len())]);
        }
        let method = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"][random.random_range(0..6)];
        if method == "DELETE" && path.contains("t1") {
            continue;
        }
        // A watch has no end.
        let path = format!("{path}?timeoutSeconds=1&sendInitialEvents=bad");
        let bytes = wire_client::request(method, &path, &["Connection: close"], b"");
        let answer = wire.raw(&bytes).await.unwrap_or_else(|| panic!("no answer to {method} {path}"));
        check(&answer, &format!("{method} {path}"));
    }
    check_alive(&wire).await;
}

#[tokio::test]
async fn random_queries_are_refused_or_mean_nothing() {
    const NAMES: [&str; 17] = [
        "limit",
        "continue",
        "resourceVersionMatch",
        "labelSelector",
        "fieldSelector",
        "shardSelector",
        "timeout",
        "timeoutSeconds",
        "pretty",
        "includeObject",
        "dryRun",
        "fieldValidation",
        "fieldManager",
        "allowWatchBookmarks",
        "sendInitialEvents",
        "%",
        "x",
    ];
    const VALUES: [&str; 34] = [
        "",
        "0",
        "-1",
        "1",
        "9223372036854775808",
        "abc",
        "true",
        "%00",
        "%ff%fe",
        "%",
        "%zz",
        "=",
        "==",
        "a=b",
        "a!=b",
        "a%20in%20(",
        "a%20in%20(b,c)",
        "a%20notin%20()",
        "!",
        "!a",
        "(((",
        ",,,",
        "a%3E1",
        "a%3C%00",
        "metadata.name=",
        "metadata.name=a,",
        "metadata.name=%5C",
        "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6OTk5OTk5OTk5OTk5LCJzdGFydCI6IiJ9",
        "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiLi4vIn0",
        "e30",
        "Exact",
        "NotOlderThan",
        "1h",
        "%F0%9F%98%80",
    ];
    let wire = prepared().await;
    let mut random = StdRng::seed_from_u64(SEED + 3);
    for _ in 0..1200 {
        let mut query = String::new();
        for _ in 0..random.random_range(1..5) {
            let (name, value) =
                (NAMES[random.random_range(0..NAMES.len())], VALUES[random.random_range(0..VALUES.len())]);
            query.extend([name, "=", value, "&"]);
        }
        let (method, path) = [
            ("GET", CONFIG_MAPS),
            ("POST", CONFIG_MAPS),
            ("DELETE", PODS),
            ("GET", "/api/v1/namespaces/t1/configmaps/a"),
            ("GET", "/apis/apps/v1/deployments"),
        ][random.random_range(0..5)];
        let answer = wire.send(method, &format!("{path}?{query}"), &[], b"").await;
        check(&answer, &format!("{method} {path}?{query}"));
    }
    check_alive(&wire).await;
}

#[tokio::test]
async fn random_heads_do_not_stop_the_server() {
    const HEADERS: [&str; 10] = [
        "Accept",
        "Content-Type",
        "Accept-Encoding",
        "User-Agent",
        "Audit-ID",
        "If-None-Match",
        "Content-Encoding",
        "Range",
        "Expect",
        "Connection",
    ];
    const VALUES: [&str; 18] = [
        "",
        ",,,",
        ";;;",
        "*/*;q=",
        "*/*;q=9999999999999999999999",
        "*/*;q=NaN",
        "application/json;as",
        "application/json;as=;g=;v=",
        "application/json;\"",
        "application/json;as=Table;v=v1;g=meta.k8s.io;stream=",
        "/",
        "a/b/c",
        "\u{1F600}",
        "gzip;q=0",
        "gzip,gzip,gzip",
        "\"",
        "\\",
        "text/*;q=-1",
    ];
    let wire = prepared().await;
    let mut random = StdRng::seed_from_u64(SEED + 4);
    for _ in 0..600 {
        let mut lines = Vec::new();
        for _ in 0..random.random_range(1..4) {
            let (name, value) = (
                HEADERS[random.random_range(0..HEADERS.len())],
                VALUES[random.random_range(0..VALUES.len())],
            );
            lines.push(format!("{name}: {value}"));
        }
        let headers: Vec<_> = lines.iter().map(String::as_str).chain(["Connection: close"]).collect();
        let bytes = wire_client::request("GET", CONFIG_MAPS, &headers, b"");
        let answer = wire.raw(&bytes).await.unwrap_or_else(|| panic!("no answer to {lines:?}"));
        check(&answer, &format!("{lines:?}"));
    }
    for _ in 0..200 {
        let mut bytes = b"GET ".to_vec();
        bytes.extend(random_text(&mut random));
        bytes.extend_from_slice(b"\r\n\r\n");
        if let Some(answer) = wire.raw_and_close(&bytes).await {
            assert!((200..500).contains(&answer.status), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
    check_alive(&wire).await;
}

/// Documents that are small and cost much.
#[tokio::test]
async fn bombs_are_refused() {
    const YAML: &str = "Content-Type: application/yaml";
    let wire = prepared().await;
    let nested =
        |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let laughs = (0..12).fold(String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n"), |text, level| {
        format!("{text}a{}: &a{} [{}]\n", level + 1, level + 1, vec![format!("*a{level}"); 9].join(","))
    });
    let deep_object = format!("{{\"metadata\":{{\"name\":\"x\"}},\"data\":{}", nested("{\"a\":", "}", 5_000));
    let web = format!("{DEPLOYMENTS}/w");
    let table = [
        ("POST", CONFIG_MAPS, "Content-Type: application/json", nested("[", "]", 500_000)),
        ("POST", CONFIG_MAPS, "Content-Type: application/json", nested("{\"a\":", "}", 200_000)),
        ("POST", CONFIG_MAPS, "Content-Type: application/json", deep_object),
        ("POST", CONFIG_MAPS, YAML, nested("[", "]", 100_000)),
        ("POST", CONFIG_MAPS, YAML, nested("{a: ", "}", 50_000)),
        ("POST", CONFIG_MAPS, YAML, "- ".repeat(100_000)),
        ("POST", CONFIG_MAPS, YAML, laughs),
        ("PATCH", web.as_str(), MERGE, nested("{\"a\":", "}", 100_000)),
        ("PATCH", web.as_str(), STRATEGIC, nested("{\"spec\":", "}", 100_000)),
        (
            "PATCH",
            web.as_str(),
            JSON_PATCH,
            format!("[{{\"op\":\"add\",\"path\":\"/{}\",\"value\":1}}]", "a/".repeat(100_000)),
        ),
        ("DELETE", web.as_str(), "Content-Type: application/json", nested("[", "]", 200_000)),
    ];
    for (method, path, kind, body) in table {
        let answer = wire.send(method, path, &[kind], body.as_bytes()).await;
        check(&answer, &format!("{method} {kind} {body:.60}"));
        assert_ne!(answer.status, 201, "{method} {kind} {body:.60}");
    }
    // Each copy doubles the document.
    let copies: Vec<Value> = (0..40)
        .map(|level| json!({"op": "copy", "from": "/spec", "path": format!("/spec/c{level}")}))
        .collect();
    let answer = wire.patch(JSON_PATCH, &web, &json!(copies)).await;
    check(&answer, "a patch that doubles");
    check_alive(&wire).await;
}

#[tokio::test]
async fn numbers_at_their_limits_are_kept_or_refused() {
    let wire = prepared().await;
    let replicas =
        |text: &str| format!(r#"{{"metadata":{{"generateName":"n-"}},"spec":{{"replicas":{text}}}}}"#);
    for text in [
        "2147483647",
        "-2147483648",
        "0",
        "null",
        "2147483648",
        "-2147483649",
        "9223372036854775808",
        "1e400",
        "-1e400",
        "1.5",
        "1.0",
        "1e2",
        "NaN",
        "Infinity",
        "0x10",
        "01",
        "\"1\"",
        "true",
        "[]",
        "{}",
    ] {
        let answer = wire.send("POST", DEPLOYMENTS, &[], replicas(text).as_bytes()).await;
        check(&answer, text);
        if matches!(text, "2147483647" | "0") {
            assert_eq!(answer.expect(201)["spec"]["replicas"].to_string(), text);
        }
        if matches!(text, "2147483648" | "1.5" | "\"1\"" | "true" | "NaN" | "1e400") {
            assert_eq!(answer.status, 400, "{text}: {}", answer.text());
        }
    }
    for (limit, code) in [
        ("9223372036854775807", 200),
        ("9223372036854775808", 400),
        ("-9223372036854775808", 200),
        ("1.0", 400),
        ("+1", 200),
    ] {
        let answer = wire.get(&format!("{CONFIG_MAPS}?limit={limit}")).await;
        check(&answer, limit);
        assert!(answer.status == code || limit == "+1", "{limit}: {}", answer.text());
    }
    for version in ["18446744073709551615", "18446744073709551616", "-1", "1.0", "+1", "0x1", "%201", "1%00"]
    {
        let answer =
            wire.get(&format!("{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=Exact")).await;
        assert!(matches!(answer.status, 400 | 422 | 504 | 410), "{version}: {}", answer.text());
    }
}
