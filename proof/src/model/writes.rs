//! Commits and creations, and what the oracle makes of every outcome.

use std::sync::Arc;
use std::time::Duration;

use watchkeep_storage::{Commit, Committed, Error, Expect, Operation, Outcome, Record, Revision, create};

use super::{Model, unexpected};
use crate::broken::{Broken, ensure};
use crate::objects::{Content, Look, Place};
use crate::oracle::{self, Version, holds};
use crate::step::Expectation;
use crate::stream::Found;
use crate::worlds::World;

impl<W: World> Model<W> {
    /// Commits a put or a deletion.
    pub(super) async fn commit(
        &mut self,
        place: Place,
        expect: Expectation,
        look: Option<Look>,
        ttl: Option<Duration>,
    ) -> Result<(), Broken> {
        let expect = self.expectation(place, expect);
        let after = look.map(|look| self.content(look));
        self.commit_now(place, expect, after, ttl).await
    }

    /// Commits, with an expectation and a content that are settled.
    pub(super) async fn commit_now(
        &mut self,
        place: Place,
        expect: Expect,
        after: Option<Content>,
        ttl: Option<Duration>,
    ) -> Result<(), Broken> {
        let (from, issued) = (self.current().await?, self.unix_time());
        let store = self.store(place.resource);
        let operation = match after {
            Some(content) => Operation::Put { value: content.value(place, &*store), ttl },
            None => Operation::Delete,
        };
        let ttl = ttl.filter(|_| after.is_some());
        let commit = oracle::Commit { place, after, deadline: ttl.map(|ttl| issued + ttl) };
        let outcome = store.commit(Commit { key: place.key(&*store), expect, operation }).await;
        self.judge(from, expect, commit, outcome).await
    }

    /// Holds the outcome of a commit against the oracle, which learns of it.
    pub(super) async fn judge(
        &mut self,
        from: Revision,
        expect: Expect,
        commit: oracle::Commit,
        outcome: Result<Outcome, Error>,
    ) -> Result<(), Broken> {
        let place = commit.place;
        match outcome {
            Ok(Outcome::Committed(Committed { revision, record, previous })) => {
                self.committed(from, revision, commit).await?;
                let before = self.oracle.object_at(place, revision.previous());
                ensure!(
                    holds(expect, before),
                    "COMMIT-CONFLICT",
                    "there was {before:?} and not what {expect:?} says, but it was committed as {revision}"
                );
                ensure!(
                    is_version(previous.as_deref(), place, before),
                    "COMMIT-CONFLICT",
                    "it replaced {before:?}, and says {:?}",
                    previous.as_deref().map(Found::new)
                );
                let after = commit.after.map(|content| Version { revision, content });
                ensure!(
                    is_version(record.as_deref(), place, after),
                    "COMMIT-ORDERED",
                    "it made {after:?}, and says {:?}",
                    record.as_deref().map(Found::new)
                );
                self.remember(place, record);
                Ok(())
            }
            Ok(Outcome::Conflict { current }) => {
                let to = self.settle().await?;
                let possible =
                    |version| !holds(expect, version) && is_version(current.as_deref(), place, version);
                ensure!(
                    self.oracle.held_between(place, (from, to), possible)
                        || (expect_nothing_to_delete(expect, commit) && current.is_none()),
                    "COMMIT-CONFLICT",
                    "{expect:?} conflicts with {:?}, where there is {:?}",
                    current.as_deref().map(Found::new),
                    self.now_at(place)
                );
                self.remember(place, current);
                Ok(())
            }
            Err(error) => Err(unexpected("COMMIT-ORDERED", &error)),
        }
    }

    /// The oracle learns of an acknowledged commit, which readers and watchers have to see by now.
    pub(super) async fn committed(
        &mut self,
        from: Revision,
        revision: Revision,
        commit: oracle::Commit,
    ) -> Result<(), Broken> {
        ensure!(revision > from, "COMMIT-ORDERED", "the store was at {from}, and the commit is {revision}");
        self.note(format!("committed {revision}"));
        self.oracle.commit(revision, commit)?;
        let now = self.settle().await?;
        ensure!(now >= revision, "COMMIT-VISIBLE", "{revision} is acknowledged, and the store is at {now}");
        Ok(())
    }

    /// Creates an object.
    pub(super) async fn create(
        &mut self,
        place: Place,
        look: Look,
        ttl: Option<Duration>,
    ) -> Result<(), Broken> {
        let (from, issued) = (self.current().await?, self.unix_time());
        let store = self.store(place.resource);
        let content = self.content(look);
        let commit = oracle::Commit { place, after: Some(content), deadline: ttl.map(|ttl| issued + ttl) };
        match create(&*store, place.key(&*store), content.value(place, &*store), ttl).await {
            Ok(record) => {
                self.committed(from, record.revision, commit).await?;
                let before = self.oracle.object_at(place, record.revision.previous());
                ensure!(before.is_none(), "CREATE", "created as {} over {before:?}", record.revision);
                self.remember(place, Some(record));
                Ok(())
            }
            Err(Error::Exists { .. }) => {
                let to = self.settle().await?;
                let existed = self.oracle.held_between(place, (from, to), |version| version.is_some());
                ensure!(existed, "CREATE", "refused, and there is nothing at {place:?}");
                Ok(())
            }
            Err(error) => Err(unexpected("CREATE", &error)),
        }
    }

    fn expectation(&self, place: Place, expectation: Expectation) -> Expect {
        let now = self.now_at(place).map(|version| version.revision);
        match expectation {
            Expectation::TheTruth => now.map_or(Expect::Absent, Expect::Revision),
            Expectation::Absent => Expect::Absent,
            Expectation::Outdated => Expect::Revision(
                self.outdated(place).map_or_else(|| self.oracle.back(3), |record| record.revision),
            ),
            Expectation::Nonsense => Expect::Revision(self.oracle.back(1).next()),
        }
    }

    /// The oldest record of a place that a caller may have at hand.
    pub(super) fn outdated(&self, place: Place) -> Option<Arc<Record>> {
        self.known.get(&place.key_text())?.first().cloned()
    }

    pub(super) fn remember(&mut self, place: Place, record: Option<Arc<Record>>) {
        /// The most records of a place: enough that the oldest is old.
        const KNOWN_MAX: usize = 4;
        let Some(record) = record else { return };
        let known = self.known.entry(place.key_text()).or_default();
        known.push(record);
        if known.len() > KNOWN_MAX {
            known.remove(0);
        }
    }
}

/// Deleting what is expected not to be there changes nothing, and conflicts with nothing.
fn expect_nothing_to_delete(expect: Expect, commit: oracle::Commit) -> bool {
    expect == Expect::Absent && commit.after.is_none()
}

/// Whether a record is a version, or there is neither.
pub(super) fn is_version(record: Option<&Record>, place: Place, version: Option<Version>) -> bool {
    match (record, version) {
        (None, None) => true,
        (Some(record), Some(version)) => Found::new(record).is(place, version),
        _ => false,
    }
}
