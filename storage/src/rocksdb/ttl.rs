//! Time-to-live: deletes what is due, and lets the writer look at the clock.
//!
//! Deadlines are Unix times in a column family of their own, ordered by time, so they survive a restart
//! and a look costs what is due. An expiry is a conditional deletion through the same queue as every other
//! commit. \[TTL-EVENT\]

use std::sync::{Arc, Weak};
use std::time::Duration;

use ::rocksdb::{DB, IteratorMode};
use futures_util::future::join_all;

use super::commit::Request;
use super::keyspace::{DEADLINES, ResourceId, deadline_of, family};
use super::view::engine_error;
use super::{Shared, blocking};
use crate::environment::Environment;
use crate::error::Error;
use crate::interface::{Commit, Expect, Operation};
use crate::revision::Revision;

/// How often the task looks. The slack of a time-to-live: keys go at most this long after their deadline,
/// plus the time that their batch takes.
const INTERVAL: Duration = Duration::from_millis(500);

/// How many keys are deleted at once.
const BATCH_MAX: usize = 256;

/// A key that is due.
struct Due {
    id: ResourceId,
    revision: Revision,
    suffix: String,
}

/// Runs until the store is gone.
pub(super) async fn run(shared: Weak<Shared>, environment: Environment) {
    loop {
        environment.sleep(INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        if shared.engine.is_closed() {
            return;
        }
        // While writes are refused nothing can be deleted.
        let refusing = shared.state.lock().refusing.is_some();
        if !refusing && let Err(error) = expire(&shared).await {
            tracing::warn!(%error, "what is due could not be deleted, and is tried again");
        }
        let Ok(commits) = shared.queue() else { return };
        if commits.send(Request::Tick).await.is_err() {
            return;
        }
    }
}

/// Deletes the keys whose deadline is over.
async fn expire(shared: &Arc<Shared>) -> Result<(), Error> {
    loop {
        let now = u64::try_from(shared.environment.unix_time().as_millis()).unwrap_or(u64::MAX);
        let due = blocking(shared, move |db| due(db, now)).await?;
        let deletions = due.iter().map(|Due { id, revision, suffix }| {
            let reader = Arc::clone(&shared.state.lock().keyspace(*id).reader);
            let key = reader.key(suffix);
            let commit = Commit { key, expect: Expect::Revision(*revision), operation: Operation::Delete };
            shared.commit(reader, commit)
        });
        for deleted in join_all(deletions).await {
            // Losing to another write is fine: it has taken the deadline with it.
            deleted?;
        }
        if due.len() < BATCH_MAX {
            return Ok(());
        }
    }
}

/// The first keys that are due at a Unix time in milliseconds.
fn due(db: &DB, now: u64) -> Result<Vec<Due>, Error> {
    let mut found = Vec::new();
    for item in db.iterator_cf(family(db, DEADLINES)?, IteratorMode::Start).take(BATCH_MAX) {
        let (key, suffix) = item.map_err(engine_error)?;
        let corrupt = || Error::Internal { reason: "a deadline is cut off".to_owned() };
        let (millis, id, revision) = deadline_of(&key).ok_or_else(corrupt)?;
        if millis > now {
            break;
        }
        found.push(Due { id, revision, suffix: String::from_utf8_lossy(&suffix).into_owned() });
    }
    Ok(found)
}
