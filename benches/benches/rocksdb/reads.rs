//! What do a get, a list and a watch from the past cost, when the kernel or the engine has the data in
//! memory?

use std::sync::Arc;

use futures_util::StreamExt as _;
use rand::RngExt as _;
use watchkeep_storage::rocksdb::RocksOptions;
use watchkeep_storage::{
    Freshness, Interface, Key, ListRequest, Predicate, ReadAt, Revision, WatchEvent, WatchRequest, WatchStart,
};

use crate::crew::{Crew, FILLERS, Goal, fill};
use crate::meter::{Cost, Meter};
use crate::objects::{self, Objects, chance};
use crate::report::{Report, Row, cpu_micros, rate};
use crate::store::{Store, keeping_history, on_workers, scratch};
use crate::{Context, Sizes};

const OBJECT_BYTES: usize = 1 << 10;
/// Keys that are read again and again: a tenth of all, which the default cache has room for.
const HOT_PARTS: usize = 10;
/// A cache that everything fits in.
const LARGE_CACHE_BYTES: usize = 1 << 30;

/// Gets of keys that are drawn at random.
pub(crate) async fn get(context: &Context, report: &mut Report) {
    let Sizes { objects: count, gets, .. } = context.sizes;
    let directory = scratch(&context.directory);
    let store = filled(RocksOptions::new(directory.path()), count).await;
    let keys = |count| (0..count).map(|n| objects::key(store.pods.prefix(), n)).collect::<Vec<_>>();
    let (all, hot) = (Arc::new(keys(count)), Arc::new(keys(count / HOT_PARTS)));
    let cost = warm_gets(&store.pods, &hot, gets).await;
    let row = Row::new("1 KiB: a tenth of the keys, cached").cost(gets, &cost);
    report.row(row.at_most("CPU", cpu_micros(gets, &cost), 10.0, "µs"));
    let cost = warm_gets(&store.pods, &all, gets).await;
    report.row(Row::new("1 KiB: all keys, 64 MiB cache").cost(gets, &cost));
    let options = store.close().await;
    let store = Store::open_with(RocksOptions { block_cache_bytes: LARGE_CACHE_BYTES, ..options }).await;
    read_list(&store.pods).await;
    let cost = warm_gets(&store.pods, &all, gets).await;
    report.row(Row::new("1 KiB: all keys, all cached").cost(gets, &cost));
    store.close().await;
}

async fn warm_gets(pods: &Arc<dyn Interface>, keys: &Arc<Vec<Key>>, gets: usize) -> Cost {
    read_gets(pods, keys, 2 * keys.len().min(gets)).await;
    read_gets(pods, keys, gets).await
}

/// Gets random ones of these keys.
pub(crate) async fn read_gets(pods: &Arc<dyn Interface>, keys: &Arc<Vec<Key>>, gets: usize) -> Cost {
    let (pods, keys) = (Arc::clone(pods), Arc::clone(keys));
    let meter = Meter::start();
    on_workers(async move {
        let mut chance = chance(1);
        for _ in 0..gets {
            let key = keys.get(chance.random_range(0..keys.len())).expect("the position is below the length");
            let found = pods.get(key, Freshness::Latest).await.expect("the store is open");
            assert!(found.record.is_some(), "{key} was created");
        }
    })
    .await;
    meter.stop()
}

/// Lists of everything.
pub(crate) async fn list(context: &Context, report: &mut Report) {
    let Sizes { objects: count, lists, .. } = context.sizes;
    let directory = scratch(&context.directory);
    let store = filled(RocksOptions::new(directory.path()), count).await;
    let cost = warm_lists(&store.pods, count, lists).await;
    let row = Row::new("1 KiB: all, 64 MiB cache").cost(count * lists, &cost);
    let small = rate(count * lists, &cost);
    report.row(row.at_least("rate", small, 1e6, "objects/s"));
    let options = store.close().await;
    let store = Store::open_with(RocksOptions { block_cache_bytes: LARGE_CACHE_BYTES, ..options }).await;
    let cost = warm_lists(&store.pods, count, lists).await;
    let row = Row::new("1 KiB: all, all cached").cost(count * lists, &cost);
    report.row(row.at_least("rate", rate(count * lists, &cost), 1e6, "objects/s"));
    store.close().await;
}

async fn warm_lists(pods: &Arc<dyn Interface>, count: usize, lists: usize) -> Cost {
    assert_eq!(read_list(pods).await.0, count, "all objects are there");
    let mut sum = Cost::default();
    for _ in 0..lists {
        sum = sum.plus(&read_list(pods).await.1);
    }
    sum
}

/// Lists everything; how many objects there are.
pub(crate) async fn read_list(pods: &Arc<dyn Interface>) -> (usize, Cost) {
    let pods = Arc::clone(pods);
    let meter = Meter::start();
    let count = on_workers(async move {
        let scope = pods.prefix().under(None).expect("the whole resource is a scope");
        let (at, predicate) = (ReadAt::Latest, Predicate::everything());
        let request = ListRequest { scope, at, start: None, limit: None, predicate };
        let mut cursor = pods.list(request).await.expect("the store is open").cursor;
        let mut count = 0;
        loop {
            match cursor.next().await.expect("the deadline is far").len() {
                0 => return count,
                batch => count += batch,
            }
        }
    })
    .await;
    (count, meter.stop())
}

/// Watches that begin in the past.
pub(crate) async fn replay(context: &Context, report: &mut Report) {
    let Sizes { objects: count, replayed, replays, .. } = context.sizes;
    let directory = scratch(&context.directory);
    let store = Store::open_with(keeping_history(directory.path())).await;
    let mut crew = Crew::new(&Objects::new(OBJECT_BYTES), store.pods.prefix(), 0..count, FILLERS);
    crew.create(&store.pods).await;
    let created = store.revision().await;
    let updates = crew.update(&store.pods, Goal::commits(replayed)).await;
    drop(crew);
    store.settle().await;
    read_events(&store.pods, created, updates).await;
    let mut sum = Cost::default();
    for _ in 0..replays {
        sum = sum.plus(&read_events(&store.pods, created, updates).await.0);
    }
    let events = updates * replays;
    let row = Row::new("1 KiB: updates of all keys").cost(events, &sum);
    report.row(row.at_least("rate", rate(events, &sum), 500_000.0, "events/s"));
    store.close().await;
}

/// Reads the next `count` events after a revision; with the bytes of their values.
pub(crate) async fn read_events(pods: &Arc<dyn Interface>, after: Revision, count: usize) -> (Cost, u64) {
    let pods = Arc::clone(pods);
    let meter = Meter::start();
    let bytes = on_workers(async move {
        let scope = pods.prefix().under(None).expect("the whole resource is a scope");
        let (start, predicate) = (WatchStart::After(after), Predicate::everything());
        let request = WatchRequest { scope, start, predicate, progress: false };
        let mut watch = pods.watch(request).await.expect("history is kept");
        let (mut seen, mut bytes) = (0, 0);
        while seen < count {
            let event = watch.next().await.expect("a watch goes on").expect("history is kept");
            if let WatchEvent::Change(change) = event {
                seen += 1;
                bytes += change.event.current.as_ref().map_or(0, |record| record.value.bytes().len() as u64);
            }
        }
        bytes
    })
    .await;
    (meter.stop(), bytes)
}

/// A store with this many objects, whose engine is idle.
pub(crate) async fn filled(options: RocksOptions, count: usize) -> Store {
    let store = Store::open_with(options).await;
    fill(&store.pods, &Arc::new(Objects::new(OBJECT_BYTES)), count).await;
    store.settle().await;
    store
}
