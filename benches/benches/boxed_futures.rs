//! What does the boxed future of a dyn-compatible trait cost?
//!
//! A `get` through `dyn Interface` against the same work without a box: a look into a map behind a lock.
//! The difference is the price of being able to swap backends at run time.

use std::collections::BTreeMap;
use std::future::ready;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Builder;
use watchkeep_benches::{config_maps, fill, key};
use watchkeep_storage::{BoxFuture, Freshness, ListOptions, Record};

const OBJECTS: usize = 1_000;

fn boxed(value: u64) -> BoxFuture<'static, u64> {
    Box::pin(ready(value))
}

fn bench(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without I/O");
    let mut group = criterion.benchmark_group("boxed_futures");
    group.bench_function("await_plain", |bencher| {
        bencher.iter(|| runtime.block_on(async { ready(black_box(1)).await }));
    });
    group.bench_function("await_boxed", |bencher| {
        bencher.iter(|| runtime.block_on(async { boxed(black_box(1)).await }));
    });

    let store = runtime.block_on(config_maps());
    runtime.block_on(fill(&*store, OBJECTS));
    let wanted = key(&*store, OBJECTS / 2);
    group.bench_function("get_through_dyn", |bencher| {
        bencher.iter(|| runtime.block_on(store.get(black_box(&wanted), Freshness::Latest)));
    });
    let listed = runtime.block_on(async {
        let scope = store.prefix().under(None).expect("the whole resource is a scope");
        let page = watchkeep_storage::list(&*store, scope, &ListOptions::default())
            .await
            .expect("nothing is compacted");
        watchkeep_storage::collect(page.cursor).await.expect("the deadline is far")
    });
    let map: BTreeMap<String, Arc<Record>> =
        listed.into_iter().map(|record| (record.key.as_str().to_owned(), record)).collect();
    group.bench_function("look_into_a_map", |bencher| {
        bencher.iter(|| map.get(black_box(wanted.as_str())).cloned());
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
