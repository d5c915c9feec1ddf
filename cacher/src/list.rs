//! Lists from pictures: a cursor that reads batch by batch, and where the next page begins.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use watchkeep_storage::{
    BATCH_RECORDS_MAX, BoxFuture, Continuation, Cursor, Error, ListRequest, Listing, Predicate, Record,
    Revision,
};

use crate::open::{OpenPicture, OpenPictures};
use crate::picture::Picture;

/// How many records are looked at before other tasks get their turn.
const STEP_RECORDS: usize = 1024;

/// Opens a list of a picture.
pub(crate) async fn open(
    pictures: &Arc<OpenPictures>,
    picture: Arc<Picture>,
    revision: Revision,
    request: ListRequest,
) -> Listing {
    let ListRequest { scope, start, limit, predicate, .. } = request;
    let mut places = picture.places(&scope, start.as_deref());
    let mut continuation = None;
    if let Some(limit) = limit
        && let Some((end, next)) = end_of_page(&picture, places.clone(), &predicate, limit).await
    {
        let remaining = (places.end - end) as u64;
        continuation =
            Some(Continuation { start: next, remaining: predicate.is_empty().then_some(remaining) });
        places.end = end;
    }
    let picture = OpenPicture::new(pictures, picture, places, revision);
    Listing { revision, continuation, cursor: Box::new(PictureCursor { picture: Some(picture), predicate }) }
}

/// The place behind the `limit`th matching record and the key to go on from, if anything follows there.
/// \[LIST-CONTINUATION\]
async fn end_of_page(
    picture: &Picture,
    places: Range<usize>,
    predicate: &Predicate,
    limit: NonZeroUsize,
) -> Option<(usize, String)> {
    let last = if predicate.is_empty() {
        places.start.checked_add(limit.get() - 1)?
    } else {
        nth_match(picture, places.clone(), predicate, limit).await?
    };
    if last.checked_add(1)? >= places.end {
        return None;
    }
    let record = picture.records(last..last + 1).next()?;
    Some((last + 1, format!("{}\0", record.key)))
}

/// The place of the `limit`th matching record.
async fn nth_match(
    picture: &Picture,
    mut places: Range<usize>,
    predicate: &Predicate,
    limit: NonZeroUsize,
) -> Option<usize> {
    let mut left = limit.get();
    while !places.is_empty() {
        let step = step(&places, STEP_RECORDS);
        for (place, record) in step.clone().zip(picture.records(step.clone())) {
            left -= usize::from(predicate.matches(record.value.attributes()));
            if left == 0 {
                return Some(place);
            }
        }
        places.start = step.end;
        tokio::task::yield_now().await;
    }
    None
}

/// The first of these places, at most so many.
fn step(places: &Range<usize>, records_max: usize) -> Range<usize> {
    places.start..places.start.saturating_add(records_max).min(places.end)
}

/// Reads the places of a picture batch by batch, until their end or their deadline.
struct PictureCursor {
    /// `None` at the end.
    picture: Option<OpenPicture>,
    predicate: Predicate,
}

impl Cursor for PictureCursor {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Arc<Record>>, Error>> {
        Box::pin(async move {
            let mut found: Vec<Arc<Record>> = Vec::new();
            let Some(open) = &self.picture else { return Ok(found) };
            // Progress is kept only at the end, so that a dropped call has skipped nothing. [CANCEL-READ]
            let (picture, mut left) = open.left()?;
            while !left.is_empty() && found.len() < BATCH_RECORDS_MAX {
                let step = step(&left, STEP_RECORDS);
                left.start = take(&picture, step.clone(), &self.predicate, &mut found);
                if !left.is_empty() && found.len() < BATCH_RECORDS_MAX {
                    tokio::task::yield_now().await;
                }
            }
            if left.is_empty() {
                self.picture = None;
            } else {
                open.advance(left);
            }
            Ok(found)
        })
    }
}

/// Takes the matching records of some places until the batch is full. Returns the first place that was not
/// looked at.
fn take(
    picture: &Picture,
    places: Range<usize>,
    predicate: &Predicate,
    found: &mut Vec<Arc<Record>>,
) -> usize {
    if predicate.is_empty() {
        let step = step(&places, BATCH_RECORDS_MAX - found.len());
        found.extend(picture.records(step.clone()).cloned());
        return step.end;
    }
    for (place, record) in places.clone().zip(picture.records(places.clone())) {
        if predicate.matches(record.value.attributes()) {
            found.push(Arc::clone(record));
            if found.len() == BATCH_RECORDS_MAX {
                return place + 1;
            }
        }
    }
    places.end
}
