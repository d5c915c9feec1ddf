//! Connections: what every answer has, both protocols, and the way to the exit.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::client::{CONFIG_MAPS, DEADLINE, Running, read_answer};

#[tokio::test]
async fn every_answer_has_an_id_and_a_date() {
    let server = Running::start(100, Duration::from_secs(5)).await;
    for path in ["/version", "/readyz", "/nope", "/api/v1/nopes", CONFIG_MAPS] {
        let given = server.get(path, &["Audit-ID: my-id"]).await;
        assert_eq!(given.header("audit-id"), Some("my-id"), "{path}");
        let made = server.get(path, &[&format!("Audit-ID: {}", "x".repeat(65))]).await;
        assert_eq!(made.header("audit-id").map(str::len), Some(36), "{path}");
        assert_eq!(made.header("cache-control"), Some("no-cache, private"), "{path}");
        assert!(made.header("date").is_some(), "{path}");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let server = Running::start(100, Duration::from_secs(5)).await;
    let get = server.get("/healthz", &[]).await;
    let head = server.request("HEAD", "/healthz", &[]).await;
    assert_eq!((get.text(), head.text()), ("ok", ""));
    assert_eq!((head.status, head.header("content-length")), (200, Some("2")));
    assert_eq!(server.request("POST", "/healthz", &["Content-Length: 0"]).await.text(), "ok");
}

#[tokio::test]
async fn http_2_is_spoken_without_tls_or_upgrade() {
    let server = Running::start(100, Duration::from_secs(5)).await;
    let io = TokioIo::new(server.connect().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    server.app.environment.spawn(connection);
    for path in ["/readyz", "/version"] {
        let uri = format!("http://{}{path}", server.address);
        let request = hyper::Request::get(uri).body(Empty::<bytes::Bytes>::new()).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, hyper::Version::HTTP_2));
        assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

#[tokio::test]
async fn connections_over_the_limit_wait() {
    let server = Running::start(1, Duration::from_secs(5)).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), b'H', "the first one is served");
    let second = server.get("/readyz", &[]);
    let mut second = std::pin::pin!(second);
    let early = timeout(Duration::from_millis(200), second.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    drop(first);
    assert_eq!(second.await.status, 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Running::start(100, Duration::from_secs(5)).await;
    let mut stream = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(300 << 10));
    // The server may close before all of it is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 431");
    assert_eq!(server.get("/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_request_under_way_is_finished_when_the_server_stops() {
    let server = Running::start(100, 3 * DEADLINE).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(idle.read_u8().await.unwrap(), b'H');
    let mut busy = server.connect().await;
    let body = br#"{"metadata":{"name":"late"}}"#;
    let head =
        format!("POST {CONFIG_MAPS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    busy.write_all(head.as_bytes()).await.unwrap();
    busy.write_all(&body[..5]).await.unwrap();
    // The server has the head of the late request once it answers one that was sent after it.
    assert_eq!(server.get("/readyz", &[]).await.status, 200);
    server.app.draining.cancel();
    let mut rest = Vec::new();
    timeout(DEADLINE, idle.read_to_end(&mut rest)).await.expect("it is not closed").unwrap();
    let address = server.address;
    busy.write_all(&body[5..]).await.unwrap();
    let answer = read_answer(busy).await;
    assert_eq!((answer.status, answer.header("connection")), (201, Some("close")), "{answer:?}");
    server.ended().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_watch_ends_cleanly_when_the_server_stops() {
    let server = Running::start(100, 3 * DEADLINE).await;
    let mut watch = server.connect().await;
    let request = format!("GET {CONFIG_MAPS}?watch=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    watch.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(watch.read_u8().await.unwrap(), b'H');
    server.app.draining.cancel();
    let mut rest = Vec::new();
    timeout(DEADLINE, watch.read_to_end(&mut rest)).await.expect("it does not end").unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
    server.ended().await;
}

#[tokio::test]
async fn a_large_answer_is_compressed_for_who_reads_that() {
    let server = Running::start(100, DEADLINE).await;
    for index in 0..3 {
        server.make_config_map(&format!("c{index}"), 80_000).await;
    }
    let packed = server.get(CONFIG_MAPS, &["Accept-Encoding: gzip"]).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let plain = server.get(CONFIG_MAPS, &[]).await;
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.body.len() > 240_000 && packed.body.len() < 20_000);
    let watch =
        server.get(&format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=1"), &["Accept-Encoding: gzip"]).await;
    assert_eq!(watch.header("content-encoding"), None);
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_after_the_grace() {
    let server = Running::start(100, Duration::from_millis(100)).await;
    let mut stuck = server.connect().await;
    let head = format!("POST {CONFIG_MAPS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n");
    stuck.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(server.get("/readyz", &[]).await.status, 200);
    server.app.draining.cancel();
    server.ended().await;
    let mut rest = Vec::new();
    // A reset or an end: the connection is gone.
    let _ = stuck.read_to_end(&mut rest).await;
}
