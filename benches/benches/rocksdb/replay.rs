//! What does a watch from the past cost, when the kernel or the engine has history in memory?

use std::sync::Arc;

use futures_util::StreamExt as _;
use watchkeep_storage::{Interface, Predicate, Revision, WatchEvent, WatchRequest, WatchStart};

use crate::Context;
use crate::crew::{Crew, FILLERS, Goal, fill};
use crate::meter::{Cost, Meter};
use crate::objects::Objects;
use crate::report::{Report, Row, rate};
use crate::store::{Store, keeping_history, on_workers, scratch};

const OBJECT_BYTES: usize = 1 << 10;
const REACH_RATE: f64 = 500_000.0;

/// A hundredth of the keys, as in a cluster: leases and the status of nodes change, most objects do not.
const HOT_STEP: usize = 100;

/// Watches that begin before updates: of any key, and of few.
pub(crate) async fn replay(context: &Context, report: &mut Report) {
    let count = context.sizes.objects;
    for (case, step) in [("all keys", 1), ("a hundredth of the keys", HOT_STEP)] {
        let directory = scratch(&context.directory);
        let store = Store::open_with(keeping_history(directory.path())).await;
        let objects = Arc::new(Objects::new(OBJECT_BYTES));
        fill(&store.pods, &objects, count).await;
        let mut crew = Crew::new(&objects, store.pods.prefix(), (0..count).step_by(step), FILLERS);
        crew.adopt(&store.pods).await;
        let created = store.revision().await;
        let updates = crew.update(&store.pods, Goal::commits(context.sizes.replayed)).await;
        drop(crew);
        store.settle().await;
        read_events(&store.pods, created, updates).await;
        let mut sum = Cost::default();
        for _ in 0..context.sizes.replays {
            sum = sum.plus(&read_events(&store.pods, created, updates).await.0);
        }
        let events = updates * context.sizes.replays;
        let row = Row::new(format!("1 KiB: updates of {case}")).cost(events, &sum);
        report.row(row.at_least("rate", rate(events, &sum), REACH_RATE, "events/s").by_the_clock());
        store.close().await;
    }
}

/// Reads the next `count` events after a revision; with the bytes of the values that they made.
pub(crate) async fn read_events(pods: &Arc<dyn Interface>, after: Revision, count: usize) -> (Cost, u64) {
    let pods = Arc::clone(pods);
    let meter = Meter::start();
    let bytes = on_workers(async move {
        let scope = pods.prefix().under(None).expect("the whole resource is a scope");
        let (start, predicate) = (WatchStart::After(after), Predicate::everything());
        let request = WatchRequest { scope, start, predicate, progress: false };
        let mut watch = pods.watch(request).await.expect("history is kept");
        let (mut seen, mut bytes) = (0, 0);
        while seen < count {
            let event = watch.next().await.expect("a watch goes on").expect("history is kept");
            if let WatchEvent::Change(change) = event {
                seen += 1;
                bytes += change.event.current.as_ref().map_or(0, |record| record.value.bytes().len() as u64);
            }
        }
        bytes
    })
    .await;
    (meter.stop(), bytes)
}
