//! Writers: tasks that each own a part of the keys and wait for every commit before they begin the next.
//!
//! What they write is made before they begin, and each knows the revisions of its keys, so that what is
//! measured is the commit alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt as _;
use watchkeep_storage::rocksdb::RocksOptions;
use watchkeep_storage::{
    Commit, Expect, Freshness, Interface, Key, Operation, Outcome, ResourcePrefix, Revision, Value,
};

use crate::meter::now;
use crate::objects::{self, Objects};
use crate::store::{Store, on_workers};

/// How many writers fill a store.
pub(crate) const FILLERS: usize = 128;

/// An object and what is stored of it.
pub(crate) struct Slot {
    key: Key,
    value: Value,
    stored: Option<Revision>,
}

/// Writers with their objects.
pub(crate) struct Crew {
    shares: Vec<Vec<Slot>>,
    /// Draws anew for each run.
    runs: u64,
}

/// When a writer has done enough: both have to be reached.
#[derive(Clone, Copy)]
pub(crate) struct Goal {
    /// Commits of all writers together.
    pub(crate) commits: usize,
    pub(crate) at_least: Duration,
}

impl Goal {
    pub(crate) fn commits(commits: usize) -> Self {
        Self { commits, at_least: Duration::ZERO }
    }
}

impl Slot {
    /// Writes the object over what is stored.
    pub(crate) async fn write(&mut self, pods: &dyn Interface) {
        let expect = self.stored.map_or(Expect::Absent, Expect::Revision);
        let operation = Operation::Put { value: self.value.clone(), ttl: None };
        let commit = pods.commit(Commit { key: self.key.clone(), expect, operation });
        match commit.await.expect("the disk has room") {
            Outcome::Committed(committed) => self.stored = Some(committed.revision),
            Outcome::Conflict { current } => panic!("somebody else wrote {current:?}"),
        }
    }
}

impl Crew {
    /// Writers of the objects whose numbers are `0, step, 2 × step, …`, dealt out one by one.
    pub(crate) fn new(
        objects: &Objects,
        prefix: &ResourcePrefix,
        numbers: impl Iterator<Item = usize>,
        writers: usize,
    ) -> Self {
        let mut shares: Vec<Vec<Slot>> = (0..writers).map(|_| Vec::new()).collect();
        for (position, n) in numbers.enumerate() {
            let slot = Slot { key: objects::key(prefix, n), value: objects.value(n, 0), stored: None };
            shares.get_mut(position % writers).expect("a remainder is below the divisor").push(slot);
        }
        Self { shares, runs: 0 }
    }

    /// Has every object created, in the order of the numbers.
    pub(crate) async fn create(&mut self, pods: &Arc<dyn Interface>) {
        self.run(pods, |pods, mut share, _| async move {
            for slot in &mut share {
                slot.write(&*pods).await;
            }
            (share, 0)
        })
        .await;
    }

    /// Asks what is stored, of objects that somebody else has created.
    pub(crate) async fn adopt(&mut self, pods: &Arc<dyn Interface>) {
        self.run(pods, |pods, mut share, _| async move {
            for slot in &mut share {
                let found = pods.get(&slot.key, Freshness::Latest).await.expect("the store is open");
                slot.stored = found.record.map(|record| record.revision);
            }
            (share, 0)
        })
        .await;
    }

    /// Has objects updated that are drawn at random; how many commits that took.
    pub(crate) async fn update(&mut self, pods: &Arc<dyn Interface>, goal: Goal) -> usize {
        let each = goal.commits.div_ceil(self.shares.len());
        let until = now() + goal.at_least;
        self.run(pods, move |pods, mut share, stream| async move {
            let mut chance = objects::chance(stream);
            let mut done = 0;
            while done < each || now() < until {
                let position = chance.random_range(0..share.len());
                share.get_mut(position).expect("the position is below the length").write(&*pods).await;
                done += 1;
            }
            (share, done)
        })
        .await
    }

    async fn run<F>(
        &mut self,
        pods: &Arc<dyn Interface>,
        work: impl Fn(Arc<dyn Interface>, Vec<Slot>, u64) -> F,
    ) -> usize
    where
        F: Future<Output = (Vec<Slot>, usize)> + Send + 'static,
    {
        self.runs += 1;
        let shares = std::mem::take(&mut self.shares);
        let streams = (self.runs << 32..).zip(shares);
        let tasks = streams.map(|(stream, share)| on_workers(work(Arc::clone(pods), share, stream)));
        let (shares, done): (Vec<_>, Vec<usize>) = join_all(tasks).await.into_iter().unzip();
        self.shares = shares;
        done.into_iter().sum()
    }
}

/// Creates the first `count` objects, without keeping them.
pub(crate) async fn fill(pods: &Arc<dyn Interface>, objects: &Arc<Objects>, count: usize) {
    let tasks = (0..FILLERS).map(|filler| {
        let (pods, objects) = (Arc::clone(pods), Arc::clone(objects));
        on_workers(async move {
            for n in (filler..count).step_by(FILLERS) {
                let key = objects::key(pods.prefix(), n);
                Slot { key, value: objects.value(n, 0), stored: None }.write(&*pods).await;
            }
        })
    });
    join_all(tasks).await;
}

/// A store with the first `count` objects of a size, whose engine is idle.
pub(crate) async fn filled(options: RocksOptions, bytes: usize, count: usize) -> Store {
    let store = Store::open_with(options).await;
    fill(&store.pods, &Arc::new(Objects::new(bytes)), count).await;
    store.settle().await;
    store
}
