//! What does a list cost, when the kernel or the engine has the data in memory?

use std::sync::Arc;

use watchkeep_storage::rocksdb::RocksOptions;
use watchkeep_storage::{Cursor, Interface, ListOptions, ListRequest, Predicate, ReadAt, list as list_page};

use crate::crew::filled;
use crate::meter::{Cost, Meter};
use crate::report::{Report, Row, rate};
use crate::store::{LARGE_CACHE_BYTES, Store, on_workers, scratch};
use crate::{Context, Sizes};

const SMALL_BYTES: usize = 1 << 10;
const LARGE_BYTES: usize = 12 << 10;
/// What kubectl and client-go ask for at a time.
const PAGE: i64 = 500;
const REACH_RATE: f64 = 1e6;

/// Lists of everything, at once and in pages.
pub(crate) async fn list(context: &Context, report: &mut Report) {
    let Sizes { objects: count, large_objects, lists, .. } = context.sizes;
    let directory = scratch(&context.directory);
    let store = filled(RocksOptions::new(directory.path()), SMALL_BYTES, count).await;
    let small = |case, cost| {
        let ops = count * lists;
        let row = Row::new(case).cost(ops, &cost);
        row.at_least("rate", rate(ops, &cost), REACH_RATE, "objects/s").by_the_clock()
    };
    report.row(small("1 KiB: all, default cache", warm_lists(&store.pods, count, lists).await));
    let (listed, cost) = read_pages(&store.pods).await;
    report.row(Row::new(format!("1 KiB: in pages of {PAGE}, default cache")).cost(listed, &cost));
    let options = store.close().await;
    let store = Store::open_with(RocksOptions { block_cache_bytes: LARGE_CACHE_BYTES, ..options }).await;
    report.row(small("1 KiB: all, all cached", warm_lists(&store.pods, count, lists).await));
    store.close().await;

    let directory = scratch(&context.directory);
    let store = filled(RocksOptions::new(directory.path()), LARGE_BYTES, large_objects).await;
    let cost = warm_lists(&store.pods, large_objects, lists).await;
    report.row(Row::new("12 KiB: all, default cache").cost(large_objects * lists, &cost));
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

/// Lists everything at once; how many objects there are.
pub(crate) async fn read_list(pods: &Arc<dyn Interface>) -> (usize, Cost) {
    let pods = Arc::clone(pods);
    let meter = Meter::start();
    let count = on_workers(async move {
        let scope = pods.prefix().under(None).expect("the whole resource is a scope");
        let (at, predicate) = (ReadAt::Latest, Predicate::everything());
        let request = ListRequest { scope, at, start: None, limit: None, predicate };
        read(pods.list(request).await.expect("the store is open").cursor).await
    })
    .await;
    (count, meter.stop())
}

/// Lists everything in pages, as a client does; how many objects there are.
async fn read_pages(pods: &Arc<dyn Interface>) -> (usize, Cost) {
    let pods = Arc::clone(pods);
    let meter = Meter::start();
    let count = on_workers(async move {
        let scope = pods.prefix().under(None).expect("the whole resource is a scope");
        let mut options = ListOptions { limit: PAGE, ..ListOptions::default() };
        let mut count = 0;
        loop {
            let page = list_page(&*pods, scope.clone(), &options).await.expect("history is kept");
            count += read(page.cursor).await;
            let Some(token) = page.continue_token else { return count };
            options.continue_token = token;
        }
    })
    .await;
    (count, meter.stop())
}

async fn read(mut cursor: Box<dyn Cursor>) -> usize {
    let mut count = 0;
    loop {
        match cursor.next().await.expect("the deadline is far").len() {
            0 => return count,
            batch => count += batch,
        }
    }
}
