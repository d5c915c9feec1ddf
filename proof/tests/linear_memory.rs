//! Concurrent clients of the memory backend, replayed by a seed.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;
use watchkeep_proof::linear::clients::{Clients, Load};
use watchkeep_proof::linear::seeds::{fresh, seeds, soak};
use watchkeep_proof::linear::{Summary, check};
use watchkeep_storage::conformance::Store;
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::{Environment, Revision};

const LOAD: Load = Load { writers: 10, keys: 5, operations: 60, faults: false };
const ROUNDS: usize = 3;

/// What the clients of a seed were told, on a runtime whose one thread does what the seed says.
fn run(seed: u64) -> (String, Summary) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let environment = Environment::simulated(UNIX_EPOCH + Duration::from_secs(1_700_000_000), seed);
        let options = MemoryOptions { first_revision: Some(Revision::new(1000)), ..MemoryOptions::default() };
        let store = Store::new(MemoryBackend::new(options, environment.clone()), environment.clone());
        let pods = store.pods().await;
        let mut clients = Clients::new(seed, LOAD);
        for _ in 0..ROUNDS {
            clients
                .round(pods.interface(), &environment)
                .await
                .unwrap_or_else(|reason| panic!("WATCHKEEP_SEED={seed}: {reason}"));
        }
        let history = clients.history();
        let summary =
            check(&history).unwrap_or_else(|violation| panic!("WATCHKEEP_SEED={seed}: {violation}"));
        assert_eq!(summary.searched.undecided, 0, "WATCHKEEP_SEED={seed}");
        (format!("{history:?}"), summary)
    })
}

#[test]
fn concurrent_clients_of_memory_see_one_thing_after_the_other() {
    for seed in seeds(1..=8) {
        let (_, summary) = run(seed);
        eprintln!("{seed}: {summary:?}");
        assert!(summary.commits > 300 && summary.refused > 50, "too little to tell: {summary:?}");
        assert!(summary.settled > 0 && summary.settled < summary.unknown, "{summary:?}");
        assert!(summary.sessions > 10 && summary.events > summary.commits, "{summary:?}");
    }
}

#[test]
fn a_seed_replays_a_run() {
    assert_eq!(run(1).0, run(1).0);
    assert_ne!(run(1).0, run(2).0);
}

#[tokio::test]
async fn a_soak_of_concurrent_clients_of_memory() {
    let Some(duration) = soak() else { return };
    let begin = Instant::now();
    let mut runs = 0;
    while begin.elapsed() < duration {
        tokio::task::spawn_blocking(|| run(fresh())).await.unwrap();
        runs += 1;
    }
    eprintln!("{runs} runs");
}
