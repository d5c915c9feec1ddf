//! Guaranteed update: read, let the caller change the object, write if nobody else did, else again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::create::lost_record;
use crate::defect::{self, Defect};
use crate::error::Error;
use crate::interface::{Commit, Expect, Freshness, Interface, Operation, Outcome};
use crate::key::Key;
use crate::precondition::Preconditions;
use crate::record::{Record, Value};
use crate::revision::Revision;

/// How to update.
#[derive(Clone, Debug, Default)]
pub struct UpdateOptions {
    /// Whether a missing object is handed to the caller as `None`, whose put then creates it. Otherwise it
    /// is [`Error::NotFound`].
    pub create_missing: bool,
    /// Demands on the stored object, checked before the caller is asked.
    pub preconditions: Preconditions,
    /// A record that may be the stored one: saves a read when it is. It is never trusted with a refusal:
    /// what fails on it is tried again on the stored object.
    pub suggestion: Option<Arc<Record>>,
}

/// What the caller makes of the object.
#[derive(Clone, Debug)]
pub enum Update {
    /// Stores this value. Equal to the stored one, nothing is written and no revision is used.
    Put {
        /// The value.
        value: Value,
        /// As in [`Operation::Put`]; `None` drops the time-to-live that the key had.
        ttl: Option<Duration>,
    },
    /// Deletes the object: a last finalizer was removed. A missing object stays missing.
    Delete,
}

/// How an update ended.
#[derive(Clone, Debug)]
pub enum Updated {
    /// The object as it is stored now: written by this update, or already equal to it.
    Stored(Arc<Record>),
    /// The object is deleted.
    Deleted {
        /// Its last state, as the update found it; `None` if there was none.
        previous: Option<Arc<Record>>,
        /// The revision of the deletion.
        revision: Revision,
    },
}

/// What the loop works on, and whether it was read from the store during this call.
struct State {
    record: Option<Arc<Record>>,
    is_current: bool,
}

/// Updates an object by a function of its stored state. Clauses \[UPDATE-CURRENT\], \[UPDATE-NOOP\],
/// \[UPDATE-SUGGESTION\].
///
/// `update` may be called several times, each time with what is stored then, and must have no effects of
/// its own. Retries are not counted: each one means that somebody else succeeded.
///
/// # Errors
/// [`Error::NotFound`] and [`Error::InvalidObject`] (a precondition), what `update` returns, and those of
/// [`Interface::commit`].
///
/// # Cancel safety
/// Dropped before its commit: no effect. Dropped after: as [`Interface::commit`].
pub async fn guaranteed_update<E, F, R>(
    store: &dyn Interface,
    key: &Key,
    options: UpdateOptions,
    mut update: F,
) -> Result<Updated, E>
where
    E: From<Error>,
    F: FnMut(Option<Arc<Record>>) -> R,
    R: Future<Output = Result<Update, E>>,
{
    let UpdateOptions { create_missing, preconditions, suggestion } = options;
    let mut state = match suggestion {
        Some(record) => State { record: Some(record), is_current: false },
        None => read(store, key).await?,
    };
    loop {
        let wanted = match next_state(key, &state, create_missing, &preconditions, &mut update).await {
            Ok(wanted) => wanted,
            Err(error) if state.is_current || defect::on(Defect::UpdateTrustsSuggestedRefusal) => {
                return Err(error);
            }
            Err(error) => {
                // The suggestion may be out of date: only the stored object may refuse. [UPDATE-SUGGESTION]
                let suggested = state.revision();
                state = read(store, key).await?;
                if state.revision() == suggested {
                    return Err(error);
                }
                continue;
            }
        };
        if is_unchanged(&wanted, &state) {
            if !state.is_current && !defect::on(Defect::UpdateTrustsSuggestedNoop) {
                // Equal to a suggestion says nothing yet about what is stored. [UPDATE-NOOP]
                let suggested = state.revision();
                state = read(store, key).await?;
                if state.revision() != suggested || !is_unchanged(&wanted, &state) {
                    continue;
                }
            }
            if let Some(record) = state.record {
                return Ok(Updated::Stored(record));
            }
        }
        match attempt(store, key, &state, wanted).await? {
            Attempt::Done(updated) => return Ok(updated),
            Attempt::Lost(current) => state = State { record: current, is_current: true },
        }
    }
}

impl State {
    fn revision(&self) -> Option<Revision> {
        self.record.as_ref().map(|record| record.revision)
    }
}

async fn read(store: &dyn Interface, key: &Key) -> Result<State, Error> {
    let found = store.get(key, Freshness::Latest).await?;
    Ok(State { record: found.record, is_current: true })
}

async fn next_state<E, F, R>(
    key: &Key,
    state: &State,
    create_missing: bool,
    preconditions: &Preconditions,
    update: &mut F,
) -> Result<Update, E>
where
    E: From<Error>,
    F: FnMut(Option<Arc<Record>>) -> R,
    R: Future<Output = Result<Update, E>>,
{
    if state.record.is_none() && !create_missing {
        return Err(Error::NotFound { key: key.clone() }.into());
    }
    preconditions.check(key, state.record.as_deref())?;
    update(state.record.clone()).await
}

fn is_unchanged(wanted: &Update, state: &State) -> bool {
    match (wanted, &state.record) {
        (Update::Put { value, .. }, Some(record)) => *value == record.value,
        _ => false,
    }
}

enum Attempt {
    Done(Updated),
    Lost(Option<Arc<Record>>),
}

async fn attempt(store: &dyn Interface, key: &Key, state: &State, wanted: Update) -> Result<Attempt, Error> {
    let mut expected = state.revision();
    if defect::on(Defect::UpdateOverwritesWinner) {
        expected = read(store, key).await?.revision();
    }
    let expect = expected.map_or(Expect::Absent, Expect::Revision);
    let operation = match wanted {
        Update::Put { value, ttl } => Operation::Put { value, ttl },
        Update::Delete => Operation::Delete,
    };
    let is_delete = matches!(operation, Operation::Delete);
    let outcome = store.commit(Commit { key: key.clone(), expect, operation }).await?;
    Ok(match outcome {
        Outcome::Committed(committed) if is_delete => {
            Attempt::Done(Updated::Deleted { previous: committed.previous, revision: committed.revision })
        }
        Outcome::Committed(committed) => {
            Attempt::Done(Updated::Stored(committed.record.ok_or_else(|| lost_record(key))?))
        }
        Outcome::Conflict { current: None } if is_delete && state.record.is_none() => {
            Attempt::Done(Updated::Deleted { previous: None, revision: store.current_revision().await? })
        }
        Outcome::Conflict { current } => Attempt::Lost(current),
    })
}
