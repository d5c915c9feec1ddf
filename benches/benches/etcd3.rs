//! What does an operation on etcd cost: our side beside etcd's own, in CPU time; and how much does a list hold?
//!
//! One etcd of one member on this machine, which syncs nothing, so that its CPU is what it computes. Objects of
//! 1 KiB, as in the bench `rocksdb`. `WATCHKEEP_ETCD` names another etcd than `scripts/setup-etcd.sh` links.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use rustix::time::{ClockId, clock_gettime};
use watchkeep_storage::etcd3::{EtcdBackend, EtcdOptions};
use watchkeep_storage::{
    Backend as _, Commit, Cursor, Environment, Error, Expect, Freshness, Interface, ListRequest, Operation,
    Outcome, Predicate, ReadAt, ResourcePrefix, Revision, Update, UpdateOptions, Updated, WatchRequest,
    WatchStart, guaranteed_update,
};
use watchkeep_tests::etcd::Etcd;

use self::objects::Objects;

#[expect(dead_code, reason = "the bench of the engine on disk tells more")]
#[path = "rocksdb/machine.rs"]
mod machine;
#[path = "rocksdb/objects.rs"]
mod objects;

const OBJECT_BYTES: usize = 1 << 10;
const OBJECTS: usize = 100_000;
const WRITERS: usize = 64;
const UPDATES: usize = 5_000;
const GETS: usize = 10_000;
const EVENTS: usize = 50_000;

/// CPU of this process and of etcd.
struct Cpu {
    ours: Duration,
    etcd: Duration,
}

impl Cpu {
    fn now(etcd: &Etcd) -> Self {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let nanos = u32::try_from(time.tv_nsec).expect("less than a second");
        let ours = Duration::new(u64::try_from(time.tv_sec).expect("not negative"), nanos);
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", etcd.id().expect("etcd runs"))).expect("etcd runs");
        // The name in parentheses may hold spaces; the times are the 14th and 15th of all fields.
        let (_, rest) = stat.rsplit_once(") ").expect("the name stands in parentheses");
        let ticks: u64 =
            rest.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Self { ours, etcd: Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()) }
    }
}

/// Runs work of so many operations and tells what each has cost.
async fn measured<T>(etcd: &Etcd, case: &str, operations: usize, work: impl Future<Output = T>) -> T {
    let before = Cpu::now(etcd);
    let done = work.await;
    let after = Cpu::now(etcd);
    let each = |before: Duration, after: Duration| {
        (after.saturating_sub(before).as_secs_f64() * 1e6)
            / f64::from(u32::try_from(operations).unwrap_or(u32::MAX))
    };
    let (ours, theirs) = (each(before.ours, after.ours), each(before.etcd, after.etcd));
    println!("{case:44} ours {ours:8.2} µs · etcd {theirs:8.2} µs · load {}", machine::load());
    done
}

async fn write(pods: &dyn Interface, objects: &Objects, n: usize, stored: Option<Revision>) -> Revision {
    let expect = stored.map_or(Expect::Absent, Expect::Revision);
    let value = objects.value(n, stored.map_or(0, Revision::get));
    let operation = Operation::Put { value, ttl: None };
    let commit = Commit { key: objects::key(pods.prefix(), n), expect, operation };
    match pods.commit(commit).await.expect("etcd serves") {
        Outcome::Committed(committed) => committed.revision,
        Outcome::Conflict { current } => panic!("somebody else wrote {current:?}"),
    }
}

/// Writes numbers with so many writers at a time.
async fn write_all(
    pods: &Arc<dyn Interface>,
    objects: &Arc<Objects>,
    count: usize,
    stored: &Arc<Vec<Revision>>,
) -> Vec<Revision> {
    let writers = (0..WRITERS).map(|writer| {
        let (pods, objects, stored) = (Arc::clone(pods), Arc::clone(objects), Arc::clone(stored));
        tokio::runtime::Handle::current().spawn(async move {
            let mut written = Vec::new();
            for n in (writer..count).step_by(WRITERS) {
                written.push((n, write(&*pods, &objects, n, stored.get(n).copied()).await));
            }
            written
        })
    });
    let mut written: Vec<_> =
        join_all(writers).await.into_iter().flat_map(|share| share.expect("no panic")).collect();
    written.sort_unstable();
    written.into_iter().map(|(_, revision)| revision).collect()
}

async fn read_list(pods: &dyn Interface) -> (usize, u64) {
    let scope = pods.prefix().under(None).expect("the whole resource is a scope");
    let request = ListRequest {
        scope,
        at: ReadAt::Latest,
        start: None,
        limit: None,
        predicate: Predicate::everything(),
    };
    let mut cursor: Box<dyn Cursor> = pods.list(request).await.expect("etcd serves").cursor;
    let (mut count, mut peak) = (0, 0);
    loop {
        let batch = cursor.next().await.expect("the deadline is far");
        peak = peak.max(machine::status_bytes("VmRSS"));
        if batch.is_empty() {
            return (count, peak);
        }
        count += batch.len();
    }
}

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return;
    }
    let etcd = Etcd::start().expect("scripts/setup-etcd.sh has fetched one");
    let backend =
        EtcdBackend::open(EtcdOptions::new([etcd.url()]), Environment::system()).expect("the URL is one");
    let prefix = ResourcePrefix::new("/pods").expect("the prefix follows the rules");
    let pods = backend.resource(prefix, Arc::new(objects::schema())).await.expect("nobody else uses it");
    let objects = Arc::new(Objects::new(OBJECT_BYTES));
    println!("{}, seed {}", machine::describe(Path::new(".")), objects::SEED);

    let none = Arc::new(Vec::new());
    let created = write_all(&pods, &objects, OBJECTS, &none);
    let stored = Arc::new(measured(&etcd, "create, 64 writers", OBJECTS, created).await);
    let begin = pods.current_revision().await.expect("etcd serves");
    let updated = write_all(&pods, &objects, EVENTS, &stored);
    measured(&etcd, "update, 64 writers", EVENTS, updated).await;
    measured(&etcd, "update with a fresh suggestion, one writer", UPDATES, update(&*pods, &objects)).await;
    let gets = async {
        for n in 0..GETS {
            let key = objects::key(pods.prefix(), n * 7 % OBJECTS);
            let found = pods.get(&key, Freshness::Latest).await.expect("etcd serves");
            assert!(found.record.is_some(), "{key}");
        }
    };
    measured(&etcd, "get", GETS, gets).await;
    let watch = async {
        let scope = pods.prefix().under(None).expect("the whole resource is a scope");
        let (start, predicate) = (WatchStart::After(begin), Predicate::everything());
        let request = WatchRequest { scope, start, predicate, progress: false };
        let events = pods.watch(request).await.expect("history is kept").take(EVENTS);
        assert_eq!(events.filter(|event| std::future::ready(event.is_ok())).count().await, EVENTS);
    };
    measured(&etcd, "event of a watch from the past", EVENTS, watch).await;
    let before = machine::status_bytes("VmRSS");
    let list = read_list(&*pods);
    let (count, peak) = measured(&etcd, "object of a list of 100,000", OBJECTS, list).await;
    assert_eq!(count, OBJECTS, "all objects are there");
    println!(
        "a list of {count} holds {} KiB more at most, one batch of it included",
        peak.saturating_sub(before) >> 10
    );
}

/// Updates that know what is stored.
async fn update(pods: &dyn Interface, objects: &Objects) {
    let key = objects::key(pods.prefix(), 0);
    let mut suggestion = pods.get(&key, Freshness::Latest).await.expect("etcd serves").record;
    for version in 0..UPDATES as u64 {
        let value = objects.value(0, version + 1_000_000);
        let change = |_| std::future::ready(Ok::<_, Error>(Update::Put { value: value.clone(), ttl: None }));
        let options = UpdateOptions { suggestion: suggestion.take(), ..UpdateOptions::default() };
        let updated = guaranteed_update(pods, &key, options, change).await.expect("etcd serves");
        let Updated::Stored(record) = updated else { panic!("it was deleted: {updated:?}") };
        suggestion = Some(record);
    }
}
