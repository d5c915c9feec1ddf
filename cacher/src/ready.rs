//! Whether the cache can be asked, and when to come again.

use std::time::Duration;

use tokio::sync::watch;
use watchkeep_storage::{Environment, Error};

/// The longest that a client is told to stay away.
const RETRY_MAX: f64 = 30.0;
/// How fast the wait grows with the time that the cache was not ready.
const RETRY_GROWTH: f64 = 0.06;

/// Pending, then ready, then perhaps pending again; at last ended. Who asks and who waits see one state.
pub(crate) struct Ready(watch::Sender<State>);

enum State {
    /// It has not been filled, or has lost its store.
    Pending {
        /// Why.
        reason: String,
        /// Since when, by uptime.
        since: Duration,
    },
    Ready,
    Ended,
}

impl Ready {
    pub(crate) fn new(environment: &Environment) -> Self {
        let reason = "the cache has not been filled yet".to_owned();
        Self(watch::Sender::new(State::Pending { reason, since: environment.uptime() }))
    }

    /// The cache is filled.
    pub(crate) fn set(&self) {
        self.change(|_| State::Ready);
    }

    /// The cache has lost its store.
    pub(crate) fn reset(&self, reason: String, environment: &Environment) {
        self.change(|state| {
            let since = match state {
                State::Pending { since, .. } => *since,
                State::Ready | State::Ended => environment.uptime(),
            };
            State::Pending { reason, since }
        });
    }

    /// The cache will never be ready again.
    pub(crate) fn end(&self) {
        self.change(|_| State::Ended);
    }

    fn change(&self, next: impl FnOnce(&State) -> State) {
        self.0.send_if_modified(|state| {
            let goes_on = !matches!(state, State::Ended);
            if goes_on {
                *state = next(state);
            }
            goes_on
        });
    }

    /// Whether the cache can be asked.
    ///
    /// # Errors
    /// [`Error::Initializing`] with the reason, and when to come again; [`Error::NotReady`] at the end.
    pub(crate) fn check(&self, environment: &Environment) -> Result<(), Error> {
        match &*self.0.borrow() {
            State::Ready => Ok(()),
            State::Pending { reason, since } => {
                let retry_after = retry_after(environment.uptime().saturating_sub(*since));
                Err(Error::Initializing { reason: reason.clone(), retry_after })
            }
            State::Ended => Err(ended()),
        }
    }

    /// Waits until the cache is filled, or has ended.
    pub(crate) async fn wait(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|state| !matches!(state, State::Pending { .. })).await;
    }
}

/// What is said of a cache that has ended.
pub(crate) fn ended() -> Error {
    Error::NotReady { reason: "the cache is closed".to_owned() }
}

/// The longer the cache was not ready, the later a client should come again: the reference's curve.
fn retry_after(pending: Duration) -> Duration {
    let seconds = (RETRY_GROWTH * pending.as_secs_f64()).exp().clamp(1.0, RETRY_MAX);
    Duration::from_secs_f64(seconds.floor())
}

#[cfg(test)]
#[path = "ready/tests.rs"]
mod tests;
