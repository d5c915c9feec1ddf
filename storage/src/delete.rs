//! Delete with preconditions and a check by the caller.

use std::future::Future;
use std::sync::Arc;

use crate::defect::{self, Defect};
use crate::error::Error;
use crate::interface::{Commit, Expect, Freshness, Interface, Operation, Outcome};
use crate::key::Key;
use crate::precondition::Preconditions;
use crate::record::Record;
use crate::revision::Revision;

/// An object that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Its last state.
    pub record: Arc<Record>,
    /// The revision of the deletion: the resourceVersion that clients see on it.
    pub revision: Revision,
}

/// Deletes an object. Clauses \[DELETE-CURRENT\], \[DELETE-SUGGESTION\].
///
/// `validate` sees each state that is about to be deleted, and may refuse; it may be called several times.
/// `suggestion` may be the stored record: it saves a read when it is, and is never trusted with a refusal.
///
/// # Errors
/// [`Error::NotFound`], [`Error::InvalidObject`] (a precondition), what `validate` returns, and those of
/// [`Interface::commit`].
///
/// # Cancel safety
/// Dropped before its commit: no effect. Dropped after: as [`Interface::commit`].
pub async fn delete<E, F, R>(
    store: &dyn Interface,
    key: &Key,
    preconditions: &Preconditions,
    suggestion: Option<Arc<Record>>,
    mut validate: F,
) -> Result<Deleted, E>
where
    E: From<Error>,
    F: FnMut(Arc<Record>) -> R,
    R: Future<Output = Result<(), E>>,
{
    let mut is_current = suggestion.is_none();
    let mut record = match suggestion {
        Some(record) => record,
        None => read(store, key).await?,
    };
    loop {
        if let Err(error) = check(key, preconditions, &record, &mut validate).await {
            if is_current || defect::on(Defect::DeleteTrustsSuggestedRefusal) {
                return Err(error);
            }
            // The suggestion may be out of date: only the stored object may refuse. [DELETE-SUGGESTION]
            let stored = read(store, key).await?;
            if stored.revision == record.revision {
                return Err(error);
            }
            (record, is_current) = (stored, true);
            continue;
        }
        let mut expected = record.revision;
        if defect::on(Defect::DeleteTakesWinner) {
            expected = read(store, key).await?.revision;
        }
        let expect = Expect::Revision(expected);
        let commit = Commit { key: key.clone(), expect, operation: Operation::Delete };
        match store.commit(commit).await? {
            Outcome::Committed(committed) => {
                let record = committed.previous.unwrap_or(record);
                return Ok(Deleted { record, revision: committed.revision });
            }
            Outcome::Conflict { current: None } => return Err(Error::NotFound { key: key.clone() }.into()),
            Outcome::Conflict { current: Some(current) } => (record, is_current) = (current, true),
        }
    }
}

async fn read(store: &dyn Interface, key: &Key) -> Result<Arc<Record>, Error> {
    let found = store.get(key, Freshness::Latest).await?;
    found.record.ok_or_else(|| Error::NotFound { key: key.clone() })
}

async fn check<E, F, R>(
    key: &Key,
    preconditions: &Preconditions,
    record: &Arc<Record>,
    validate: &mut F,
) -> Result<(), E>
where
    E: From<Error>,
    F: FnMut(Arc<Record>) -> R,
    R: Future<Output = Result<(), E>>,
{
    preconditions.check(key, Some(record))?;
    validate(Arc::clone(record)).await
}
