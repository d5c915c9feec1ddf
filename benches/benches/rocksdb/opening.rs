//! How long does it take to open a store of a million objects, up to the first read: after a clean close, and
//! after a kill?

use watchkeep_storage::Freshness;
use watchkeep_storage::rocksdb::RocksOptions;

use crate::crew::{Crew, Goal, filled};
use crate::files::{image, log_bytes, tables};
use crate::meter::{Cost, Meter};
use crate::objects::{self, Objects};
use crate::report::{Report, Row, bytes_f64, to_f64};
use crate::store::{Store, scratch};
use crate::{Context, Sizes};

const OBJECT_BYTES: usize = 1 << 10;
const CLEAN_OPENS: usize = 5;
/// How many kills, each after updates of one of so many parts more: they meet the engine's log at different
/// lengths.
const KILLS: usize = 6;
const KILL_PARTS: usize = 40;
const WRITERS: usize = 64;
const CLEAN_MILLIS: f64 = 100.0;
const KILLED_MILLIS: f64 = 1000.0;

pub(crate) async fn open(context: &Context, report: &mut Report) {
    let Sizes { opened_objects: count, .. } = context.sizes;
    let directory = scratch(&context.directory);
    let path = directory.path().join("store");
    let store = filled(RocksOptions::new(&path), OBJECT_BYTES, count).await;
    let mut options = store.close().await;
    for round in 0..CLEAN_OPENS {
        let (tables, log) = (tables(&path), log_bytes(&path));
        let (store, cost) = first_read(options).await;
        let row = opened(format!("{count} objects, clean, {round}"), tables, log, &cost);
        report.row(row.at_most("wall", millis(&cost), CLEAN_MILLIS, "ms").by_the_clock());
        options = store.close().await;
    }
    let store = Store::open_with(options).await;
    let mut crew =
        Crew::new(&Objects::new(OBJECT_BYTES), store.pods.prefix(), (0..count).step_by(100), WRITERS);
    crew.adopt(&store.pods).await;
    for round in 0..KILLS {
        crew.update(&store.pods, Goal::commits(count / KILL_PARTS)).await;
        store.settle().await;
        let killed = directory.path().join("killed");
        image(&path, &killed);
        let (tables, log) = (tables(&killed), log_bytes(&killed));
        let (copy, cost) =
            first_read(RocksOptions { directory: killed.clone(), ..store.options.clone() }).await;
        let row = opened(format!("{count} objects, killed, {round}"), tables, log, &cost);
        report.row(row.at_most("wall", millis(&cost), KILLED_MILLIS, "ms").by_the_clock());
        copy.close().await;
        std::fs::remove_dir_all(&killed).expect("nobody has it open");
    }
    store.close().await;
}

async fn first_read(options: RocksOptions) -> (Store, Cost) {
    let meter = Meter::start();
    let store = Store::open_with(options).await;
    let key = objects::key(store.pods.prefix(), 0);
    let found = store.pods.get(&key, Freshness::Latest).await.expect("the store is open");
    let cost = meter.stop();
    assert!(found.record.is_some(), "{key} was created");
    (store, cost)
}

fn opened(case: String, (tables, bytes): (usize, u64), log: u64, cost: &Cost) -> Row {
    let row = Row::new(case).figure("wall", millis(cost), "ms");
    let row = row.figure("CPU", cost.process.cpu.as_secs_f64() * 1e3, "ms");
    let row = row.figure("tables", to_f64(tables), "").figure("of", bytes_f64(bytes) / 1e6, "MB");
    let row = row.figure("log", bytes_f64(log) / 1e6, "MB");
    // The engine may begin to merge tables at once, in threads of its own.
    let read = cost.process.read.saturating_sub(cost.engine.read);
    row.figure("read", bytes_f64(read) / 1e6, "MB").elsewhere(cost)
}

fn millis(cost: &Cost) -> f64 {
    cost.wall.as_secs_f64() * 1e3
}
