//! Watches: which events come, in which order, as which type.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{join, join_all};

use super::harness::{Harness, Setup};
use super::instrument::{Resource, selecting};
use super::object::{Object, node, path_of, pod};
use crate::event::{Change, EventType, WatchEvent};
use crate::interface::Freshness;
use crate::key::Scope;
use crate::record::Record;
use crate::revision::Revision;
use crate::watch::{WatchRequest, WatchStart};

/// One write of a scenario, and the event that the watch shows of it.
enum Step {
    /// Writes an object; it is shown in this way, if at all.
    Write(Object, Option<EventType>),
    /// Deletes the object; shown or not.
    Remove(bool),
}

use EventType::{Added, Deleted, Modified};
use Step::{Remove, Write};

/// The scenarios of [`events_have_the_type_that_the_watcher_sees`]: a label selector, and what happens to
/// one object.
fn scenarios() -> Vec<(&'static str, Vec<Step>)> {
    let red = || pod("foo", "bar").label("color", "red");
    let blue = || pod("foo", "bar").label("color", "blue");
    vec![
        ("", vec![Write(blue(), Some(Added))]),
        ("color=red", vec![Write(blue(), None), Write(red(), Some(Added))]),
        ("", vec![Write(red(), Some(Added)), Write(blue(), Some(Modified))]),
        ("color=red", vec![Write(red(), Some(Added)), Write(blue(), Some(Deleted))]),
        (
            "color=red",
            vec![
                Write(red(), Some(Added)),
                Write(red().mark("2"), Some(Modified)),
                Write(blue(), Some(Deleted)),
                Write(blue().mark("2"), None),
                Write(red(), Some(Added)),
                Remove(true),
                Write(blue(), None),
                Remove(false),
                Write(red(), Some(Added)),
            ],
        ),
    ]
}

/// Holds \[WATCH-FILTERED\], \[WATCH-DELETED-REVISION\].
pub async fn events_have_the_type_that_the_watcher_sees(harness: &dyn Harness) {
    for recursive in [false, true] {
        for (selector, steps) in scenarios() {
            let pods = harness.open(Setup::default()).await.pods().await;
            let object = pod("foo", "bar");
            let scope = if recursive { pods.namespace("foo") } else { pods.one(&object) };
            let request =
                WatchRequest { predicate: selecting(selector, ""), ..pods.watching(scope, WatchStart::Now) };
            let mut probe = pods.try_probe(harness, request).await.unwrap();
            let mut last: Option<Arc<Record>> = None;
            for step in steps {
                // Siblings whose keys begin alike never appear.
                pods.put(&pod("foobar", "bar").label("color", "red").mark(format!("{last:?}"))).await;
                pods.put(&pod("fo", "bar").label("color", "red").mark(format!("{last:?}"))).await;
                let previous = last.take();
                match step {
                    Write(object, shown) => {
                        let record = pods.put(&object).await;
                        match shown {
                            None => {}
                            Some(Deleted) => probe.shows_deleted(&previous.unwrap(), record.revision).await,
                            Some(shown) => probe.shows(shown, &record).await,
                        }
                        last = Some(record);
                    }
                    Remove(shown) => {
                        let deleted = pods.remove(&object).await;
                        if shown {
                            probe.shows_deleted(&previous.unwrap(), deleted.revision).await;
                        }
                    }
                }
            }
            probe.is_quiet().await;
        }
    }
}

/// Holds \[WATCH-RESUMABLE\], \[COMPACT-WATCHES\].
pub async fn a_watch_of_any_state_begins_with_the_object(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let any = WatchStart::Initial { freshness: Freshness::AtLeast(Revision::ZERO), bookmark: false };
    let created = pods.put(&object.clone().mark("1")).await;
    let mut probe = pods.probe(harness, pods.one(&object), any).await;
    probe.shows(Added, &created).await;
    let updated = pods.put(&object.clone().mark("2")).await;
    probe.shows(Modified, &updated).await;
    pods.probe(harness, pods.one(&object), any).await.shows(Added, &updated).await;

    let newest = pods.put(&object.clone().mark("3")).await;
    pods.compact(newest.revision).await.unwrap();
    pods.probe(harness, pods.one(&object), any).await.shows(Added, &newest).await;
    let after = pods.watching(pods.one(&object), WatchStart::After(created.revision));
    super::compaction::is_compacted(harness, &pods, after).await;
}

/// Holds \[WATCH-RESUMABLE\].
pub async fn a_watch_begins_exactly_after_its_revision(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let created = pods.put(&object.clone().mark("1")).await;
    let updated = pods.put(&object.clone().mark("2")).await;
    let mut probe = pods.probe(harness, pods.one(&object), WatchStart::After(created.revision)).await;
    probe.shows(Modified, &updated).await;
    probe.is_quiet().await;
    let mut earlier =
        pods.probe(harness, pods.one(&object), WatchStart::After(created.revision.previous())).await;
    earlier.shows(Added, &created).await;
    earlier.shows(Modified, &updated).await;
}

/// Holds \[WATCH-RESUMABLE\], \[WATCH-DELETED-REVISION\].
pub async fn a_deletion_after_the_revision_is_shown(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let record = pods.put(&object).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::After(record.revision)).await;
    let deleted = pods.remove(&object).await;
    probe.shows_deleted(&record, deleted.revision).await;
    probe.is_quiet().await;
}

/// Holds \[WATCH-DELETED-REVISION\].
pub async fn a_deletion_shows_the_last_state_with_the_revision_of_the_deletion(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    pods.put(&object.clone().mark("1")).await;
    let last = pods.put(&object.clone().mark("2")).await;
    let deleted = pods.remove(&object).await;
    let again = pods.put(&object.clone().mark("3")).await;
    probe.change().await;
    probe.change().await;
    probe.shows_deleted(&last, deleted.revision).await;
    probe.shows(Added, &again).await;
}

/// Holds \[WATCH-RELIABLE\], \[WATCH-ORDERED\].
pub async fn a_watch_that_is_read_late_shows_everything(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let mut records = Vec::new();
    for at in 0..300 {
        records.push(pods.put(&pod("ns", &format!("a-{at:03}"))).await);
    }
    for record in &records {
        probe.shows(Added, record).await;
    }
    probe.is_quiet().await;
}

/// Holds \[WATCH-RELIABLE\].
pub async fn stuck_watchers_slow_no_reader_down(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut stuck = Vec::new();
    for _ in 0..50 {
        let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
        assert!(probe.next().now_or_never().is_none());
        stuck.push(probe);
    }
    let mut reader = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let mut records = Vec::new();
    for at in 0..200 {
        let record = pods.put(&pod("ns", "a").mark(at.to_string())).await;
        reader.shows(if at == 0 { Added } else { Modified }, &record).await;
        records.push(record);
    }
    for probe in &mut stuck {
        probe.shows(Added, &records[0]).await;
        probe.shows(Modified, &records[1]).await;
    }
}

/// What a script of writes looks like through a watch: `+` added, `~` modified, `-` deleted.
fn spelled(change: &Change) -> String {
    let sign = match change.event_type {
        Added => '+',
        Modified => '~',
        Deleted => '-',
    };
    format!("{sign}{}", path_of(&change.event.key))
}

/// Writes `(object, node)` one after the other; an empty node deletes.
async fn play(resource: &Resource, script: &[(Object, &str)]) {
    for (object, node) in script {
        if node.is_empty() {
            resource.remove(object).await;
        } else {
            resource.put(&object.clone().node(node)).await;
        }
    }
}

/// Watches while a script is played, and afterwards from before it: both show the same.
async fn shows_of_script(
    harness: &dyn Harness,
    (resource, scope, selector): (&Resource, Scope, &str),
    script: &[(Object, &str)],
    want: &[&str],
) {
    let before = resource.now().await;
    let request = |start| WatchRequest {
        predicate: selecting("", selector),
        ..resource.watching(scope.clone(), start)
    };
    let live = resource.try_probe(harness, request(WatchStart::Now)).await.unwrap();
    play(resource, script).await;
    let replayed = resource.try_probe(harness, request(WatchStart::After(before))).await.unwrap();
    for mut probe in [live, replayed] {
        for want in want {
            assert_eq!(&spelled(&probe.change().await), want, "{scope:?} {selector}");
        }
        probe.is_quiet().await;
    }
}

/// Holds \[WATCH-FILTERED\].
pub async fn a_watch_of_cluster_scoped_objects_shows_its_part(harness: &dyn Harness) {
    let script = [
        (node("a"), "n1"),
        (node("b"), "n2"),
        (node("aa"), "n1"),
        (node("a"), "n2"),
        (node("b"), "n1"),
        (node("b"), ""),
    ];
    let everything: &[&str] = &["+a", "+b", "+aa", "~a", "~b", "-b"];
    for (name, selector, want) in [
        ("", "", everything),
        ("", "metadata.name=a", &["+a", "~a"]),
        ("", "spec.nodeName=n1", &["+a", "+aa", "-a", "+b", "-b"]),
        ("", "metadata.name=a,spec.nodeName=n2", &["+a"]),
        ("a", "", &["+a", "~a"]),
        ("a", "spec.nodeName=n1", &["+a", "-a"]),
        ("b", "metadata.name!=b", &[]),
    ] {
        let nodes = harness.open(Setup::default()).await.resource("/nodes").await;
        let scope = if name.is_empty() { nodes.all() } else { nodes.one(&node(name)) };
        shows_of_script(harness, (&nodes, scope, selector), &script, want).await;
    }
}

/// Holds \[WATCH-FILTERED\].
pub async fn a_watch_of_namespaced_objects_shows_its_part(harness: &dyn Harness) {
    let script = [
        (pod("ns1", "a"), "n1"),
        (pod("ns1", "b"), "n1"),
        (pod("ns2", "a"), "n1"),
        (pod("ns1x", "a"), "n2"),
        (pod("ns1", "a"), "n2"),
        (pod("ns2", "a"), "n2"),
        (pod("ns1", "b"), ""),
        (pod("ns1", "a"), "n1"),
        (pod("ns2", "a"), ""),
    ];
    let everything: &[&str] =
        &["+ns1/a", "+ns1/b", "+ns2/a", "+ns1x/a", "~ns1/a", "~ns2/a", "-ns1/b", "~ns1/a", "-ns2/a"];
    let in_ns1: &[&str] = &["+ns1/a", "+ns1/b", "~ns1/a", "-ns1/b", "~ns1/a"];
    for (scope, selector, want) in [
        ("", "", everything),
        ("", "metadata.namespace=ns1", in_ns1),
        ("", "metadata.name=b", &["+ns1/b", "-ns1/b"]),
        ("", "metadata.namespace=ns2,metadata.name=a", &["+ns2/a", "~ns2/a", "-ns2/a"]),
        ("", "metadata.namespace=ns1x", &["+ns1x/a"]),
        ("", "spec.nodeName=n2", &["+ns1x/a", "+ns1/a", "+ns2/a", "-ns1/a", "-ns2/a"]),
        ("", "spec.nodeName=n2,metadata.namespace=ns2", &["+ns2/a", "-ns2/a"]),
        ("", "spec.nodeName=", &[]),
        ("ns1", "", in_ns1),
        ("ns1", "metadata.namespace=ns1", in_ns1),
        ("ns1", "metadata.namespace=ns2", &[]),
        ("ns1", "metadata.name=a", &["+ns1/a", "~ns1/a", "~ns1/a"]),
        ("ns1", "spec.nodeName=n1", &["+ns1/a", "+ns1/b", "-ns1/a", "-ns1/b", "+ns1/a"]),
        ("ns1", "spec.nodeName=n2,metadata.name=a", &["+ns1/a", "-ns1/a"]),
        ("ns1/a", "", &["+ns1/a", "~ns1/a", "~ns1/a"]),
        ("ns1/a", "spec.nodeName=n2", &["+ns1/a", "-ns1/a"]),
        ("ns1/a", "metadata.name=b", &[]),
    ] {
        let pods = harness.open(Setup::default()).await.pods().await;
        let covered = match scope.split_once('/') {
            None if scope.is_empty() => pods.all(),
            None => pods.namespace(scope),
            Some((namespace, name)) => pods.one(&pod(namespace, name)),
        };
        shows_of_script(harness, (&pods, covered, selector), &script, want).await;
    }
}

/// Holds \[WATCH-FILTERED\]. Other resources of the store, also those whose names begin alike.
pub async fn a_watch_shows_no_other_resource(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    store.others().await.put(&pod("ns", "a")).await;
    store.resource("/pod").await.put(&pod("s", "a")).await;
    let record = pods.put(&pod("ns", "a")).await;
    probe.shows(Added, &record).await;
    probe.is_quiet().await;
}

/// Holds \[WATCH-ORDERED\], \[WATCH-UNIQUE\], \[WATCH-RELIABLE\], \[WATCH-RESUMABLE\], \[COMMIT-ORDERED\]: from
/// wherever a watch begins, it shows exactly the commits after, while several writers are at work.
pub async fn every_watch_shows_exactly_the_commits_after_its_start(harness: &dyn Harness) {
    const WATCHERS: usize = 6;
    let pods = harness.open(Setup::default()).await.pods().await;
    let start = pods.now().await;
    let (all_open, end) = (tokio::sync::Barrier::new(WATCHERS + 1), pod("ns", "end"));
    let writers = async {
        let written = join_all((0..4).map(|writer| write_some(&pods, writer))).await;
        all_open.wait().await;
        let mut written: Vec<_> = written.into_iter().flatten().collect();
        written.push((pods.put(&end).await.revision, "end".to_owned()));
        written
    };
    let watchers = join_all((0..WATCHERS).map(async |wait| {
        for _ in 0..wait * 20 {
            tokio::task::yield_now().await;
        }
        let from = if wait == 0 { start } else { pods.now().await };
        let mut probe = pods.probe(harness, pods.all(), WatchStart::After(from)).await;
        all_open.wait().await;
        let mut seen: Vec<(Revision, String)> = Vec::new();
        while seen.last().is_none_or(|(_, name)| name != "end") {
            let change = probe.change().await;
            seen.push((change.revision(), path_of(&change.event.key)["ns/".len()..].to_owned()));
        }
        probe.is_quiet().await;
        (from, seen)
    }));
    let (mut written, watched) = join(writers, watchers).await;
    written.sort_by_key(|(revision, _)| *revision);
    assert!(written.windows(2).all(|pair| pair[0].0 < pair[1].0), "no revision is issued twice");
    for (from, seen) in watched {
        let want: Vec<_> = written.iter().filter(|(revision, _)| *revision > from).cloned().collect();
        assert_eq!(seen, want);
    }
}

/// Writes and deletes objects of its own, yielding in between. Returns the revisions and the names.
async fn write_some(pods: &Resource, writer: usize) -> Vec<(Revision, String)> {
    let mut done = Vec::new();
    for at in 0..60 {
        let object = pod("ns", &format!("w{writer}-{}", at % 3)).mark(at.to_string());
        let revision = pods.put(&object).await.revision;
        done.push((revision, object.name.clone()));
        if at % 7 == 6 {
            done.push((pods.remove(&object).await.revision, object.name));
        }
        for _ in 0..writer {
            tokio::task::yield_now().await;
        }
    }
    done
}

/// Holds \[WATCH-RELIABLE\]: the reader that polled last is the one that is woken.
pub async fn a_watch_wakes_its_latest_reader(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    for at in 0..3 {
        // An earlier reader polls once and goes away.
        assert!(probe.next().now_or_never().is_none());
        let writer = pods.clone();
        let write = async move {
            tokio::task::yield_now().await;
            writer.put(&pod("ns", &format!("a{at}"))).await
        };
        let (change, record) = join(probe.change(), write).await;
        assert_eq!(change.record(), Some(&record));
    }
}

/// Holds \[WATCH-RELIABLE\]: each reader in a task of its own, one of which goes away.
pub async fn every_waiting_reader_is_woken(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
        readers.push(store.environment().spawn(async move { (probe.change().await, probe.change().await) }));
    }
    let mut records = Vec::new();
    for name in ["a", "b"] {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        records.push(pods.put(&pod("ns", name)).await);
        readers.pop().unwrap().abort();
    }
    for reader in readers {
        let (first, second) = reader.await.unwrap();
        assert_eq!([first.record(), second.record()], [Some(&records[0]), Some(&records[1])]);
    }
}

/// Holds \[COMMIT-VISIBLE\], \[WATCH-UNIQUE\]: the record of a commit is what readers and watchers get.
pub async fn all_watchers_see_the_same_events(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut probes = Vec::new();
    for _ in 0..5 {
        probes.push(pods.probe(harness, pods.all(), WatchStart::Now).await);
    }
    let old = pods.put(&pod("ns", "a").mark("1")).await;
    let new = pods.put(&pod("ns", "a").mark("2")).await;
    for probe in &mut probes {
        probe.shows(Added, &old).await;
        let change = probe.change().await;
        let previous: Option<&Arc<Record>> = change.event.previous.as_ref();
        assert_eq!((change.event.current.as_ref(), previous), (Some(&new), Some(&old)));
    }
}

/// Holds \[WATCH-RESUMABLE\]: a watch that was broken off goes on from its last event without a gap.
pub async fn a_watch_resumes_from_the_last_event(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut from = pods.now().await;
    let mut want = Vec::new();
    for at in 0..40 {
        want.push(pods.put(&pod("ns", "a").mark(at.to_string())).await.revision);
    }
    let mut seen = Vec::new();
    while seen.len() < want.len() {
        let mut probe = pods.probe(harness, pods.all(), WatchStart::After(from)).await;
        for _ in 0..(1 + seen.len() % 5).min(want.len() - seen.len()) {
            let WatchEvent::Change(change) = probe.next().await else { panic!("no bookmark was asked for") };
            seen.push(change.revision());
            from = change.revision();
        }
    }
    assert_eq!(seen, want);
}
