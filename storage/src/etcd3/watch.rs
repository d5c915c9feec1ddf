//! Watches: the initial events from a list, then what a feed brings.
//!
//! A watch is read from etcd when it is read here. What it holds are the events of one response, which etcd
//! cuts at the size of its largest request, or one page of the initial events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::Shared;
use super::feed::{Feed, revision_of};
use super::list::PageCursor;
use super::proto::{self, EventKind};
use super::resources::Resource;
use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::event::{Bookmark, Change, Event, EventType, WatchEvent};
use crate::interface::BoxFuture;
use crate::list::Cursor;
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;
use crate::watch::WatchSource;

/// How often a watch asks again while etcd does not answer, because the watch is behind.
const PROGRESS_RETRY: std::time::Duration = std::time::Duration::from_millis(100);

/// How many responses a poll looks at before other tasks get their turn.
const LOOKS_MAX: usize = 8;

/// A watch: `Initial -> Live`.
pub(super) struct EtcdWatch {
    shared: Arc<Shared>,
    resource: Arc<Resource>,
    watcher: u64,
    predicate: Predicate,
    /// The initial state, while it is being delivered.
    initial: Option<Initial>,
    feed: Feed,
    /// What is to be shown of the last response.
    taken: VecDeque<Change>,
    /// What comes after it.
    failed: Option<Error>,
    /// Everything up to here was taken.
    position: Revision,
    /// Whether requests for progress concern this watch, and how many it has answered.
    answered: Option<u64>,
    /// How many requests were passed on to etcd.
    passed_on: u64,
    /// When to ask etcd for progress next.
    timer: BoxFuture<'static, ()>,
}

/// The state of one revision, on its way out. \[WATCH-ATOMIC\]
pub(super) struct Initial {
    reading: Reading,
    /// What was read and not yet returned.
    batch: VecDeque<Arc<Record>>,
    /// Whether a bookmark follows.
    bookmark: bool,
}

/// The next batch of the initial state, and the cursor for the one after.
type Reading = BoxFuture<'static, (PageCursor, Result<Vec<Arc<Record>>, Error>)>;

impl Initial {
    pub(super) fn new(cursor: PageCursor, bookmark: bool) -> Self {
        Self { reading: read(cursor), batch: VecDeque::new(), bookmark }
    }
}

fn read(mut cursor: PageCursor) -> Reading {
    Box::pin(async move {
        let batch = cursor.next().await;
        cursor.renew();
        (cursor, batch)
    })
}

impl EtcdWatch {
    pub(super) fn new(
        shared: &Arc<Shared>,
        resource: &Arc<Resource>,
        watcher: u64,
        (predicate, progress): (Predicate, bool),
        initial: Option<Initial>,
        feed: Feed,
    ) -> Self {
        let asked = resource.progress.asked().times;
        let mut watch = Self {
            shared: Arc::clone(shared),
            resource: Arc::clone(resource),
            watcher,
            predicate,
            initial,
            position: feed.position(),
            feed,
            taken: VecDeque::new(),
            failed: None,
            answered: progress.then_some(asked),
            passed_on: asked,
            timer: Box::pin(std::future::ready(())),
        };
        watch.rest(shared.options.progress_interval);
        watch
    }

    /// The next of the initial events, then their bookmark, then nothing.
    fn poll_initial(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        let Some(initial) = &mut self.initial else { return Poll::Ready(None) };
        if initial.batch.is_empty() {
            let (cursor, batch) = ready!(initial.reading.as_mut().poll(context));
            match batch {
                Ok(batch) => initial.batch.extend(batch),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            initial.reading = read(cursor);
        }
        if let Some(record) = initial.batch.pop_front() {
            let event = Arc::new(Event::initial(record));
            let change = Change { event_type: EventType::Added, event };
            return Poll::Ready(Some(Ok(WatchEvent::Change(change))));
        }
        let bookmark = Bookmark { revision: self.position, initial_events_end: true };
        let bookmark = initial.bookmark.then_some(Ok(WatchEvent::Bookmark(bookmark)));
        self.initial = None;
        Poll::Ready(bookmark)
    }

    /// Takes the events of a response.
    fn take(&mut self, events: Vec<proto::Event>) {
        for event in events {
            let revision = revision_of(&event);
            match self.event(event) {
                Ok(event) => {
                    self.note_size(&event);
                    if let Some(event_type) = event.seen_through(&self.predicate) {
                        self.taken.push_back(Change { event_type, event: Arc::new(event) });
                    }
                }
                Err(error) => {
                    // What came before it is shown first.
                    self.failed = Some(error);
                    self.position = self.position.max(revision.previous());
                    return;
                }
            }
        }
        self.position = self.feed.position();
    }

    /// The event of one of etcd's.
    fn event(&self, event: proto::Event) -> Result<Event, Error> {
        let revision = revision_of(&event);
        let is_deletion = event.kind() == EventKind::Delete;
        let Some(stored) = event.kv else {
            return Err(Error::Internal { reason: "etcd: an event without a key".to_owned() });
        };
        let has_previous = is_deletion || stored.version > 1;
        if has_previous && event.prev_kv.is_none() {
            // It was compacted while the event was on its way out.
            return Err(self.shared.compacted(self.position, CompactedDuring::Watch));
        }
        let previous = event.prev_kv.map(|previous| self.resource.record(previous)).transpose();
        if is_deletion {
            let key = self.resource.key_of(&stored)?;
            return Ok(Event { revision, key, current: None, previous: previous? });
        }
        let current = self.resource.record(stored)?;
        // What could not be read was never shown: to replace it adds an object.
        let previous = previous.unwrap_or_default();
        Ok(Event { revision, key: current.key.clone(), current: Some(current), previous })
    }

    fn note_size(&self, event: &Event) {
        let bytes = event.current.as_ref().map(|record| record.value.bytes().len());
        self.resource.sizes.note(&event.key, event.revision, bytes);
    }

    /// The bookmark that was asked for, once this watch is far enough; asks etcd where it is not.
    fn poll_asked(&mut self, context: &mut Context<'_>) -> Poll<WatchEvent> {
        let Some(answered) = self.answered else { return Poll::Pending };
        let asked = self.resource.progress.wait(self.watcher, context.waker());
        if answered >= asked.times {
            return Poll::Pending;
        }
        if defect::on(Defect::EtcdProgressIsTheHead) {
            self.position = self.position.max(asked.at);
        }
        if self.position >= asked.at {
            self.answered = Some(asked.times);
            self.rest(self.shared.options.progress_interval);
            let bookmark = Bookmark { revision: self.position, initial_events_end: false };
            return Poll::Ready(WatchEvent::Bookmark(bookmark));
        }
        if self.passed_on < asked.times {
            self.passed_on = asked.times;
            self.feed.ask_progress();
            self.rest(PROGRESS_RETRY);
        }
        Poll::Pending
    }

    /// Asks for progress when it is time.
    fn poll_timer(&mut self, context: &mut Context<'_>) {
        while self.timer.as_mut().poll(context).is_ready() {
            self.feed.ask_progress();
            let waits = self.answered.is_some_and(|answered| answered < self.passed_on);
            self.rest(if waits { PROGRESS_RETRY } else { self.shared.options.progress_interval });
        }
    }

    fn rest(&mut self, duration: std::time::Duration) {
        let environment = self.shared.environment.clone();
        self.timer = Box::pin(async move { environment.sleep(duration).await });
    }
}

impl WatchSource for EtcdWatch {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        if self.initial.is_some()
            && let Some(event) = ready!(self.poll_initial(context))
        {
            return Poll::Ready(Some(event));
        }
        for _ in 0..LOOKS_MAX {
            if let Some(change) = self.taken.pop_front() {
                return Poll::Ready(Some(Ok(WatchEvent::Change(change))));
            }
            if let Some(error) = self.failed.take() {
                return Poll::Ready(Some(Err(error)));
            }
            match self.feed.poll(context) {
                Poll::Ready(Ok(events)) => self.take(events),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {
                    if let Poll::Ready(bookmark) = self.poll_asked(context) {
                        return Poll::Ready(Some(Ok(bookmark)));
                    }
                    self.poll_timer(context);
                    return Poll::Pending;
                }
            }
        }
        // Many responses and nothing to show: other tasks get their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn progress(&self) -> Revision {
        if self.initial.is_some() {
            return Revision::ZERO;
        }
        self.taken.front().map_or(self.position, |next| next.event.revision.previous())
    }
}

impl Drop for EtcdWatch {
    fn drop(&mut self) {
        self.resource.progress.forget(self.watcher);
    }
}
