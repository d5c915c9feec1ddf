//! How long does the writer stand still for readers? A million objects, and 50 threads that list all of them
//! without end.
//!
//! A write stands still when the clock goes on, the writer's thread does not run, and could not if the machine
//! let it: time by the clock, less its CPU time, less the time that it waited for a processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use watchkeep_storage::{ReadAt, Revision};

use crate::clocks::{now, quantile, thread_cpu, waited_for_cpu};
use crate::pods::{NAMESPACES, Pods, Size, request};

const OBJECTS: usize = 1_000_000;
const READERS: usize = 50;
/// Few, because each waits for its turn among the readers.
const WRITES: usize = 200;
/// So small that a million fit into the memory of a small machine.
const BYTES: usize = 300;

pub(crate) async fn run(size: Size) {
    let per_namespace = (OBJECTS / NAMESPACES).min(size.per_namespace * 10);
    let pods = Arc::new(Pods::new(Size { per_namespace, bytes: BYTES }).await);
    write(&pods, "writes, nobody reads", 0);
    write(&pods, &format!("writes, {READERS} readers of {} objects", pods.len()), READERS);
}

fn write(pods: &Arc<Pods>, name: &str, readers: usize) {
    let (ends, lists) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let readers: Vec<_> = (0..readers)
        .map(|_| {
            let (pods, ends, lists) = (Arc::clone(pods), Arc::clone(&ends), Arc::clone(&lists));
            thread::spawn(move || {
                block_on(async {
                    while !ends.load(Ordering::Relaxed) {
                        let any = ReadAt::AtLeast(Revision::new(1));
                        pods.walk(request(pods.all(), any)).await.expect("a list");
                        lists.fetch_add(1, Ordering::Relaxed);
                    }
                });
            })
        })
        .collect();
    let writer = {
        let pods = Arc::clone(pods);
        thread::spawn(move || {
            let mut blocked = Vec::with_capacity(WRITES);
            block_on(async {
                for turn in 0..WRITES {
                    let (clock, cpu, queue) = (now(), thread_cpu(), waited_for_cpu());
                    pods.patch(turn).await;
                    let ran = thread_cpu().saturating_sub(cpu) + waited_for_cpu().saturating_sub(queue);
                    blocked.push(now().saturating_sub(clock).saturating_sub(ran));
                }
            });
            blocked
        })
    };
    let mut blocked: Vec<Duration> = writer.join().expect("the writer does not fail");
    ends.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().expect("a reader does not fail");
    }
    blocked.sort_unstable();
    let [half, most, last] = [0.5, 0.99, 1.0].map(|part| quantile(&blocked, part));
    println!(
        "  {name}: stood still p50 {half:.2?}, p99 {most:.2?}, max {last:.2?}; {} lists meanwhile",
        lists.load(Ordering::Relaxed)
    );
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work);
}
