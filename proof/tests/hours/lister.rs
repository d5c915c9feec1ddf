//! Lists of any view and any revision, some of which are read long after they were opened; and who asks for progress
//! and gives up history.

use std::sync::Arc;
use std::time::Duration;

use watchkeep_proof::stream::Found;
use watchkeep_storage::{CompactedDuring, Error, ListRequest, ReadAt, collect};

use crate::chance::Chance as _;
use crate::hours::{CURSOR_DEADLINE, Hours};
use crate::shaky::is_of_a_shaky_store;

const PAUSE_MAX: Duration = Duration::from_secs(10);
const COMPACTION_MAX: Duration = Duration::from_mins(8);
/// How many commits back a list may be of.
const BACK_MAX: usize = 500;
/// One list in so many is left lying for a while.
const LEFT_ONE_IN: usize = 10;

/// Lists until the end.
pub(crate) async fn run(hours: Arc<Hours>) {
    let environment = &hours.environment;
    while hours.goes_on() {
        environment.sleep(environment.up_to(PAUSE_MAX)).await;
        list(&hours).await;
    }
}

/// Asks for progress, and gives up history, until the end.
pub(crate) async fn tend(hours: Arc<Hours>) {
    let environment = &hours.environment;
    let mut next = environment.uptime();
    while hours.goes_on() {
        environment.sleep(environment.up_to(PAUSE_MAX)).await;
        hours.cache.request_progress().await.unwrap();
        hours.check_bounds();
        hours.settle();
        if environment.uptime() >= next {
            next = environment.uptime() + environment.up_to(COMPACTION_MAX);
            let back = hours.back(environment.below(BACK_MAX));
            match hours.cache.compact(back).await {
                Ok(()) => hours.tally(|tally| tally.compactions += 1),
                Err(Error::Compacted { during: CompactedDuring::Compact, .. }) => {}
                Err(error) => panic!("{back} is not compacted: {error}"),
            }
        }
    }
}

async fn list(hours: &Hours) {
    let environment = &hours.environment;
    let view = environment.view();
    let back = hours.back(environment.below(BACK_MAX));
    let at = environment.one_of(&[ReadAt::Latest, ReadAt::AtLeast(back), ReadAt::Exact(back)]);
    let before = hours.now().await;
    let (scope, predicate) = (view.scope(&*hours.cache), view.selection.predicate());
    let listing = match hours.cache.list(ListRequest { scope, at, start: None, limit: None, predicate }).await
    {
        Ok(listing) => listing,
        Err(Error::FutureRevision { .. }) if matches!(at, ReadAt::AtLeast(_) | ReadAt::Exact(_)) => return,
        Err(Error::Compacted { .. }) if back < hours.store.compacted_revision() => return,
        Err(error) if is_of_a_shaky_store(&error) => return,
        Err(error) => panic!("a list at {at:?} is refused: {error}"),
    };
    let revision = listing.revision;
    let fits = match at {
        ReadAt::Latest => revision >= before,
        ReadAt::AtLeast(least) => revision >= least,
        ReadAt::Exact(exact) => revision == exact,
    };
    assert!(fits, "a list at {at:?} is of {revision}, the store was at {before}");
    let left =
        if environment.one_in(LEFT_ONE_IN) { environment.up_to(CURSOR_DEADLINE * 2) } else { Duration::ZERO };
    environment.sleep(left).await;
    match collect(listing.cursor).await {
        Ok(records) => {
            let found: Vec<_> = records.iter().map(|record| Found::new(record)).collect();
            hours.check_list(view, revision, &found);
        }
        Err(Error::CursorExpired { .. }) if left >= CURSOR_DEADLINE => {
            hours.tally(|tally| tally.expired += 1);
        }
        Err(error) => panic!("a list that was left for {left:?} ends with {error}"),
    }
}
