//! Whether the cache can be asked, and when to come again.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use watchkeep_storage::{Environment, Error};

/// The longest that a client is told to stay away.
const RETRY_MAX: f64 = 30.0;
/// How fast the wait grows with the time that the cache was not ready.
const RETRY_GROWTH: f64 = 0.06;

/// Pending, then ready, then perhaps pending again; at last stopped.
pub(crate) struct Ready {
    state: Mutex<State>,
    /// Wakes who waits for the cache to be ready.
    changed: watch::Sender<bool>,
}

struct State {
    /// Why it is not; `None` if it is.
    pending: Option<String>,
    /// By uptime.
    since: Duration,
}

impl Ready {
    pub(crate) fn new(environment: &Environment) -> Self {
        let pending = Some("the cache has not been filled yet".to_owned());
        let state = Mutex::new(State { pending, since: environment.uptime() });
        Self { state, changed: watch::Sender::new(false) }
    }

    /// The cache is filled.
    pub(crate) fn set(&self, environment: &Environment) {
        *self.state.lock() = State { pending: None, since: environment.uptime() };
        self.changed.send_replace(true);
    }

    /// The cache has lost its store.
    pub(crate) fn reset(&self, reason: String, environment: &Environment) {
        {
            let mut state = self.state.lock();
            if state.pending.is_none() {
                state.since = environment.uptime();
            }
            state.pending = Some(reason);
        }
        self.changed.send_replace(false);
    }

    /// Whether the cache can be asked.
    ///
    /// # Errors
    /// [`Error::Initializing`] with the reason, and when to come again.
    pub(crate) fn check(&self, environment: &Environment) -> Result<(), Error> {
        let state = self.state.lock();
        let Some(reason) = state.pending.clone() else { return Ok(()) };
        let retry_after = retry_after(environment.uptime().saturating_sub(state.since));
        Err(Error::Initializing { reason, retry_after })
    }

    /// Waits until the cache is filled.
    pub(crate) async fn wait(&self) {
        // The sender lives as long as `self`.
        let _ = self.changed.subscribe().wait_for(|ready| *ready).await;
    }
}

/// The longer the cache was not ready, the later a client should come again: the reference's curve.
fn retry_after(pending: Duration) -> Duration {
    let seconds = (RETRY_GROWTH * pending.as_secs_f64()).exp().clamp(1.0, RETRY_MAX);
    Duration::from_secs_f64(seconds.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_to_come_later_the_longer_it_takes() {
        let table =
            [(0, 1), (1, 1), (3, 1), (5, 1), (7, 1), (10, 1), (14, 2), (20, 3), (30, 6), (40, 11), (540, 30)];
        for (pending, retry) in table {
            assert_eq!(retry_after(Duration::from_secs(pending)), Duration::from_secs(retry), "{pending} s");
        }
    }
}
