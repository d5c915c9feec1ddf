//! Gives up history, once per interval for all processes that share a cluster, and knows how far it went.
//!
//! The processes agree by one key that is not below the prefix, the reference's, so that it and this backend
//! can serve one cluster together. The *version* of the key, how often it was written, is a clock: who finds
//! it where it saw it last wins the interval, moves it on, and compacts what it remembered an interval
//! before. Its value is how far compactions went. So history is kept for one to two intervals.

use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Shared;
use super::client::Method;
use super::proto::{
    CompactionRequest, CompactionResponse, Compare, CompareTarget, CompareWith, KeyValue, PutRequest,
    RangeRequest, Request, RequestOp, Response, TxnRequest, TxnResponse,
};
use super::reads::made_at;
use super::records::to_etcd;
use super::status::CallError;
use crate::environment::Environment;
use crate::error::{CompactedDuring, Error};
use crate::failpoint::{self, Point};
use crate::revision::Revision;

/// The key that the processes agree by.
pub(super) const CLOCK_KEY: &[u8] = b"compact_rev_key";

/// What is known of compactions.
#[derive(Default)]
pub(super) struct History {
    /// The newest compacted revision that this process has heard of. Relaxed: nothing hangs on it.
    oldest: AtomicU64,
}

impl History {
    /// The oldest revision that can be read, as far as is known.
    pub(super) fn oldest(&self) -> Revision {
        Revision::new(self.oldest.load(Ordering::Relaxed))
    }

    /// What is below this revision is compacted.
    pub(super) fn learn(&self, oldest: Revision) {
        self.oldest.fetch_max(oldest.get(), Ordering::Relaxed);
    }

    /// What the clock key says.
    pub(super) fn learn_from(&self, stored: &KeyValue) {
        if let Some(revision) = std::str::from_utf8(&stored.value).ok().and_then(|text| text.parse().ok()) {
            self.learn(Revision::new(revision));
        }
    }
}

/// What a process remembers from one interval to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Clock {
    /// The version of the key, as it was seen last.
    time: i64,
    /// The revision of the store at that moment.
    then: Revision,
}

/// Runs until the store is gone.
pub(super) async fn run(shared: Weak<Shared>, environment: Environment) {
    let Some(interval) = shared.upgrade().map(|shared| shared.options.compaction_interval) else { return };
    let mut clock = Clock::default();
    loop {
        environment.sleep(interval).await;
        let Some(shared) = shared.upgrade().filter(|shared| !shared.is_closed()) else { return };
        match shared.tick(clock).await {
            Ok(next) => clock = next,
            Err(error) => tracing::warn!(%error, "history was not compacted, and is at the next interval"),
        }
    }
}

impl Shared {
    /// One interval: whoever wins it compacts.
    async fn tick(&self, clock: Clock) -> Result<Clock, Error> {
        let key = CLOCK_KEY.to_vec();
        let compare = Compare {
            target: CompareTarget::Version.into(),
            key: key.clone(),
            with: Some(CompareWith::Version(clock.time)),
        };
        let value = clock.then.to_string().into();
        let put = Request::Put(PutRequest { key: key.clone(), value, ..PutRequest::default() });
        let read = Request::Range(RangeRequest { key, ..RangeRequest::default() });
        let operation = |request| vec![RequestOp { request: Some(request) }];
        let request =
            TxnRequest { compare: vec![compare], success: operation(put), failure: operation(read) };
        failpoint::reached(Point::EtcdClock);
        let answer: TxnResponse = self.client.call(Method::Txn, request).await?;
        let then = made_at(answer.header);
        if answer.succeeded {
            if !clock.then.is_zero() {
                failpoint::reached(Point::EtcdCompact);
                self.compact_to(clock.then).await?;
            }
            return Ok(Clock { time: clock.time + 1, then });
        }
        let stored = answer.responses.into_iter().next().and_then(|response| match response.response? {
            Response::Range(range) => range.kvs.into_iter().next(),
            _ => None,
        });
        if let Some(stored) = &stored {
            self.history.learn_from(stored);
        }
        Ok(Clock { time: stored.map_or(0, |stored| stored.version), then })
    }

    /// Compacts, where nobody has compacted more.
    async fn compact_to(&self, revision: Revision) -> Result<(), Error> {
        let request = CompactionRequest { revision: to_etcd(revision) };
        match self.client.call::<_, CompactionResponse>(Method::Compact, request).await {
            Ok(CompactionResponse {}) | Err(CallError::Compacted) => {
                self.history.learn(revision);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Compacts because somebody asks. \[COMPACT-READS\]
    pub(super) async fn compact(&self, revision: Revision) -> Result<(), Error> {
        let request = CompactionRequest { revision: to_etcd(revision) };
        match self.client.call::<_, CompactionResponse>(Method::Compact, request).await {
            Ok(CompactionResponse {}) => {
                self.history.learn(revision);
                Ok(())
            }
            Err(CallError::FutureRevision) => Err(self.future(revision).await),
            Err(CallError::Compacted) => self.is_oldest(revision).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a revision that is compacted already is the last that is: to ask for it again is fine.
    async fn is_oldest(&self, revision: Revision) -> Result<(), Error> {
        let request = RangeRequest {
            key: CLOCK_KEY.to_vec(),
            revision: to_etcd(revision),
            keys_only: true,
            ..RangeRequest::default()
        };
        match self.range(request).await {
            // Zero reads the latest, and is compacted if anything is.
            Ok(_) if !revision.is_zero() => {
                self.history.learn(revision);
                Ok(())
            }
            Ok(_) | Err(CallError::Compacted) => Err(self.compacted(revision, CompactedDuring::Compact)),
            Err(error) => Err(error.into()),
        }
    }
}
