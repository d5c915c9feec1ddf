//! What the writer pays for who lists everything beside it: its own CPU time, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_storage::{Freshness, Predicate, ReadAt, Revision, WatchEvent, WatchRequest, WatchStart};

use crate::clocks::{print, thread_cpu};
use crate::pods::{Pods, Size, request};
use crate::writes::{WRITES, patches};

/// How long a lister rests between two lists.
const REST: Duration = Duration::from_millis(10);

/// What reads beside the writer.
#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    List(ReadAt),
    WatchList,
}

pub(crate) async fn run(size: Size) {
    let pods = Arc::new(Pods::new(size).await);
    let any = ReadAt::AtLeast(Revision::new(1));
    // The first takes the caches of a new thread.
    for (name, beside) in [
        ("warming up", Beside::Nothing),
        ("Patch, no background: the writer", Beside::Nothing),
        ("- an unindexed lister, NotOlderThan: the writer", Beside::List(any)),
        ("- an unindexed lister, consistent: the writer", Beside::List(ReadAt::Latest)),
        ("- a watch-lister: the writer", Beside::WatchList),
        ("Patch, no background: the writer", Beside::Nothing),
    ] {
        measure(&pods, name, beside);
    }
}

fn measure(pods: &Arc<Pods>, name: &str, beside: Beside) {
    let (ends, lists) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let reader = {
        let (pods, ends, lists) = (Arc::clone(pods), Arc::clone(&ends), Arc::clone(&lists));
        thread::spawn(move || {
            block_on(read(&pods, beside, &ends, &lists));
            thread_cpu()
        })
    };
    let writer = {
        let pods = Arc::clone(pods);
        thread::spawn(move || {
            let before = thread_cpu();
            block_on(patches(&pods));
            thread_cpu().saturating_sub(before)
        })
    };
    let wrote = writer.join().expect("the writer does not fail");
    ends.store(true, Ordering::Relaxed);
    let read = reader.join().expect("the reader does not fail");
    print(name, wrote, WRITES);
    let lists = lists.load(Ordering::Relaxed);
    if lists > 0 {
        print("  its lists", read, lists);
    }
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work);
}

async fn read(pods: &Pods, beside: Beside, ends: &AtomicBool, lists: &AtomicUsize) {
    while !ends.load(Ordering::Relaxed) {
        match beside {
            Beside::Nothing => return,
            Beside::List(at) => {
                assert_eq!(pods.walk(request(pods.all(), at)).await.expect("a list"), pods.len());
            }
            Beside::WatchList => watch_list(pods).await,
        }
        lists.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(REST).await;
    }
}

async fn watch_list(pods: &Pods) {
    let start = WatchStart::Initial { freshness: Freshness::Latest, bookmark: true };
    let predicate = Predicate::everything();
    let request = WatchRequest { scope: pods.all(), start, predicate, progress: false };
    let mut watch = pods.cache.watch(request).await.expect("the cache is filled");
    let mut initial = 0;
    while let Some(Ok(WatchEvent::Change(_))) = watch.next().await {
        initial += 1;
    }
    assert_eq!(initial, pods.len(), "then came the bookmark");
}
