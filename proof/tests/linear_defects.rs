//! A store that breaks a promise is found out by concurrent clients, and told by the name of what it breaks.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_proof::linear::Promise;
use watchkeep_proof::linear::check;
use watchkeep_proof::linear::clients::Load;
use watchkeep_proof::linear::run::{Harm, Plan, tell};
use watchkeep_proof::worlds::{Kept, MemoryWorld, World};
use watchkeep_storage::conformance::{Clock, Decorator};
use watchkeep_storage::{
    Backend, BoxFuture, Commit, Cursor, Environment, Error, Expect, Found, Freshness, Interface, Key,
    ListRequest, Listing, Operation, Outcome, Record, ResourcePrefix, Revision, Schema, WatchEvent,
    WatchRequest, WatchSource, Watcher, collect,
};

const PLAN: Plan =
    Plan { load: Load { writers: 8, keys: 4, operations: 60, faults: false }, rounds: 1, harm: Harm::None };

/// One of so many calls is answered wrongly.
const EVERY: u64 = 23;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    /// A get answers from what another get had found.
    StaleGet,
    /// A write that lost a race is done all the same.
    BlindWrite,
    /// A write is done a second time.
    DoneTwice,
    /// A write is done, and its client told of a conflict.
    RefusedAndDone,
    /// A list takes the last of its records from a later state.
    MixedList,
    /// A watch leaves an event out.
    MissingEvent,
    /// A watch shows an event twice.
    DoubledEvent,
    /// A request for progress is answered ahead of what was delivered.
    EagerBookmark,
}

const DEFECTS: [Defect; 8] = [
    Defect::StaleGet,
    Defect::BlindWrite,
    Defect::DoneTwice,
    Defect::RefusedAndDone,
    Defect::MixedList,
    Defect::MissingEvent,
    Defect::DoubledEvent,
    Defect::EagerBookmark,
];

/// A store in memory with a defect, by its place in [`DEFECTS`].
struct DefectiveWorld<const DEFECT: usize>(MemoryWorld);

impl<const DEFECT: usize> World for DefectiveWorld<DEFECT> {
    const CLOCK: Clock = Clock::Paused;
    const NAME: &'static str = "defective";
    const CACHED_NAME: &'static str = "a cache over something defective";

    async fn open(seed: u64) -> Self {
        Self(MemoryWorld::open(seed).await)
    }

    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(DefectiveBackend(self.0.backend(), DEFECTS[DEFECT]))
    }

    fn environment(&self) -> &Environment {
        self.0.environment()
    }

    async fn restart(&mut self) -> Kept {
        self.0.restart().await
    }

    async fn crash(&mut self) -> Kept {
        self.0.crash().await
    }

    async fn advance(&mut self, by: Duration) {
        self.0.advance(by).await;
    }

    fn expiry_slack(&self) -> Option<Duration> {
        self.0.expiry_slack()
    }
}

struct DefectiveBackend(Arc<dyn Backend>, Defect);

impl Backend for DefectiveBackend {
    fn resource(
        &self,
        prefix: ResourcePrefix,
        schema: Arc<Schema>,
    ) -> BoxFuture<'_, Result<Arc<dyn Interface>, Error>> {
        Box::pin(async move {
            let store = self.0.resource(prefix, schema).await?;
            let (calls, found) = (AtomicU64::new(0), Mutex::default());
            Ok(Arc::new(Defective { store, defect: self.1, calls, found }) as Arc<dyn Interface>)
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.0.close()
    }
}

struct Defective {
    store: Arc<dyn Interface>,
    defect: Defect,
    calls: AtomicU64,
    found: Mutex<HashMap<Key, Found>>,
}

impl Defective {
    /// Whether this call is one that is answered wrongly.
    fn strikes(&self, defect: Defect) -> bool {
        self.defect == defect && self.calls.fetch_add(1, Ordering::SeqCst) % EVERY == EVERY - 1
    }

    async fn committed(&self, commit: Commit) -> Result<Outcome, Error> {
        let outcome = self.store.commit(commit.clone()).await?;
        match &outcome {
            Outcome::Conflict { current: Some(current) } if self.strikes(Defect::BlindWrite) => {
                let expect = Expect::Revision(current.revision);
                self.store.commit(Commit { expect, ..commit }).await
            }
            Outcome::Committed(done) if matches!(commit.operation, Operation::Put { .. }) => {
                if self.strikes(Defect::DoneTwice) {
                    let expect = Expect::Revision(done.revision);
                    self.store.commit(Commit { expect, ..commit }).await?;
                } else if self.strikes(Defect::RefusedAndDone) {
                    return Ok(Outcome::Conflict { current: done.previous.clone() });
                }
                Ok(outcome)
            }
            _ => Ok(outcome),
        }
    }

    async fn read(&self, key: Key, freshness: Freshness) -> Result<Found, Error> {
        let known = self.found.lock().unwrap().get(&key).cloned();
        if let Some(known) = known.filter(|_| self.strikes(Defect::StaleGet)) {
            return Ok(known);
        }
        let found = self.store.get(&key, freshness).await?;
        self.found.lock().unwrap().insert(key, found.clone());
        Ok(found)
    }

    async fn listed(&self, request: ListRequest) -> Result<Listing, Error> {
        let Listing { revision, continuation, cursor } = self.store.list(request.clone()).await?;
        let mut records = collect(cursor).await?;
        if self.strikes(Defect::MixedList) {
            // Others write meanwhile.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let at = watchkeep_storage::ReadAt::Latest;
            let later = collect(self.store.list(ListRequest { at, ..request }).await?.cursor).await?;
            records.pop();
            records.extend(later.last().cloned());
        }
        Ok(Listing { revision, continuation, cursor: Box::new(Collected(records)) })
    }
}

struct Collected(Vec<Arc<Record>>);

impl Cursor for Collected {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Arc<Record>>, Error>> {
        Box::pin(async move { Ok(std::mem::take(&mut self.0)) })
    }
}

struct DefectiveWatch {
    watch: Watcher,
    defect: Defect,
    seen: u64,
    again: Option<WatchEvent>,
}

impl WatchSource for DefectiveWatch {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        if let Some(again) = self.again.take() {
            return Poll::Ready(Some(Ok(again)));
        }
        let next = self.watch.poll_next_unpin(context);
        let Poll::Ready(Some(Ok(event))) = &next else { return next };
        self.seen += 1;
        let strikes = self.seen.is_multiple_of(EVERY);
        match (event, self.defect) {
            (WatchEvent::Change(_), Defect::MissingEvent) if strikes => self.poll_next(context),
            (WatchEvent::Change(_), Defect::DoubledEvent) if strikes => {
                self.again = Some(event.clone());
                next
            }
            (WatchEvent::Change(change), Defect::EagerBookmark) if strikes => {
                let revision = change.revision();
                self.again = Some(event.clone());
                let bookmark = watchkeep_storage::Bookmark { revision, initial_events_end: false };
                Poll::Ready(Some(Ok(WatchEvent::Bookmark(bookmark))))
            }
            _ => next,
        }
    }

    fn progress(&self) -> Revision {
        self.watch.progress()
    }
}

impl Decorator for Defective {
    fn below(&self) -> &dyn Interface {
        &*self.store
    }

    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>> {
        Box::pin(self.committed(commit))
    }

    fn on_get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        Box::pin(self.read(key.clone(), freshness))
    }

    fn on_list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        Box::pin(self.listed(request))
    }

    fn on_watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        Box::pin(async move {
            let watch = self.store.watch(request).await?;
            Ok(Watcher::new(DefectiveWatch { watch, defect: self.defect, seen: 0, again: None }))
        })
    }
}

/// Which promises a defect is found to break, over some seeds.
#[track_caller]
fn breaks<const DEFECT: usize>(promises: &[Promise]) {
    for seed in 1..=3 {
        let clients = tell::<DefectiveWorld<DEFECT>>(seed, PLAN).unwrap();
        let violation = check(&clients.history()).expect_err("it is not noticed");
        eprintln!("{:?}, seed {seed}: {violation}", DEFECTS[DEFECT]);
        assert!(promises.contains(&violation.promise), "{violation}");
    }
}

#[test]
fn a_stale_get_is_noticed() {
    breaks::<0>(&[Promise::NoStaleRead]);
}

#[test]
fn a_write_that_lost_a_race_and_is_done_is_noticed() {
    breaks::<1>(&[Promise::NoLostUpdate]);
}

#[test]
fn a_write_that_is_done_twice_is_noticed() {
    breaks::<2>(&[Promise::OnceOnly]);
}

#[test]
fn a_write_that_is_refused_and_done_is_noticed() {
    // Where it was an update, it is made again.
    breaks::<3>(&[Promise::NoDirtyRead, Promise::OnceOnly]);
}

#[test]
fn a_list_of_two_states_is_noticed() {
    breaks::<4>(&[Promise::ListIsAtomic]);
}

#[test]
fn an_event_that_is_left_out_is_noticed() {
    breaks::<5>(&[Promise::WatchIsReliable, Promise::BookmarkIsBehind]);
}

#[test]
fn an_event_that_comes_twice_is_noticed() {
    breaks::<6>(&[Promise::WatchIsUnique]);
}

#[test]
fn a_bookmark_ahead_of_its_event_is_noticed() {
    breaks::<7>(&[Promise::BookmarkIsBehind]);
}
