//! Guaranteed updates and deletions: made from what is stored, whatever the caller believed.

use std::sync::Arc;

use parking_lot::Mutex;
use watchkeep_storage::{
    Commit, Committed, Deleted, Error, Expect, Operation, Outcome, Preconditions, Record, Revision, Update,
    UpdateOptions, Updated, delete, guaranteed_update,
};

use super::writes::is_version;
use super::{Model, unexpected};
use crate::broken::{Broken, ensure};
use crate::objects::{Content, Place};
use crate::oracle::{self, Version};
use crate::step::{Changing, Manner, Suggestion};
use crate::stream::Found;
use crate::worlds::World;

/// What a caller brings along.
struct Brought {
    suggestion: Option<Arc<Record>>,
    demanded: Option<Revision>,
}

/// What the caller's function was shown, and the race that it lost on purpose.
#[derive(Default)]
struct Witnessed {
    states: Vec<Option<Found>>,
    race: Option<Result<Outcome, Error>>,
}

impl<W: World> Model<W> {
    /// Updates an object.
    pub(super) async fn update(
        &mut self,
        place: Place,
        change: Changing,
        how: Manner,
        create_missing: bool,
        raced: bool,
    ) -> Result<(), Broken> {
        let from = self.current().await?;
        let Brought { suggestion, demanded } = self.brought(place, how).await?;
        let store = self.store(place.resource);
        let key = place.key(&*store);
        let wanted = match change {
            Changing::To(look) => Some(self.content(look)),
            Changing::Nothing | Changing::Deletion => None,
        };
        let fallback = self.content(crate::objects::Look::default());
        let rival = raced.then(|| self.content(crate::objects::Look::default()));
        let witnessed = Mutex::new(Witnessed::default());
        let update = |record: Option<Arc<Record>>| {
            let first = {
                let mut witnessed = witnessed.lock();
                witnessed.states.push(record.as_deref().map(Found::new));
                witnessed.states.len() == 1
            };
            let rival = rival.filter(|_| first);
            let (store, key, witnessed) = (Arc::clone(&store), key.clone(), &witnessed);
            async move {
                if let Some(rival) = rival {
                    let expect = expect_of(record.as_deref());
                    let operation = Operation::Put { value: rival.value(place, &*store), ttl: None };
                    let outcome = store.commit(Commit { key, expect, operation }).await;
                    witnessed.lock().race = Some(outcome);
                }
                Ok::<_, Error>(match (change, wanted, record) {
                    (Changing::Deletion, ..) => Update::Delete,
                    (Changing::Nothing, _, Some(record)) => {
                        Update::Put { value: record.value.clone(), ttl: None }
                    }
                    (_, wanted, _) => {
                        Update::Put { value: wanted.unwrap_or(fallback).value(place, &*store), ttl: None }
                    }
                })
            }
        };
        let preconditions = preconditions(demanded);
        let options = UpdateOptions { create_missing, preconditions, suggestion };
        let updated = guaranteed_update(&*store, &key, options, update).await;
        let Witnessed { states, race } = witnessed.into_inner();
        self.note(format!("saw {states:?}"));
        if let (Some(outcome), Some(rival)) = (race, rival) {
            self.judge_race(from, place, rival, outcome, &updated)?;
        }
        let last = states.last().cloned().flatten();
        match updated {
            Ok(Updated::Stored(record)) => {
                self.stored(from, place, wanted.unwrap_or(fallback), change, &record, last).await
            }
            Ok(Updated::Deleted { previous: None, .. }) => {
                let missing = self.missing_since(from, place).await?;
                ensure!(missing, "UPDATE-CURRENT", "{place:?} was taken for missing");
                Ok(())
            }
            Ok(Updated::Deleted { previous: Some(previous), revision }) => {
                self.deleted(from, place, &previous, revision, last, "UPDATE-CURRENT").await
            }
            Err(error) => {
                let excused = self.excuses(from, place, demanded, &error).await?
                    && (!matches!(error, Error::NotFound { .. }) || !create_missing);
                if excused { Ok(()) } else { Err(unexpected("UPDATE-CURRENT", &error)) }
            }
        }
    }

    /// An update that says what is stored: by itself, or before.
    async fn stored(
        &mut self,
        from: Revision,
        place: Place,
        wanted: Content,
        change: Changing,
        record: &Arc<Record>,
        made_from: Option<Found>,
    ) -> Result<(), Broken> {
        let revision = record.revision;
        let is_new = revision > from && !self.oracle.knows(revision);
        if !is_new {
            // Equal to what is stored: nothing was written.
            let to = self.settle().await?;
            let there = |version: Option<Version>| is_version(Some(record), place, version);
            ensure!(
                self.oracle.held_between(place, (from, to), there),
                "UPDATE-NOOP",
                "it says that {:?} is stored, and there is {:?}",
                Found::new(record),
                self.now_at(place)
            );
            ensure!(
                matches!(change, Changing::Nothing),
                "UPDATE-NOOP",
                "it wrote nothing, but {wanted:?} was wanted, and {:?} is stored",
                Found::new(record)
            );
            return Ok(());
        }
        self.committed(from, revision, oracle::Commit { place, after: Some(wanted), deadline: None }).await?;
        let before = self.oracle.object_at(place, revision.previous());
        ensure!(
            same(made_from.as_ref(), place, before),
            "UPDATE-CURRENT",
            "{revision} replaced {before:?}, and was made from {made_from:?}"
        );
        ensure!(
            !matches!(change, Changing::Nothing) || before.is_none(),
            "UPDATE-NOOP",
            "an update to what is stored was written as {revision}"
        );
        ensure!(
            is_version(Some(record), place, Some(Version { revision, content: wanted })),
            "UPDATE-CURRENT",
            "it wrote {wanted:?} as {revision}, and says {:?}",
            Found::new(record)
        );
        self.remember(place, Some(Arc::clone(record)));
        Ok(())
    }

    /// The commit that was put in the way of an update or a deletion. The oracle learns of it before it looks at
    /// the witnesses, who show the loser's too.
    fn judge_race(
        &mut self,
        from: Revision,
        place: Place,
        rival: Content,
        outcome: Result<Outcome, Error>,
        loser: &Result<impl Final, Error>,
    ) -> Result<(), Broken> {
        let Outcome::Committed(Committed { revision, record, .. }) =
            outcome.map_err(|error| unexpected("COMMIT-ORDERED", &error))?
        else {
            return Ok(());
        };
        ensure!(revision > from, "COMMIT-ORDERED", "the store was at {from}, and the commit is {revision}");
        // Who writes nothing was done when it had read, before the race.
        let made = loser.as_ref().ok().and_then(Final::revision).filter(|made| *made > from);
        ensure!(
            made.is_none_or(|made| made >= revision),
            "UPDATE-CURRENT",
            "{made:?} was made before {revision}, to which it should have lost"
        );
        self.note(format!("raced by {revision}"));
        self.oracle.commit(revision, oracle::Commit { place, after: Some(rival), deadline: None })?;
        self.remember(place, record);
        Ok(())
    }

    /// Deletes an object.
    pub(super) async fn delete(&mut self, place: Place, how: Manner, raced: bool) -> Result<(), Broken> {
        let from = self.current().await?;
        let Brought { suggestion, demanded } = self.brought(place, how).await?;
        let store = self.store(place.resource);
        let key = place.key(&*store);
        let rival = raced.then(|| self.content(crate::objects::Look::default()));
        let witnessed = Mutex::new(Witnessed::default());
        let validate = |record: Arc<Record>| {
            let first = {
                let mut witnessed = witnessed.lock();
                witnessed.states.push(Some(Found::new(&record)));
                witnessed.states.len() == 1
            };
            let rival = rival.filter(|_| first);
            let (store, key, witnessed) = (Arc::clone(&store), key.clone(), &witnessed);
            async move {
                if let Some(rival) = rival {
                    let expect = expect_of(Some(&record));
                    let operation = Operation::Put { value: rival.value(place, &*store), ttl: None };
                    let outcome = store.commit(Commit { key, expect, operation }).await;
                    witnessed.lock().race = Some(outcome);
                }
                Ok::<_, Error>(())
            }
        };
        let deleted = delete(&*store, &key, &preconditions(demanded), suggestion, validate).await;
        let Witnessed { states, race } = witnessed.into_inner();
        if let (Some(outcome), Some(rival)) = (race, rival) {
            self.judge_race(from, place, rival, outcome, &deleted)?;
        }
        match deleted {
            Ok(Deleted { record, revision }) => {
                let validated = states.last().cloned().flatten();
                self.deleted(from, place, &record, revision, validated, "DELETE-CURRENT").await
            }
            Err(error) if self.excuses(from, place, demanded, &error).await? => Ok(()),
            Err(error) => Err(unexpected("DELETE-CURRENT", &error)),
        }
    }

    async fn deleted(
        &mut self,
        from: Revision,
        place: Place,
        record: &Record,
        revision: Revision,
        validated: Option<Found>,
        promise: &'static str,
    ) -> Result<(), Broken> {
        self.committed(from, revision, oracle::Commit { place, after: None, deadline: None }).await?;
        let before = self.oracle.object_at(place, revision.previous());
        if !is_version(Some(record), place, before) || !same(validated.as_ref(), place, before) {
            let what = format!(
                "{revision} deleted {before:?}; it was validated as {validated:?} and comes back as {:?}",
                Found::new(record)
            );
            return Err(Broken::new(promise, what));
        }
        Ok(())
    }

    async fn brought(&mut self, place: Place, how: Manner) -> Result<Brought, Broken> {
        let suggestion = self.version(place, how.suggestion).await?;
        let demanded = self.version(place, how.precondition).await?.map(|record| record.revision);
        Ok(Brought { suggestion, demanded })
    }

    async fn version(&mut self, place: Place, which: Suggestion) -> Result<Option<Arc<Record>>, Broken> {
        match which {
            Suggestion::None => Ok(None),
            Suggestion::Current => self.look_up(place).await,
            Suggestion::Outdated => Ok(self.outdated(place)),
        }
    }

    async fn missing_since(&mut self, from: Revision, place: Place) -> Result<bool, Broken> {
        let to = self.settle().await?;
        Ok(self.oracle.held_between(place, (from, to), |version| version.is_none()))
    }

    /// Whether the state of a place, at some time since a revision, is a reason for this refusal.
    async fn excuses(
        &mut self,
        from: Revision,
        place: Place,
        demanded: Option<Revision>,
        error: &Error,
    ) -> Result<bool, Broken> {
        let to = self.settle().await?;
        let reason = |version: Option<Version>| match error {
            Error::NotFound { .. } => version.is_none(),
            Error::InvalidObject { .. } => {
                demanded.is_some() && demanded != version.map(|version| version.revision)
            }
            _ => false,
        };
        Ok(self.oracle.held_between(place, (from, to), reason))
    }
}

/// The revision that a write ended with.
trait Final {
    fn revision(&self) -> Option<Revision>;
}

impl Final for Updated {
    fn revision(&self) -> Option<Revision> {
        match self {
            Self::Stored(record) => Some(record.revision),
            Self::Deleted { previous, revision } => previous.is_some().then_some(*revision),
        }
    }
}

impl Final for Deleted {
    fn revision(&self) -> Option<Revision> {
        Some(self.revision)
    }
}

fn preconditions(demanded: Option<Revision>) -> Preconditions {
    Preconditions { uid: None, resource_version: demanded.map(|revision| revision.to_string()) }
}

fn expect_of(record: Option<&Record>) -> Expect {
    record.map_or(Expect::Absent, |record| Expect::Revision(record.revision))
}

fn same(found: Option<&Found>, place: Place, version: Option<Version>) -> bool {
    match (found, version) {
        (None, None) => true,
        (Some(found), Some(version)) => found.is(place, version),
        _ => false,
    }
}
