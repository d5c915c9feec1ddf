//! The events of a range of keys after a revision, over connections that come and go.
//!
//! Promises: every event once, in order, from exactly after the revision, or an error at the end. A cut
//! connection is made again from where the last one got to, with growing pauses, for
//! [`EtcdOptions::watch_resume_timeout`](super::EtcdOptions::watch_resume_timeout) at most.
//!
//! Each watch is a stream of gRPC of its own. etcd could carry many in one, but answers a request for
//! progress for a whole stream, and only when all of its watches are up to date; and one that is not read
//! would hold up the others. So a stream is read when its watch is: between the two there is no queue, only
//! what the window of the stream lets etcd send. A watch that is not read long enough is put aside by etcd,
//! which goes on with it from history when it is read again, or says that this is compacted.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt;

use super::Shared;
use super::client::WatchStream;
use super::keys::Range;
use super::proto::{Event, WatchAsk, WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse};
use super::reads::made_at;
use super::records::{from_etcd, to_etcd};
use super::status::CallError;
use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::failpoint::{self, Point};
use crate::interface::BoxFuture;
use crate::revision::Revision;

/// The pause before a connection is made again: doubled each time, and up to a half of it taken off by chance.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The events after a revision.
pub(super) struct Feed {
    shared: Arc<Shared>,
    range: Range,
    link: Link,
    /// Everything up to here was returned.
    position: Revision,
    /// How many events of the revision after were returned too: a response may end amid one.
    returned: usize,
    /// How many events of that revision the new connection shows again.
    repeated: usize,
    /// The uptime since which there is no connection.
    cut_since: Option<Duration>,
    /// How often a connection was made without an answer on it.
    tries: u32,
}

#[expect(clippy::large_enum_variant, reason = "a watch is in the large one nearly always")]
enum Link {
    Opening(BoxFuture<'static, Result<WatchStream, Error>>),
    Open(WatchStream),
}

/// What is known of the revision after which a watch begins.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    /// Nothing: it may be compacted, or in the future.
    Any,
    /// It was the newest a moment ago.
    Newest,
}

impl Feed {
    /// The events after a revision. The connection is made when it is polled.
    pub(super) fn new(shared: &Arc<Shared>, range: Range, after: Revision, origin: Origin) -> Self {
        let opening = Box::pin(open(Arc::clone(shared), range.clone(), after, origin));
        Self {
            shared: Arc::clone(shared),
            range,
            link: Link::Opening(opening),
            position: after,
            returned: 0,
            repeated: 0,
            cut_since: None,
            tries: 0,
        }
    }

    /// Makes the first connection.
    pub(super) async fn connect(&mut self) -> Result<(), Error> {
        if let Link::Opening(opening) = &mut self.link {
            self.link = Link::Open(opening.await?);
        }
        Ok(())
    }

    /// Everything up to this revision was returned.
    pub(super) fn position(&self) -> Revision {
        self.position
    }

    /// Asks etcd how far it is. It does not answer while the watch is behind, so the answer may have to be
    /// asked for again.
    pub(super) fn ask_progress(&self) {
        if let Link::Open(stream) = &self.link {
            // Without room there are asks on their way.
            let ask = WatchRequest { ask: Some(WatchAsk::Progress(WatchProgressRequest {})) };
            let _ = stream.asks.try_send(ask);
        }
    }

    /// The next events; none where only the position has moved.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<Event>, Error>> {
        if matches!(self.link, Link::Open(_))
            && let Err(cut) = failpoint::passed(Point::EtcdWatch)
        {
            self.resume(cut)?;
        }
        loop {
            let failed = match &mut self.link {
                Link::Opening(opening) => match ready!(opening.as_mut().poll(context)) {
                    Ok(stream) => {
                        self.link = Link::Open(stream);
                        self.cut_since = None;
                        continue;
                    }
                    Err(error) => error,
                },
                Link::Open(stream) => match ready!(stream.responses.poll_next_unpin(context)) {
                    Some(Ok(response)) if !response.canceled => {
                        self.tries = 0;
                        return Poll::Ready(Ok(self.accept(response)));
                    }
                    Some(Ok(response)) => canceled(&self.shared, self.position, &response),
                    Some(Err(status)) => {
                        self.shared.client.pass_on(stream.asked);
                        CallError::from(status).into()
                    }
                    None => closed(),
                },
            };
            self.resume(failed)?;
        }
    }

    /// Begins to make a new connection, unless the failure is for good or lasts for too long.
    fn resume(&mut self, failed: Error) -> Result<(), Error> {
        let may_pass =
            matches!(failed, Error::Unreachable { .. } | Error::Timeout { .. } | Error::NotReady { .. });
        let now = self.shared.environment.uptime();
        let since = *self.cut_since.get_or_insert(now);
        if !may_pass || now.saturating_sub(since) > self.shared.options.watch_resume_timeout {
            return Err(failed);
        }
        tracing::debug!(error = %failed, position = %self.position, "a watch goes on with a new connection");
        self.shared.client.telemetry.resumed();
        let pause = PAUSE_MIN.saturating_mul(1 << self.tries.min(10)).min(PAUSE_MAX);
        // Watches that were cut together do not come back together.
        let chance = u32::try_from(self.shared.environment.random() >> 32).unwrap_or_default();
        let pause = (pause / 2).mul_f64(1.0 + f64::from(chance) / f64::from(u32::MAX));
        self.tries += 1;
        self.repeated = self.returned;
        if defect::on(Defect::EtcdResumesLate) {
            self.position = self.position.next();
        }
        let (shared, range, after) = (Arc::clone(&self.shared), self.range.clone(), self.position);
        self.link = Link::Opening(Box::pin(async move {
            shared.environment.sleep(pause).await;
            open(shared, range, after, Origin::Any).await
        }));
        Ok(())
    }

    /// The events of a response that were not returned yet, and the new position.
    fn accept(&mut self, response: WatchResponse) -> Vec<Event> {
        let made_at = made_at(response.header);
        let is_progress = response.events.is_empty() && !response.created;
        let mut events = response.events;
        events.retain(|event| self.is_new(revision_of(event)));
        if let Some(last) = events.last().map(revision_of) {
            if response.fragment {
                // The rest of the last revision may follow.
                let of_last = events.iter().filter(|event| revision_of(event) == last).count();
                self.returned =
                    if self.position < last.previous() { of_last } else { self.returned + of_last };
                self.position = last.previous();
            } else {
                (self.position, self.returned) = (last, 0);
            }
            if response.fragment && defect::on(Defect::EtcdTakesFirstFragment) {
                (self.position, self.returned) = (made_at, 0);
            }
        } else if !response.fragment && self.returned > 0 && !is_progress {
            // The last part of a revision whose events were all returned before the connection was cut.
            (self.position, self.returned) = (self.position.next(), 0);
        }
        if is_progress && made_at > self.position {
            (self.position, self.returned) = (made_at, 0);
        }
        if self.returned == 0 {
            self.repeated = 0;
        }
        events
    }

    /// Whether an event was not returned before.
    fn is_new(&mut self, revision: Revision) -> bool {
        if revision == self.position.next() && self.repeated > 0 {
            self.repeated -= 1;
            return false;
        }
        revision > self.position
    }
}

/// The revision of an event.
pub(super) fn revision_of(event: &Event) -> Revision {
    from_etcd(event.kv.as_ref().map_or(0, |kv| kv.mod_revision))
}

/// Makes a connection, and waits until the watch is there.
async fn open(
    shared: Arc<Shared>,
    range: Range,
    after: Revision,
    origin: Origin,
) -> Result<WatchStream, Error> {
    if let Origin::Newest = origin {
        // What is ahead of everything begins at once, where etcd would look through history first.
        let (stream, made_at) = confirmed(&shared, &range, after, after.next()).await?;
        if made_at <= after {
            return Ok(stream);
        }
        // Somebody wrote in between, and may have compacted.
    }
    // etcd refuses a watch that begins below what is compacted, and would not refuse one that begins right
    // there, although deletions of that revision may be gone. So it begins with what is known.
    let (stream, _) = confirmed(&shared, &range, after, after.max(Revision::new(1))).await?;
    Ok(stream)
}

/// A watch that etcd has confirmed, and the revision at that moment.
async fn confirmed(
    shared: &Shared,
    range: &Range,
    after: Revision,
    start: Revision,
) -> Result<(WatchStream, Revision), Error> {
    let create = WatchCreateRequest {
        key: range.start.clone(),
        range_end: range.end.clone(),
        start_revision: to_etcd(start),
        prev_kv: true,
        fragment: true,
    };
    let mut stream = shared.client.watch(create).await?;
    let timeout = shared.options.request_timeout;
    let failed = match tokio::time::timeout(timeout, stream.responses.message()).await {
        Ok(Ok(Some(first))) if first.canceled => canceled(shared, after, &first),
        Ok(Ok(Some(first))) => return Ok((stream, made_at(first.header))),
        Ok(Ok(None)) => closed(),
        Ok(Err(status)) => CallError::from(status).into(),
        Err(_) => Error::Timeout { reason: format!("etcd: a watch was not confirmed within {timeout:?}") },
    };
    shared.client.pass_on(stream.asked);
    Err(failed)
}

fn closed() -> Error {
    Error::Unreachable { reason: "etcd: the watch was closed".to_owned() }
}

/// Why etcd ended a watch. \[COMPACT-WATCHES\]
fn canceled(shared: &Shared, after: Revision, response: &WatchResponse) -> Error {
    if response.compact_revision > 0 {
        shared.history.learn(from_etcd(response.compact_revision));
        return shared.compacted(after, CompactedDuring::Watch);
    }
    Error::Unreachable { reason: format!("etcd: the watch was canceled: {}", response.cancel_reason) }
}
