//! Small instruments: a resource with the handles that tests pull, and a watch with bounded patience.

use std::future::{Future, poll_fn, ready};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;

use super::harness::{Clock, Harness};
use super::object::Object;
use crate::delete::{Deleted, delete};
use crate::error::Error;
use crate::event::{Bookmark, Change, EventType, WatchEvent};
use crate::interface::{Commit, Committed, Expect, Freshness, Interface, Operation, Outcome};
use crate::key::{Key, Scope};
use crate::list::{ListOptions, ListPage, ListRequest, Listing, ReadAt, collect, list};
use crate::precondition::Preconditions;
use crate::predicate::Predicate;
use crate::record::{Record, Value};
use crate::revision::Revision;
use crate::selector::{FieldSelector, LabelSelector};
use crate::update::{Update, UpdateOptions, Updated, guaranteed_update};
use crate::watch::{WatchRequest, WatchStart, Watcher};

/// A resource of the store under test.
#[derive(Clone)]
pub struct Resource(Arc<dyn Interface>);

impl Deref for Resource {
    type Target = dyn Interface;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Resource {
    /// The handles of an interface.
    pub fn new(store: Arc<dyn Interface>) -> Self {
        Self(store)
    }

    /// The interface itself.
    pub fn interface(&self) -> Arc<dyn Interface> {
        Arc::clone(&self.0)
    }

    /// Where an object lives.
    pub fn key(&self, object: &Object) -> Key {
        self.prefix().object(object.namespace.as_deref(), &object.name).unwrap()
    }

    /// The value of an object.
    pub fn value(&self, object: &Object) -> Value {
        object.value(self.schema())
    }

    /// All objects.
    pub fn all(&self) -> Scope {
        self.prefix().under(None).unwrap()
    }

    /// The objects of a namespace.
    pub fn namespace(&self, namespace: &str) -> Scope {
        self.prefix().under(Some(namespace)).unwrap()
    }

    /// The scope of one object.
    pub fn one(&self, object: &Object) -> Scope {
        Scope::One(self.key(object))
    }

    /// Commits a put without a time-to-live.
    pub async fn try_put(&self, object: &Object, expect: Expect) -> Result<Outcome, Error> {
        let operation = Operation::Put { value: self.value(object), ttl: None };
        self.commit(Commit { key: self.key(object), expect, operation }).await
    }

    /// Writes an object, whatever is there.
    pub async fn put(&self, object: &Object) -> Arc<Record> {
        self.put_for(object, None).await
    }

    /// Writes an object with a time-to-live, whatever is there.
    pub async fn put_for(&self, object: &Object, ttl: Option<Duration>) -> Arc<Record> {
        let current = self.find(object).await;
        let expect = current.map_or(Expect::Absent, |record| Expect::Revision(record.revision));
        let operation = Operation::Put { value: self.value(object), ttl };
        let commit = Commit { key: self.key(object), expect, operation };
        committed(self.commit(commit).await.unwrap()).record.unwrap()
    }

    /// Deletes an object that is there.
    pub async fn remove(&self, object: &Object) -> Deleted {
        let accept = |_| ready(Ok::<_, Error>(()));
        delete(&*self.0, &self.key(object), &Preconditions::NONE, None, accept).await.unwrap()
    }

    /// Sets an object by a guaranteed update.
    pub async fn update_to(&self, object: &Object, options: UpdateOptions) -> Result<Updated, Error> {
        let value = self.value(object);
        let set = |_| ready(Ok(Update::Put { value: value.clone(), ttl: None }));
        guaranteed_update(&*self.0, &self.key(object), options, set).await
    }

    /// The newest state of an object.
    pub async fn find(&self, object: &Object) -> Option<Arc<Record>> {
        self.get(&self.key(object), Freshness::Latest).await.unwrap().record
    }

    /// The newest revision of the store.
    pub async fn now(&self) -> Revision {
        self.current_revision().await.unwrap()
    }

    /// A request for all records of a scope.
    pub fn request(&self, scope: Scope, at: ReadAt) -> ListRequest {
        ListRequest { scope, at, start: None, limit: None, predicate: Predicate::everything() }
    }

    /// All records of a scope at a revision of the store, with that revision.
    pub async fn read(&self, scope: Scope, at: ReadAt) -> Result<(Vec<Arc<Record>>, Revision), Error> {
        let Listing { revision, continuation, cursor } = self.list(self.request(scope, at)).await?;
        assert_eq!(continuation, None, "a list without a limit has one page");
        Ok((collect(cursor).await?, revision))
    }

    /// A page as a client asks for it.
    pub async fn page(&self, scope: Scope, options: &ListOptions) -> Result<Page, Error> {
        let ListPage { revision, continue_token, remaining, cursor } = list(&*self.0, scope, options).await?;
        Ok(Page { revision, token: continue_token, remaining, records: collect(cursor).await? })
    }

    /// A watch of everything in a scope.
    pub async fn probe(&self, harness: &dyn Harness, scope: Scope, start: WatchStart) -> Probe {
        self.try_probe(harness, self.watching(scope, start)).await.unwrap()
    }

    /// A watch, if it opens.
    pub async fn try_probe(&self, harness: &dyn Harness, request: WatchRequest) -> Result<Probe, Error> {
        let watcher = self.watch(request).await?;
        Ok(Probe { watcher, clock: harness.clock() })
    }

    /// A request to watch everything in a scope.
    pub fn watching(&self, scope: Scope, start: WatchStart) -> WatchRequest {
        WatchRequest { scope, start, predicate: Predicate::everything(), progress: false }
    }
}

/// A page that was read to its end.
#[derive(Debug)]
pub struct Page {
    /// The revision of the list.
    pub revision: Revision,
    /// The token of the next page.
    pub token: Option<String>,
    /// How many objects follow.
    pub remaining: Option<u64>,
    /// The records.
    pub records: Vec<Arc<Record>>,
}

/// A watch under test.
pub struct Probe {
    watcher: Watcher,
    clock: Clock,
}

impl Probe {
    /// The next event, which has to come.
    pub async fn next(&mut self) -> WatchEvent {
        match self.next_or_end().await {
            Some(Ok(event)) => event,
            other => panic!("expected an event, got {other:?}"),
        }
    }

    /// The next change, which has to come.
    pub async fn change(&mut self) -> Change {
        match self.next().await {
            WatchEvent::Change(change) => change,
            WatchEvent::Bookmark(bookmark) => panic!("expected a change, got {bookmark:?}"),
        }
    }

    /// The next event, which has to be a bookmark.
    pub async fn bookmark(&mut self) -> Bookmark {
        match self.next().await {
            WatchEvent::Bookmark(bookmark) => bookmark,
            WatchEvent::Change(change) => panic!("expected a bookmark, got {change:?}"),
        }
    }

    /// The next event has to show this record as added or modified.
    pub async fn shows(&mut self, event_type: EventType, record: &Record) {
        let change = self.change().await;
        assert_eq!(change.event_type, event_type, "{change:?}");
        assert_eq!(change.record().map(|record| &**record), Some(record));
        assert_eq!(change.revision(), record.revision);
    }

    /// The next event has to show this record as deleted by a revision.
    pub async fn shows_deleted(&mut self, last: &Record, revision: Revision) {
        let change = self.change().await;
        assert_eq!(change.event_type, EventType::Deleted, "{change:?}");
        assert_eq!(change.record().map(|record| &**record), Some(last), "the last state");
        assert_eq!(change.revision(), revision, "the revision of the deletion");
    }

    /// Nothing may come for a while.
    pub async fn is_quiet(&mut self) {
        let came = tokio::time::timeout(self.clock.quiet(), self.watcher.next()).await;
        assert!(came.is_err(), "expected nothing, got {came:?}");
    }

    /// The next event, if one comes within a while.
    pub async fn next_if_any(&mut self) -> Option<WatchEvent> {
        match tokio::time::timeout(self.clock.quiet(), self.watcher.next()).await {
            Err(_) => None,
            Ok(came) => Some(came.unwrap().unwrap()),
        }
    }

    /// The watch has to end with an error; nothing may follow it. Events before it are skipped.
    pub async fn ends(&mut self) -> Error {
        loop {
            match self.next_or_end().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    assert_eq!(self.next_or_end().await, None, "nothing follows an error");
                    return error;
                }
                None => panic!("the watch ended without an error"),
            }
        }
    }

    /// What comes next. Bounded patience is looked at first: an event whose reader was not woken is found
    /// when the time is over, and must not count.
    pub async fn next_or_end(&mut self) -> Option<Result<WatchEvent, Error>> {
        let patience = self.clock.patience();
        tokio::select! {
            biased;
            () = tokio::time::sleep(patience) => panic!("no reader was woken within {patience:?}"),
            next = self.watcher.next() => next,
        }
    }

    /// What the watch says it has delivered.
    pub fn progress(&self) -> Revision {
        self.watcher.progress()
    }

    /// The watch itself.
    pub fn watcher(&mut self) -> &mut Watcher {
        &mut self.watcher
    }
}

/// The predicate of a label selector and a field selector.
pub fn selecting(labels: &str, fields: &str) -> Predicate {
    Predicate::new(LabelSelector::parse(labels).unwrap(), FieldSelector::parse(fields).unwrap())
}

/// The commit of an outcome that has to be one.
pub fn committed(outcome: Outcome) -> Committed {
    match outcome {
        Outcome::Committed(committed) => committed,
        Outcome::Conflict { current } => panic!("a conflict with {current:?}"),
    }
}

/// The current record of an outcome that has to be a conflict.
pub fn conflict(outcome: Outcome) -> Option<Arc<Record>> {
    match outcome {
        Outcome::Conflict { current } => current,
        Outcome::Committed(committed) => panic!("a commit: {committed:?}"),
    }
}

/// The paths of records.
pub fn paths(records: &[Arc<Record>]) -> Vec<&str> {
    records.iter().map(|record| super::object::path_of(&record.key)).collect()
}

/// Polls a future at most so many times, letting other tasks run in between, and then drops it.
pub async fn polled<F: Future + ?Sized>(mut future: Pin<Box<F>>, times: usize) -> Option<F::Output> {
    for _ in 0..times {
        let once = poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        if let Poll::Ready(output) = once.await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}
