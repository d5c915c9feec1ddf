//! Clients that share out a number of turns, each on its own connection.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::task::JoinSet;

use crate::error::LoadError;

/// The turns that are left.
#[derive(Debug)]
pub(crate) struct Turns {
    next: AtomicU32,
    count: u32,
}

impl Turns {
    /// So many.
    pub(crate) fn new(count: u32) -> Self {
        Self { next: AtomicU32::new(0), count }
    }

    /// The number of a turn that nobody else has, until all are taken.
    pub(crate) fn take(&self) -> Option<u32> {
        let turn = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| (next < self.count).then(|| next + 1));
        turn.ok()
    }
}

/// Waits for all, or for the first that fails, which ends the others.
pub(crate) async fn all<T: 'static>(mut crew: JoinSet<Result<T, LoadError>>) -> Result<Vec<T>, LoadError> {
    let mut done = Vec::with_capacity(crew.len());
    while let Some(one) = crew.join_next().await {
        done.push(one??);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_is_taken_once() {
        let turns = Turns::new(3);
        let taken: Vec<_> = std::iter::from_fn(|| turns.take()).collect();
        assert_eq!(taken, [0, 1, 2]);
        assert_eq!(turns.take(), None);
    }

    #[tokio::test]
    async fn one_failure_ends_the_crew() {
        let mut crew = JoinSet::new();
        crew.spawn(std::future::pending());
        crew.spawn(async { Err::<(), _>(LoadError::Usage("no".to_owned())) });
        assert!(matches!(all(crew).await, Err(LoadError::Usage(_))));
    }
}
