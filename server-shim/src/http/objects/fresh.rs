//! Waiting for a revision that the store has not reached yet.

use std::time::Duration;

use watchkeep_storage::{Environment, Error};

/// For how long a read waits for a revision in the future, as the reference's does.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// How often the store is asked in the meantime.
const WAIT_STEP: Duration = Duration::from_millis(100);

/// When a client whose revision was not reached in time is told to come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Calls `read` until the revision that it asks for is there, for at most [`WAIT_MAX`] since `begin`, by uptime.
/// A store that waits by itself, as a cache does that lags behind, has its wait counted.
///
/// # Errors
/// [`Error::FutureRevision`] with the time after which to come again, and the other errors of `read`.
pub(super) async fn when_reached<T, R>(
    environment: &Environment,
    begin: Duration,
    mut read: impl FnMut() -> R,
) -> Result<T, Error>
where
    R: Future<Output = Result<T, Error>>,
{
    let end = begin + WAIT_MAX;
    // However long this one takes that has nothing to wait for.
    let mut outcome = read().await;
    loop {
        let Err(Error::FutureRevision { requested, current, .. }) = outcome else { return outcome };
        let left = end.saturating_sub(environment.uptime());
        if left.is_zero() {
            return Err(Error::FutureRevision { requested, current, retry_after: RETRY_AFTER });
        }
        environment.sleep(WAIT_STEP.min(left)).await;
        let left = end.saturating_sub(environment.uptime());
        // Dropping a read that is not through has no effect. [CANCEL-READ]
        if let Ok(read) = tokio::time::timeout(left, read()).await {
            outcome = read;
        }
    }
}

#[cfg(test)]
mod tests {
    use watchkeep_storage::Revision;

    use super::*;

    fn future() -> Error {
        let (requested, current) = (Revision::new(9), Revision::new(5));
        Error::FutureRevision { requested, current, retry_after: Duration::ZERO }
    }

    /// What comes of reads that each take so long, and after how long, when the revision is there after `reached`.
    async fn wait(takes: Duration, reached: Duration) -> (Result<(), Error>, Duration) {
        let environment = Environment::system();
        let begin = environment.uptime();
        let read = async || {
            let there = environment.uptime().saturating_sub(begin) >= reached;
            environment.sleep(takes).await;
            if there { Ok(()) } else { Err(future()) }
        };
        let outcome = when_reached(&environment, begin, read).await;
        (outcome, environment.uptime().saturating_sub(begin))
    }

    #[tokio::test(start_paused = true)]
    async fn three_seconds_are_the_most_however_long_a_read_waits_by_itself() {
        let slack = Duration::from_millis(5);
        for takes in [0, 90, 2000, 2950, 3000].map(Duration::from_millis) {
            let (outcome, after) = wait(takes, Duration::MAX).await;
            let Err(Error::FutureRevision { requested, retry_after, .. }) = outcome else {
                panic!("{takes:?}")
            };
            assert_eq!((requested, retry_after), (Revision::new(9), RETRY_AFTER), "{takes:?}");
            assert!(after >= WAIT_MAX && after <= WAIT_MAX + slack, "{takes:?} each, {after:?} in all");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_revision_that_is_reached_in_time_is_read() {
        let (outcome, after) = wait(Duration::ZERO, Duration::from_secs(1)).await;
        assert_eq!(outcome, Ok(()));
        assert!((1000..1200).contains(&after.as_millis()), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_has_nothing_to_wait_for_takes_its_time() {
        let (outcome, after) = wait(Duration::from_secs(20), Duration::ZERO).await;
        assert_eq!((outcome, after.as_secs()), (Ok(()), 20));
    }
}
