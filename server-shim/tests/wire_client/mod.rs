//! A server in this process on a port of its own, and a client that speaks HTTP/1.1 by hand, so that
//! what is sent and what comes back is exactly what stands in the test.
//!
//! Promises: every wait has a deadline; a body that is cut short, and a watch that ends without its last
//! chunk, fail the test.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod answer;
mod status;
mod watch;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use watchkeep_server::app::App;
use watchkeep_server::bootstrap;
use watchkeep_server::cached::WatchCache;
use watchkeep_server::server::{Server, ServerOptions};
use watchkeep_server::telemetry::{Metrics, recorder};
use watchkeep_storage::{Backend, Environment, Interface, Revision};

pub(crate) use self::answer::Answer;
pub(crate) use self::status::{cause, details, failure, invalid, invalid_options, not_found};
pub(crate) use self::watch::Watch;

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The revision before the first commit of a store.
const FIRST_REVISION: Revision = Revision::new(100);

/// The `ConfigMap`s of the namespace that [`Wire::start`] makes.
pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/t1/configmaps";
/// The Deployments of that namespace.
pub(crate) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/t1/deployments";
/// The Pods of that namespace.
pub(crate) const PODS: &str = "/api/v1/namespaces/t1/pods";

/// The header that asks for a table.
pub(crate) const AS_TABLE: &str = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io";
/// The header that asks for metadata.
pub(crate) const AS_METADATA: &str = "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// The header that asks for a list of metadata.
pub(crate) const AS_METADATA_LIST: &str =
    "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// The header of a merge patch.
pub(crate) const MERGE: &str = "Content-Type: application/merge-patch+json";
/// The header of a JSON patch.
pub(crate) const JSON_PATCH: &str = "Content-Type: application/json-patch+json";
/// The header of a strategic merge patch.
pub(crate) const STRATEGIC: &str = "Content-Type: application/strategic-merge-patch+json";

/// A running server with the namespaces `t1` and those of every cluster.
pub(crate) struct Wire {
    /// Its state.
    pub(crate) app: Arc<App>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Wire {
    /// Starts a server that keeps objects in memory.
    #[cfg(feature = "memory")]
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts a server that keeps objects in memory, and shows what it measures.
    #[cfg(feature = "memory")]
    pub(crate) async fn start_measured() -> Self {
        let environment = Environment::system();
        let (recorder, metrics) = recorder().unwrap();
        // For this thread, which is all that a test has.
        let _recording = metrics::set_default_local_recorder(&recorder);
        let backend = WatchCache::default().over(memory(&environment), &environment);
        Self::start_from(backend, environment, metrics, |_| ()).await
    }

    /// Starts a server that keeps objects in memory, and reads them from there without a cache.
    #[cfg(feature = "memory")]
    pub(crate) async fn start_uncached() -> Self {
        let environment = Environment::system();
        Self::start_from(memory(&environment), environment, Metrics::default(), |_| ()).await
    }

    /// Starts a server that keeps objects in memory, and whose state is adjusted before.
    #[cfg(feature = "memory")]
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut App)) -> Self {
        let environment = Environment::system();
        let backend = WatchCache::default().over(memory(&environment), &environment);
        Self::start_from(backend, environment, Metrics::default(), adjust).await
    }

    /// Starts a server that keeps objects in this directory, and shows what its store measures.
    #[cfg(feature = "rocksdb")]
    pub(crate) async fn start_on_disk(directory: &Path) -> Self {
        use watchkeep_storage::rocksdb::{RocksBackend, RocksOptions};

        let environment = Environment::system();
        let options = RocksOptions { first_revision: Some(FIRST_REVISION), ..RocksOptions::new(directory) };
        let (recorder, metrics) = recorder().unwrap();
        let open = || RocksBackend::open(options, environment.clone());
        let store = Arc::new(metrics::with_local_recorder(&recorder, open).unwrap());
        let backend = WatchCache::default().over(store, &environment);
        Self::start_from(backend, environment, metrics, |_| ()).await
    }

    /// Starts a server over a store.
    pub(crate) async fn start_from(
        backend: Arc<dyn Backend>,
        environment: Environment,
        metrics: Metrics,
        adjust: impl FnOnce(&mut App),
    ) -> Self {
        let mut app = App::new(&*backend, environment.clone(), Duration::from_hours(1)).await.unwrap();
        adjust(&mut app);
        let app = Arc::new(app);
        bootstrap::run(&app).await.unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ServerOptions { listen, max_connections: 1000, shutdown_grace: Duration::from_secs(1) };
        let server = Server::bind(options, Arc::clone(&app)).await.unwrap().showing(metrics);
        let address = server.local_addr();
        environment.spawn(server.serve());
        let wire = Self { app, address };
        wire.make("/api/v1/namespaces", &json!({"metadata": {"name": "t1"}})).await;
        wire
    }

    /// A connection.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes on a connection of their own, and reads the answer to the end of the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.connect().await;
        // The server may answer and close before all of it is written.
        let _ = stream.write_all(bytes).await;
        Answer::read(stream).await
    }

    /// As [`Wire::raw`], and says that nothing follows: for bytes that may be no whole request.
    pub(crate) async fn raw_and_close(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        Answer::read(stream).await
    }

    /// Sends one request with these header lines and this body, on a connection of its own.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let bytes = request(method, path, &[headers, &["Connection: close"]].concat(), body);
        self.raw(&bytes).await.unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// Sends a request with a JSON body and without a `Content-Type`.
    pub(crate) async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, &[], body.to_string().as_bytes()).await
    }

    /// Sends a GET.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    /// Sends a POST.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, body).await
    }

    /// Sends a PUT.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.json("PUT", path, body).await
    }

    /// Sends a PATCH; `kind` is the header that says which.
    pub(crate) async fn patch(&self, kind: &str, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[kind], body.to_string().as_bytes()).await
    }

    /// Sends a DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"").await
    }

    /// Creates an object, and returns it.
    pub(crate) async fn make(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, 201, "POST {path}: {}", answer.text());
        answer.json()
    }

    /// Creates a `ConfigMap` in `t1`, and returns it.
    pub(crate) async fn make_config_map(&self, name: &str) -> Value {
        self.make(CONFIG_MAPS, &json!({"metadata": {"name": name}})).await
    }

    /// Creates `ConfigMap`s in `t1`, each with its name as a label.
    pub(crate) async fn make_labelled_config_maps(&self, names: &[&str]) {
        for name in names {
            let labels = json!({"l": name, "n": "5"});
            self.make(CONFIG_MAPS, &json!({"metadata": {"name": name, "labels": labels}})).await;
        }
    }

    /// Reads an object that has to be there.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    /// Opens a watch.
    pub(crate) async fn watch(&self, path: &str) -> Watch {
        self.watch_with(path, &[]).await
    }

    /// Opens a watch with these header lines.
    pub(crate) async fn watch_with(&self, path: &str, headers: &[&str]) -> Watch {
        let mut stream = self.connect().await;
        stream.write_all(&request("GET", path, headers, b"")).await.unwrap();
        let watch = Watch::open(stream).await;
        assert_eq!(watch.status(), 200, "GET {path}: {}", watch.head());
        watch
    }

    /// The store of a resource of the core group.
    pub(crate) fn store(&self, plural: &str) -> Arc<dyn Interface> {
        let table = self.app.table.load_full();
        Arc::clone(self.app.store(table.resource("", "v1", plural).unwrap()).unwrap())
    }

    /// The revision of the last commit.
    pub(crate) async fn revision(&self) -> Revision {
        self.store("configmaps").current_revision().await.unwrap()
    }

    /// Gives up all history up to now, and returns the first revision that can still be read.
    pub(crate) async fn compact(&self) -> Revision {
        let revision = self.revision().await;
        self.store("configmaps").compact(revision).await.unwrap();
        revision
    }
}

/// A store in memory.
#[cfg(feature = "memory")]
pub(crate) fn memory(environment: &Environment) -> Arc<dyn Backend> {
    use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};

    let options = MemoryOptions { first_revision: Some(FIRST_REVISION), ..MemoryOptions::default() };
    Arc::new(MemoryBackend::new(options, environment.clone()))
}

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The resourceVersion of an object, a list or an event's object.
pub(crate) fn version_of(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_else(|| panic!("no resourceVersion in {object}"))
}

/// The names of a list's items.
pub(crate) fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap_or_else(|| panic!("no items in {list}"));
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}
