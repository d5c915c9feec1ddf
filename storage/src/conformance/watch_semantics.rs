//! Where a watch begins, as a client asks for it, and the bookmarks.

use super::harness::{Harness, Setup};
use super::instrument::{Probe, Resource, selecting};
use super::object::{path_of, pod};
use crate::error::Error;
use crate::event::{EventType, WatchEvent};
use crate::interface::Freshness;
use crate::key::Scope;
use crate::list::ReadAt;
use crate::revision::Revision;
use crate::watch::{WatchOptions, WatchRequest, WatchStart};

/// The resourceVersion of a row of the matrix.
#[derive(Clone, Copy, Debug)]
enum At {
    Unset,
    Zero,
    /// The revision before the objects were made.
    Before,
    /// The revision after.
    Current,
}

/// What a watch begins with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum BeginsWith {
    Objects,
    ObjectsAndMark,
    Nothing,
}

async fn client_watch(
    harness: &dyn Harness,
    (pods, scope): (&Resource, Scope),
    options: WatchOptions,
) -> Result<Probe, Error> {
    pods.try_probe(harness, options.resolve(scope).unwrap()).await
}

fn options(version: &str, send_initial_events: Option<bool>, allow_bookmarks: bool) -> WatchOptions {
    WatchOptions {
        resource_version: version.to_owned(),
        send_initial_events,
        allow_bookmarks,
        ..WatchOptions::default()
    }
}

/// Holds \[WATCH-ATOMIC\], \[WATCH-OPTIONS\], \[WATCH-BOOKMARKABLE\].
pub async fn a_watch_begins_as_its_options_say(harness: &dyn Harness) {
    use At::{Before, Current, Unset, Zero};
    use BeginsWith::{Nothing, Objects, ObjectsAndMark};
    for (at, initial_events, with_bookmarks, without) in [
        (Unset, Some(true), ObjectsAndMark, Objects),
        (Zero, Some(true), ObjectsAndMark, Objects),
        (Before, Some(true), ObjectsAndMark, Objects),
        (Current, Some(true), ObjectsAndMark, Objects),
        (Unset, Some(false), Nothing, Nothing),
        (Zero, Some(false), Nothing, Nothing),
        (Before, Some(false), Objects, Objects),
        (Current, Some(false), Nothing, Nothing),
        (Unset, None, Objects, Objects),
        (Zero, None, Objects, Objects),
        (Before, None, Objects, Objects),
        (Current, None, Nothing, Nothing),
    ] {
        for (bookmarks, want) in [(true, with_bookmarks), (false, without)] {
            begins(harness, (at, initial_events, bookmarks), want).await;
        }
    }
}

async fn begins(harness: &dyn Harness, row: (At, Option<bool>, bool), want: BeginsWith) {
    let (at, initial_events, bookmarks) = row;
    let pods = harness.open(Setup::default()).await.pods().await;
    let before = pods.now().await;
    let mut records = Vec::new();
    for name in ["c", "a", "b"] {
        records.push(pods.put(&pod("ns", name)).await);
    }
    let current = pods.now().await;
    // Any state may be an older one, until somebody has read a newer one.
    let (latest, _) = pods.read(pods.all(), ReadAt::Latest).await.unwrap();
    assert_eq!(latest.len(), records.len());
    let version = match at {
        At::Unset => String::new(),
        At::Zero => "0".to_owned(),
        At::Before => before.to_string(),
        At::Current => current.to_string(),
    };
    let options = options(&version, initial_events, bookmarks);
    let mut probe = client_watch(harness, (&pods, pods.all()), options).await.unwrap();
    if want != BeginsWith::Nothing {
        // A state comes in the order of keys, history in the order of its events.
        let is_replay = matches!(at, At::Before) && initial_events != Some(true);
        if !is_replay {
            records.sort_by(|one, other| one.key.cmp(&other.key));
        }
        for record in &records {
            probe.shows(EventType::Added, record).await;
        }
    }
    if want == BeginsWith::ObjectsAndMark {
        let bookmark = probe.bookmark().await;
        assert!(bookmark.initial_events_end, "{row:?}");
        assert!(bookmark.revision >= current, "{row:?}");
    }
    for name in ["d", "e"] {
        let record = pods.put(&pod("ns", name)).await;
        probe.shows(EventType::Added, &record).await;
    }
    probe.is_quiet().await;
}

/// Holds \[WATCH-BOOKMARKABLE\]: the mark carries the revision of the store, not of the scope.
pub async fn the_end_of_the_initial_events_carries_the_revision_of_the_store(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let record = pods.put(&pod("ns", "a")).await;
    pods.put(&pod("elsewhere", "b")).await;
    let last = store.others().await.put(&pod("ns", "c")).await;
    let watched = (&pods, pods.namespace("ns"));
    let mut probe = client_watch(harness, watched, options("", Some(true), true)).await.unwrap();
    probe.shows(EventType::Added, &record).await;
    let bookmark = probe.bookmark().await;
    assert!(bookmark.initial_events_end);
    assert!(bookmark.revision >= last.revision);
    assert!(bookmark.revision <= pods.now().await);
    assert!(probe.progress() >= bookmark.revision);
}

/// Holds \[WATCH-BOOKMARKABLE\].
pub async fn the_initial_events_of_nothing_end_with_a_mark(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let last = store.others().await.put(&pod("ns", "a")).await;
    let pods = store.pods().await;
    let watched = (&pods, pods.all());
    let mut probe = client_watch(harness, watched, options("", Some(true), true)).await.unwrap();
    let bookmark = probe.bookmark().await;
    assert!(bookmark.initial_events_end && bookmark.revision >= last.revision, "{bookmark:?}");
    probe.is_quiet().await;
}

/// Holds \[WATCH-OPTIONS\]: initial events without a mark, of keys and prefixes that hold nothing; a prefix may be
/// asked for as if it were the key of an object.
pub async fn the_initial_events_of_nothing_may_do_without_a_mark(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    pods.put(&pod("elsewhere", "a")).await;
    let object = pod("ns", "a");
    let Scope::Under(prefix) = pods.all() else { panic!("a resource is a range") };
    let mut as_key =
        client_watch(harness, (&pods, Scope::One(prefix)), options("", Some(true), false)).await.unwrap();
    let mut probes = Vec::new();
    for scope in [pods.one(&object), pods.namespace("ns")] {
        probes.push(client_watch(harness, (&pods, scope), options("", Some(true), false)).await.unwrap());
    }
    for probe in probes.iter_mut().chain([&mut as_key]) {
        probe.is_quiet().await;
    }
    let record = pods.put(&object).await;
    for probe in &mut probes {
        probe.shows(EventType::Added, &record).await;
    }
    as_key.is_quiet().await;
}

/// Holds \[WATCH-FILTERED\], \[WATCH-OPTIONS\].
pub async fn a_watch_list_of_one_name_shows_only_it(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "b");
    for name in ["a", "bb"] {
        pods.put(&pod("ns", name)).await;
    }
    let record = pods.put(&object).await;
    for (scope, fields) in [(pods.one(&object), ""), (pods.namespace("ns"), "metadata.name=b")] {
        let options = WatchOptions { predicate: selecting("", fields), ..options("", Some(true), true) };
        let mut probe = client_watch(harness, (&pods, scope), options).await.unwrap();
        probe.shows(EventType::Added, &record).await;
        assert!(probe.bookmark().await.initial_events_end);
        pods.put(&pod("ns", "a").mark(fields)).await;
        probe.is_quiet().await;
    }
}

/// Holds \[WATCH-ATOMIC\], \[WATCH-FILTERED\], \[WATCH-OPTIONS\].
pub async fn the_initial_events_match_the_selector(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let red = pods.put(&pod("ns", "a").label("color", "red")).await;
    pods.put(&pod("ns", "b").label("color", "blue")).await;
    pods.put(&pod("ns", "c").label("color", "red")).await;
    pods.remove(&pod("ns", "c")).await;
    let options = WatchOptions { predicate: selecting("color=red", ""), ..options("", Some(true), true) };
    let mut probe = client_watch(harness, (&pods, pods.all()), options).await.unwrap();
    probe.shows(EventType::Added, &red).await;
    assert!(probe.bookmark().await.initial_events_end);
    probe.is_quiet().await;
}

/// Holds \[WATCH-ATOMIC\], \[WATCH-RELIABLE\], \[WATCH-UNIQUE\]: what changes while the initial events are being read follows
/// them, once.
pub async fn changes_during_the_initial_events_follow_them(harness: &dyn Harness) {
    const OBJECTS: usize = 700;
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut records = Vec::new();
    for at in 0..OBJECTS {
        records.push(pods.put(&pod("ns", &format!("a-{at:04}"))).await);
    }
    let watched = (&pods, pods.all());
    let mut probe = client_watch(harness, watched, options("", Some(true), true)).await.unwrap();
    for record in &records[..10] {
        probe.shows(EventType::Added, record).await;
    }
    let updated = pods.put(&pod("ns", "a-0600").mark("new")).await;
    let deleted = pods.remove(&pod("ns", "a-0650")).await;
    let created = pods.put(&pod("ns", "a-0005x")).await;
    for record in &records[10..] {
        probe.shows(EventType::Added, record).await;
    }
    let bookmark = probe.bookmark().await;
    assert!(bookmark.initial_events_end);
    assert!(bookmark.revision >= records[OBJECTS - 1].revision && bookmark.revision < updated.revision);
    probe.shows(EventType::Modified, &updated).await;
    probe.shows_deleted(&records[650], deleted.revision).await;
    probe.shows(EventType::Added, &created).await;
    probe.is_quiet().await;
}

/// Holds \[WATCH-RESUMABLE\]: a revision in the future is waited for.
pub async fn a_watch_from_the_future_waits(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let from = Revision::new(pods.now().await.get() + 4);
    let mut request = pods.watching(pods.all(), WatchStart::After(from));
    request.progress = true;
    let mut probe = pods.try_probe(harness, request).await.unwrap();
    probe.is_quiet().await;
    pods.request_progress().await.unwrap();
    if let Some(early) = probe.next_if_any().await {
        let WatchEvent::Bookmark(bookmark) = early else { panic!("nothing was written: {early:?}") };
        assert!(bookmark.revision >= from, "a client would go back to {bookmark:?}");
    }
    let mut first = None;
    for at in 0..8 {
        let record = pods.put(&pod("ns", "a").mark(at.to_string())).await;
        if record.revision > from && first.is_none() {
            first = Some(record);
        }
    }
    let change = loop {
        if let WatchEvent::Change(change) = probe.next().await {
            break change;
        }
    };
    assert_eq!(change.record(), first.as_ref());
}

/// Holds \[WATCH-OPTIONS\]: initial events that are newer than the store cannot be had.
pub async fn initial_events_from_the_future_are_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let future = Revision::new(pods.now().await.get() + 1_000_000);
    let watched = (&pods, pods.all());
    let error = match client_watch(harness, watched, options(&future.to_string(), Some(true), true)).await {
        Err(error) => error,
        Ok(mut probe) => probe.next_or_end().await.unwrap().unwrap_err(),
    };
    assert!(matches!(error, Error::FutureRevision { requested, .. } if requested == future), "{error:?}");
}

fn with_progress(pods: &Resource, scope: Scope, start: WatchStart) -> WatchRequest {
    WatchRequest { progress: true, ..pods.watching(scope, start) }
}

/// Holds \[WATCH-PROGRESS\].
pub async fn requested_progress_is_a_bookmark_at_the_current_revision(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let request = with_progress(&pods, pods.namespace("ns"), WatchStart::Now);
    let mut probe = pods.try_probe(harness, request).await.unwrap();
    let mut silent = pods.probe(harness, pods.namespace("ns"), WatchStart::Now).await;
    let record = pods.put(&pod("ns", "a")).await;
    let last = store.others().await.put(&pod("ns", "b")).await;
    pods.request_progress().await.unwrap();
    probe.shows(EventType::Added, &record).await;
    let bookmark = probe.bookmark().await;
    assert!(bookmark.revision >= last.revision, "{bookmark:?}");
    assert!(!bookmark.initial_events_end);
    silent.shows(EventType::Added, &record).await;
    silent.is_quiet().await;
}

/// Holds \[WATCH-PROGRESS\]: a reader that already waits is woken.
pub async fn requested_progress_wakes_an_idle_watch(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let request = with_progress(&pods, pods.all(), WatchStart::Now);
    let mut probe = pods.try_probe(harness, request).await.unwrap();
    let ask = async {
        tokio::task::yield_now().await;
        pods.request_progress().await.unwrap();
    };
    let (bookmark, ()) = futures_util::future::join(probe.bookmark(), ask).await;
    assert!(bookmark.revision <= pods.now().await);
}

/// Holds \[WATCH-BOOKMARKABLE\], \[WATCH-PROGRESS\]: whatever a bookmark or [`crate::Watcher::progress`] says
/// at any moment, no event at or below it is still to come.
pub async fn progress_is_never_ahead_of_what_was_delivered(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let (pods, others) = (store.pods().await, store.others().await);
    for start in [
        WatchStart::Now,
        WatchStart::After(pods.now().await),
        WatchStart::Initial { freshness: Freshness::Latest, bookmark: true },
    ] {
        let request = WatchRequest {
            predicate: selecting("color=red", ""),
            ..with_progress(&pods, pods.namespace("ns"), start)
        };
        let mut probe = pods.try_probe(harness, request).await.unwrap();
        for at in 0..400_u32 {
            let color = if at % 3 == 0 { "red" } else { "blue" };
            pods.put(&pod("ns", &format!("a{}", at % 50)).label("color", color).mark(at.to_string())).await;
            if at % 10 == 0 {
                others.put(&pod("ns", "b").mark(at.to_string())).await;
            }
            if at % 64 == 0 {
                pods.request_progress().await.unwrap();
            }
        }
        let end = pods.put(&pod("ns", "end").label("color", "red").mark(format!("{start:?}"))).await;
        let mut promised = Revision::ZERO;
        let mut shown = Revision::ZERO;
        loop {
            promised = promised.max(probe.progress());
            match probe.next().await {
                WatchEvent::Bookmark(bookmark) => promised = promised.max(bookmark.revision),
                WatchEvent::Change(change) => {
                    // Initial events carry the revisions of their objects, in the order of keys.
                    let is_initial = change.event.previous.is_none() && change.revision() <= shown;
                    assert!(
                        is_initial || change.revision() > promised,
                        "{promised} was promised: {change:?}"
                    );
                    shown = shown.max(change.revision());
                    if path_of(&change.event.key) == "ns/end" && change.revision() == end.revision {
                        break;
                    }
                }
            }
        }
        assert!(probe.progress() <= pods.now().await);
    }
}

/// Holds \[WATCH-BOOKMARKABLE\]: a watch of a quiet scope moves on with the store.
pub async fn progress_grows_while_other_resources_change(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let record = pods.put(&pod("ns", "a")).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::After(record.revision.previous())).await;
    assert!(probe.progress() < record.revision, "nothing was delivered yet");
    probe.shows(EventType::Added, &record).await;
    let last = store.others().await.put(&pod("ns", "b")).await;
    probe.is_quiet().await;
    assert!(probe.progress() >= last.revision);
    assert!(probe.progress() <= pods.now().await);
}
