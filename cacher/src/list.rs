//! Lists from pictures: a cursor that reads batch by batch, and where the next page begins.

use std::num::NonZeroUsize;
use std::sync::Arc;

use watchkeep_storage::defect::{self, Defect};
use watchkeep_storage::{
    BATCH_RECORDS_MAX, BoxFuture, Continuation, Cursor, Error, ListRequest, Listing, Predicate, Record,
    Revision,
};

use crate::open::{OpenPicture, OpenPictures};
use crate::picture::{Picture, Places};
use crate::telemetry::Telemetry;

/// How many records are looked at before other tasks get their turn.
const STEP_RECORDS: usize = 1024;

/// Opens a list of a picture.
pub(crate) async fn open(
    pictures: &Arc<OpenPictures>,
    telemetry: Arc<Telemetry>,
    picture: Arc<Picture>,
    revision: Revision,
    request: ListRequest,
) -> Listing {
    let ListRequest { scope, start, limit, predicate, .. } = request;
    telemetry.lists.increment(1);
    let mut places = picture.matching(&scope, start.as_deref(), &predicate);
    let mut continuation = None;
    if let Some(limit) = limit
        && let Some(page) = page(&picture, &places, &predicate, limit).await
        && let Some(last) = picture.records(&page.behind(page.len() - 1)).next()
    {
        let start = format!("{}\0", last.key);
        // All of the scope counts, whether it matches or not. [LIST-CONTINUATION]
        let by_matches = defect::on(Defect::CacheContinuesByMatches);
        let left = if by_matches { places.behind(page.len()) } else { picture.places(&scope, Some(&start)) };
        if !left.is_empty() {
            let remaining = predicate.is_empty().then_some(left.len() as u64);
            continuation = Some(Continuation { start, remaining });
        }
        places = page;
    }
    let picture = OpenPicture::new(pictures, picture, places, revision);
    let cursor = Box::new(PictureCursor { picture: Some(picture), predicate, telemetry });
    Listing { revision, continuation, cursor }
}

/// The first of these places, up to the `limit`th matching record; `None` if there are fewer.
async fn page(
    picture: &Picture,
    places: &Places,
    predicate: &Predicate,
    limit: NonZeroUsize,
) -> Option<Places> {
    if predicate.is_empty() {
        return (places.len() >= limit.get()).then(|| places.first(limit.get()));
    }
    let mut matches = limit.get();
    let mut looked_at = 0;
    while looked_at < places.len() {
        for record in picture.records(&places.behind(looked_at).first(STEP_RECORDS)) {
            looked_at += 1;
            matches -= usize::from(predicate.matches(record.value.attributes()));
            if matches == 0 {
                return Some(places.first(looked_at));
            }
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Reads the places of a picture batch by batch, until their end or their deadline.
struct PictureCursor {
    /// `None` at the end.
    picture: Option<OpenPicture>,
    predicate: Predicate,
    telemetry: Arc<Telemetry>,
}

impl Cursor for PictureCursor {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Arc<Record>>, Error>> {
        Box::pin(async move {
            let mut found: Vec<Arc<Record>> = Vec::new();
            let Some(open) = &self.picture else { return Ok(found) };
            // Progress is kept only at the end, so that a dropped call has skipped nothing. [CANCEL-READ]
            let (picture, mut left) = open.left()?;
            let before = left.len();
            while !left.is_empty() && found.len() < BATCH_RECORDS_MAX {
                left = take(&picture, &left, &self.predicate, &mut found);
                if !left.is_empty() && found.len() < BATCH_RECORDS_MAX {
                    tokio::task::yield_now().await;
                }
            }
            self.telemetry.list_fetched.increment((before - left.len()) as u64);
            self.telemetry.list_returned.increment(found.len() as u64);
            if left.is_empty() {
                self.picture = None;
            } else {
                open.advance(left);
            }
            Ok(found)
        })
    }
}

/// Takes matching records until the batch is full or so many were looked at. Returns what is left.
fn take(picture: &Picture, places: &Places, predicate: &Predicate, found: &mut Vec<Arc<Record>>) -> Places {
    let room = BATCH_RECORDS_MAX - found.len();
    if predicate.is_empty() {
        found.extend(picture.records(&places.first(room)).cloned());
        return places.behind(room);
    }
    let mut looked_at = 0;
    for record in picture.records(&places.first(STEP_RECORDS)) {
        looked_at += 1;
        if predicate.matches(record.value.attributes()) {
            found.push(Arc::clone(record));
            if found.len() == BATCH_RECORDS_MAX {
                break;
            }
        }
    }
    places.behind(looked_at)
}
