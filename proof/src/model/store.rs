//! What happens to the store as a whole: compactions, time, restarts, crashes and disturbances.

use std::time::Duration;

use watchkeep_storage::{CompactedDuring, Error, Revision};

use super::{Model, unexpected};
use crate::broken::{Broken, ensure};
use crate::objects::{RESOURCES, View};
use crate::step::At;
use crate::stream::Stream;
use crate::worlds::{Kept, World};

impl<W: World> Model<W> {
    /// Gives up history.
    pub(super) async fn compact(&mut self, at: At) -> Result<(), Broken> {
        let current = self.settle().await?;
        let wanted = match at {
            At::Latest | At::Any => current,
            At::NotOlder(back) | At::Exactly(back) => self.oracle.back(back),
            At::Future => Revision::new(current.get() + 1_000_000),
        };
        let compacted = self.oracle.compacted();
        match self.store(0).compact(wanted).await {
            Ok(()) => {
                ensure!(
                    wanted <= current && wanted >= compacted,
                    "COMPACT-READS",
                    "{wanted} was compacted, of {compacted} to {current}"
                );
                self.oracle.compact(wanted);
            }
            Err(Error::FutureRevision { .. }) if wanted > current => {}
            Err(Error::Compacted { during: CompactedDuring::Compact, .. }) if wanted < compacted => {}
            Err(error) => return Err(unexpected("COMPACT-READS", &error)),
        }
        self.settle().await?;
        self.check_compacted()
    }

    /// Whether the store may say that it is compacted up to here: it has to be exact where it has to know.
    pub(super) fn may_say_compacted(&self, oldest: Revision) -> bool {
        let compacted = self.oracle.compacted();
        oldest == compacted || (oldest < compacted && !self.world.compaction_is_remembered())
    }

    fn check_compacted(&self) -> Result<(), Broken> {
        for resource in 0..RESOURCES.len() {
            let (says, is) = (self.store(resource).compacted_revision(), self.oracle.compacted());
            ensure!(self.may_say_compacted(says), "COMPACT-READS", "{is} is compacted, and it says {says}");
        }
        Ok(())
    }

    /// Counts the objects.
    pub(super) async fn stats(&mut self, resource: usize) -> Result<(), Broken> {
        let from = self.settle().await?;
        let stats = self.store(resource).stats().await.map_err(|error| unexpected("STATS", &error))?;
        let to = self.settle().await?;
        let view = View::everything(resource);
        let counts: Vec<_> = self
            .oracle
            .revisions(from, to)
            .iter()
            .map(|at| self.oracle.list(view, *at).len() as u64)
            .collect();
        ensure!(
            counts.contains(&stats.objects),
            "STATS",
            "there are {counts:?} objects, and it says {stats:?}"
        );
        Ok(())
    }

    /// Lets time pass. What is overdue has to go.
    pub(super) async fn advance(&mut self, by: Duration) -> Result<(), Broken> {
        self.world.advance(by).await;
        self.settle().await?;
        let Some(slack) = self.world.expiry_slack() else { return Ok(()) };
        let due = self.unix_time().saturating_sub(slack);
        let gone = tokio::time::timeout(W::CLOCK.patience(), async {
            while !self.oracle.overdue(due).is_empty() {
                self.world.environment().sleep(Duration::from_millis(10)).await;
                self.settle().await?;
            }
            Ok(())
        });
        let gone = gone.await;
        let overdue = self.oracle.overdue(due);
        gone.unwrap_or_else(|_| {
            Err(Broken::new("TTL-LOWER-BOUND", format!("{overdue:?} should be gone by now")))
        })
    }

    /// Ends the store and starts it again. Watches go on where they were.
    pub(super) async fn restart(&mut self, crash: bool) -> Result<(), Broken> {
        let before = self.settle().await?;
        let cut: Vec<_> = (0..self.watches.len()).map(|slot| self.cut(slot)).collect();
        for witness in self.witnesses.drain(..) {
            self.finished.push(witness.stream);
        }
        self.check_streams()?;
        self.open_lists = Default::default();
        self.stores.clear();
        let kept = if crash { self.world.crash().await } else { self.world.restart().await };
        self.open_stores().await?;
        match kept {
            Kept::Nothing => {
                self.pages = Default::default();
                self.known.clear();
                let now = self.current().await?;
                ensure!(
                    now > before,
                    "REVISION-MONOTONIC",
                    "a new store begins at {now}, the last was at {before}"
                );
                self.begin_empty().await
            }
            Kept::Everything => self.go_on(before, crash, cut).await,
        }
    }

    async fn go_on(
        &mut self,
        before: Revision,
        crash: bool,
        cut: Vec<Option<(Stream, bool)>>,
    ) -> Result<(), Broken> {
        if crash {
            // The revisions that a crash may have lost are burnt, and count as compacted.
            self.oracle.compact(self.store(0).compacted_revision());
        }
        self.witness(before).await?;
        self.settle().await?;
        self.check_compacted()?;
        for (slot, cut) in cut.into_iter().enumerate() {
            if let Some((stream, progress)) = cut {
                self.reopen(slot, &stream, progress).await?;
            }
        }
        Ok(())
    }

    /// Does to the store what may happen to one of its kind.
    pub(super) async fn disturb(&mut self) -> Result<(), Broken> {
        self.world.disturb().await;
        self.settle().await.map(drop)
    }
}
