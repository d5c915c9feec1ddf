//! Waiting for a revision that the store has not reached yet.

use std::time::Duration;

use watchkeep_storage::{Environment, Error};

/// For how long a read waits for a revision in the future, as the reference's does.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// How often the store is asked in the meantime.
const WAIT_STEP: Duration = Duration::from_millis(100);

/// When a client whose revision was not reached in time is told to come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Calls `read` until the revision that it asks for is there, for at most [`WAIT_MAX`].
///
/// # Errors
/// [`Error::FutureRevision`] with the time after which to come again, and the other errors of `read`.
pub(super) async fn when_reached<T, R>(
    environment: &Environment,
    mut read: impl FnMut() -> R,
) -> Result<T, Error>
where
    R: Future<Output = Result<T, Error>>,
{
    let mut waited = Duration::ZERO;
    loop {
        match read().await {
            Err(Error::FutureRevision { .. }) if waited < WAIT_MAX => {
                environment.sleep(WAIT_STEP).await;
                waited += WAIT_STEP;
            }
            Err(Error::FutureRevision { requested, current, .. }) => {
                return Err(Error::FutureRevision { requested, current, retry_after: RETRY_AFTER });
            }
            read => return read,
        }
    }
}
