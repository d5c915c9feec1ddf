//! A store of pods in an etcd, with the handles that tests pull.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::Object;
use watchkeep_storage::etcd3::{EtcdBackend, EtcdOptions};
use watchkeep_storage::{
    Backend as _, Change, Environment, Error, ResourcePrefix, Schema, SelectableField, WatchEvent,
    WatchRequest, WatchStart, Watcher,
};

/// How long a test waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The defaults, but nothing that happens by itself and would be counted.
pub(crate) fn options(url: &str) -> EtcdOptions {
    EtcdOptions {
        progress_interval: Duration::from_hours(1),
        health_interval: Duration::from_hours(1),
        compaction_interval: Duration::ZERO,
        ..EtcdOptions::new([url])
    }
}

/// A client of a cluster.
pub(crate) fn open(options: EtcdOptions) -> EtcdBackend {
    EtcdBackend::open(options, Environment::system()).unwrap()
}

/// Its pods.
pub(crate) async fn pods(backend: &EtcdBackend) -> Resource {
    resource(backend, "/pods").await
}

/// One of its resources.
pub(crate) async fn resource(backend: &EtcdBackend, prefix: &str) -> Resource {
    let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
    let prefix = ResourcePrefix::new(prefix).unwrap();
    Resource::new(backend.resource(prefix, Arc::new(schema)).await.unwrap())
}

/// An open watch of everything.
pub(crate) async fn watch(pods: &Resource, start: WatchStart) -> Watcher {
    let request = WatchRequest { progress: true, ..pods.watching(pods.all(), start) };
    pods.watch(request).await.unwrap()
}

/// What comes next, within patience.
pub(crate) async fn next(watch: &mut Watcher) -> Option<Result<WatchEvent, Error>> {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("nothing came")
}

/// The next change.
pub(crate) async fn change(watch: &mut Watcher) -> Change {
    loop {
        match next(watch).await {
            Some(Ok(WatchEvent::Change(change))) => return change,
            Some(Ok(WatchEvent::Bookmark(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Writes again and again until the store takes it: for a cluster that comes back.
pub(crate) async fn put_at_last(pods: &Resource, object: &Object) {
    let set = async {
        while pods.update_to(object, create_missing()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, set).await.expect("the store did not come back");
}

/// Options of an update that may create.
pub(crate) fn create_missing() -> watchkeep_storage::UpdateOptions {
    watchkeep_storage::UpdateOptions { create_missing: true, ..Default::default() }
}

/// Waits for something to become so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}: not so within {PATIENCE:?}");
}
