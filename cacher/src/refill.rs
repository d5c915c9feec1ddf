//! The window of a new cache begins behind its list, and would send every client that was connected before a
//! restart to the store's history, one by one. So the history is read once, after the cache is ready, and put in
//! front of the window.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;

use futures_util::StreamExt;
use watchkeep_storage::{Error, Event, Revision, WatchEvent, Watcher};

use crate::reflector::everything_after;
use crate::shared::Shared;
use crate::window::cost_of;

/// How many revisions back the history is read, over all resources: who was away for longer reads the store's.
const REVISIONS_MAX: u64 = 10_000;

/// How many events are read before what else the task does gets its turn.
const TURN_EVENTS: usize = 128;

/// The events between two revisions, the newest that fit.
struct History {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Events up to here are missing.
    reaches: Revision,
}

/// Puts the history before a revision, at which the cache was filled, in front of its window.
pub(crate) async fn run(shared: Weak<Shared>, filled_at: Revision) {
    let Some(cache) = shared.upgrade() else { return };
    let reaches = Revision::new(filled_at.get().saturating_sub(REVISIONS_MAX));
    let reaches = reaches.max(cache.store.compacted_revision());
    let bytes_max = cache.options.window_bytes_max;
    let opened = match everything_after(&cache, reaches) {
        Ok(request) if reaches < filled_at => cache.store.watch(request).await,
        _ => return,
    };
    // A cache that is dropped meanwhile is not held.
    drop(cache);
    let read = match opened {
        Ok(mut watcher) => read(&mut watcher, reaches, filled_at, bytes_max).await,
        Err(error) => Err(error),
    };
    let Some(cache) = shared.upgrade() else { return };
    match read {
        Ok(History { events, reaches, .. }) => {
            cache.window.lock().prepend(filled_at, events, reaches, cache.environment.uptime());
        }
        Err(error) => {
            tracing::debug!(%error, prefix = %cache.store.prefix(), "the window begins with the list");
        }
    }
}

/// Reads a watch up to a revision.
async fn read(
    watcher: &mut Watcher,
    reaches: Revision,
    to: Revision,
    bytes_max: usize,
) -> Result<History, Error> {
    let mut read = 0;
    let mut history = History { events: VecDeque::new(), bytes: 0, reaches };
    while let Some(event) = next_before(watcher, to).await? {
        history.bytes += cost_of(&event);
        history.events.push_back(event);
        read += 1;
        if read % TURN_EVENTS == 0 {
            tokio::task::yield_now().await;
        }
        while history.bytes > bytes_max {
            let Some(oldest) = history.events.pop_front() else { break };
            history.bytes -= cost_of(&oldest);
            history.reaches = oldest.revision;
        }
    }
    Ok(history)
}

/// The next event, up to a revision.
async fn next_before(watcher: &mut Watcher, to: Revision) -> Result<Option<Arc<Event>>, Error> {
    poll_fn(|context| {
        loop {
            match watcher.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(WatchEvent::Change(change)))) => {
                    let event = (change.revision() <= to).then_some(change.event);
                    return Poll::Ready(Ok(event));
                }
                Poll::Ready(Some(Ok(WatchEvent::Bookmark(_)))) if watcher.progress() < to => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Pending if watcher.progress() < to => return Poll::Pending,
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(Ok(None)),
            }
        }
    })
    .await
}
