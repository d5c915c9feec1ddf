//! Lists: a revision and a place, read page by page until the deadline.
//!
//! A list holds one page at a time, and at most one more of records that were found while it was looked for
//! where a page of the client's ends. The next page is not fetched ahead: that would double what a list
//! holds, to save the time of one request in thousands of objects.
//!
//! Nothing holds etcd back from compacting the revision of an open list: its next page is then refused. The
//! compactor keeps an interval of history, which is longer than the deadline of a list.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::pages::{PAGE_BYTES, Page, Scan};
use super::proto::KeyValue;
use super::resources::Resource;
use crate::error::Error;
use crate::interface::BoxFuture;
use crate::list::{BATCH_RECORDS_MAX, Continuation, Cursor, ListRequest, Listing};
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;

/// Reads an open list.
pub(super) struct PageCursor {
    shared: Arc<Shared>,
    resource: Arc<Resource>,
    revision: Revision,
    predicate: Predicate,
    /// The uptime until which it may be read.
    deadline: Duration,
    /// How many records may still be returned.
    left: usize,
    /// Matching records that were read when the list was opened.
    found: VecDeque<Arc<Record>>,
    /// What was read and not yet looked at.
    stored: std::vec::IntoIter<KeyValue>,
    /// Where to read on; `None` at the end.
    scan: Option<Scan>,
    /// The read under way. It stays when a call is dropped: the next one waits for it.
    reading: Option<BoxFuture<'static, Result<Page, Error>>>,
    /// What was found for the next batch. It stays too.
    batch: Vec<Arc<Record>>,
}

impl Shared {
    /// Opens a list.
    pub(super) async fn list(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        request: ListRequest,
    ) -> Result<Listing, Error> {
        let limit = request.limit;
        let (mut cursor, first) = self.open_cursor(resource, request).await?;
        let continuation = match limit {
            None => {
                cursor.accept(first);
                None
            }
            Some(limit) if cursor.predicate.is_empty() => cursor.open_counted(first, limit).await?,
            Some(limit) => cursor.open_selected(first, limit).await?,
        };
        Ok(Listing { revision: cursor.revision, continuation, cursor: Box::new(cursor) })
    }

    /// A cursor, and the first page that it has not accepted yet.
    pub(super) async fn open_cursor(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        request: ListRequest,
    ) -> Result<(PageCursor, Page), Error> {
        let ListRequest { scope, at, start, limit, predicate } = request;
        let most = limit.filter(|_| predicate.is_empty()).map(|limit| limit.get() as u64);
        let (revision, first) = Scan::open(self, resource, (&scope, start.as_deref()), at, most).await?;
        let mut cursor = PageCursor {
            shared: Arc::clone(self),
            resource: Arc::clone(resource),
            revision,
            predicate,
            deadline: Duration::ZERO,
            left: limit.map_or(usize::MAX, NonZeroUsize::get),
            found: VecDeque::new(),
            stored: Vec::new().into_iter(),
            scan: None,
            reading: None,
            batch: Vec::new(),
        };
        cursor.renew();
        Ok((cursor, first))
    }
}

impl PageCursor {
    /// The revision of the list.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Starts the time until the deadline anew: for a reader that goes on.
    pub(super) fn renew(&mut self) {
        let limit = self.shared.options.cursor_deadline;
        self.deadline = self.shared.environment.uptime().saturating_add(limit);
    }

    /// Takes a page.
    pub(super) fn accept(&mut self, page: Page) {
        self.stored = page.stored.into_iter();
        self.scan = page.next;
    }

    /// A page of all records: etcd counts what follows. Where the page is larger than one of ours, its last
    /// key is looked for without the values in between. \[LIST-CONTINUATION\]
    async fn open_counted(
        &mut self,
        first: Page,
        limit: NonZeroUsize,
    ) -> Result<Option<Continuation>, Error> {
        let (limit, count) = (limit.get() as u64, first.stored.len() as u64);
        let remaining = (count + first.after).saturating_sub(limit);
        if remaining == 0 {
            self.accept(first);
            return Ok(None);
        }
        let last = match &first.next {
            Some(next) if count < limit => next.last_of(limit - count).await?,
            _ => first.stored.last().cloned(),
        };
        self.accept(first);
        let last = last.map(|last| self.resource.key_of(&last)).transpose()?;
        Ok(last.map(|last| Continuation { start: format!("{last}\0"), remaining: Some(remaining) }))
    }

    /// A page of selected records: reads until it is full, and keeps what it finds up to a page of ours.
    /// \[LIST-CONTINUATION\]
    async fn open_selected(
        &mut self,
        first: Page,
        limit: NonZeroUsize,
    ) -> Result<Option<Continuation>, Error> {
        let (mut page, mut found, mut bytes) = (first, 0, 0);
        let mut keeps = true;
        loop {
            let mut rest = page.stored.into_iter();
            if keeps {
                self.scan.clone_from(&page.next);
            }
            while let Some(stored) = rest.next() {
                let Some(record) = self.select(stored)? else { continue };
                found += 1;
                let is_last = found == limit.get();
                let follows = rest.len() > 0 || page.after > 0;
                let start = format!("{}\0", record.key);
                bytes += record.value.bytes().len() as u64;
                if keeps {
                    self.found.push_back(record);
                }
                if is_last {
                    return Ok(follows.then_some(Continuation { start, remaining: None }));
                }
            }
            keeps &= bytes < PAGE_BYTES;
            let Some(next) = page.next else { return Ok(None) };
            page = next.read(None).await?;
        }
    }

    /// The record of what is stored, if it matches.
    fn select(&self, stored: KeyValue) -> Result<Option<Arc<Record>>, Error> {
        let record = self.resource.record(stored)?;
        self.resource.sizes.note(&record.key, record.revision, Some(record.value.bytes().len()));
        Ok(self.predicate.matches(record.value.attributes()).then_some(record))
    }

    fn is_at_end(&self) -> bool {
        let has_more = !self.found.is_empty() || self.stored.len() > 0 || self.scan.is_some();
        self.left == 0 || !has_more
    }

    /// Fills the batch from what was read.
    async fn fill(&mut self) -> Result<(), Error> {
        while self.batch.len() < BATCH_RECORDS_MAX && self.left > 0 {
            let record = if let Some(found) = self.found.pop_front() {
                Some(found)
            } else if let Some(stored) = self.stored.next() {
                self.select(stored)?
            } else {
                return Ok(());
            };
            if let Some(record) = record {
                self.left -= 1;
                self.batch.push(record);
            }
            // A selector that matches little does not keep other tasks waiting.
            tokio::task::coop::consume_budget().await;
        }
        Ok(())
    }
}

impl Cursor for PageCursor {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Arc<Record>>, Error>> {
        Box::pin(async move {
            while self.batch.is_empty() && !self.is_at_end() {
                if self.shared.environment.uptime() > self.deadline {
                    let (revision, limit) = (self.revision, self.shared.options.cursor_deadline);
                    return Err(Error::CursorExpired { revision, limit });
                }
                self.fill().await?;
                if self.batch.is_empty()
                    && let Some(scan) = &self.scan
                {
                    // Kept while it is waited for, so that a dropped call has skipped nothing. [CANCEL-READ]
                    let most = self.predicate.is_empty().then_some(self.left as u64);
                    let page = self.reading.get_or_insert_with(|| scan.read(most)).await;
                    self.reading = None;
                    self.accept(page?);
                }
            }
            Ok(std::mem::take(&mut self.batch))
        })
    }
}
