//! How much memory does the store hold? The resident memory of the process, minus what it was before the
//! store was opened, with all that the bench itself keeps already made. What an allocator does not give back
//! counts: it is not there for anybody else.

use std::sync::Arc;

use watchkeep_storage::Revision;

use crate::crew::{Crew, Goal, fill};
use crate::gets::read_gets;
use crate::lists::read_list;
use crate::machine::status_bytes;
use crate::objects::{self, Objects};
use crate::replay::read_events;
use crate::report::{Report, Row, bytes_f64};
use crate::store::{Store, scratch};
use crate::{Context, Sizes};

const OBJECT_BYTES: usize = 1 << 10;
const HOT_STEP: usize = 100;
const WRITERS: usize = 64;
const REACH_MIB: f64 = 150.0;
/// How much history is read, in events; less than the default keeps.
const EVENTS: usize = 50_000;

pub(crate) async fn resident(context: &Context, report: &mut Report) {
    let Sizes { resident_objects: count, updates, gets, .. } = context.sizes;
    let directory = scratch(&context.directory);
    let objects = Arc::new(Objects::new(OBJECT_BYTES));
    let prefix =
        watchkeep_storage::ResourcePrefix::new("/registry/pods").expect("the prefix follows the rules");
    let mut crew = Crew::new(&objects, &prefix, (0..count).step_by(HOT_STEP), WRITERS);
    let keys = Arc::new((0..count).map(|n| objects::key(&prefix, n)).collect::<Vec<_>>());
    let before = status_bytes("VmRSS");
    let mut told = |case: &str| {
        let held = |name| bytes_f64(status_bytes(name).saturating_sub(before)) / f64::from(1 << 20);
        let row = Row::new(case).figure("resident", held("VmRSS"), "MiB");
        let peak = held("VmHWM");
        report.row(row.figure("peak so far", peak, "MiB").at_most("peak", peak, REACH_MIB, "MiB"));
    };
    let store = Store::open(directory.path()).await;
    told("open, empty");
    fill(&store.pods, &objects, count).await;
    told(&format!("{count} creations of 1 KiB"));
    crew.adopt(&store.pods).await;
    let done = crew.update(&store.pods, Goal::commits(updates)).await;
    told(&format!("{done} updates of 1 KiB"));
    read_list(&store.pods).await;
    told("a list of all");
    read_gets(&store.pods, &keys, gets).await;
    told("gets of any key");
    let events = EVENTS.min(done);
    let after = Revision::new(store.revision().await.get() - events as u64);
    read_events(&store.pods, after, events).await;
    told(&format!("a watch of {events} events"));
    store.settle().await;
    told("the engine is idle");
    store.close().await;
}
