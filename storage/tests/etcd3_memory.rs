//! What a list and the initial events of a watch hold while they are read from etcd, counted by the allocator
//! of this process: in a binary of its own, and in one test, so that nothing else is counted.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use peak_alloc::PeakAlloc;
use serde_json::{Value as Json, json};
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::etcd3::{EtcdBackend, EtcdOptions};
use watchkeep_storage::{
    Backend as _, Environment, Freshness, Interface, ListRequest, Predicate, ReadAt, ResourcePrefix, Schema,
    WatchEvent, WatchRequest, WatchStart,
};
use watchkeep_tests::etcd::Etcd;
use watchkeep_tests::http::send;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How many objects there are of which resource, and the bytes of their contents: some more are around them.
/// Pages of the small ones are bounded by their keys, those of the large ones by their bytes.
const SMALL: (&str, usize, usize) = ("/small", 100_000, 100);
const LARGE: (&str, usize, usize) = ("/large", 5_000, 8 << 10);
/// Two pages: one as it came, and what it holds.
const HELD_MAX: usize = 8 << 20;
/// How many puts etcd takes in one transaction.
const PUTS: usize = 128;
/// How many write at the same time: while one makes its objects, etcd takes those of another.
const WRITERS: usize = 4;

/// Writes the objects by etcd's JSON gateway, many in one transaction: one by one would take minutes.
fn fill(etcd: &Etcd, prefix: &str, count: usize, template: &str) {
    let address = format!("127.0.0.1:{}", etcd.port());
    let put = |at: usize| {
        let key = STANDARD.encode(format!("/registry{prefix}/ns/a-{at:06}"));
        let value = STANDARD.encode(template.replace("a-000000", &format!("a-{at:06}")));
        json!({"request_put": {"key": key, "value": value}})
    };
    let write = |first: usize| {
        for from in (first * PUTS..count).step_by(WRITERS * PUTS) {
            let puts: Vec<Json> = (from..count.min(from + PUTS)).map(put).collect();
            let answer = send(&address, "POST", "/v3/kv/txn", Some(&json!({"success": puts}))).unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    thread::scope(|scope| (0..WRITERS).for_each(|first| drop(scope.spawn(move || write(first)))));
}

/// Runs a reader, and tells how many bytes were held at once beyond what was there before.
async fn held(what: &str, count: usize, reader: impl Future<Output = usize>) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    assert_eq!(reader.await, count, "{what}");
    let held = ALLOCATOR.peak_usage().saturating_sub(before);
    eprintln!("{what} of {count}: {} KiB at once", held >> 10);
    held
}

/// Lets go of each batch before it asks for the next.
async fn list(pods: &dyn Interface) -> usize {
    let (scope, predicate) = (pods.prefix().under(None).unwrap(), Predicate::everything());
    let request = ListRequest { scope, at: ReadAt::Latest, start: None, limit: None, predicate };
    let mut cursor = pods.list(request).await.unwrap().cursor;
    let mut count = 0;
    loop {
        match cursor.next().await.unwrap().len() {
            0 => return count,
            batch => count += batch,
        }
    }
}

/// Reads up to the mark behind the initial events.
async fn watch(pods: &dyn Interface) -> usize {
    let (scope, predicate) = (pods.prefix().under(None).unwrap(), Predicate::everything());
    let start = WatchStart::Initial { freshness: Freshness::Latest, bookmark: true };
    let mut watch = pods.watch(WatchRequest { scope, start, predicate, progress: false }).await.unwrap();
    let mut count = 0;
    loop {
        match watch.next().await.unwrap().unwrap() {
            WatchEvent::Change(_) => count += 1,
            WatchEvent::Bookmark(_) => return count,
        }
    }
}

#[tokio::test]
async fn who_reads_100_000_objects_holds_two_pages_of_them_at_most() {
    let etcd = Etcd::start().unwrap();
    let options = EtcdOptions {
        // Nothing else happens meanwhile, and nothing is late on a busy machine.
        health_interval: Duration::from_hours(1),
        compaction_interval: Duration::ZERO,
        cursor_deadline: Duration::from_hours(1),
        ..EtcdOptions::new([etcd.url()])
    };
    let backend = EtcdBackend::open(options, Environment::system()).unwrap();
    for (prefix, count, bytes) in [SMALL, LARGE] {
        let prefix = ResourcePrefix::new(prefix).unwrap();
        let pods = backend.resource(prefix, Arc::new(Schema::default())).await.unwrap();
        let object = pod("ns", "a-000000").mark("m".repeat(bytes));
        let template = object.value(pods.schema());
        fill(&etcd, pods.prefix().as_str(), count, std::str::from_utf8(template.bytes()).unwrap());
        // The store learns the sizes of its objects: those are its own, and stay.
        assert_eq!(list(&*pods).await, count);
        let list = held("a list", count, list(&*pods)).await;
        let watch = held("a watch", count, watch(&*pods)).await;
        assert!(list <= HELD_MAX && watch <= HELD_MAX, "{}", pods.prefix());
    }
}
