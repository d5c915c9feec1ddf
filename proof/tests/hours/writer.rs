//! Writers: at rates that change every few minutes, from bursts to silence, through the cache and past it.

use std::sync::Arc;
use std::time::Duration;

use watchkeep_proof::objects::Content;
use watchkeep_proof::oracle::Commit as Made;
use watchkeep_storage::{Commit, Expect, Freshness, Operation, Outcome};

use crate::chance::Chance as _;
use crate::hours::Hours;

/// For how long a writer keeps its pace.
const PACE: Duration = Duration::from_mins(7);
/// How many writes there are at once, once in a while: more than the window or a topic keeps.
const BURST: usize = 300;
/// One pause in so many ends in a burst.
const BURST_ONE_IN: usize = 800;
/// One write in so many has a time-to-live, one a deletion, one is not made through the cache.
const TTL_ONE_IN: usize = 8;
const DELETED_ONE_IN: usize = 5;
const FOREIGN_ONE_IN: usize = 4;

/// Writes until the end.
pub(crate) async fn run(hours: Arc<Hours>) {
    let environment = &hours.environment;
    while hours.goes_on() {
        let pause = environment.one_of(&[1_500, 6_000, 30_000, 120_000]);
        let until = environment.uptime() + environment.up_to(PACE);
        while hours.goes_on() && environment.uptime() < until {
            environment.sleep(environment.up_to(Duration::from_millis(pause))).await;
            let writes = if environment.one_in(BURST_ONE_IN) { BURST } else { 1 };
            for _ in 0..writes {
                write(&hours).await;
            }
        }
    }
}

async fn write(hours: &Hours) {
    let environment = &hours.environment;
    let (place, mark) = (environment.place(), hours.next_mark());
    let store = if environment.one_in(FOREIGN_ONE_IN) { &hours.store } else { &hours.cache };
    let key = place.key(&**store);
    let before = hours.store.get(&key, Freshness::Latest).await.unwrap().record;
    let expect = before.as_ref().map_or(Expect::Absent, |record| Expect::Revision(record.revision));
    let is_deleted = before.is_some() && environment.one_in(DELETED_ONE_IN);
    let after = (!is_deleted).then(|| Content { look: environment.look(), mark });
    let ttl = (after.is_some() && environment.one_in(TTL_ONE_IN))
        .then(|| Duration::from_secs(2) + environment.up_to(Duration::from_mins(5)));
    let deadline = ttl.map(|ttl| environment.unix_time() + ttl);
    let operation = match after {
        Some(content) => Operation::Put { value: content.value(place, &**store), ttl },
        None => Operation::Delete,
    };
    if let Outcome::Committed(committed) = store.commit(Commit { key, expect, operation }).await.unwrap() {
        hours.acknowledged(committed.revision, Made { place, after, deadline });
    }
    hours.settle();
}
