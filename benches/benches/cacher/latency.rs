//! How long after its time an event is delivered, at half of the rate that can be had: an open loop, so that a
//! write that has to wait for others counts from when it was due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_storage::{Environment, Predicate, Revision, WatchEvent};

use crate::clocks::{now, quantile};
use crate::pods::{Pods, Size};

const WATCHERS: usize = 10;
/// How often it is looked which writes are due.
const TICK: Duration = Duration::from_millis(1);
const SECONDS: usize = 10;

pub(crate) async fn run(size: Size) {
    let pods = Arc::new(Pods::new(size).await);
    // On threads of its own, as a server.
    let measured = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(measure(pods));
    });
    measured.await.expect("it does not fail");
}

async fn measure(pods: Arc<Pods>) {
    let environment = Environment::system();
    let readers = |writes: usize| {
        let (pods, environment) = (Arc::clone(&pods), environment.clone());
        async move {
            let mut readers = Vec::new();
            for _ in 0..WATCHERS {
                let mut watch = pods.watch(Predicate::everything()).await;
                readers.push(environment.spawn(async move {
                    let mut delivered = Vec::with_capacity(writes);
                    while delivered.len() < writes {
                        match watch.next().await {
                            Some(Ok(WatchEvent::Change(change))) => {
                                delivered.push((change.revision(), now()));
                            }
                            ended => panic!("{ended:?}"),
                        }
                    }
                    delivered
                }));
            }
            readers
        }
    };
    // Closed loop: what can be had of one writer.
    let writes = 20_000;
    let watching = readers(writes).await;
    let begin = now();
    for turn in 0..writes {
        pods.patch(turn).await;
    }
    for reader in watching {
        reader.await.expect("every event is delivered");
    }
    let each = now().saturating_sub(begin) / u32::try_from(writes).expect("few");
    println!("  Patch, {WATCHERS} watchers, by the clock: {:.0} writes/s", 1.0 / each.as_secs_f64());

    let interval = each * 2;
    let writes = usize::try_from(Duration::from_secs(SECONDS as u64).as_nanos() / interval.as_nanos().max(1))
        .expect("few");
    let watching = readers(writes).await;
    let mut due = HashMap::with_capacity(writes);
    let begin = now();
    let mut turn = 0;
    while turn < writes {
        let time = begin + interval * u32::try_from(turn).expect("few");
        if time > now() {
            tokio::time::sleep(TICK).await;
            continue;
        }
        pods.patch(turn).await;
        let revision: Revision = pods.cache.current_revision().await.expect("memory");
        due.insert(revision, time);
        turn += 1;
    }
    let mut latencies = Vec::new();
    for reader in watching {
        let delivered = reader.await.expect("every event is delivered");
        latencies.extend(
            delivered.iter().filter_map(|(revision, at)| Some(at.saturating_sub(*due.get(revision)?))),
        );
    }
    latencies.sort_unstable();
    let [half, most, last] = [0.5, 0.99, 1.0].map(|part| quantile(&latencies, part));
    println!(
        "  write to delivery at half of that, {} deliveries, by the clock: p50 {half:.2?}, p99 {most:.2?}, max {last:.2?}",
        latencies.len()
    );
}
