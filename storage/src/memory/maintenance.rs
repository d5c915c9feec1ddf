//! The one task of the memory backend: deletes what has expired, and gives up old history and the pictures
//! of abandoned lists, in batches between which others get the lock.

use std::sync::Weak;
use std::time::Duration;

use super::{Aftermath, Shared, picture};
use crate::environment::Environment;
use crate::failpoint::{self, Point};

/// How often the task looks. The slack of a time-to-live: keys go at most this long after their deadline,
/// plus the time that their batch takes.
const INTERVAL: Duration = Duration::from_millis(500);

/// How many keys or events are worked off under one hold of the lock.
pub(super) const BATCH_MAX: usize = 256;

/// Runs until the store is gone.
pub(super) async fn run(shared: Weak<Shared>, environment: Environment) {
    loop {
        environment.sleep(INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        expire(&shared).await;
        retain(&shared);
        trim(&shared).await;
        picture::free_expired(&shared);
    }
}

/// Deletes the keys whose deadline is over.
async fn expire(shared: &Shared) {
    let mut more = true;
    while more {
        failpoint::reached(Point::MemoryExpire);
        let now = shared.environment.uptime();
        let mut aftermath = Aftermath::default();
        more = shared.state.lock().expire(now, BATCH_MAX, &mut aftermath);
        aftermath.settle();
        fit(shared).await;
    }
}

/// Gives up history that is more than its bound in bytes.
async fn fit(shared: &Shared) {
    let mut more = true;
    while more {
        let mut aftermath = Aftermath::default();
        more = shared.state.lock().trim_to_bytes(shared.options.history_bytes_max, BATCH_MAX, &mut aftermath);
        aftermath.settle();
        tokio::task::yield_now().await;
    }
}

/// Marks history that is older than the retention as compacted.
fn retain(shared: &Shared) {
    let now = shared.environment.uptime();
    let mut state = shared.state.lock();
    if let Some(target) = state.retention_target(now, shared.options.history_retention) {
        state.compacted = state.compacted.max(target);
    }
}

/// Gives up compacted history. Cancel safe: what is left is given up at the task's next look.
pub(super) async fn trim(shared: &Shared) {
    let mut more = true;
    while more {
        let mut aftermath = Aftermath::default();
        more = shared.state.lock().trim(BATCH_MAX, &mut aftermath);
        aftermath.settle();
        tokio::task::yield_now().await;
    }
}
