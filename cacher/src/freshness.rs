//! How fresh the cache is, and how to wait until it is fresher.

use std::time::Duration;

use watchkeep_storage::{Error, Revision};

use crate::shared::Shared;

/// How often a store that does not publish before it acknowledges is asked how far it is.
const ASK_INTERVAL: Duration = Duration::from_millis(100);
/// When a client should come again that asked for more than there was.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Shared {
    /// Waits until the cache has everything that was acknowledged before the call. Returns the revision of the
    /// store at that moment.
    ///
    /// # Errors
    /// As [`Shared::wait_until_fresh`].
    pub(crate) async fn wait_until_current(&self) -> Result<Revision, Error> {
        let current = self.store.current_revision().await?;
        self.wait_until_fresh(current).await?;
        Ok(current)
    }

    /// Waits until the cache has everything up to a revision.
    ///
    /// # Errors
    /// [`Error::FutureRevision`] if the store has not come so far, or the cache does not within
    /// [`crate::CacherOptions::fresh_timeout`].
    pub(crate) async fn wait_until_fresh(&self, revision: Revision) -> Result<(), Error> {
        if self.published() >= revision {
            return Ok(());
        }
        self.drive();
        if self.published() >= revision {
            return Ok(());
        }
        let current = self.store.current_revision().await?;
        if revision > current {
            return Err(Error::FutureRevision { requested: revision, current, retry_after: RETRY_AFTER });
        }
        let begin = self.environment.uptime();
        let waiting = self.ask_until_fresh(revision);
        let waited = tokio::time::timeout(self.options.fresh_timeout, waiting).await;
        self.telemetry.read_wait.record(self.environment.uptime().saturating_sub(begin));
        if waited.is_ok() {
            return Ok(());
        }
        let current = self.published();
        Err(Error::FutureRevision { requested: revision, current, retry_after: RETRY_AFTER })
    }

    async fn ask_until_fresh(&self, revision: Revision) {
        let mut freshness = self.freshness();
        loop {
            if let Err(error) = self.store.request_progress().await {
                tracing::debug!(%error, "the store was not asked for its progress");
            }
            self.drive();
            let fresh = freshness.wait_for(|published| *published >= revision);
            if tokio::time::timeout(ASK_INTERVAL, fresh).await.is_ok() {
                return;
            }
        }
    }
}
