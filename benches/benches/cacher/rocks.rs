//! The cache over RocksDB on a disk.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use watchkeep_storage::rocksdb::{RocksBackend, RocksOptions};
use watchkeep_storage::{Backend as _, Environment};

use crate::clocks::{cpu, now, print};
use crate::pods::{Pods, Size, json};

/// As upstream: 25 for each of two cores.
const WRITERS: usize = 50;
const WRITES: usize = 40_000;

/// A directory on the disk of the build.
fn directory() -> TempDir {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    TempDir::with_prefix_in("bench-", target).expect("the target directory can be written")
}

fn open(directory: &TempDir) -> (Arc<RocksBackend>, Environment) {
    let environment = Environment::system();
    let backend = RocksBackend::open(RocksOptions::new(directory.path()), environment.clone());
    (Arc::new(backend.expect("a store opens")), environment)
}

/// Durable writes of many writers at once, by the clock and in CPU time of the process.
pub(crate) async fn writes(size: Size) {
    let measured = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let directory = directory();
            let (backend, environment) = open(&directory);
            let pods = Arc::new(Pods::over(backend, size, &environment).await);
            let all = pods.len();
            at_once(&pods, "filling", all, |pods, turn| async move {
                let (key, value) = (pods.key(turn), pods.value(turn, 0));
                watchkeep_storage::create(&*pods.cache, key, value, None).await.expect("the store is empty");
            })
            .await;
            let patch = |pods: Arc<Pods>, turn| async move { pods.patch(turn).await };
            at_once(&pods, "StoreWriteThroughput Patch, durable", WRITES, patch).await;
            let both = |pods: Arc<Pods>, turn| async move { pods.delete_create(turn).await };
            at_once(&pods, "StoreWriteThroughput DeleteCreate, durable, both", WRITES / 2, both).await;
        });
    });
    measured.await.expect("it does not fail");
}

async fn at_once<F: Future<Output = ()> + Send>(
    pods: &Arc<Pods>,
    name: &str,
    turns: usize,
    work: impl Fn(Arc<Pods>, usize) -> F + Copy + Send + 'static,
) {
    let (cpu_before, before) = (cpu(), now());
    let next = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (pods, next) = (Arc::clone(pods), Arc::clone(&next));
            tokio::runtime::Handle::current().spawn(async move {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= turns {
                        return;
                    }
                    work(Arc::clone(&pods), turn).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer does not fail");
    }
    let took = now().saturating_sub(before);
    print(name, cpu().saturating_sub(cpu_before), turns);
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = turns as f64 / took.as_secs_f64();
    println!("  - by the clock: {rate:.0}/s");
}

/// From the opening of a store to a cache that serves, beside the CPU time of allocating and copying the same bytes.
pub(crate) async fn ready(size: Size) {
    let directory = directory();
    {
        let (backend, environment) = open(&directory);
        let pods =
            Pods::over(Arc::clone(&backend) as Arc<dyn watchkeep_storage::Backend>, size, &environment).await;
        let pods = Arc::new(pods);
        at_once(&pods, "filling", size.pods(), |pods, turn| async move {
            let (key, value) = (pods.key(turn), pods.value(turn, 0));
            watchkeep_storage::create(&*pods.cache, key, value, None).await.expect("the store is empty");
        })
        .await;
        drop(pods);
        backend.close().await.expect("it closes");
    }
    let objects: Vec<_> = (0..size.pods()).map(|n| json(n, 0, size.bytes)).collect();
    let before = cpu();
    let copies: Vec<_> = objects.iter().map(|object| bytes::Bytes::copy_from_slice(object)).collect();
    let copying = cpu().saturating_sub(before);
    print("allocating and copying the same bytes", copying, 1);
    black_box(&copies);
    drop(copies);
    for _ in 0..2 {
        let before = cpu();
        let (backend, environment) = open(&directory);
        let pods =
            Pods::over(Arc::clone(&backend) as Arc<dyn watchkeep_storage::Backend>, size, &environment).await;
        let took = cpu().saturating_sub(before);
        print("store opened and cache ready", took, 1);
        println!("  - {:.2} x", took.as_secs_f64() / copying.as_secs_f64());
        drop(pods);
        backend.close().await.expect("it closes");
    }
}
