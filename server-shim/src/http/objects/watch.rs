//! Watches as streams of bytes: one line an event, as many events in a chunk as are there.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use metrics::{Histogram, Unit, describe_histogram, histogram};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use watchkeep_storage::{
    Bookmark, Error, Revision, StatusFor, WatchEvent, WatchRequest, WatchStart, Watcher,
};

use super::chunk::Chunk;
use super::fresh::when_reached;
use super::target::Target;
use super::view::EventView;
use crate::http::error::ApiError;
use crate::http::params::ReadParams;
use crate::http::response::{Body, BoxError};

/// How long a watch lasts whose client does not say: at least this, at most twice as long, so that the
/// watches of many clients do not end together. As the reference's.
const TIMEOUT_MIN: Duration = Duration::from_mins(30);

/// How often a client that allows bookmarks gets one.
const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);

/// How long before the end of a watch a client that allows bookmarks gets a last one.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

const SEND_SECONDS: &str = "watchkeep_watch_send_seconds";

/// Upper bounds of the buckets of each histogram, for a recorder that wants them.
pub(crate) const HISTOGRAM_BUCKETS: [(&str, &[f64]); 1] =
    [(SEND_SECONDS, &[1e-5, 1e-4, 5e-4, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0])];

/// Opens a watch and returns the body that carries it. Does not wait for a revision that the store has not
/// reached: the stream does.
///
/// # Errors
/// Only what can be told before the stream begins: 400 for parameters, 429 while there is no store, 500
/// for a resourceVersion that is no number. What the store refuses is an ERROR event in the stream.
pub(super) async fn open(target: &Target, params: &ReadParams, view: EventView) -> Result<Body, ApiError> {
    let request = params.watch_options().resolve(target.scope()?);
    let request = request.map_err(|error| target.error(&error, StatusFor::Watch))?;
    let is_initial = matches!(request.start, WatchStart::Initial { .. });
    let environment = &target.app.environment;
    let begin = environment.uptime();
    let source = match target.store.watch(request.clone()).await {
        Ok(watcher) => Source::Open(watcher),
        Err(Error::FutureRevision { .. }) => Source::Opening(reach(target, begin, request)),
        Err(error @ Error::Compacted { .. }) => Source::Refused(error),
        Err(error) => return Err(target.error(&error, StatusFor::Watch)),
    };
    let timeout = params.timeout.unwrap_or_else(|| {
        let spread = environment.random() % TIMEOUT_MIN.as_secs();
        TIMEOUT_MIN + Duration::from_secs(spread)
    });
    let now = Instant::now();
    let end = now + timeout;
    let bookmarks = params.allow_bookmarks().then(|| Bookmarks::new(now, end));
    let stream = EventStream {
        target: target.clone(),
        view,
        source,
        is_initial,
        chunk: Chunk::default(),
        bookmarks,
        sent: Revision::ZERO,
        end: Box::pin(tokio::time::sleep_until(end)),
        draining: Box::pin(target.app.draining.clone().cancelled_owned()),
        handed: None,
    };
    Ok(StreamBody::new(stream).boxed_unsync())
}

/// How long connections take what watches send, measured by the recorder that is there.
pub(crate) fn send_histogram() -> Histogram {
    describe_histogram!(
        SEND_SECONDS,
        Unit::Seconds,
        "Time from when events of a watch are handed to their connection until it has room for more"
    );
    histogram!(SEND_SECONDS)
}

/// Opens a watch as soon as its store has reached its revision, if that does not take too long since `begin`.
fn reach(target: &Target, begin: Duration, request: WatchRequest) -> Opening {
    let (store, environment) = (Arc::clone(&target.store), target.app.environment.clone());
    Box::pin(async move { when_reached(&environment, begin, || store.watch(request.clone())).await })
}

/// When the next bookmark is due.
struct Bookmarks {
    timer: Pin<Box<Sleep>>,
    end: Instant,
}

impl Bookmarks {
    fn new(now: Instant, end: Instant) -> Self {
        Self { timer: Box::pin(tokio::time::sleep_until(next_bookmark(now, end))), end }
    }

    /// Whether one is due; sets the timer for the one after it.
    fn poll_due(&mut self, context: &mut Context<'_>) -> bool {
        if self.timer.as_mut().poll(context).is_pending() {
            return false;
        }
        let next = next_bookmark(self.timer.deadline(), self.end);
        self.timer.as_mut().reset(next);
        // Registers for the next one; a timer in the past would be due at once, and is not set.
        let _ = self.timer.as_mut().poll(context);
        true
    }
}

/// The time of the bookmark after `now` in a watch that ends at `end`. Pure.
fn next_bookmark(now: Instant, end: Instant) -> Instant {
    let regular = now + BOOKMARK_INTERVAL;
    let last = end.checked_sub(LAST_BOOKMARK).unwrap_or(end);
    if now < last && last < regular { last } else { regular }
}

/// A watch that its store opens later.
type Opening = Pin<Box<dyn Future<Output = Result<Watcher, Error>> + Send>>;

/// Where the events come from: `Opening -> Open -> Ended`; a refusal is told, and is the end.
enum Source {
    Opening(Opening),
    Open(Watcher),
    Refused(Error),
    Ended,
}

/// A watch, event by event.
struct EventStream {
    target: Target,
    view: EventView,
    source: Source,
    /// Whether what comes may be of the initial events.
    is_initial: bool,
    chunk: Chunk,
    bookmarks: Option<Bookmarks>,
    /// The revision of the last event or bookmark that was sent.
    sent: Revision,
    end: Pin<Box<Sleep>>,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    /// When the connection got the last chunk, by uptime, until it asks for the next.
    handed: Option<Duration>,
}

impl Stream for EventStream {
    type Item = Result<Frame<Bytes>, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(handed) = this.handed.take() {
            let app = &this.target.app;
            app.watch_send.record(app.environment.uptime().saturating_sub(handed));
        }
        if this.chunk.is_empty() {
            let ended =
                this.end.as_mut().poll(context).is_ready() || this.draining.as_mut().poll(context).is_ready();
            if ended {
                // A clean end: the client comes again with the revision that it has seen.
                this.source = Source::Ended;
            }
            this.gather(context);
        }
        match this.chunk.take() {
            Some(bytes) => {
                this.handed = Some(this.target.app.environment.uptime());
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            None if matches!(this.source, Source::Ended) => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl EventStream {
    /// Writes what is there, up to a chunk; then a bookmark, if one is due.
    fn gather(&mut self, context: &mut Context<'_>) {
        while self.chunk.has_room() && self.step(context).is_ready() {}
        if self.chunk.is_closed() {
            // It is asked for again when that is sent.
            return;
        }
        let due = self.bookmarks.as_mut().is_some_and(|bookmarks| bookmarks.poll_due(context));
        if let (true, Source::Open(watcher)) = (due, &self.source) {
            let revision = watcher.progress();
            // Before the initial events are through there is nothing to mark. [WATCH-BOOKMARKABLE]
            if revision >= self.sent && !revision.is_zero() {
                let bookmark = Bookmark { revision, initial_events_end: false };
                self.write_event(&WatchEvent::Bookmark(bookmark));
            }
        }
    }

    /// Takes one step with the source; pending if there is nothing to be had from it now.
    fn step(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.source {
            Source::Opening(opening) => {
                let opened = ready!(opening.as_mut().poll(context));
                self.source = opened.map_or_else(Source::Refused, Source::Open);
            }
            Source::Refused(error) => {
                let error = self.target.error(error, StatusFor::Watch);
                self.end_with(&error);
            }
            Source::Open(watcher) => match ready!(Pin::new(watcher).poll_next(context)) {
                Some(Ok(event)) => self.write_event(&event),
                Some(Err(error)) => self.write_end(&error),
                None => self.source = Source::Ended,
            },
            Source::Ended => return Poll::Pending,
        }
        Poll::Ready(())
    }

    fn write_event(&mut self, event: &WatchEvent) {
        if let (true, Source::Open(watcher)) = (self.is_initial, &self.source) {
            // There is no progress before they are through. [WATCH-BOOKMARKABLE]
            self.is_initial = watcher.progress().is_zero();
        }
        self.sent = self.sent.max(match event {
            WatchEvent::Change(change) => change.revision(),
            WatchEvent::Bookmark(bookmark) => bookmark.revision,
        });
        let shown = self.view.write(&self.target, event, self.is_initial, &mut self.chunk);
        if let Err(error) = shown {
            self.end_with(&error);
        }
    }

    /// A reader that history has passed comes again and is told then; other errors are told at once.
    fn write_end(&mut self, error: &Error) {
        if let Error::Compacted { requested, .. } = error {
            tracing::debug!(%requested, resource = self.target.resource.plural, "a slow watch ends");
            self.source = Source::Ended;
        } else {
            self.end_with(&self.target.error(error, StatusFor::Watch));
        }
    }

    fn end_with(&mut self, error: &ApiError) {
        self.source = Source::Ended;
        self.view.write_error(error, self.chunk.lines());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bookmarks_come_every_minute_and_once_before_the_end() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(next_bookmark(at(0), at(300)), at(60));
        assert_eq!(next_bookmark(at(240), at(300)), at(298));
        assert_eq!(next_bookmark(at(298), at(300)), at(358));
        assert_eq!(next_bookmark(at(0), at(5)), at(3));
        assert_eq!(next_bookmark(at(0), at(1)), at(60));
    }
}
