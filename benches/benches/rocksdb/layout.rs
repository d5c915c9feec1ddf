//! Does history cost those who do not read it? The proof of the layout.
//!
//! One store has just been filled. Another has the same objects, and a million updates of a hundredth of
//! them: all of its history is kept, and the engine has merged only what it chose to. Lists and gets of
//! both take turns, with the default cache and with one that has room for everything. Then what opening,
//! catching up and giving up read is counted: in bytes that went through read calls, from the disk or from
//! the page cache, by the threads that do the work.

use std::sync::Arc;
use std::time::Duration;

use watchkeep_storage::rocksdb::RocksOptions;
use watchkeep_storage::{Environment, Key, Revision};

use crate::crew::{Crew, Goal, fill};
use crate::files::{log_bytes, tables};
use crate::gets::read_gets;
use crate::lists::read_list;
use crate::meter::{Cost, Meter};
use crate::objects::{self, Objects};
use crate::replay::read_events;
use crate::report::{Report, Row, bytes_f64, cpu_micros, median, to_f64};
use crate::store::{LARGE_CACHE_BYTES, Store, keeping_history, scratch};
use crate::{Context, Sizes};

const OBJECT_BYTES: usize = 1 << 10;
/// Every so manieth object is updated.
const HOT_STEP: usize = 100;
const WRITERS: usize = 64;
/// The most that history may add to a read.
const RATIO: f64 = 1.2;
/// The key and the value of an event in history, without the name of the object: see the layout.
const EVENT_BYTES: usize = 25;
const TRIM_DEADLINE: Duration = Duration::from_mins(2);
const TRIM_LOOK: Duration = Duration::from_millis(20);

/// The two stores, and which keys are read.
struct Stores {
    fresh: Store,
    updated: Store,
    objects: usize,
    all: Arc<Vec<Key>>,
    hot: Arc<Vec<Key>>,
}

pub(crate) async fn layout(context: &Context, report: &mut Report) {
    let Sizes { objects: count, layout_updates, layout_events, .. } = context.sizes;
    let (first, second) = (scratch(&context.directory), scratch(&context.directory));
    let objects = Arc::new(Objects::new(OBJECT_BYTES));
    let fresh = Store::open_with(keeping_history(first.path())).await;
    fill(&fresh.pods, &objects, count).await;
    let updated = Store::open_with(keeping_history(second.path())).await;
    fill(&updated.pods, &objects, count).await;
    let prefix = updated.pods.prefix();
    let mut crew = Crew::new(&objects, prefix, (0..count).step_by(HOT_STEP), WRITERS);
    crew.adopt(&updated.pods).await;
    let meter = Meter::start();
    let done = crew.update(&updated.pods, Goal::commits(layout_updates)).await;
    report.row(Row::new(format!("{done} updates")).cost(done, &meter.stop()));
    let keys = |step| Arc::new((0..count).step_by(step).map(|n| objects::key(prefix, n)).collect());
    let (all, hot) = (keys(1), keys(HOT_STEP));
    let stores = Stores { fresh, updated, objects: count, all, hot };

    // What the engine has not merged yet is where old versions would be in the way.
    let (_, at_once) = read_list(&stores.updated.pods).await;
    let micros = at_once.others.cpu.as_secs_f64() * 1e6 / to_f64(count);
    report.row(Row::new("list, before the engine is idle").figure("others", micros, "µs"));
    stores.fresh.settle().await;
    stores.updated.settle().await;
    // Opened again, neither has objects in its write buffers, which would be read for less.
    let stores = reopen(report, stores, RocksOptions::new("").block_cache_bytes).await;
    compare(context, report, &stores, "default cache").await;
    let stores = reopen(report, stores, LARGE_CACHE_BYTES).await;
    compare(context, report, &stores, "all cached").await;

    let Stores { fresh, updated, .. } = stores;
    fresh.close().await;
    refill(report, &updated, done, layout_events).await;
    trim(report, &updated, done, layout_events).await;
    updated.close().await;
}

/// Lists and gets of both stores, in turns.
async fn compare(context: &Context, report: &mut Report, stores: &Stores, how: &str) {
    let Sizes { lists: turns, gets, .. } = context.sizes;
    let gets = gets / turns;
    let Stores { fresh, updated, objects, all, hot } = stores;
    let mut costs: [Vec<[Cost; 2]>; 3] = Default::default();
    // The first turn warms.
    for turn in 0..=turns {
        let mut turn_costs = [[Cost::default(); 2]; 3];
        for (side, store) in [fresh, updated].into_iter().enumerate() {
            let list = read_list(&store.pods).await.1;
            let any = read_gets(&store.pods, all, gets).await;
            let hot = read_gets(&store.pods, hot, gets).await;
            for (sides, cost) in turn_costs.iter_mut().zip([list, any, hot]) {
                *sides.get_mut(side).expect("there are two sides") = cost;
            }
        }
        for (turns, cost) in costs.iter_mut().zip(turn_costs).filter(|_| turn > 0) {
            turns.push(cost);
        }
    }
    let cases = [("list", *objects), ("get of any key", gets), ("get of an updated key", gets)];
    for ((case, ops), turns) in cases.into_iter().zip(costs) {
        report.row(compared(format!("{case}, {how}"), ops, &turns));
    }
}

/// The CPU of the same reads of both stores, and what the updates have added to it in the median turn.
fn compared(case: String, ops: usize, turns: &[[Cost; 2]]) -> Row {
    let side = |pick: fn(&[Cost; 2]) -> Cost| median(turns.iter().map(|turn| cpu_micros(ops, &pick(turn))));
    let (before, after) = (side(|[fresh, _]| *fresh), side(|[_, updated]| *updated));
    let ratio =
        median(turns.iter().map(|[fresh, updated]| cpu_micros(ops, updated) / cpu_micros(ops, fresh)));
    let row = Row::new(case).figure("CPU, fresh", before, "µs").figure("CPU, updated", after, "µs");
    row.figure("ratio", ratio, "×").at_most("CPU", ratio, RATIO, "×")
}

/// Closes both stores and opens them with another cache.
async fn reopen(report: &mut Report, stores: Stores, block_cache_bytes: usize) -> Stores {
    let Stores { fresh, updated, .. } = stores;
    let options = RocksOptions { block_cache_bytes, ..fresh.close().await };
    let fresh = open_counted(report, "open: fresh", options).await;
    let options = RocksOptions { block_cache_bytes, ..updated.close().await };
    let updated = open_counted(report, "open: updated", options).await;
    fresh.settle().await;
    updated.settle().await;
    Stores { fresh, updated, ..stores }
}

/// Opens a store, and counts what that reads beside the engine's log.
async fn open_counted(report: &mut Report, case: &str, options: RocksOptions) -> Store {
    let log = log_bytes(&options.directory);
    let (files, bytes) = tables(&options.directory);
    let meter = Meter::start();
    let store = Store::open_with(options).await;
    let cost = meter.stop();
    let stats = store.pods.stats().await.expect("the store is open");
    let row = Row::new(case).figure("wall", cost.wall.as_secs_f64() * 1e3, "ms");
    let row = row.figure("CPU", cost.process.cpu.as_secs_f64() * 1e3, "ms");
    let row = row.figure("objects", bytes_f64(stats.objects), "");
    let row = row.figure("events", bytes_f64(stats.history_events), "");
    let row = row.figure("tables", to_f64(files), "").figure("of", bytes_f64(bytes) / 1e6, "MB");
    // The engine may begin to merge tables at once, in threads of its own.
    let beside = cost.process.read.saturating_sub(log + cost.engine.read);
    let row =
        row.figure("log", bytes_f64(log) / 1e6, "MB").figure("read beside it", bytes_f64(beside) / 1e3, "kB");
    report.row(row);
    store
}

/// Watches that begin at three places of history: what they read, and what they return.
async fn refill(report: &mut Report, store: &Store, updates: usize, events: usize) {
    let newest = store.revision().await.get();
    let oldest = newest - updates as u64;
    let starts =
        [("oldest", oldest), ("middle", oldest + (updates / 2) as u64), ("newest", newest - events as u64)];
    for (place, after) in starts {
        let (cost, bytes) = read_events(&store.pods, Revision::new(after), events).await;
        let returned = bytes_f64(bytes) + to_f64(events * EVENT_BYTES);
        let read = bytes_f64(cost.others.read);
        let row = Row::new(format!("watch of {events} {place} events")).cost(events, &cost);
        let row = row.figure("returned", returned / 1e6, "MB").figure("read", read / 1e6, "MB");
        report.row(row.at_most("read/returned", read / returned, 1.0, "×"));
    }
}

/// Gives up the oldest events.
async fn trim(report: &mut Report, store: &Store, updates: usize, events: usize) {
    let before = store.pods.stats().await.expect("the store is open");
    let oldest = store.revision().await.get() - updates as u64;
    let deadline = crate::meter::now() + TRIM_DEADLINE;
    let meter = Meter::start();
    store.pods.compact(Revision::new(oldest + events as u64)).await.expect("the revision is kept");
    let last = oldest + events as u64;
    let mut after = before;
    // The creations go as well: what they replaced is nothing.
    while bytes_f64(after.history_events) > to_f64(updates - events) && crate::meter::now() < deadline {
        Environment::system().sleep(TRIM_LOOK).await;
        after = store.pods.stats().await.expect("the store is open");
    }
    let cost = meter.stop();
    store.settle().await;
    let engine = meter.stop().engine.read;
    let gone = usize::try_from(before.history_events - after.history_events).unwrap_or(usize::MAX);
    let name = objects::key(store.pods.prefix(), 0).as_str().len();
    let deleted = to_f64(gone * (EVENT_BYTES + name)) + bytes_f64(before.history_bytes - after.history_bytes);
    let read = bytes_f64(cost.writer.read);
    let row = Row::new(format!("compact to {last}: {gone} events")).cost(gone, &cost);
    let row = row.figure("deleted", deleted / 1e6, "MB").figure("read by the writer", read / 1e6, "MB");
    let row = row.figure("read by the engine", bytes_f64(engine) / 1e6, "MB");
    report.row(row.at_most("read/deleted", read / deleted, 1.0, "×"));
}
