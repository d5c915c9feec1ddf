//! Writes, alone and watched.

use std::hint::black_box;

use futures_util::StreamExt as _;
use watchkeep_storage::{Environment, Predicate};

use crate::clocks::row;
use crate::pods::{NODES, Pods, Size, on_node};

pub(crate) const WRITES: usize = 20_000;
const WATCHERS: usize = 10;

pub(crate) async fn run(size: Size) {
    let pods = Pods::new(size).await;
    row("StoreWriteThroughput Patch", WRITES, patches(&pods)).await;
    row("- making the values of the same writes", WRITES, async {
        for turn in 0..WRITES {
            black_box(pods.value(pods.turn(turn), turn + 1));
        }
    })
    .await;
    row("StoreWriteThroughput DeleteCreate, both", WRITES, async {
        for turn in 0..WRITES {
            pods.delete_create(turn).await;
        }
    })
    .await;
}

pub(crate) async fn patches(pods: &Pods) {
    for turn in 0..WRITES {
        pods.patch(turn).await;
    }
}

/// Writes while watches of everything read every event, each in a task of its own.
pub(crate) async fn watched(size: Size) {
    let pods = Pods::new(size).await;
    row("StoreWriteThroughput Patch", WRITES, patches(&pods)).await;
    let (environment, mut readers) = (Environment::system(), Vec::new());
    for _ in 0..WATCHERS {
        let mut watch = pods.watch(Predicate::everything()).await;
        readers.push(environment.spawn(async move {
            for _ in 0..WRITES {
                black_box(watch.next().await.expect("no end").expect("no error"));
            }
        }));
    }
    row(&format!("- {WATCHERS} unindexed watchers, with all deliveries"), WRITES, async {
        patches(&pods).await;
        for reader in readers {
            reader.await.expect("every event was delivered");
        }
    })
    .await;
    // One watcher for each node: an event concerns one of them.
    let mut watches = Vec::new();
    for node in 0..NODES {
        watches.push(pods.watch(on_node(node)).await);
    }
    row(&format!("- {NODES} watchers by node, none of which reads"), WRITES, patches(&pods)).await;
}
