//! What the cache of a resource consists of, and the one way in which it changes: [`Shared::drive`] takes what
//! the store's watch has ready and publishes it.
//!
//! Whoever needs the cache to be fresh drives it: the reflector's task when the store wakes it, a write when
//! it is acknowledged, a read that asks for the newest state. So on a store that publishes before it
//! acknowledges nobody ever waits for another task. The lock of the source makes whoever drives the one
//! writer; it is held for a bounded batch.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::watch;
use watchkeep_storage::defect::{self, Defect};
use watchkeep_storage::failpoint::{self, Point};
use watchkeep_storage::{Environment, Error, Event, Interface, Revision, WatchEvent, Watcher};

use crate::endings::{Endings, Opened};
use crate::held::Held;
use crate::history::Histories;
use crate::index::{Attribute, Indexes};
use crate::open::OpenPictures;
use crate::options::CacherOptions;
use crate::picture::Picture;
use crate::pictures::Pictures;
use crate::progress::Progress;
use crate::published::Published;
use crate::ready::Ready;
use crate::telemetry::{Batch, Telemetry};
use crate::topic::Topics;
use crate::window::Window;

/// How many events are taken from the store under one hold of the source.
const BATCH_EVENTS_MAX: usize = 128;
/// How many such batches are taken before other tasks get their turn.
const BATCHES_MAX: usize = 16;

/// The cache of one resource.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Interface>,
    pub(crate) environment: Environment,
    pub(crate) options: CacherOptions,
    pub(crate) ready: Ready,
    source: Mutex<Source>,
    /// The newest picture, and up to where everything is in it, in the window and in the topics.
    published: Published<Picture>,
    /// Some of the pictures before it.
    kept: Mutex<Pictures>,
    pub(crate) window: Mutex<Window>,
    pub(crate) topics: Topics,
    pub(crate) endings: Endings,
    /// The revision that is published, for who waits.
    fresh: watch::Sender<Revision>,
    pub(crate) progress: Progress,
    pub(crate) open: Arc<OpenPictures>,
    /// What is read of the store's history, by those who have to catch up.
    pub(crate) histories: Histories,
    watches: AtomicU64,
    pub(crate) telemetry: Arc<Telemetry>,
}

/// Why the cache does not follow its store any more.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The watch has ended. It may go on where it was.
    Watch(Error),
    /// The cache is wrong, and has to be filled anew.
    Distrusted,
}

/// Where events come from. Who holds it is the writer.
struct Source {
    watcher: Option<Watcher>,
    /// The reflector's: however the source is driven, it is its task that the store wakes.
    waker: Waker,
    /// Why there are no more events.
    ended: Option<Ended>,
    picture: Picture,
}

impl Shared {
    pub(crate) fn new(store: Arc<dyn Interface>, options: CacherOptions, environment: Environment) -> Self {
        let fields = options.indexed_fields.iter().filter(|field| store.schema().knows(field));
        let labels = options.indexed_labels.iter();
        let attributes = fields
            .map(|field| Attribute::Field(field.as_str().into()))
            .chain(labels.map(|label| Attribute::Label(label.as_str().into())));
        let picture = Picture::of_nothing(Indexes::new(attributes));
        let (waker, watched) = (Waker::noop().clone(), picture.clone());
        let source = Source { watcher: None, waker, ended: None, picture: watched };
        Self {
            ready: Ready::new(&environment),
            source: Mutex::new(source),
            published: Published::new(picture),
            kept: Mutex::new(Pictures::new(options.pictures_max)),
            window: Mutex::new(Window::new(&options)),
            topics: Topics::new(store.prefix().as_str(), store.schema()),
            endings: Endings::default(),
            fresh: watch::Sender::default(),
            progress: Progress::default(),
            open: Arc::new(OpenPictures::new(environment.clone(), options.cursor_deadline)),
            histories: Histories::new(Arc::clone(&store), options.catching_up_max),
            watches: AtomicU64::new(0),
            telemetry: Arc::new(Telemetry::new(&options.name_of(store.prefix()))),
            store,
            environment,
            options,
        }
    }

    /// Whether the cache can be asked.
    ///
    /// # Errors
    /// [`Error::Initializing`]: it has not been filled.
    pub(crate) fn check_ready(&self) -> Result<(), Error> {
        self.ready.check(&self.environment)
    }

    /// The number of a new watch.
    pub(crate) fn next_watch(&self) -> u64 {
        // Relaxed: only uniqueness matters.
        self.watches.fetch_add(1, Ordering::Relaxed)
    }

    /// Everything up to this revision is published.
    pub(crate) fn published(&self) -> Revision {
        self.published.revision()
    }

    /// Who waits for the cache to become fresher looks here.
    pub(crate) fn freshness(&self) -> watch::Receiver<Revision> {
        self.fresh.subscribe()
    }

    /// The newest picture, and the newest revision at which it is right.
    pub(crate) fn newest(&self) -> (Arc<Picture>, Revision) {
        let (picture, published) = self.published.newest();
        let revision = picture.revision.max(published);
        (picture, revision)
    }

    /// The newest picture.
    pub(crate) fn current(&self) -> Arc<Picture> {
        self.published.picture()
    }

    /// Takes and publishes what the store has ready, up to [`BATCHES_MAX`] batches: who is behind by more than
    /// that waits for the reflector.
    pub(crate) fn drive(&self) {
        self.drive_on();
    }

    /// Whether there may be more.
    fn drive_on(&self) -> bool {
        for _ in 0..BATCHES_MAX {
            let (mut wakers, mut batch) = (Vec::new(), None);
            let more = {
                let mut source = self.source.lock();
                self.drive_batch(&mut source, &mut wakers, &mut batch)
            };
            let published = batch.map(|batch| (self.telemetry.published(&batch, &self.environment), batch));
            wakers.into_iter().for_each(Waker::wake);
            if let Some((published, batch)) = published {
                self.telemetry.woken(&batch, published, &self.environment);
            }
            if !more {
                return false;
            }
        }
        true
    }

    /// As [`Shared::drive`], for the reflector: the store wakes it from now on. Returns why the watch has ended.
    pub(crate) fn poll_source(&self, context: &Context<'_>) -> Poll<Ended> {
        {
            let mut source = self.source.lock();
            if !source.waker.will_wake(context.waker()) {
                source.waker.clone_from(context.waker());
            }
        }
        if self.drive_on() {
            // Other tasks get their turn.
            context.waker().wake_by_ref();
        }
        let ended = self.source.lock().ended.take();
        ended.map_or(Poll::Pending, Poll::Ready)
    }

    /// Whether there may be more.
    fn drive_batch(&self, source: &mut Source, wakers: &mut Vec<Waker>, batch: &mut Option<Batch>) -> bool {
        let Some(mut watcher) = source.watcher.take() else { return false };
        let waker = source.waker.clone();
        let mut context = Context::from_waker(&waker);
        let mut events = 0;
        let more = loop {
            // What was committed together is published together. [WATCH-ATOMIC]
            if events >= BATCH_EVENTS_MAX && watcher.progress() >= source.picture.revision {
                break true;
            }
            let next = match failpoint::passed(Point::CacheSource) {
                Ok(()) => poll(&mut watcher, &mut context),
                Err(error) => Poll::Ready(Some(Err(error))),
            };
            match next {
                Poll::Ready(Some(Ok(WatchEvent::Change(change)))) => {
                    self.telemetry.taken(batch, change.revision(), &self.environment);
                    self.apply(source, &change.event, wakers);
                    events += 1;
                }
                Poll::Ready(Some(Ok(WatchEvent::Bookmark(_)))) => {}
                Poll::Ready(ended) => {
                    source.ended = Some(Ended::Watch(match ended {
                        Some(Err(error)) => error,
                        _ => Error::Internal { reason: "the watch of the store ended".to_owned() },
                    }));
                    self.publish(source, events, source.picture.revision, wakers);
                    wakers.push(waker);
                    return false;
                }
                Poll::Pending => break false,
            }
        };
        self.publish(source, events, watcher.progress(), wakers);
        source.watcher = Some(watcher);
        more
    }

    fn apply(&self, source: &mut Source, event: &Arc<Event>, wakers: &mut Vec<Waker>) {
        if failpoint::passed(Point::CacheEvent).is_err() {
            return;
        }
        source.picture.apply(event);
        let garbage = self.window.lock().push(Arc::clone(event), self.environment.uptime());
        drop(garbage);
        if defect::on(Defect::CachePublishesBeforeTopics) {
            self.published.advance(event.revision);
        }
        failpoint::reached(Point::CacheApplied);
        self.topics.publish(event, wakers);
    }

    /// Publishes what was applied. The store has nothing else up to `revision`.
    fn publish(&self, source: &mut Source, events: usize, revision: Revision, wakers: &mut Vec<Waker>) {
        let published = revision.max(source.picture.revision);
        if published <= self.published() {
            return;
        }
        if events > 0 {
            let picture = Arc::new(source.picture.clone());
            self.published.swap(Arc::clone(&picture));
            self.keep(events, picture);
        }
        self.published.advance(published);
        self.fresh.send_replace(published);
        self.progress.reached(published, wakers);
    }

    fn keep(&self, events: usize, picture: Arc<Picture>) {
        let gone = {
            let mut kept = self.kept.lock();
            if !kept.is_due(events) {
                return;
            }
            kept.keep(picture)
        };
        drop(gone);
    }

    /// Begins anew with the records of a list, and with the watch that follows it.
    pub(crate) fn refill(&self, picture: Picture, watcher: Watcher) {
        let revision = picture.revision;
        let mut wakers = Vec::new();
        let garbage = {
            let mut source = self.source.lock();
            source.watcher = Some(watcher);
            source.ended = None;
            source.picture = picture.clone();
            let pictures = self.kept.lock().clear();
            let keeps_window = defect::on(Defect::CacheRefillKeepsWindow);
            let events = if keeps_window { Vec::new() } else { self.window.lock().reset(revision) };
            let garbage = (events, pictures);
            let picture = Arc::new(picture);
            self.published.swap(Arc::clone(&picture));
            self.kept.lock().keep(picture);
            self.topics.reset(revision, &mut wakers);
            self.published.advance(revision);
            self.fresh.send_replace(revision);
            self.progress.reached(revision, &mut wakers);
            garbage
        };
        drop(garbage);
        wakers.into_iter().for_each(Waker::wake);
        self.ready.set();
    }

    /// The cache was found to be wrong: it serves nothing any more, and is filled anew. Its watches may have
    /// missed what it missed, and end; who comes again from before this moment is sent to list anew.
    pub(crate) fn distrust(&self) {
        self.ready.reset("it is not what the store holds".to_owned(), &self.environment);
        let (watcher, waker) = {
            let mut source = self.source.lock();
            source.ended = Some(Ended::Distrusted);
            (source.watcher.take(), source.waker.clone())
        };
        drop(watcher);
        self.endings.distrust(self.published());
        self.wake_watches();
        waker.wake();
    }

    /// The cache ends, and its watches with it. What is asked of it from now on is the store's.
    pub(crate) fn close(&self) {
        self.ready.end();
        self.endings.close();
        self.wake_watches();
    }

    /// What is kept for those who read.
    pub(crate) fn held(&self) -> Held {
        let (topics, watches) = self.topics.count();
        let (open_pictures, kept_pictures) = (self.open.len(), self.kept.lock().len());
        Held { topics, watches, answering: self.progress.len(), open_pictures, kept_pictures }
    }

    /// Wakes all watches, those that follow a topic and those that read history.
    fn wake_watches(&self) {
        let mut wakers = Vec::new();
        self.topics.reset(self.published(), &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        self.histories.wake_all();
    }

    /// Goes on with a watch from where the last one ended, if the cache was not found to be wrong meanwhile.
    pub(crate) fn go_on(&self, watcher: Watcher) {
        let mut source = self.source.lock();
        if !matches!(source.ended, Some(Ended::Distrusted)) {
            source.watcher = Some(watcher);
            source.ended = None;
        }
    }

    /// The picture of exactly this revision, if the cache still knows it.
    pub(crate) fn picture_at(&self, revision: Revision) -> Option<Arc<Picture>> {
        let published = self.published();
        let current = self.current();
        if revision >= current.revision {
            // Nothing has changed since.
            return (revision <= published.max(current.revision)).then_some(current);
        }
        let before = {
            let mut kept = self.kept.lock();
            match kept.read_at(revision) {
                Some(picture) => return Some(picture),
                None => kept.at_or_before(revision)?,
            }
        };
        let events = self.window.lock().between(before.revision, revision)?;
        if events.is_empty() || defect::on(Defect::CachePastWithoutReplay) {
            return Some(before);
        }
        let mut picture = Picture::clone(&before);
        for event in &events {
            picture.apply(event);
        }
        Some(Arc::new(picture))
    }

    /// Keeps the picture of a list that is to be gone on with, unless the cache was found to be wrong since the list
    /// was opened: under the lock, so that a refill that follows clears it.
    pub(crate) fn keep_read(&self, revision: Revision, picture: Arc<Picture>, opened: Opened) {
        let gone = {
            let mut kept = self.kept.lock();
            let is_right = self.endings.open() == opened;
            is_right.then(|| kept.keep_read(revision, picture))
        };
        drop(gone);
    }

    /// Gives up what is only for revisions before this one: pictures and events.
    pub(crate) fn give_up_before(&self, revision: Revision) {
        if self.kept.lock().any_before(revision) {
            let base = self.picture_at(revision).map(|picture| {
                let wrong = defect::on(Defect::CacheKeepsWrongPicture).then(|| self.current());
                Arc::new(wrong.unwrap_or(picture).still_at(revision))
            });
            let gone = self.kept.lock().give_up_before(revision, base);
            drop(gone);
        }
        let garbage = self.window.lock().give_up_through(revision);
        self.topics.give_up_through(revision);
        drop(garbage);
    }

    /// Gives up what leads nowhere any more: pictures and topics from before the window.
    pub(crate) fn tidy(&self) {
        self.open.free_expired();
        let Some(oldest) = ({ self.window.lock().oldest() }) else { return };
        self.give_up_before(oldest.max(self.store.compacted_revision()));
        self.telemetry.look(self);
    }
}

/// Polls a watch outside of the budget of the task that happens to drive it: what is ready is taken.
pub(crate) fn poll(
    watcher: &mut Watcher,
    context: &mut Context<'_>,
) -> Poll<Option<Result<WatchEvent, Error>>> {
    let next = pin!(tokio::task::coop::unconstrained(watcher.next()));
    let next: Pin<&mut _> = next;
    next.poll(context)
}
