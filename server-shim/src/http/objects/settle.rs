//! The one loop behind PUT, PATCH and DELETE: read, decide what becomes of the object, write that.

use std::sync::Arc;

use parking_lot::Mutex;
use watchkeep_storage::{
    Error, Freshness, Preconditions, Record, Revision, Update, UpdateOptions, Updated, Value,
    guaranteed_update,
};

use super::create;
use super::target::{Failure, Target};

/// What becomes of an object.
pub(super) struct Decision {
    /// Its new state; its last one if it goes.
    pub(super) value: Value,
    /// Whether it goes.
    pub(super) is_gone: bool,
}

/// What holds for all rounds of the loop.
pub(super) struct Terms {
    /// Demands of the client on the stored object.
    pub(super) preconditions: Preconditions,
    /// Whether a missing object is handed to the decision. Otherwise it is not found.
    pub(super) create_missing: bool,
    /// Whether nothing is to be stored.
    pub(super) dry_run: bool,
}

/// How the loop ended.
pub(super) enum Settled {
    /// The object as it is stored now; as it would be after a dry run.
    Stored {
        /// The object. Of revision zero if a dry run would have made it.
        record: Arc<Record>,
        /// Whether it is a new one.
        created: bool,
    },
    /// The object is gone.
    Gone {
        /// Its last state as the decision left it, with the revision of its last stored state.
        last: Record,
        /// The revision of the deletion.
        deleted: Revision,
    },
}

/// Brings an object where `decide` wants it, which may be asked again when somebody else was faster.
///
/// # Errors
/// [`Error::NotFound`], the conflicts of the preconditions, those of `decide`, and those of the store.
pub(super) async fn settle(
    target: &Target,
    terms: Terms,
    decide: impl Fn(Option<&Record>) -> Result<Decision, Failure>,
) -> Result<Settled, Failure> {
    if terms.dry_run {
        return dry_run(target, &terms, decide).await;
    }
    let key = target.key()?;
    // What the last round found and decided.
    let last_round = Mutex::new(None);
    let update = |stored: Option<Arc<Record>>| {
        let decision = decide(stored.as_deref());
        let update = decision.map(|Decision { value, is_gone }| {
            *last_round.lock() = Some((stored.is_none(), value.clone()));
            if is_gone { Update::Delete } else { Update::Put { value, ttl: create::ttl(target) } }
        });
        std::future::ready(update)
    };
    let Terms { preconditions, create_missing, .. } = terms;
    let options = UpdateOptions { create_missing, preconditions, suggestion: None };
    let updated = guaranteed_update(&*target.store, &key, options, update).await?;
    let round = last_round.into_inner();
    match (updated, round) {
        (Updated::Stored(record), round) => {
            Ok(Settled::Stored { record, created: round.is_some_and(|(was_missing, _)| was_missing) })
        }
        (Updated::Deleted { previous: Some(previous), revision }, Some((_, value))) => {
            let last = Record { value, ..Arc::unwrap_or_clone(previous) };
            Ok(Settled::Gone { last, deleted: revision })
        }
        _ => Err(Error::NotFound { key }.into()),
    }
}

/// One round of the loop without the commit.
async fn dry_run(
    target: &Target,
    terms: &Terms,
    decide: impl Fn(Option<&Record>) -> Result<Decision, Failure>,
) -> Result<Settled, Failure> {
    let key = target.key()?;
    let stored = target.store.get(&key, Freshness::Latest).await?.record;
    if stored.is_none() && !terms.create_missing {
        return Err(Error::NotFound { key }.into());
    }
    terms.preconditions.check(&key, stored.as_deref())?;
    let Decision { value, is_gone } = decide(stored.as_deref())?;
    let created = stored.is_none();
    let revision = stored.map_or(Revision::ZERO, |stored| stored.revision);
    let record = Record { key, value, revision };
    Ok(if is_gone {
        Settled::Gone { last: record, deleted: revision }
    } else {
        Settled::Stored { record: Arc::new(record), created }
    })
}
