//! Lists of the memory backend: a picture and a place in it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::scan::Scan;
use crate::environment::Environment;
use crate::error::Error;
use crate::interface::BoxFuture;
use crate::list::{BATCH_RECORDS_MAX, Continuation, Cursor};
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;

/// Reads a picture batch by batch, until its deadline.
pub(super) struct PictureCursor {
    pub(super) scan: Option<Scan>,
    pub(super) predicate: Predicate,
    /// How many records may still be returned.
    pub(super) left: usize,
    pub(super) revision: Revision,
    pub(super) environment: Environment,
    pub(super) opened: Duration,
    pub(super) deadline: Duration,
}

impl Cursor for PictureCursor {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Arc<Record>>, Error>> {
        Box::pin(async move {
            if self.environment.unix_time().saturating_sub(self.opened) > self.deadline {
                self.scan = None;
                self.left = 0;
                return Err(Error::CursorExpired { revision: self.revision, limit: self.deadline });
            }
            let mut batch = Vec::new();
            let batch_max = self.left.min(BATCH_RECORDS_MAX);
            let Some(scan) = &self.scan else { return Ok(batch) };
            // Progress is kept only at the end, so that a dropped call has skipped nothing. [CANCEL-READ]
            let mut scan = scan.clone();
            let mut more = batch_max > 0;
            while more && batch.len() < batch_max {
                more = scan.step(|record| {
                    if self.predicate.matches(record.value.attributes()) {
                        batch.push(Arc::clone(record));
                    }
                    batch.len() < batch_max
                });
                tokio::task::yield_now().await;
            }
            self.left -= batch.len();
            self.scan = (more && self.left > 0).then_some(scan);
            Ok(batch)
        })
    }
}

/// Finds where the page of `limit` matching records ends, and what follows it. \[LIST-CONTINUATION\]
pub(super) async fn continuation(
    mut scan: Scan,
    predicate: &Predicate,
    limit: NonZeroUsize,
) -> Option<Continuation> {
    let mut left = limit.get();
    let mut last = None;
    while left > 0 {
        let more = scan.step(|record| {
            if predicate.matches(record.value.attributes()) {
                left -= 1;
                last = Some(record.key.clone());
            }
            left > 0
        });
        if !more {
            return None;
        }
        tokio::task::yield_now().await;
    }
    let start = format!("{}\0", last?);
    let remaining = count(scan, !predicate.is_empty()).await;
    let remaining = (remaining > 0).then_some(remaining)?;
    Some(Continuation { start, remaining: predicate.is_empty().then_some(remaining) })
}

/// How many records follow; stops at the first where only their existence matters.
async fn count(mut scan: Scan, first_is_enough: bool) -> u64 {
    let mut count = 0;
    loop {
        let more = scan.step(|_| {
            count += 1;
            !first_is_enough
        });
        if !more || (first_is_enough && count > 0) {
            return count;
        }
        tokio::task::yield_now().await;
    }
}
