//! What the server does not do: answer web pages, answer too much at once, wait for who does not read.

use std::time::Duration;

use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use watchkeep_server::http::service::ServiceOptions;

use crate::client::{CONFIG_MAPS, DEADLINE, Running, read_answer};

const GRACE: Duration = Duration::from_secs(5);

async fn answering(options: ServiceOptions) -> Running {
    Running::start_as(100, GRACE, |server| server.answering(options)).await
}

/// Sends this head with a body that makes a `ConfigMap`.
async fn post(server: &Running, head: &str) -> u16 {
    let mut stream = server.connect().await;
    let body = r#"{"metadata":{"generateName":"c-"}}"#;
    let request = format!(
        "POST {CONFIG_MAPS} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await.status
}

#[tokio::test]
async fn pages_of_others_neither_read_nor_write() {
    let server = Running::start(100, GRACE).await;
    let port = server.address.port();
    for head in [
        "Host: evil.example\r\n".to_owned(),
        format!("Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nOrigin: null\r\n"),
        format!("Host: localhost:{port}\r\nSec-Fetch-Site: cross-site\r\n"),
    ] {
        assert_eq!(post(&server, &head).await, 403, "{head}");
        for path in [CONFIG_MAPS, "/metrics"] {
            let mut stream = server.connect().await;
            let request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{head}\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let answer = read_answer(stream).await;
            assert_eq!(
                (answer.status, &answer.json()["reason"]),
                (403, &"Forbidden".into()),
                "{path} {head}"
            );
            assert!(answer.header("audit-id").is_some());
        }
    }
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(post(&server, &format!("Host: {host}:{port}\r\n")).await, 201, "{host}");
    }
    let own_page = format!("Host: localhost:{port}\r\nOrigin: http://localhost:3000\r\n");
    assert_eq!(post(&server, &own_page).await, 201);
}

#[tokio::test]
async fn a_server_of_an_open_network_answers_to_every_name() {
    let open = ServiceOptions { this_machine_only: false, ..ServiceOptions::default() };
    let server = answering(open).await;
    assert_eq!(post(&server, "Host: server.example\r\nOrigin: http://page.example\r\n").await, 201);
}

#[tokio::test]
async fn the_authority_of_http_2_is_a_name_too() {
    let server = Running::start(100, GRACE).await;
    let io = TokioIo::new(server.connect().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    server.app.environment.spawn(connection);
    for (authority, expected) in [("evil.example", 403), ("localhost:1", 200)] {
        let uri = format!("http://{authority}/version");
        let request = hyper::Request::get(uri).body(Empty::<bytes::Bytes>::new()).unwrap();
        assert_eq!(client.send_request(request).await.unwrap().status().as_u16(), expected, "{authority}");
    }
}

/// A request that is under way until it gets its body.
async fn begin_post(server: &Running, body: &str) -> TcpStream {
    let mut stream = server.connect().await;
    let head = format!(
        "POST {CONFIG_MAPS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    timeout(DEADLINE, stream.read_exact(&mut asked)).await.expect("it is not begun").unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

async fn begin_watch(server: &Running, seconds: u32) -> TcpStream {
    let mut stream = server.connect().await;
    let request = format!(
        "GET {CONFIG_MAPS}?watch=1&timeoutSeconds={seconds} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut begin)).await.expect("it is not begun").unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn requests_past_the_limit_are_to_come_again_and_health_and_watches_are_not() {
    let server = answering(ServiceOptions { max_requests_inflight: 1, ..ServiceOptions::default() }).await;
    let body = r#"{"metadata":{"name":"a"}}"#;
    let mut busy = begin_post(&server, body).await;
    for path in ["/version", "/api/v1/nopes", CONFIG_MAPS] {
        let refused = server.get(path, &[]).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{path}");
        assert_eq!(refused.text(), "Too many requests, please try again later.\n");
        assert_eq!(refused.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    for path in ["/livez", "/readyz/ping", "/healthz", "/metrics"] {
        assert_eq!(server.get(path, &[]).await.status, 200, "{path}");
    }
    let _watch = begin_watch(&server, 60).await;
    busy.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(read_answer(busy).await.status, 201);
    assert_eq!(server.get("/version", &[]).await.status, 200);
}

#[tokio::test]
async fn watches_past_the_limit_are_to_come_again_and_other_requests_are_not() {
    let server = answering(ServiceOptions { max_watches: 1, ..ServiceOptions::default() }).await;
    let mut first = begin_watch(&server, 1).await;
    let one_object = "/api/v1/watch/namespaces/default/configmaps/a";
    for path in [&format!("{CONFIG_MAPS}?watch=true"), one_object] {
        let refused = server.get(path, &[]).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{path}");
    }
    assert_eq!(server.get(&format!("{CONFIG_MAPS}?watch=0"), &[]).await.status, 200);
    timeout(DEADLINE, first.read_to_end(&mut Vec::new())).await.expect("it does not end").unwrap();
    begin_watch(&server, 60).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_gives_its_connection_back() {
    let bound = Duration::from_millis(300);
    let server = Running::start_as(1, GRACE, |server| server.write_timeout(bound)).await;
    // More than the buffers between here and there hold.
    for index in 0..16 {
        server.make_config_map(&format!("c{index}"), 900_000).await;
    }
    for query in ["watch=1&resourceVersion=0&timeoutSeconds=600", "limit=0"] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stalled = socket.connect(server.address).await.unwrap();
        let request = format!("GET {CONFIG_MAPS}?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stalled.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(stalled.read_u8().await.unwrap(), b'H', "it has the only connection");
        assert_eq!(server.get("/readyz", &[]).await.status, 200, "{query}");
    }
}
