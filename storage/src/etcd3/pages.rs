//! Reads of many keys: page by page at one revision, each of a bounded number of keys and bytes.
//!
//! etcd bounds a page by keys only. So a page asks for as many as fit its bytes at the mean size of what went
//! by, beginning with few and growing by a factor. Where the next objects are much larger all the same, the
//! response is refused by its length before it is in memory here, and asked for again with fewer keys; etcd
//! has put it together by then, so a page has few enough keys also for that.

use std::sync::Arc;

use super::Shared;
use super::keys::Range;
use super::proto::{KeyValue, RangeRequest, RangeResponse};
use super::reads::made_at;
use super::records::to_etcd;
use super::resources::Resource;
use super::status::CallError;
use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::interface::BoxFuture;
use crate::key::Scope;
use crate::list::ReadAt;
use crate::revision::Revision;

/// How many bytes a page aims at. While it is taken apart it is there twice: as it came, and as what it holds.
pub(super) const PAGE_BYTES: u64 = 4 << 20;

/// What an object counts for beside its value: its key, and what is around the two in both forms.
const OBJECT_BYTES_EXTRA: u64 = 512;

/// How many keys the first page asks for while little is known of their sizes.
const FIRST_PAGE_KEYS: u64 = 256;

/// The most keys of a page. More would save little: what a page costs etcd beside its keys is a walk over
/// the keys that follow, which it counts.
const PAGE_KEYS_MAX: u64 = 2000;

/// By which factor a page may be larger than what its size is known from.
const GROWTH: u64 = 4;

/// By which factor a page is made smaller whose response was too large.
const SHRINK: u64 = 8;

/// A place in a range of keys at a revision.
#[derive(Clone)]
pub(super) struct Scan {
    shared: Arc<Shared>,
    range: Range,
    pub(super) revision: Revision,
    /// How many keys the next page asks for.
    keys: u64,
}

/// A page of what is stored.
pub(super) struct Page {
    pub(super) stored: Vec<KeyValue>,
    /// How many keys of the range follow.
    pub(super) after: u64,
    /// The place behind the page; `None` at the end.
    pub(super) next: Option<Scan>,
}

impl Scan {
    /// Reads the first page of a scope, of `most` keys at most, and with it the revision of all pages.
    pub(super) async fn open(
        shared: &Arc<Shared>,
        resource: &Resource,
        (scope, start): (&Scope, Option<&str>),
        at: ReadAt,
        most: Option<u64>,
    ) -> Result<(Revision, Page), Error> {
        let (known, mean) = resource.sizes.known();
        let keys = keys_of(mean).min((known * GROWTH).max(FIRST_PAGE_KEYS));
        let mut scan = Self {
            shared: Arc::clone(shared),
            range: resource.keys.range(scope, start),
            revision: if let ReadAt::Exact(revision) = at { revision } else { Revision::ZERO },
            keys,
        };
        let (response, asked) = scan.fetch(at, most).await?;
        if scan.revision.is_zero() {
            scan.revision = made_at(response.header);
        }
        Ok((scan.revision, scan.page(response, asked)))
    }

    /// Reads a page of `most` keys at most.
    pub(super) fn read(&self, most: Option<u64>) -> BoxFuture<'static, Result<Page, Error>> {
        let scan = self.clone();
        Box::pin(async move {
            let (response, asked) = scan.fetch(ReadAt::Exact(scan.revision), most).await?;
            Ok(scan.page(response, asked))
        })
    }

    /// The last of the next `count` keys, without their values.
    pub(super) async fn last_of(&self, count: u64) -> Result<Option<KeyValue>, Error> {
        let request = RangeRequest { keys_only: true, ..self.request(count) };
        let response = self.shared.range(request).await;
        Ok(response.map_err(|error| self.refused_now(error))?.kvs.pop())
    }

    fn request(&self, keys: u64) -> RangeRequest {
        let mut revision = to_etcd(self.revision);
        if defect::on(Defect::EtcdPagesNotPinned) {
            revision = 0;
        }
        RangeRequest {
            key: self.range.start.clone(),
            range_end: self.range.end.clone(),
            limit: i64::try_from(keys).unwrap_or(i64::MAX),
            revision,
            ..RangeRequest::default()
        }
    }

    /// Asks for a page; also how many keys it was asked for at last.
    async fn fetch(&self, at: ReadAt, most: Option<u64>) -> Result<(RangeResponse, u64), Error> {
        let mut keys = most.unwrap_or(u64::MAX).min(self.keys).max(1);
        loop {
            let request = self.request(keys);
            let answer = match at {
                ReadAt::AtLeast(revision) => self.shared.range_at_least(request, revision).await,
                ReadAt::Latest | ReadAt::Exact(_) => self.shared.range(request).await,
            };
            match answer {
                Ok(response) => return Ok((response, keys)),
                Err(CallError::ResponseTooLarge) if keys > 1 => keys = (keys / SHRINK).max(1),
                Err(CallError::FutureRevision) => return Err(self.shared.future(self.revision).await),
                Err(error) => return Err(self.refused_now(error)),
            }
        }
    }

    fn refused_now(&self, error: CallError) -> Error {
        match error {
            CallError::Compacted => self.shared.compacted(self.revision, CompactedDuring::List),
            error => error.into(),
        }
    }

    /// The page of a response that was asked for with so many keys.
    fn page(mut self, response: RangeResponse, asked: u64) -> Page {
        let stored = response.kvs;
        let count = stored.len() as u64;
        let after = u64::try_from(response.count).unwrap_or_default().saturating_sub(count);
        let bytes: u64 = stored.iter().map(|stored| stored.value.len() as u64).sum();
        if let Some(mean) = bytes.checked_div(count) {
            self.keys = keys_of(mean).min(asked.saturating_mul(GROWTH));
        }
        let next = stored.last().filter(|_| after > 0).map(|last| {
            self.range.start.clone_from(&last.key);
            self.range.start.push(0);
            self
        });
        Page { stored, after, next }
    }
}

/// How many keys of a mean size fit into a page.
fn keys_of(mean: u64) -> u64 {
    (PAGE_BYTES / (mean + OBJECT_BYTES_EXTRA)).clamp(1, PAGE_KEYS_MAX)
}
