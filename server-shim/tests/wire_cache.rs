//! A server and its watch cache: what it serves while one is not filled yet, what it says, that it recovers, and
//! what it measures.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use watchkeep_cacher::{CachedBackend, CacherOptions};
use watchkeep_server::telemetry::Metrics;
use watchkeep_storage::conformance::Decorator;
use watchkeep_storage::{
    Backend, BoxFuture, Environment, Error, Interface, ResourcePrefix, Schema, WatchRequest, Watcher,
};

use crate::wire_client::{CONFIG_MAPS, DEADLINE, PODS, Wire, memory, names};

/// A store that lets nobody watch one of its resources, for a while.
struct Unwatchable {
    store: Arc<dyn Backend>,
    prefix: &'static str,
    refuses: Arc<AtomicBool>,
}

struct Refusing {
    store: Arc<dyn Interface>,
    refuses: Arc<AtomicBool>,
}

impl Backend for Unwatchable {
    fn resource(
        &self,
        prefix: ResourcePrefix,
        schema: Arc<Schema>,
    ) -> BoxFuture<'_, Result<Arc<dyn Interface>, Error>> {
        Box::pin(async move {
            let refuses = prefix.as_str() == self.prefix;
            let store = self.store.resource(prefix, schema).await?;
            let refusing =
                || Arc::new(Refusing { store: Arc::clone(&store), refuses: Arc::clone(&self.refuses) });
            Ok(if refuses { refusing() } else { store })
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.store.close()
    }
}

impl Decorator for Refusing {
    fn below(&self) -> &dyn Interface {
        &*self.store
    }

    fn on_watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        if self.refuses.load(Ordering::Relaxed) {
            let reason = "it is a test".to_owned();
            return Box::pin(async { Err(Error::Unreachable { reason }) });
        }
        self.store.watch(request)
    }
}

/// A server whose `ConfigMap`s cannot be cached until the switch is off.
async fn start() -> (Wire, Arc<AtomicBool>) {
    let environment = Environment::system();
    let refuses = Arc::new(AtomicBool::new(true));
    let store =
        Unwatchable { store: memory(&environment), prefix: "/configmaps/", refuses: Arc::clone(&refuses) };
    let options = CacherOptions { fill_timeout: Duration::from_millis(10), ..CacherOptions::default() };
    let cached = CachedBackend::new(Arc::new(store), options, environment.clone());
    let wire = Wire::start_from(Arc::new(cached), environment, Metrics::default(), |_| ()).await;
    (wire, refuses)
}

#[tokio::test]
async fn a_server_with_a_cache_that_is_not_filled_serves_what_the_store_can() {
    let (wire, _) = start().await;
    wire.make_config_map("a").await;
    for query in ["", "?resourceVersion=0", "?limit=1", "?labelSelector=!x"] {
        assert_eq!(names(&wire.read(&format!("{CONFIG_MAPS}{query}")).await), ["a"], "{query}");
    }
    wire.read(&format!("{CONFIG_MAPS}/a?resourceVersion=0")).await;
    assert_eq!(wire.delete(&format!("{CONFIG_MAPS}/a")).await.status, 200);
}

#[tokio::test]
async fn a_watch_of_a_cache_that_is_not_filled_is_told_to_come_again() {
    let (wire, _) = start().await;
    let answer = wire.get(&format!("{CONFIG_MAPS}?watch=true")).await;
    let status = answer.json();
    assert_eq!((answer.status, &status["reason"]), (429, &json!("TooManyRequests")), "{status}");
    let message = status["message"].as_str().unwrap();
    assert!(message.starts_with("storage is (re)initializing: "), "{message}");
    assert_eq!(
        (answer.header("retry-after"), &status["details"]["retryAfterSeconds"]),
        (Some("1"), &json!(1))
    );
    wire.watch(&format!("{PODS}?watch=true")).await;
}

#[tokio::test]
async fn a_server_is_ready_when_all_caches_are_filled() {
    let (wire, refuses) = start().await;
    let answer = wire.get("/readyz").await;
    let report = answer.text();
    assert_eq!(answer.status, 500);
    assert!(report.contains("[+]storage ok\n[-]watch-cache failed: reason withheld\n"), "{report}");
    let unfilled = wire.app.unfilled_caches();
    assert_eq!(unfilled.iter().map(|(resource, _)| *resource).collect::<Vec<_>>(), ["configmaps"]);
    for path in ["/livez", "/healthz", "/readyz?exclude=watch-cache"] {
        assert_eq!(wire.get(path).await.status, 200, "{path}");
    }

    refuses.store(false, Ordering::Relaxed);
    let begin = Instant::now();
    while wire.get("/readyz").await.status != 200 {
        assert!(begin.elapsed() < DEADLINE, "{:?}", wire.app.unfilled_caches());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut watch = wire.watch(&format!("{CONFIG_MAPS}?watch=true")).await;
    wire.make_config_map("b").await;
    assert_eq!(watch.briefs(1).await, ["ADDED b"]);
}

#[tokio::test]
async fn a_collector_reads_what_the_cache_measures() {
    let wire = Wire::start_measured().await;
    let mut watch = wire.watch(&format!("{CONFIG_MAPS}?watch=true")).await;
    wire.make_config_map("a").await;
    assert_eq!(watch.briefs(1).await, ["ADDED a"]);
    wire.read(CONFIG_MAPS).await;
    let answer = wire.get("/metrics").await;
    let page = answer.text();
    let labels = r#"group="",resource="configmaps""#;
    for sample in [
        format!("apiserver_watch_cache_initializations_total{{{labels}}} 1"),
        format!("apiserver_watch_cache_events_received_total{{{labels}}} 1"),
        format!("apiserver_cache_list_returned_objects_total{{{labels}}} 1"),
        format!(
            r#"apiserver_watch_cache_consistent_read_total{{{labels},success="true",fallback="false"}} 1"#
        ),
        format!(
            r#"apiserver_watch_events_dispatch_duration_seconds_count{{{labels},stage="storage_to_cache"}} 1"#
        ),
        format!(
            r#"apiserver_watch_events_dispatch_duration_seconds_bucket{{{labels},stage="total",le="+Inf"}} 1"#
        ),
    ] {
        assert!(page.lines().any(|line| line == sample), "no {sample} in\n{page}");
    }
    assert!(page.contains(r#"_initializations_total{group="apps",resource="deployments"} 1"#), "{page}");
    assert!(!page.contains(r#"resource="events""#), "what is not cached measures nothing");
}
