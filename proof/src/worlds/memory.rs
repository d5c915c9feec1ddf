//! The memory backend: time is paused, chance is seeded, and a restart forgets everything.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use watchkeep_storage::conformance::Clock;
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::{Backend, Environment};

use super::{Kept, World};

/// When a store is opened, in seconds since 1970: some day in 2025.
const START: u64 = 1_750_000_000;
/// Longer than any program takes.
const LONG: Duration = Duration::from_hours(10_000);

/// A store in memory.
pub struct MemoryWorld {
    backend: Arc<MemoryBackend>,
    environment: Environment,
}

fn start(environment: &Environment) -> Arc<MemoryBackend> {
    let options =
        MemoryOptions { history_retention: LONG, cursor_deadline: LONG, ..MemoryOptions::default() };
    Arc::new(MemoryBackend::new(options, environment.clone()))
}

impl World for MemoryWorld {
    const CLOCK: Clock = Clock::Paused;
    const NAME: &'static str = "memory";
    const CACHED_NAME: &'static str = "a cache over memory";

    async fn open(seed: u64) -> Self {
        let environment = Environment::simulated(UNIX_EPOCH + Duration::from_secs(START), seed);
        Self { backend: start(&environment), environment }
    }

    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend) as Arc<dyn Backend>
    }

    fn environment(&self) -> &Environment {
        &self.environment
    }

    async fn restart(&mut self) -> Kept {
        // A revision is a microsecond: the store before must not have been faster than that.
        self.environment.sleep(Duration::from_secs(1)).await;
        self.backend = start(&self.environment);
        Kept::Nothing
    }

    async fn crash(&mut self) -> Kept {
        self.restart().await
    }

    async fn advance(&mut self, by: Duration) {
        self.environment.sleep(by).await;
    }

    fn expiry_slack(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}
