//! Watches: of any view, read eagerly, slowly, in gulps or after a long time; cut off, resumed, or given up.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_proof::objects::View;
use watchkeep_proof::stream::{Item, Seen, Start, Stream};
use watchkeep_storage::{Error, Freshness, WatchEvent, WatchRequest, WatchStart, Watcher};

use crate::chance::Chance as _;
use crate::hours::Hours;
use crate::shaky::is_of_a_shaky_store;

/// How long a watch is read, and how long one that is away stays away.
const LIFE_MAX: Duration = Duration::from_mins(12);
const AWAY_MAX: Duration = Duration::from_mins(15);
/// How long a slow reader takes for one event.
const SLOW_MAX: Duration = Duration::from_secs(3);
/// How long it may take until a watch has come to where the store was: the cache may have lost it meanwhile.
const PATIENCE: Duration = Duration::from_mins(20);
/// How many commits back a watch may begin.
const BACK_MAX: usize = 400;

/// How a watch is read.
#[derive(Clone, Copy)]
enum Manner {
    /// Every event as it comes.
    Eager,
    /// With a pause after each.
    Slow,
    /// Now and then, all that is there.
    Gulps,
    /// Not at all for a long time.
    Away,
}

/// A watch that is open, and what it has shown.
struct Open {
    watch: Watcher,
    stream: Stream,
}

/// Watches until the end.
pub(crate) async fn run(hours: Arc<Hours>) {
    let environment = &hours.environment;
    while hours.goes_on() {
        environment.sleep(environment.up_to(Duration::from_secs(20))).await;
        let (view, progress) = (environment.view(), environment.one_in(2));
        let mut start = beginning(&hours);
        while let Some(mut open) = open(&hours, view, start, progress).await {
            open.read(&hours).await;
            if environment.one_in(2) {
                open.drain(&hours).await;
            }
            let Open { watch, stream } = open;
            drop(watch);
            hours.check_stream(&stream);
            let Some(resume) = stream.resume_from().filter(|_| hours.goes_on() && !environment.one_in(3))
            else {
                break;
            };
            if environment.one_in(3) {
                environment.sleep(environment.up_to(AWAY_MAX)).await;
            }
            start = Start::After(resume);
            hours.tally(|tally| tally.resumed += 1);
        }
    }
}

fn beginning(hours: &Hours) -> Start {
    let environment = &hours.environment;
    let back = hours.back(environment.below(BACK_MAX));
    match environment.below(4) {
        0 => Start::Now,
        1 => {
            Start::Initial { not_before: hours.back(environment.below(20)), bookmark: environment.one_in(2) }
        }
        2 => Start::Initial { not_before: hours.back(0), bookmark: environment.one_in(2) },
        _ => Start::After(back),
    }
}

/// Opens a watch; `None` where it is refused for a good reason.
async fn open(hours: &Hours, view: View, start: Start, progress: bool) -> Option<Open> {
    let cache = &hours.cache;
    let start_asked = match start {
        Start::Now => WatchStart::Now,
        Start::After(revision) => WatchStart::After(revision),
        Start::Initial { not_before, bookmark } => {
            WatchStart::Initial { freshness: Freshness::AtLeast(not_before), bookmark }
        }
    };
    let (scope, predicate) = (view.scope(&**cache), view.selection.predicate());
    let request = WatchRequest { scope, start: start_asked, predicate, progress };
    let before = hours.now().await;
    let error = match cache.watch(request).await {
        Ok(watch) => {
            let stream = Stream { view, start, opened: (before, hours.now().await), items: Vec::new() };
            hours.tally(|tally| tally.watches += 1);
            return Some(Open { watch, stream });
        }
        Err(error) => error,
    };
    match (&error, start) {
        (Error::Initializing { retry_after, .. }, _) => hours.environment.sleep(*retry_after).await,
        // The cache follows no store at the moment, or it is to come.
        (Error::FutureRevision { .. }, Start::Now | Start::Initial { .. }) => {}
        (Error::Compacted { .. }, Start::After(revision)) if revision < hours.store.compacted_revision() => {
            hours.tally(|tally| tally.left_behind += 1);
        }
        (error, _) if is_of_a_shaky_store(error) => {}
        (error, start) => panic!("a watch from {start:?} is refused: {error}"),
    }
    None
}

impl Open {
    async fn read(&mut self, hours: &Hours) {
        let environment = &hours.environment;
        let until = environment.uptime() + environment.up_to(LIFE_MAX);
        let manner = environment.one_of(&[Manner::Eager, Manner::Slow, Manner::Gulps, Manner::Away]);
        while environment.uptime() < until && !self.has_ended() {
            match manner {
                Manner::Eager | Manner::Slow => {
                    let left = until.saturating_sub(environment.uptime());
                    if let Ok(next) = tokio::time::timeout(left, self.watch.next()).await {
                        self.note(next, hours);
                    }
                    if matches!(manner, Manner::Slow) {
                        environment.sleep(environment.up_to(SLOW_MAX)).await;
                    }
                }
                Manner::Gulps => {
                    environment.sleep(environment.up_to(LIFE_MAX / 8)).await;
                    self.take_ready(hours);
                }
                Manner::Away => {
                    environment.sleep(until.saturating_sub(environment.uptime())).await;
                    self.take_ready(hours);
                }
            }
            if environment.one_in(8) {
                self.look_at_progress();
            }
        }
    }

    /// Takes what is there.
    fn take_ready(&mut self, hours: &Hours) {
        let mut context = Context::from_waker(Waker::noop());
        while !self.has_ended()
            && let Poll::Ready(next) = self.watch.poll_next_unpin(&mut context)
        {
            self.note(next, hours);
        }
    }

    /// Reads on to where the store is, so that what is missing at the end is found.
    async fn drain(&mut self, hours: &Hours) {
        let target = hours.now().await;
        let drained = tokio::time::timeout(PATIENCE, async {
            while !self.has_ended() {
                let progress = self.watch.progress();
                if progress >= target {
                    self.stream.items.push(Item::Drained(progress));
                    return;
                }
                if let Ok(next) = tokio::time::timeout(SLOW_MAX, self.watch.next()).await {
                    self.note(next, hours);
                }
            }
        });
        let in_time = drained.await.is_ok();
        let (progress, stream) = (self.watch.progress(), &self.stream);
        assert!(
            in_time,
            "it has come to {progress} and not to {target}: {:?} {:?}",
            stream.view, stream.start
        );
    }

    fn note(&mut self, next: Option<Result<WatchEvent, Error>>, hours: &Hours) {
        let item = match next {
            Some(Ok(WatchEvent::Change(change))) => Item::Change(Seen::new(&change)),
            Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                Item::Bookmark { revision: bookmark.revision, ends_initial: bookmark.initial_events_end }
            }
            Some(Err(error)) => Item::Ended(error),
            None => panic!("a watch ended without a word"),
        };
        match &item {
            Item::Bookmark { .. } => hours.tally(|tally| tally.bookmarks += 1),
            Item::Ended(Error::Compacted { .. }) => hours.tally(|tally| tally.left_behind += 1),
            Item::Ended(Error::CursorExpired { .. }) => {}
            Item::Ended(error) => assert!(is_of_a_shaky_store(error), "a watch ends with {error}"),
            _ => hours.tally(|tally| tally.events += 1),
        }
        self.stream.items.push(item);
    }

    fn look_at_progress(&mut self) {
        let progress = self.watch.progress();
        if !self.has_ended() && progress > self.stream.claimed() {
            self.stream.items.push(Item::Progress(progress));
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.stream.items.last(), Some(Item::Ended(_)))
    }
}
