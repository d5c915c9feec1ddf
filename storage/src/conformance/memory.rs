//! The harness of the memory backend, and of whatever is put on top of it.

use std::time::{Duration, UNIX_EPOCH};

use super::harness::{Harness, Setup, Store};
use crate::environment::Environment;
use crate::interface::BoxFuture;
use crate::memory::{MemoryBackend, MemoryOptions};

/// Opens memory stores on a paused clock, with the same chance in every run.
pub struct MemoryHarness;

/// When a store is opened, in seconds since 1970: some day in 2025.
const START: u64 = 1_750_000_000;

impl Harness for MemoryHarness {
    fn open(&self, setup: Setup) -> BoxFuture<'_, Store> {
        Box::pin(async move {
            let environment = Environment::simulated(UNIX_EPOCH + Duration::from_secs(START), 1);
            start(options(setup), environment)
        })
    }

    fn restart(&self, store: Store) -> BoxFuture<'_, Store> {
        let environment = store.environment().clone();
        drop(store);
        Box::pin(async move { start(MemoryOptions::default(), environment) })
    }
}

fn start(options: MemoryOptions, environment: Environment) -> Store {
    Store::new(MemoryBackend::new(options, environment.clone()), environment)
}

fn options(setup: Setup) -> MemoryOptions {
    let defaults = MemoryOptions::default();
    MemoryOptions {
        history_bytes_max: setup.history_bytes_max.unwrap_or(defaults.history_bytes_max),
        cursor_deadline: setup.cursor_deadline.unwrap_or(defaults.cursor_deadline),
        ..defaults
    }
}
