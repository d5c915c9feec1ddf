//! Lists of the memory backend: a picture that is read batch by batch.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::picture::OpenPicture;
use super::scan::Scan;
use crate::defect::{self, Defect};
use crate::error::Error;
use crate::interface::BoxFuture;
use crate::list::{BATCH_RECORDS_MAX, Continuation, Cursor};
use crate::predicate::Predicate;
use crate::record::Record;

/// Reads a picture batch by batch, until its end or its deadline.
pub(super) struct PictureCursor {
    /// `None` at the end.
    picture: Option<OpenPicture>,
    predicate: Predicate,
    /// How many records may still be returned.
    left: usize,
}

impl PictureCursor {
    /// A cursor that returns at most `limit` matching records of a picture.
    pub(super) fn new(picture: OpenPicture, predicate: Predicate, limit: Option<NonZeroUsize>) -> Self {
        Self { picture: Some(picture), predicate, left: limit.map_or(usize::MAX, NonZeroUsize::get) }
    }

    /// Moves on, or ends and lets go of the picture.
    fn advance(&mut self, returned: usize, next: Option<Scan>) {
        self.left -= returned;
        match (next.filter(|_| self.left > 0), &self.picture) {
            (Some(next), Some(picture)) => picture.advance(next),
            _ => self.picture = None,
        }
    }
}

impl Cursor for PictureCursor {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Arc<Record>>, Error>> {
        Box::pin(async move {
            let mut batch = Vec::new();
            let Some(picture) = &self.picture else { return Ok(batch) };
            // Progress is kept only at the end, so that a dropped call has skipped nothing. [CANCEL-READ]
            let mut scan = picture.place()?;
            let batch_max = self.left.min(BATCH_RECORDS_MAX);
            let mut more = true;
            while more && batch.len() < batch_max {
                more = scan.step(|record| {
                    if self.predicate.matches(record.value.attributes()) {
                        batch.push(Arc::clone(record));
                    }
                    batch.len() < batch_max
                });
                if more && batch.len() < batch_max {
                    tokio::task::yield_now().await;
                }
            }
            self.advance(batch.len(), more.then_some(scan));
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
        if left > 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut start = format!("{}\0", last?);
    if defect::on(Defect::MemoryPageRepeatsLast) {
        start.pop();
    }
    let remaining = count(scan.clone(), !predicate.is_empty()).await;
    let mut remaining = (remaining > 0).then_some(remaining)?;
    if defect::on(Defect::MemoryPageSkipsOne) {
        scan.step(|record| {
            start = format!("{}\0", record.key);
            false
        });
    }
    if defect::on(Defect::MemoryRemainingOneTooFew) {
        remaining -= 1;
    }
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
