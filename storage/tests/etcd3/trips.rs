//! How many requests each operation costs: the table in `docs/etcd.md`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use watchkeep_storage::conformance::instrument::{Resource, selecting};
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::etcd3::EtcdBackend;
use watchkeep_storage::{
    Commit, Environment, Error, Expect, Freshness, ListRequest, Operation, ReadAt, Revision, WatchStart,
};
use watchkeep_tests::etcd::Etcd;

use crate::gateway::Gateway;
use crate::proxy::Proxy;
use crate::store::{options, pods, until};

/// Counts requests.
struct Meter(Snapshotter);

impl Meter {
    /// The requests since the last look, such as `Range 2 Txn 1`.
    fn look(&self) -> String {
        let mut seen = BTreeMap::new();
        for (key, _, _, value) in self.0.snapshot().into_vec() {
            let (name, method) = (key.key().name(), key.key().labels().next());
            if let (DebugValue::Counter(count @ 1..), "watchkeep_etcd_requests_total", Some(method)) =
                (value, name, method)
            {
                seen.insert(method.value().to_owned(), count);
            }
        }
        seen.iter().map(|(method, count)| format!("{method} {count}")).collect::<Vec<_>>().join(" ")
    }

    /// What a request costs.
    async fn of<T>(&self, request: impl Future<Output = Result<T, Error>>) -> String {
        self.look();
        let answer = request.await;
        assert!(answer.is_ok(), "{:?}", answer.err());
        self.look()
    }
}

async fn measured() -> (Etcd, EtcdBackend, Resource, Meter) {
    let etcd = Etcd::start().unwrap();
    let (backend, pods, meter) = another(etcd.url()).await;
    (etcd, backend, pods, meter)
}

async fn another(url: &str) -> (EtcdBackend, Resource, Meter) {
    let recorder = DebuggingRecorder::new();
    let open = || EtcdBackend::open(options(url), Environment::system()).unwrap();
    let backend = metrics::with_local_recorder(&recorder, open);
    let pods = pods(&backend).await;
    let meter = Meter(recorder.snapshotter());
    // The background has asked its one question, and who answers.
    let mut asked = String::new();
    until("the store is ready", async || {
        asked += &meter.look();
        asked.contains("Status 1") && pods.readiness().is_ok()
    })
    .await;
    (backend, pods, meter)
}

fn commit(pods: &Resource, name: &str, expect: Expect, ttl: Option<Duration>) -> Commit {
    let object = pod("ns", name);
    let operation = Operation::Put { value: pods.value(&object), ttl };
    Commit { key: pods.key(&object), expect, operation }
}

#[tokio::test]
async fn a_commit_is_one_transaction_whatever_its_outcome() {
    let (_etcd, _backend, pods, meter) = measured().await;
    let create = || pods.commit(commit(&pods, "a", Expect::Absent, None));
    assert_eq!(meter.of(create()).await, "Txn 1");
    assert_eq!(meter.of(create()).await, "Txn 1", "a conflict");
    let revision = pods.find(&pod("ns", "a")).await.unwrap().revision;
    let update = pods.commit(commit(&pods, "a", Expect::Revision(revision), None));
    assert_eq!(meter.of(update).await, "Txn 1");
    let revision = pods.find(&pod("ns", "a")).await.unwrap().revision;
    let (key, expect) = (pods.key(&pod("ns", "a")), Expect::Revision(revision));
    let delete = |expect| pods.commit(Commit { key: key.clone(), expect, operation: Operation::Delete });
    assert_eq!(meter.of(delete(expect)).await, "Txn 1");
    assert_eq!(meter.of(delete(expect)).await, "Txn 1", "a conflict");
    assert_eq!(meter.of(delete(Expect::Absent)).await, "Range 1", "nothing to write");
    let hour = Some(Duration::from_hours(1));
    assert_eq!(meter.of(pods.commit(commit(&pods, "b", Expect::Absent, hour))).await, "LeaseGrant 1 Txn 1");
    assert_eq!(meter.of(pods.commit(commit(&pods, "c", Expect::Absent, hour))).await, "Txn 1");
}

#[tokio::test]
async fn a_write_that_may_have_happened_is_not_sent_again() {
    let etcd = Etcd::start().unwrap();
    let proxy = Proxy::to(etcd.port()).await;
    let (_backend, pods, meter) = another(&proxy.url()).await;
    etcd.halt().unwrap();
    meter.look();
    let mut seen = String::new();
    let cut = async {
        until("the transaction is sent", async || {
            seen += &meter.look();
            seen.contains("Txn 1")
        })
        .await;
        proxy.cut();
    };
    let commit = pods.commit(commit(&pods, "a", Expect::Absent, None));
    let (answer, ()) = futures_util::future::join(commit, cut).await;
    let error = answer.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.outcome_is_unknown(), "{error:?}");
    assert_eq!(meter.look(), "", "once is all");
    etcd.go_on().unwrap();
    until("the store answers", async || pods.current_revision().await.is_ok()).await;
}

#[tokio::test]
async fn a_read_is_one_range_where_one_member_is_fresh_enough() {
    let (etcd, _backend, pods, meter) = measured().await;
    let record = pods.put(&pod("ns", "a")).await;
    let key = pods.key(&pod("ns", "a"));
    for freshness in
        [Freshness::Latest, Freshness::AtLeast(record.revision), Freshness::AtLeast(Revision::ZERO)]
    {
        assert_eq!(meter.of(pods.get(&key, freshness)).await, "Range 1", "{freshness:?}");
    }
    assert_eq!(meter.of(pods.current_revision()).await, "Range 1");
    assert_eq!(meter.of(pods.stats()).await, "Range 1");
    assert_eq!(meter.of(pods.request_progress()).await, "Range 1");
    assert_eq!(meter.of(pods.compact(record.revision)).await, "Compact 1");
    let watch = |start| pods.watch(pods.watching(pods.all(), start));
    assert_eq!(meter.of(watch(WatchStart::After(record.revision))).await, "Watch 1");
    assert_eq!(meter.of(watch(WatchStart::Now)).await, "Range 1 Watch 1");
    // Another process writes meanwhile.
    Gateway(etcd.port()).put("/registry/other", "x").await;
    let initial = WatchStart::Initial { freshness: Freshness::Latest, bookmark: true };
    assert_eq!(meter.of(watch(initial)).await, "Range 1", "the rest when the initial events were read");
}

#[tokio::test]
async fn a_list_is_one_range_for_each_page_of_ours() {
    let (_etcd, _backend, pods, meter) = measured().await;
    for at in 0..600 {
        let object = pod("ns", &format!("a-{at:03}")).node(if at == 500 { "rare" } else { "common" });
        pods.try_put(&object, Expect::Absent).await.unwrap();
    }
    let list = |limit, fields| {
        let request = ListRequest {
            limit: NonZeroUsize::new(limit),
            predicate: selecting("", fields),
            ..pods.request(pods.all(), ReadAt::Latest)
        };
        async { watchkeep_storage::collect(pods.list(request).await?.cursor).await }
    };
    assert_eq!(meter.of(list(0, "")).await, "Range 1", "as many as fit, since sizes are known");
    assert_eq!(meter.of(list(500, "")).await, "Range 1", "also where the page ends");
    assert_eq!(meter.of(list(1, "spec.nodeName=rare")).await, "Range 1");
}

#[tokio::test]
async fn a_limit_beyond_a_page_of_ours_costs_one_range_of_keys() {
    let (etcd, _backend, pods, _) = measured().await;
    for at in 0..600 {
        pods.try_put(&pod("ns", &format!("a-{at:03}")), Expect::Absent).await.unwrap();
    }
    // A process that knows no sizes yet begins with a page of 256.
    let (_backend, pods, meter) = another(etcd.url()).await;
    let request =
        |limit| ListRequest { limit: NonZeroUsize::new(limit), ..pods.request(pods.all(), ReadAt::Latest) };
    meter.look();
    let listing = pods.list(request(500)).await.unwrap();
    assert_eq!(meter.look(), "Range 2", "a page, and where the client's ends");
    assert_eq!(listing.continuation.unwrap().remaining, Some(100));
    assert_eq!(watchkeep_storage::collect(listing.cursor).await.unwrap().len(), 500);
    assert_eq!(meter.look(), "Range 1", "the rest of it");
}
