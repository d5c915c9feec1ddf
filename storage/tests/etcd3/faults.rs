//! A cluster that does not answer, and readers that do not read: nothing hangs, and nothing grows.

use std::time::Duration;

use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::etcd3::EtcdOptions;
use watchkeep_storage::{Error, Expect, Freshness, ReadAt, WatchEvent, WatchStart};
use watchkeep_tests::etcd::Etcd;

use crate::store::{change, next, open, options, pods, put_at_last, until, watch};

/// The deadline of requests in these tests, and what a loaded machine may add to it.
const TIMEOUT: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_secs(5);

fn impatient(url: &str) -> EtcdOptions {
    EtcdOptions { request_timeout: TIMEOUT, health_interval: Duration::from_millis(100), ..options(url) }
}

/// Runs a request that has to fail, and in time.
async fn fails_in_time<T>(what: &str, request: impl Future<Output = Result<T, Error>>) -> Error {
    let before = tokio::time::Instant::now();
    let failed = tokio::time::timeout(TIMEOUT + SLACK, request).await;
    let failed = failed.unwrap_or_else(|_| panic!("{what} hangs"));
    let Err(error) = failed else { panic!("{what}: it was answered") };
    eprintln!("{what}: {error} after {:?}", before.elapsed());
    error
}

#[tokio::test]
async fn nothing_hangs_while_etcd_is_halted() {
    let etcd = Etcd::start().unwrap();
    let backend = open(impatient(etcd.url()));
    let pods = pods(&backend).await;
    let before = pods.put(&pod("ns", "a")).await;
    let mut watching = watch(&pods, WatchStart::Now).await;
    until("the store is ready", async || pods.readiness().is_ok()).await;
    etcd.halt().unwrap();
    let key = pods.key(&pod("ns", "a"));
    let failures = [
        fails_in_time("get", pods.get(&key, Freshness::Latest)).await,
        fails_in_time("list", pods.list(pods.request(pods.all(), ReadAt::Latest))).await,
        fails_in_time("commit", pods.try_put(&pod("ns", "b"), Expect::Absent)).await,
        fails_in_time("watch", pods.watch(pods.watching(pods.all(), WatchStart::Now))).await,
        fails_in_time("progress", pods.request_progress()).await,
        fails_in_time("compact", pods.compact(before.revision)).await,
        fails_in_time("stats", pods.stats()).await,
    ];
    for failure in failures {
        assert!(matches!(failure, Error::Timeout { .. } | Error::Unreachable { .. }), "{failure:?}");
        assert!(failure.outcome_is_unknown());
    }
    until("the store is not ready", async || pods.readiness().is_err()).await;
    etcd.go_on().unwrap();
    until("the store is ready again", async || pods.readiness().is_ok()).await;
    put_at_last(&pods, &pod("ns", "c")).await;
    // The creation that was not answered may have happened; the one after it is shown in any case.
    while change(&mut watching).await.event.key != pods.key(&pod("ns", "c")) {}
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_unreachable() {
    let etcd = Etcd::start().unwrap();
    let url = etcd.url().to_owned();
    drop(etcd);
    let backend = open(impatient(&url));
    let pods = pods(&backend).await;
    let get = fails_in_time("get", pods.get(&pods.key(&pod("ns", "a")), Freshness::Latest)).await;
    assert!(matches!(get, Error::Unreachable { .. }), "{get:?}");
    let put = fails_in_time("commit", pods.try_put(&pod("ns", "a"), Expect::Absent)).await;
    assert!(matches!(put, Error::Unreachable { .. }), "{put:?}");
    let ready = pods.readiness().unwrap_err();
    assert!(matches!(ready, Error::NotReady { .. }), "{ready:?}");
}

/// More than etcd holds back for a watch in memory is written while it is not read, then compacted: it ends
/// with an error, and shows no event after one that it has left out. The watch beside it is not disturbed.
#[tokio::test]
async fn a_watch_that_is_not_read_is_left_behind_and_slows_nobody() {
    const EVENTS: usize = 4000;
    let etcd = Etcd::start().unwrap();
    let (backend, writer) = (open(options(etcd.url())), open(options(etcd.url())));
    let (watched, writing) = (pods(&backend).await, pods(&writer).await);
    let mut stuck = watch(&watched, WatchStart::Now).await;
    let mut reader = watch(&watched, WatchStart::Now).await;
    let mut last = writing.put(&pod("ns", "a")).await;
    assert_eq!(change(&mut stuck).await.record(), Some(&last));
    assert_eq!(change(&mut reader).await.record(), Some(&last));
    let mut slowest = Duration::ZERO;
    for at in 0..EVENTS {
        let object = pod("ns", "a").mark(format!("{at}{}", "m".repeat(6000)));
        let put = writing.try_put(&object, Expect::Revision(last.revision)).await.unwrap();
        let watchkeep_storage::Outcome::Committed(committed) = put else { panic!("{put:?}") };
        last = committed.record.unwrap();
        let begin = tokio::time::Instant::now();
        assert_eq!(change(&mut reader).await.record(), Some(&last));
        slowest = begin.elapsed().max(slowest);
    }
    eprintln!("the reader waited {slowest:?} at most");
    writing.compact(last.revision).await.unwrap();
    let mut expected = stuck.progress().get();
    let ended = loop {
        match next(&mut stuck).await.unwrap() {
            Ok(WatchEvent::Change(change)) => {
                expected += 1;
                assert_eq!(change.revision().get(), expected, "an event was left out");
            }
            Ok(WatchEvent::Bookmark(bookmark)) => panic!("{bookmark:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, Error::Compacted { .. }), "{ended:?}");
    assert!(expected < last.revision.get(), "all of it had room somewhere");
    assert_eq!(stuck.progress().get(), expected);
}
