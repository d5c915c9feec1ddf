//! Reading watches: what they show, without waiting and with.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::{Stream as _, StreamExt as _};
use watchkeep_storage::{Error, Interface, Revision, WatchEvent, Watcher};

use super::watches::Open;
use crate::broken::{Broken, ensure};
use crate::stream::{Item, Seen};

/// How often a watch is polled that has nothing ready: some do their work in small pieces.
const POLLS: usize = 4;
/// How long to wait before the next look at one that is behind.
const LOOK: Duration = Duration::from_millis(2);

impl Open {
    /// Takes at most so many events that are ready.
    pub(super) async fn take_ready(&mut self, events_max: usize) {
        for _ in 0..events_max {
            if self.ended() || !self.take_one().await {
                break;
            }
        }
        self.look_at_progress();
    }

    /// Reads until the watch says that it has delivered everything up to a revision, or ends.
    pub(super) async fn drain(
        &mut self,
        store: &dyn Interface,
        target: Revision,
        patience: Duration,
    ) -> Result<(), Broken> {
        let drained = tokio::time::timeout(patience, async {
            let mut asked = false;
            while !self.ended() {
                if self.take_one().await {
                    continue;
                }
                let progress = self.watcher.progress();
                if progress >= target {
                    self.stream.items.push(Item::Drained(progress));
                    return;
                }
                if !asked {
                    // A failure only means that nobody is woken before it is time.
                    let _ = store.request_progress().await;
                    asked = true;
                }
                if let Ok(next) = tokio::time::timeout(LOOK, self.watcher.next()).await {
                    self.note(next);
                }
            }
        });
        let in_time = drained.await.is_ok();
        ensure!(
            in_time,
            "WATCH-RELIABLE",
            "it did not come to {target} within {patience:?}, but to {}: {:?}",
            self.watcher.progress(),
            self.stream
        );
        Ok(())
    }

    /// Waits for the next event.
    pub(super) async fn take_next(&mut self) {
        let next = self.watcher.next().await;
        self.note(next);
    }

    /// Takes an event if one is ready.
    async fn take_one(&mut self) -> bool {
        for _ in 0..POLLS {
            match poll_once(&mut self.watcher).await {
                Poll::Ready(next) => {
                    self.note(next);
                    return true;
                }
                Poll::Pending => tokio::task::yield_now().await,
            }
        }
        false
    }

    fn note(&mut self, next: Option<Result<WatchEvent, Error>>) {
        self.stream.items.push(match next {
            Some(Ok(WatchEvent::Change(change))) => Item::Change(Seen::new(&change)),
            Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                Item::Bookmark { revision: bookmark.revision, ends_initial: bookmark.initial_events_end }
            }
            Some(Err(error)) => Item::Ended(error),
            None => Item::Ended(Error::Internal { reason: "the stream ended without a word".to_owned() }),
        });
    }

    fn look_at_progress(&mut self) {
        let progress = self.watcher.progress();
        if !self.ended() && progress > self.stream.claimed() {
            self.stream.items.push(Item::Progress(progress));
        }
    }

    /// Whether it has ended by itself.
    pub(super) fn ended(&self) -> bool {
        matches!(self.stream.items.last(), Some(Item::Ended(_)))
    }
}

async fn poll_once(watcher: &mut Watcher) -> Poll<Option<Result<WatchEvent, Error>>> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *watcher).poll_next(context))).await
}
