//! How fast is the reference backend? It need not be the fastest; it must not be so slow that it hides the
//! cost of what stands above it.
//!
//! 10,000 configmaps of 1.6 KB in ten namespaces: an update, a list of all, a page of 500, and an event to
//! 1,000 watchers.

use std::pin::Pin;
use std::task::{Context, Waker};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::Stream;
use tokio::runtime::Builder;
use watchkeep_benches::{config_maps, fill, key, value};
use watchkeep_storage::{
    Commit, Expect, Freshness, ListOptions, Operation, Predicate, WatchRequest, WatchStart, collect, list,
};

const OBJECTS: usize = 10_000;
const PAGE: i64 = 500;
const WATCHERS: usize = 1_000;

fn bench(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without I/O");
    let store = runtime.block_on(config_maps());
    runtime.block_on(fill(&*store, OBJECTS));
    let scope = || store.prefix().under(None).expect("the whole resource is a scope");
    let mut group = criterion.benchmark_group("memory");

    let mut version = 0;
    let mut update = |n: usize| {
        version += 1;
        let value = value(n, version);
        let key = key(&*store, n);
        runtime.block_on(async {
            let found = store.get(&key, Freshness::Latest).await.expect("memory answers");
            let expect = Expect::Revision(found.record.expect("the store is full").revision);
            let operation = Operation::Put { value, ttl: None };
            store.commit(Commit { key, expect, operation }).await.expect("memory answers")
        })
    };
    let mut next = 0;
    group.bench_function("update", |bencher| {
        bencher.iter(|| {
            next = (next + 7919) % OBJECTS;
            update(next)
        });
    });
    for (name, limit) in [("list_all", 0), ("list_page_of_500", PAGE)] {
        let options = ListOptions { limit, ..ListOptions::default() };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let page = list(&*store, scope(), &options).await.expect("memory answers");
                    collect(page.cursor).await.expect("the deadline is far").len()
                })
            });
        });
    }
    let mut watchers: Vec<_> = (0..WATCHERS)
        .map(|_| {
            let request = WatchRequest {
                scope: scope(),
                start: WatchStart::Now,
                predicate: Predicate::everything(),
                progress: false,
            };
            runtime.block_on(store.watch(request)).expect("memory answers")
        })
        .collect();
    group.bench_function("event_to_1000_watchers", |bencher| {
        bencher.iter_batched(
            || update(0),
            |_| {
                let mut context = Context::from_waker(Waker::noop());
                for watcher in &mut watchers {
                    assert!(
                        Pin::new(watcher).poll_next(&mut context).is_ready(),
                        "each watcher sees each event"
                    );
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
