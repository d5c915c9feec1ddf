//! Whether the cluster serves: asked in the background, so that the answer costs nothing.
//!
//! A read that the members have to agree on serves only where a leader is. It reads the clock of the
//! compactor, and so also learns how far the others have compacted.

use std::sync::Weak;
use std::time::Duration;

use parking_lot::Mutex;

use super::Shared;
use super::client::Method;
use super::compactor::CLOCK_KEY;
use super::proto::{RangeRequest, RangeResponse, StatusRequest, StatusResponse};
use crate::environment::Environment;
use crate::error::Error;

/// How long the answer may take. A cluster that needs longer is of no use to its clients.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// From here on etcd answers requests for progress in the order of its events.
const OLDEST_VERSION: [u32; 3] = [3, 5, 13];

/// The answer to the last question.
pub(super) struct Health(Mutex<Result<(), String>>);

impl Default for Health {
    fn default() -> Self {
        Self(Mutex::new(Err("the etcd cluster has not answered yet".to_owned())))
    }
}

impl Health {
    /// Whether requests can be served.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.0.lock().clone().map_err(|reason| Error::NotReady { reason })
    }
}

/// Runs until the store is gone.
pub(super) async fn run(shared: Weak<Shared>, environment: Environment) {
    while let Some(shared) = shared.upgrade().filter(|shared| !shared.is_closed()) {
        shared.probe().await;
        let interval = shared.options.health_interval;
        drop(shared);
        environment.sleep(interval).await;
    }
}

impl Shared {
    async fn probe(&self) {
        let request = RangeRequest { key: CLOCK_KEY.to_vec(), ..RangeRequest::default() };
        let within = PROBE_TIMEOUT.min(self.options.request_timeout);
        let answer = self.client.call_within::<_, RangeResponse>(Method::Range, request, within).await;
        let answer = answer.map_err(|error| Error::from(error).to_string());
        if let Ok(Some(stored)) = answer.as_ref().map(|range| range.kvs.first()) {
            self.history.learn_from(stored);
        }
        let ready = answer.map(|_| ());
        self.client.telemetry.ready(ready.is_ok());
        let before = std::mem::replace(&mut *self.health.0.lock(), ready.clone());
        match (before, ready) {
            (Err(_), Ok(())) => self.greet().await,
            (Ok(()), Err(reason)) => tracing::warn!(reason, "etcd does not serve"),
            _ => {}
        }
    }

    /// Says who serves, once it does.
    async fn greet(&self) {
        let asked = self.client.call_within(Method::Status, StatusRequest {}, PROBE_TIMEOUT).await;
        let version = asked.map(|StatusResponse { version }| version).unwrap_or_default();
        tracing::info!(version, "etcd serves");
        if is_old(&version) {
            tracing::warn!(
                version,
                "this etcd is older than 3.5.13: bookmarks of watches may be ahead of events"
            );
        }
    }
}

fn is_old(version: &str) -> bool {
    let numbers: Vec<u32> = version.split(['.', '-']).map_while(|number| number.parse().ok()).collect();
    !numbers.is_empty() && numbers[..] < OLDEST_VERSION[..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for old in ["3.4.31", "3.5.9", "3.5.12"] {
            assert!(is_old(old), "{old}");
        }
        for new in ["3.5.13", "3.5.16", "3.6.0-rc.1", "3.10.0", "4.0.0", ""] {
            assert!(!is_old(new), "{new}");
        }
    }
}
