//! Shards: parts of a resource by the hash of the uid or of the namespace, in lists, pages and watches.
//!
//! The uids and namespaces here are words whose hashes are known, and lie far from each other: what a shard
//! shows is written down, not asked of the code under test.

use std::sync::Arc;

use super::harness::{Harness, Setup};
use super::instrument::{Page, Probe, Resource, paths};
use super::object::{Object, node, pod};
use crate::event::EventType::{self, Added, Deleted, Modified};
use crate::interface::Freshness;
use crate::list::{ListOptions, ReadAt, collect};
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;
use crate::selector::{FieldSelector, LabelSelector, ShardSelector};
use crate::watch::{WatchRequest, WatchStart};

const UID: &str = "object.metadata.uid";
const NAMESPACE: &str = "object.metadata.namespace";

/// The bounds of the quarters of all hashes.
const QUARTERS: [&str; 5] = [
    "0x0000000000000000",
    "0x4000000000000000",
    "0x8000000000000000",
    "0xc000000000000000",
    "0x10000000000000000",
];

/// Namespace, name and uid. The hash of `gamma` begins with 22, of `delta` with 52, of `alpha` with 8a, of
/// `blue` with c5; those of the other uids: `green` 0f, `beta` 76, `foobar` 85, `red` 89.
const WORLD: [(&str, &str, &str); 8] = [
    ("alpha", "a", "red"),
    ("alpha", "b", "green"),
    ("blue", "a", "delta"),
    ("blue", "b", "blue"),
    ("delta", "a", "foobar"),
    ("delta", "b", "gamma"),
    ("gamma", "a", "beta"),
    ("gamma", "b", "alpha"),
];

/// What is in each quarter by uid, and what by namespace.
const BY_UID: [&[&str]; 4] =
    [&["alpha/b", "delta/b"], &["blue/a", "gamma/a"], &["alpha/a", "delta/a", "gamma/b"], &["blue/b"]];
const BY_NAMESPACE: [&[&str]; 4] =
    [&["gamma/a", "gamma/b"], &["delta/a", "delta/b"], &["alpha/a", "alpha/b"], &["blue/a", "blue/b"]];

fn object((namespace, name, uid): (&str, &str, &str)) -> Object {
    pod(namespace, name).uid(uid)
}

async fn fill(pods: &Resource) {
    for member in WORLD {
        pods.put(&object(member)).await;
    }
}

/// The selector of some quarters.
fn quarters(field: &str, which: &[usize]) -> Predicate {
    let range = |at: &usize| format!("shardRange({field}, '{}', '{}')", QUARTERS[*at], QUARTERS[at + 1]);
    let text = which.iter().map(range).collect::<Vec<_>>().join(" || ");
    Predicate::everything().with_shard(ShardSelector::parse(&text).unwrap())
}

/// All records that match, read as a store is asked for them.
async fn read(pods: &Resource, at: ReadAt, predicate: &Predicate) -> Vec<Arc<Record>> {
    let request = crate::list::ListRequest { predicate: predicate.clone(), ..pods.request(pods.all(), at) };
    collect(pods.list(request).await.unwrap().cursor).await.unwrap()
}

/// Holds \[SHARDED\], \[LIST-OPTIONS\].
pub async fn each_object_is_listed_in_one_shard(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods).await;
    let then = pods.now().await;
    for at in [ReadAt::Latest, ReadAt::AtLeast(then), ReadAt::Exact(then)] {
        for (field, parts) in [(UID, BY_UID), (NAMESPACE, BY_NAMESPACE)] {
            for (quarter, want) in parts.iter().enumerate() {
                let found = read(&pods, at, &quarters(field, &[quarter])).await;
                assert_eq!(paths(&found), *want, "{field} {quarter} {at:?}");
            }
            let outer = read(&pods, at, &quarters(field, &[3, 0])).await;
            let mut want = [parts[0], parts[3]].concat();
            want.sort_unstable();
            assert_eq!(paths(&outer), want, "{field} {at:?}");
            assert_eq!(read(&pods, at, &quarters(field, &[0, 1, 2, 3])).await.len(), WORLD.len());
        }
    }
    // The state of the past is not that of today.
    pods.remove(&object(WORLD[1])).await;
    pods.put(&object(WORLD[5]).mark("2")).await;
    let first = quarters(UID, &[0]);
    assert_eq!(paths(&read(&pods, ReadAt::Exact(then), &first).await), BY_UID[0]);
    assert_eq!(paths(&read(&pods, ReadAt::Latest, &first).await), ["delta/b"]);
}

/// Holds \[SHARDED\]: what has no namespace is in the shard of the empty text, whose hash begins with cb.
pub async fn an_object_without_the_field_is_in_the_shard_of_the_empty_text(harness: &dyn Harness) {
    let nodes = harness.open(Setup::default()).await.resource("/nodes").await;
    nodes.put(&node("a").uid("red")).await;
    nodes.put(&node("b").uid("green")).await;
    for quarter in 0..4 {
        let found = read(&nodes, ReadAt::Latest, &quarters(NAMESPACE, &[quarter])).await;
        let want: &[&str] = if quarter == 3 { &["a", "b"] } else { &[] };
        assert_eq!(paths(&found), want, "{quarter}");
    }
}

/// Holds \[SHARDED\]: a shard narrows a scope and the other selectors.
pub async fn a_shard_is_of_what_the_selectors_select(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    for (namespace, name, uid) in WORLD {
        pods.put(&object((namespace, name, uid)).label("name", name).node(name)).await;
    }
    let shard = quarters(UID, &[1, 2]).shard.unwrap();
    let everything: &[&str] = &["alpha/a", "blue/a", "delta/a", "gamma/a", "gamma/b"];
    for (namespace, labels, fields, want) in [
        ("", "", "", everything),
        ("gamma", "", "", &["gamma/a", "gamma/b"]),
        ("", "name=b", "", &["gamma/b"]),
        ("", "", "spec.nodeName=b", &["gamma/b"]),
        ("", "", "metadata.name=a", &["alpha/a", "blue/a", "delta/a", "gamma/a"]),
        ("alpha", "name=b", "spec.nodeName=b", &[]),
    ] {
        let scope = if namespace.is_empty() { pods.all() } else { pods.namespace(namespace) };
        let selecting = super::instrument::selecting(labels, fields).with_shard(shard.clone());
        let options = ListOptions { predicate: selecting, ..ListOptions::default() };
        let page = pods.page(scope, &options).await.unwrap();
        assert_eq!(paths(&page.records), want, "{namespace:?} {labels:?} {fields:?}");
    }
    let one = pods.one(&object(WORLD[1]));
    let options = ListOptions { predicate: quarters(UID, &[1, 2]), ..ListOptions::default() };
    assert_eq!(paths(&pods.page(one, &options).await.unwrap().records), [""; 0], "also of one key");
}

/// Holds \[SHARDED\], \[LIST-CONTINUATION\]: pages of a shard are full, nobody counts what follows, and they are one
/// picture.
pub async fn pages_of_a_shard_make_it_up(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods).await;
    let then = pods.now().await;
    for version in [String::new(), then.to_string()] {
        for size in 1..4 {
            let predicate = quarters(UID, &[0, 2]);
            let options = ListOptions { limit: size, predicate, ..ListOptions::default() };
            let first = ListOptions { resource_version: version.clone(), ..options.clone() };
            let mut pages: Vec<Page> = vec![pods.page(pods.all(), &first).await.unwrap()];
            while let Some(continue_token) = pages[pages.len() - 1].token.clone() {
                pods.put(&object(WORLD[0]).mark(format!("{version}{size}{}", pages.len()))).await;
                let options = ListOptions { continue_token, ..options.clone() };
                pages.push(pods.page(pods.all(), &options).await.unwrap());
            }
            let found: Vec<_> = pages.iter().flat_map(|page| paths(&page.records)).collect();
            let want = ["alpha/a", "alpha/b", "delta/a", "delta/b", "gamma/b"];
            assert_eq!(found, want, "{size} {version:?}");
            let (last, full) = pages.split_last().unwrap();
            let size = usize::try_from(size).unwrap();
            assert!(full.iter().all(|page| page.records.len() == size), "{size} {version:?}");
            assert!(last.records.len() <= size);
            assert!(pages.iter().all(|page| page.remaining.is_none() && page.revision == pages[0].revision));
        }
    }
    // All hashes are a shard too.
    let options = ListOptions { limit: 1, predicate: quarters(UID, &[0, 1, 2, 3]), ..ListOptions::default() };
    let page = pods.page(pods.all(), &options).await.unwrap();
    assert_eq!((page.records.len(), page.remaining, page.token.is_some()), (1, None, true));
}

async fn watch(harness: &dyn Harness, pods: &Resource, start: WatchStart, predicate: &Predicate) -> Probe {
    let request = WatchRequest { predicate: predicate.clone(), ..pods.watching(pods.all(), start) };
    pods.try_probe(harness, request).await.unwrap()
}

/// Holds \[SHARDED\], \[WATCH-FILTERED\], \[WATCH-ATOMIC\], \[WATCH-RESUMABLE\]: the initial state, what comes, and what
/// came.
pub async fn a_watch_shows_the_events_of_its_shard(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods).await;
    let before = pods.now().await;
    for (field, parts) in [(UID, BY_UID), (NAMESPACE, BY_NAMESPACE)] {
        for (quarter, members) in parts.iter().enumerate() {
            let predicate = quarters(field, &[quarter]);
            let freshness = Freshness::Latest;
            let initial = WatchStart::Initial { freshness, bookmark: true };
            let mut probes = vec![
                watch(harness, &pods, initial, &predicate).await,
                watch(harness, &pods, WatchStart::Now, &predicate).await,
            ];
            for record in read(&pods, ReadAt::Latest, &predicate).await {
                probes[0].shows(Added, &record).await;
            }
            assert!(probes[0].bookmark().await.initial_events_end);
            let start = pods.now().await;
            assert!(start >= before);
            let want = change_all(&pods, members).await;
            probes.push(watch(harness, &pods, WatchStart::After(start), &predicate).await);
            for probe in &mut probes {
                shows_exactly(probe, &want).await;
            }
        }
    }
}

/// What is done to an object, and with which revision.
struct Done {
    event_type: EventType,
    /// What is shown: of a deletion the last state.
    record: Arc<Record>,
    revision: Revision,
}

/// Changes, deletes and creates each object again. Returns what concerns the `members`.
async fn change_all(pods: &Resource, members: &[&str]) -> Vec<Done> {
    let mut done = Vec::new();
    for member in WORLD {
        let object = object(member);
        let changed = pods.put(&object.clone().mark("changed")).await;
        let deleted = pods.remove(&object).await.revision;
        let created = pods.put(&object).await;
        if members.contains(&&*object.path()) {
            done.push(Done {
                event_type: Modified,
                revision: changed.revision,
                record: Arc::clone(&changed),
            });
            done.push(Done { event_type: Deleted, revision: deleted, record: changed });
            done.push(Done { event_type: Added, revision: created.revision, record: created });
        }
    }
    done
}

async fn shows_exactly(probe: &mut Probe, want: &[Done]) {
    for done in want {
        match done.event_type {
            Deleted => probe.shows_deleted(&done.record, done.revision).await,
            event_type => probe.shows(event_type, &done.record).await,
        }
    }
    probe.is_quiet().await;
}

/// Holds \[SHARDED\], \[WATCH-FILTERED\]: neither uid nor namespace change while an object lives, so it comes into view
/// and leaves it by its creation, its end and the other selectors. An object that takes its place may be in another
/// shard.
pub async fn an_object_does_not_leave_its_shard(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let (lower, upper) = (quarters(UID, &[0, 1]), quarters(UID, &[2, 3]));
    let red_only = LabelSelector::parse("color=red").unwrap();
    let selected = Predicate::new(red_only, FieldSelector::everything());
    let mut red =
        watch(harness, &pods, WatchStart::Now, &selected.with_shard(lower.shard.clone().unwrap())).await;
    let mut lower = watch(harness, &pods, WatchStart::Now, &lower).await;
    let mut upper = watch(harness, &pods, WatchStart::Now, &upper).await;

    let green = |color: &str| pod("ns", "a").uid("green").label("color", color);
    let mut last = pods.put(&green("red")).await;
    lower.shows(Added, &last).await;
    red.shows(Added, &last).await;
    for at in 0..4 {
        let changed = pods.put(&green("red").node("n").mark(at.to_string())).await;
        lower.shows(Modified, &changed).await;
        red.shows(Modified, &changed).await;
        last = changed;
    }
    let blue = pods.put(&green("blue")).await;
    lower.shows(Modified, &blue).await;
    red.shows_deleted(&last, blue.revision).await;
    let again = pods.put(&green("red")).await;
    lower.shows(Modified, &again).await;
    red.shows(Added, &again).await;
    upper.is_quiet().await;

    let deleted = pods.remove(&green("red")).await.revision;
    let other = pods.put(&pod("ns", "a").uid("foobar").label("color", "red")).await;
    for probe in [&mut lower, &mut red] {
        probe.shows_deleted(&again, deleted).await;
        probe.is_quiet().await;
    }
    upper.shows(Added, &other).await;
    upper.is_quiet().await;
}
