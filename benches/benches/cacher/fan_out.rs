//! One event to ten thousand watches, from the write until the last has it.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use watchkeep_storage::{Environment, Predicate};

use crate::clocks::{cpu, now, print, row};
use crate::pods::{Pods, Size};

const WATCHERS: usize = 10_000;
const ROUNDS: usize = 20;

/// Is woken, and does nothing.
struct Nothing;

impl Wake for Nothing {
    fn wake(self: Arc<Self>) {}
}

pub(crate) async fn run(size: Size) {
    let pods = Pods::new(size).await;
    woken(&pods).await;
    delivered(&pods).await;
}

/// Until the last is woken: the write returns then.
async fn woken(pods: &Pods) {
    let mut watches = Vec::new();
    for _ in 0..WATCHERS {
        watches.push((pods.watch(Predicate::everything()).await, Waker::from(Arc::new(Nothing))));
    }
    let (mut used, mut passed) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..ROUNDS {
        for (watch, waker) in &mut watches {
            let mut context = Context::from_waker(waker);
            while watch.next().poll_unpin(&mut context).is_ready() {}
        }
        let (cpu_before, before) = (cpu(), now());
        pods.patch(turn).await;
        used += cpu().saturating_sub(cpu_before);
        passed += now().saturating_sub(before);
    }
    print(&format!("one event until {WATCHERS} watchers are woken"), used, ROUNDS);
    print("- by the clock", passed, ROUNDS);
}

/// Until the last has read it.
async fn delivered(pods: &Pods) {
    let environment = Environment::system();
    let (done, mut all) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..WATCHERS {
        let mut watch = pods.watch(Predicate::everything()).await;
        let done = done.clone();
        environment.spawn(async move {
            while let Some(Ok(event)) = watch.next().await {
                black_box(event);
                if done.send(()).is_err() {
                    break;
                }
            }
        });
    }
    tokio::task::yield_now().await;
    let work = async {
        for turn in 0..ROUNDS {
            pods.patch(turn).await;
            for _ in 0..WATCHERS {
                all.recv().await;
            }
        }
    };
    row("one event until all have read it, in tasks: a delivery", ROUNDS * WATCHERS, work).await;
}
