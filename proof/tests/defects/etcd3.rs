//! Defects of the etcd3 backend, on a real etcd for each.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_proof::worlds::EtcdWorld;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::defect::Defect;
use watchkeep_storage::etcd3::{EtcdBackend, EtcdOptions};
use watchkeep_storage::failpoint::Point;
use watchkeep_storage::{
    Backend as _, Environment, Expect, Outcome, ResourcePrefix, Revision, Schema, WatchEvent, WatchStart,
    Watcher,
};
use watchkeep_tests::etcd::Etcd;

use crate::catch::{by_a_scenario, by_the_model_once, expect};

/// How long what has to happen may take.
const PATIENCE: Duration = Duration::from_secs(4);

async fn start() -> (Etcd, EtcdBackend, Resource) {
    let etcd = Etcd::start().unwrap();
    let backend = EtcdBackend::open(EtcdOptions::new([etcd.url()]), Environment::system()).unwrap();
    let prefix = ResourcePrefix::new("/pods").unwrap();
    let pods = backend.resource(prefix, Arc::new(Schema::default())).await.unwrap();
    (etcd, backend, Resource::new(pods))
}

async fn watch(pods: &Resource, after: Revision) -> Watcher {
    pods.watch(pods.watching(pods.all(), WatchStart::After(after))).await.unwrap()
}

/// The revisions that a watch shows up to one of them, or for as long as anybody waits.
async fn shown(watch: &mut Watcher, end: Revision) -> Vec<Revision> {
    let mut shown = Vec::new();
    while shown.last().is_none_or(|last| *last < end)
        && let Ok(Some(Ok(event))) = tokio::time::timeout(PATIENCE, watch.next()).await
    {
        if let WatchEvent::Change(change) = event {
            shown.push(change.revision());
        }
    }
    shown
}

#[test]
fn etcd_updates_unconditionally() {
    by_a_scenario(Defect::EtcdUpdatesUnconditionally, "COMMIT-CONFLICT", &async |_| {
        let (_etcd, _backend, pods) = start().await;
        let [one, two, three] = ["1", "2", "3"].map(|mark| pod("ns", "a").mark(mark));
        let outdated = pods.put(&one).await.revision;
        pods.put(&two).await;
        let outcome = pods.try_put(&three, Expect::Revision(outdated)).await.unwrap();
        expect(matches!(outcome, Outcome::Conflict { .. }), "COMMIT-CONFLICT", format!("{outcome:?}"))
    });
}

#[test]
fn etcd_pages_not_pinned() {
    by_the_model_once::<EtcdWorld>(Defect::EtcdPagesNotPinned, &[], &["LIST-ATOMIC", "LIST-OPTIONS"]);
}

#[test]
fn etcd_progress_is_the_head() {
    by_the_model_once::<EtcdWorld>(
        Defect::EtcdProgressIsTheHead,
        &[],
        &["WATCH-BOOKMARKABLE", "WATCH-RESUMABLE", "WATCH-RELIABLE"],
    );
}

#[test]
fn etcd_resumes_late() {
    by_a_scenario(Defect::EtcdResumesLate, "WATCH-RELIABLE", &async |scenario| {
        let (_etcd, _backend, pods) = start().await;
        let mut watch = watch(&pods, pods.now().await).await;
        scenario.set(Point::EtcdWatch, "1*return");
        let mut written = Vec::new();
        for name in ["a", "b", "c"] {
            written.push(pods.put(&pod("ns", name)).await.revision);
        }
        let shown = shown(&mut watch, written[2]).await;
        expect(shown == written, "WATCH-RELIABLE", format!("{written:?} were written, {shown:?} are shown"))
    });
}

#[test]
fn etcd_takes_first_fragment() {
    by_a_scenario(Defect::EtcdTakesFirstFragment, "WATCH-RELIABLE", &async |_| {
        let (_etcd, _backend, pods) = start().await;
        let begin = pods.now().await;
        let mut written = Vec::new();
        // More than etcd puts into one response.
        for name in ["a", "b", "c", "d"] {
            written.push(pods.put(&pod("ns", name).mark("x".repeat(1_000_000))).await.revision);
        }
        let shown = shown(&mut watch(&pods, begin).await, written[3]).await;
        expect(shown == written, "WATCH-RELIABLE", format!("{written:?} were written, {shown:?} are shown"))
    });
}

#[test]
fn etcd_lease_rounded_down() {
    by_a_scenario(Defect::EtcdLeaseRoundedDown, "TTL-LOWER-BOUND", &async |_| {
        let (_etcd, _backend, pods) = start().await;
        let (object, ttl) = (pod("ns", "a"), Duration::from_millis(3_900));
        let begin = tokio::time::Instant::now();
        pods.put_for(&object, Some(ttl)).await;
        while begin.elapsed() < ttl {
            let (found, lived) = (pods.find(&object).await, begin.elapsed());
            expect(found.is_some() || lived >= ttl, "TTL-LOWER-BOUND", format!("{lived:?} of {ttl:?}"))?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    });
}
