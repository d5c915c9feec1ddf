//! What does a get cost, when the kernel or the engine has the data in memory?

use std::sync::Arc;

use rand::RngExt as _;
use watchkeep_storage::rocksdb::RocksOptions;
use watchkeep_storage::{Freshness, Interface, Key};

use crate::crew::filled;
use crate::lists::read_list;
use crate::meter::{Cost, Meter};
use crate::objects::{self, chance};
use crate::report::{Report, Row, cpu_micros};
use crate::store::{LARGE_CACHE_BYTES, Store, on_workers, scratch};
use crate::{Context, Sizes};

const OBJECT_BYTES: usize = 1 << 10;
/// Keys that are read again and again: a tenth of all, which the default cache has room for.
const HOT_PARTS: usize = 10;
const REACH_CPU_MICROS: f64 = 10.0;

/// Gets of keys that are drawn at random.
pub(crate) async fn get(context: &Context, report: &mut Report) {
    let Sizes { objects: count, gets, .. } = context.sizes;
    let directory = scratch(&context.directory);
    let store = filled(RocksOptions::new(directory.path()), OBJECT_BYTES, count).await;
    let keys = |count| Arc::new((0..count).map(|n| objects::key(store.pods.prefix(), n)).collect::<Vec<_>>());
    let (all, hot) = (keys(count), keys(count / HOT_PARTS));
    let cost = warm_gets(&store.pods, &hot, gets).await;
    let row = Row::new("1 KiB: a tenth of the keys, cached").cost(gets, &cost);
    report.row(row.at_most("CPU", cpu_micros(gets, &cost), REACH_CPU_MICROS, "µs"));
    let cost = warm_gets(&store.pods, &all, gets).await;
    report.row(Row::new("1 KiB: all keys, default cache").cost(gets, &cost));
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
