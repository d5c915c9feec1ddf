//! Time-to-live: deletes what is due, and lets the writer look at the clock.
//!
//! Deadlines are Unix times in a column family of their own, ordered by time, so they survive a restart
//! and a look costs what is due. An expiry is a conditional deletion through the same queue as every other
//! commit. \[TTL-EVENT\]

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::rocksdb::{DB, IteratorMode};
use futures_util::future::join_all;

use super::codec::Reader;
use super::commit::Request;
use super::keyspace::{DEADLINES, ResourceId, deadline_of, family};
use super::view::engine_error;
use super::{Shared, blocking};
use crate::environment::Environment;
use crate::error::Error;
use crate::failpoint::{self, Point};
use crate::interface::{Commit, Expect, Operation, Outcome};
use crate::revision::Revision;

/// How often the task looks. The slack of a time-to-live: keys go at most this long after their deadline,
/// plus the time that their batch takes.
const INTERVAL: Duration = Duration::from_millis(500);

/// How many keys are deleted at once.
const BATCH_MAX: usize = 256;

/// A key that is due.
struct Due {
    reader: Arc<Reader>,
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
        loop {
            let more = expire_when_accepting(&shared).await;
            let Ok(commits) = shared.queue() else { return };
            if commits.send(Request::Tick).await.is_err() {
                return;
            }
            if !more {
                break;
            }
        }
    }
}

/// Deletes some of what is due; whether there may be more. Nothing while writes are refused.
async fn expire_when_accepting(shared: &Arc<Shared>) -> bool {
    if shared.state.lock().refusing.is_some() {
        return false;
    }
    expire(shared).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what is due could not be deleted, and is tried again");
        false
    })
}

/// Deletes the first keys whose deadline is over; whether there may be more. Only of resources that somebody
/// has opened: before that nobody knows the schema that the event's attributes need.
async fn expire(shared: &Arc<Shared>) -> Result<bool, Error> {
    let now = u64::try_from(shared.environment.unix_time().as_millis()).unwrap_or(u64::MAX);
    let opened = shared.state.lock().opened();
    let due = blocking(shared, move |db| due(db, now, &opened)).await?;
    failpoint::reached(Point::RocksExpire);
    let is_full = due.len() == BATCH_MAX;
    let deletions = due.into_iter().map(|Due { reader, revision, suffix }| {
        let commit = Commit {
            key: reader.key(&suffix),
            expect: Expect::Revision(revision),
            operation: Operation::Delete,
        };
        shared.commit(reader, commit)
    });
    let mut deleted = false;
    for outcome in join_all(deletions).await {
        // Losing to another write is fine: it has taken the deadline with it.
        deleted |= matches!(outcome?, Outcome::Committed(_));
    }
    Ok(is_full && deleted)
}

/// The first keys of these resources that are due at a Unix time in milliseconds.
fn due(db: &DB, now: u64, opened: &HashMap<ResourceId, Arc<Reader>>) -> Result<Vec<Due>, Error> {
    let mut found = Vec::new();
    for item in db.iterator_cf(family(db, DEADLINES)?, IteratorMode::Start) {
        let (key, suffix) = item.map_err(engine_error)?;
        let Some((millis, id, revision)) = deadline_of(&key) else {
            tracing::error!("a deadline is cut off: look through the store with `watchkeep check`");
            continue;
        };
        if millis > now || found.len() == BATCH_MAX {
            break;
        }
        if let Some(reader) = opened.get(&id) {
            let suffix = String::from_utf8_lossy(&suffix).into_owned();
            found.push(Due { reader: Arc::clone(reader), revision, suffix });
        }
    }
    Ok(found)
}
