//! A server in this process on a port of its own, and a client that speaks HTTP/1.1 by hand, so that
//! what is sent and what comes back is exactly what stands in the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use watchkeep_server::app::App;
use watchkeep_server::bootstrap;
use watchkeep_server::cached::WatchCache;
use watchkeep_server::server::{Server, ServerOptions};
use watchkeep_storage::Environment;
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The objects that the tests read and write.
pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A running server.
pub(crate) struct Running {
    /// Its state.
    pub(crate) app: Arc<App>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    served: JoinHandle<()>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The head, as it came.
    pub(crate) head: String,
    /// The body, as it came.
    pub(crate) body: Vec<u8>,
}

impl Running {
    /// Starts a server with these bounds.
    pub(crate) async fn start(max_connections: u32, shutdown_grace: Duration) -> Self {
        Self::start_as(max_connections, shutdown_grace, |server| server).await
    }

    /// Starts a server with these bounds, and others.
    pub(crate) async fn start_as(
        max_connections: u32,
        shutdown_grace: Duration,
        adjust: impl FnOnce(Server) -> Server,
    ) -> Self {
        let environment = Environment::system();
        let store = Arc::new(MemoryBackend::new(MemoryOptions::default(), environment.clone()));
        let backend = WatchCache::default().over(store, &environment);
        let app = Arc::new(App::new(&*backend, environment.clone(), Duration::from_hours(1)).await.unwrap());
        bootstrap::run(&app).await.unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ServerOptions { listen, max_connections, shutdown_grace };
        let server = adjust(Server::bind(options, Arc::clone(&app)).await.unwrap());
        let address = server.local_addr();
        Self { app, address, served: environment.spawn(server.serve()) }
    }

    /// Sends one request with these header lines, on a connection of its own.
    pub(crate) async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.request("GET", path, headers).await
    }

    /// Sends one request with these header lines, on a connection of its own.
    pub(crate) async fn request(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        let mut stream = self.connect().await;
        let headers: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        read_answer(stream).await
    }

    /// Makes a `ConfigMap` of this size.
    pub(crate) async fn make_config_map(&self, name: &str, bytes: usize) {
        let data = "abcdefgh".repeat(bytes / 8);
        let body = format!(r#"{{"metadata":{{"name":"{name}"}},"data":{{"k":"{data}"}}}}"#);
        let head = format!(
            "POST {CONFIG_MAPS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(read_answer(stream).await.status, 201);
    }

    /// A connection.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until the server has ended by itself.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(DEADLINE, self.served).await.expect("the server does not end").unwrap();
    }
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(own, value)| own.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Reads an answer to the end of the connection.
pub(crate) async fn read_answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("no answer").unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("no head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}
