//! A client that lists and then watches, in its own manner.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::watch;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::path_of;
use watchkeep_storage::{
    Bookmark, Change, Error, EventType, Freshness, ListRequest, Predicate, ReadAt as StoreReadAt, Revision,
    WatchEvent, WatchRequest, WatchStart, Watcher as StoreWatcher, collect,
};

use super::super::history::{Event, Input, Key, Output, ReadAt, Scope, Seen, Version};
use super::super::recorder::Watch;
use super::content::version;
use super::writer::store_scope;
use super::{CUT, PATIENCE, Shared};

/// How a watcher behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is there from the beginning to the end, and reads what there is.
    Faithful,
    /// It waits now and then, for a while.
    Slow,
    /// It goes away after some events, and comes back to where it was.
    Fickle,
    /// It goes away after some events, and begins with a new list.
    Forgetful,
    /// As that, but the watch brings the list.
    Streaming,
}

/// How many events a watcher sees before it goes away.
const GOES_AFTER: u32 = 40;

/// How long a slow one waits.
const NAP: Duration = Duration::from_millis(20);

/// How long the others wait before they try again.
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// A client that watches.
pub(super) struct Watcher {
    client: usize,
    scope: Scope,
    manner: Manner,
    chance: StdRng,
    session: Option<Watch>,
    /// Where it tells how far it has come, if it is the one that sees everything.
    watched: Arc<AtomicU64>,
}

/// Why a watch was left.
enum Left {
    /// The round is over, and all of it was seen.
    Over,
    /// To go on where it was.
    Resume,
    /// To list anew.
    Relist,
}

impl Watcher {
    pub(super) fn new(
        client: usize,
        scope: Scope,
        manner: Manner,
        chance: StdRng,
        watched: Arc<AtomicU64>,
    ) -> Self {
        Self { client, scope, manner, chance, session: None, watched }
    }

    /// Watches until the round is over and everything up to its end was seen.
    pub(super) async fn follow(
        mut self,
        shared: Shared,
        mut finished: watch::Receiver<u64>,
        ready: Option<watch::Sender<bool>>,
    ) -> Result<Self, String> {
        let resource = Resource::new(shared.store.clone());
        loop {
            let opened = self.open(&shared, &resource).await?;
            if let (Some(ready), true) = (&ready, opened.is_some()) {
                let _ = ready.send(true);
            }
            let left = match opened {
                Some(watch) => self.read(&shared, watch, &mut finished).await?,
                None => Left::Resume,
            };
            match left {
                Left::Over => return Ok(self),
                Left::Resume => self.saw(Event::Resumed),
                Left::Relist => self.session = None,
            }
            shared.environment.sleep(TRY_AGAIN).await;
        }
    }

    fn saw(&mut self, event: Event) {
        if let Some(session) = &mut self.session {
            session.saw(event);
            if self.manner == Manner::Faithful {
                self.watched.store(session.reached(), Ordering::SeqCst);
            }
        }
    }

    fn reached(&self) -> u64 {
        self.session.as_ref().map_or(0, Watch::reached)
    }

    /// Opens a watch where it was, or from a new list.
    async fn open(&mut self, shared: &Shared, resource: &Resource) -> Result<Option<StoreWatcher>, String> {
        let streams = self.manner == Manner::Streaming && self.session.is_none();
        if !streams && self.session.is_none() && !self.list(shared, resource).await? {
            return Ok(None);
        }
        let start = if streams {
            WatchStart::Initial { freshness: Freshness::Latest, bookmark: true }
        } else {
            WatchStart::After(Revision::new(self.reached()))
        };
        let scope = store_scope(resource, &self.scope);
        let request = WatchRequest { scope, start, predicate: Predicate::everything(), progress: true };
        let call = streams.then(|| {
            let input = Input::List { scope: self.scope.clone(), at: ReadAt::Latest, after: None };
            shared.recorder.invoke(self.client, input)
        });
        let mut watch = match shared.store.watch(request).await {
            Ok(watch) => watch,
            Err(error @ Error::Compacted { .. }) => return self.outpaced(&error).map(|()| None),
            Err(error) => return shared.tolerate(&error).map(|()| None),
        };
        let Some(call) = call else { return Ok(Some(watch)) };
        let Some((items, revision)) = self.initial(shared, &mut watch).await? else { return Ok(None) };
        let listed = Output::Listed { revision, items: items.clone(), more: false, remaining: None };
        call.returned(listed);
        self.session = Some(shared.recorder.watch(self.client, self.scope.clone(), revision, Some(items)));
        Ok(Some(watch))
    }

    /// The initial events of a watch, up to their end.
    async fn initial(
        &mut self,
        shared: &Shared,
        watch: &mut StoreWatcher,
    ) -> Result<Option<(Vec<(Key, Version)>, u64)>, String> {
        let mut items = Vec::new();
        loop {
            match tokio::time::timeout(PATIENCE, watch.next()).await {
                Ok(Some(Ok(WatchEvent::Change(change)))) => {
                    let record =
                        change.event.current.as_ref().filter(|_| change.event_type == EventType::Added);
                    let record = record.ok_or_else(|| format!("among the initial events: {change:?}"))?;
                    items.push(version(record)?);
                }
                Ok(Some(Ok(WatchEvent::Bookmark(Bookmark { revision, initial_events_end: true })))) => {
                    return Ok(Some((items, revision.get())));
                }
                Ok(Some(Ok(event @ WatchEvent::Bookmark(_)))) => {
                    return Err(format!("among the initial events: {event:?}"));
                }
                Ok(Some(Err(error))) => return shared.tolerate(&error).map(|()| None),
                Ok(None) => return Ok(None),
                Err(_) => return Err("the initial events do not end".to_owned()),
            }
        }
    }

    /// Begins with a list; false where that fails for a moment.
    async fn list(&mut self, shared: &Shared, resource: &Resource) -> Result<bool, String> {
        let request = ListRequest {
            scope: store_scope(resource, &self.scope),
            at: StoreReadAt::Latest,
            start: None,
            limit: None,
            predicate: Predicate::everything(),
        };
        let input = Input::List { scope: self.scope.clone(), at: ReadAt::Latest, after: None };
        let call = shared.recorder.invoke(self.client, input);
        let listing = match shared.store.list(request).await {
            Ok(listing) => listing,
            Err(error) => return shared.tolerate(&error).map(|()| false),
        };
        let revision = listing.revision.get();
        let records = match collect(listing.cursor).await {
            Ok(records) => records,
            Err(Error::Compacted { .. }) => return Ok(false),
            Err(error) => return shared.tolerate(&error).map(|()| false),
        };
        let items = records.iter().map(|record| version(record)).collect::<Result<Vec<_>, _>>()?;
        call.returned(Output::Listed { revision, items: items.clone(), more: false, remaining: None });
        self.session = Some(shared.recorder.watch(self.client, self.scope.clone(), revision, Some(items)));
        Ok(true)
    }

    /// Who sees everything is never outpaced: history is given up behind it.
    fn outpaced(&mut self, error: &Error) -> Result<(), String> {
        if self.manner == Manner::Faithful {
            return Err(format!("the watcher of everything is at {}: {error}", self.reached()));
        }
        self.session = None;
        Ok(())
    }

    async fn read(
        &mut self,
        shared: &Shared,
        mut watch: StoreWatcher,
        finished: &mut watch::Receiver<u64>,
    ) -> Result<Left, String> {
        let mut left_after = self.chance.random_range(1..GOES_AFTER);
        loop {
            let end = *finished.borrow_and_update();
            if end == CUT || (end > 0 && self.reached() >= end) {
                return Ok(Left::Over);
            }
            if end == 0 && self.manner == Manner::Slow && self.chance.random_bool(0.1) {
                shared.environment.sleep(NAP).await;
            }
            let patience = if end > 0 { PATIENCE } else { Duration::MAX };
            let next = tokio::select! {
                biased;
                next = watch.next() => next,
                Ok(()) = finished.changed(), if end == 0 => continue,
                () = tokio::time::sleep(patience), if end > 0 => {
                    let (client, reached) = (self.client, self.reached());
                    return Err(format!("client {client} watches, is at {reached}, and does not get to {end}"));
                }
            };
            match next {
                Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                    self.saw(Event::Bookmark(bookmark.revision.get()));
                }
                Some(Ok(WatchEvent::Change(change))) => {
                    let event = told(&change)?;
                    self.saw(event);
                }
                Some(Err(error @ Error::Compacted { .. })) => {
                    self.outpaced(&error)?;
                    return Ok(Left::Relist);
                }
                Some(Err(error)) => return shared.tolerate(&error).map(|()| Left::Resume),
                None => return Ok(Left::Resume),
            }
            left_after -= 1;
            match self.manner {
                Manner::Fickle if left_after == 0 => return Ok(Left::Resume),
                Manner::Forgetful | Manner::Streaming if left_after == 0 => return Ok(Left::Relist),
                _ => left_after = left_after.max(1),
            }
        }
    }
}

/// An event as the history tells it.
fn told(change: &Change) -> Result<Event, String> {
    let event = &change.event;
    let of = |record: &Option<Arc<_>>| record.as_deref().map(version).transpose();
    let previous = of(&event.previous)?.map(|(_, version)| version);
    match (change.event_type, of(&event.current)?, previous) {
        (EventType::Added, Some((key, version)), None) => Ok(Event::Added { key, version }),
        (EventType::Modified, Some((key, version)), Some(previous)) => {
            Ok(Event::Modified { key, version, previous: Seen::Version(previous) })
        }
        (EventType::Deleted, None, Some(previous)) => Ok(Event::Deleted {
            key: path_of(&event.key).into(),
            revision: event.revision.get(),
            last: previous.content,
            previous: Seen::Version(previous),
        }),
        _ => Err(format!("no event: {change:?}")),
    }
}
