//! Each metric moves when what it tells of happens.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod faulty;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use parking_lot::Mutex;
use tokio::time::Instant;
use watchkeep_cacher::{Cacher, CacherOptions, HISTOGRAM_BUCKETS, ResourceName};
use watchkeep_storage::selector::{FieldSelector, LabelSelector, ShardSelector};
use watchkeep_storage::{
    Environment, Error, Freshness, Interface, ListOptions, Predicate, WatchRequest, WatchStart, Watcher,
};

use self::faulty::{Fault, Faulty, create};

/// How long a value may take to become what a test waits for, and how often it looks.
const DEADLINE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// What was recorded so far: a look takes what was counted and measured since the one before.
struct Seen {
    looks: Snapshotter,
    values: BTreeMap<String, Vec<f64>>,
}

impl Seen {
    fn look(&mut self) {
        for (key, _, description, value) in self.looks.snapshot().into_vec() {
            assert!(description.is_some(), "{key:?} has no description");
            let labels: BTreeMap<_, _> =
                key.key().labels().map(|label| (label.key(), label.value())).collect();
            assert_eq!((labels["group"], labels["resource"]), ("batch", "jobs"), "{key:?}");
            let more =
                ["success", "fallback", "stage", "status"].into_iter().filter_map(|more| labels.get(more));
            let name = more.fold(key.key().name().to_owned(), |name, label| format!("{name} {label}"));
            let seen = self.values.entry(name).or_default();
            match value {
                DebugValue::Counter(count) => {
                    *seen = vec![seen.first().unwrap_or(&0.0) + f64::from(u32::try_from(count).unwrap())];
                }
                DebugValue::Gauge(value) => *seen = vec![value.into_inner()],
                DebugValue::Histogram(values) => seen.extend(values.into_iter().map(f64::from)),
            }
        }
    }

    fn of(&mut self, name: &str) -> &[f64] {
        self.look();
        self.values.get(name).unwrap_or_else(|| panic!("{name} is not recorded: {:?}", self.values.keys()))
    }

    /// Fails unless counters and gauges have these values.
    fn assert(&mut self, expected: &[(&str, f64)]) {
        for (name, value) in expected {
            assert_eq!(self.of(name), [*value], "{name}");
        }
    }

    /// The value of a gauge at the last look, after which it is zero until it is set again.
    fn last(&self, name: &str) -> f64 {
        self.values[name][0]
    }

    /// How many samples a histogram has, all of which have to be possible.
    fn samples(&mut self, name: &str) -> usize {
        let samples = self.of(name);
        assert!(samples.iter().all(|seconds| (0.0..DEADLINE.as_secs_f64()).contains(seconds)), "{samples:?}");
        samples.len()
    }

    /// Waits until a counter or a gauge is at least this.
    async fn until(&mut self, name: &str, value: f64) {
        self.wait(name, |seen| seen >= value).await;
    }

    /// Waits until a counter or a gauge is this, which is not zero.
    async fn until_is(&mut self, name: &str, value: f64) {
        self.wait(name, |seen| seen.to_bits() == value.to_bits()).await;
    }

    async fn wait(&mut self, name: &str, is_met: impl Fn(f64) -> bool) {
        let begin = Instant::now();
        while !is_met(self.of(name)[0]) {
            assert!(begin.elapsed() < DEADLINE, "{name} is {:?}", self.of(name));
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A cache, the fault of its store, and what it records.
struct Bench {
    cache: Cacher,
    fault: Arc<Mutex<Fault>>,
    seen: Seen,
}

impl Bench {
    async fn with(options: CacherOptions, fault: Fault) -> Self {
        let environment = Environment::system();
        let (store, fault) = Faulty::new("/jobs", &environment, fault).await;
        let name = ResourceName { group: "batch".into(), resource: "jobs".into() };
        let options =
            CacherOptions { names: Arc::new([(store.prefix().to_string(), name)].into()), ..options };
        let recorder = DebuggingRecorder::new();
        let make = || Cacher::new(Arc::new(store), options, &environment);
        let cache = metrics::with_local_recorder(&recorder, make);
        Self { cache, fault, seen: Seen { looks: recorder.snapshotter(), values: BTreeMap::new() } }
    }

    async fn filled(options: CacherOptions) -> Self {
        let bench = Self::with(options, Fault::None).await;
        bench.cache.filled().await;
        bench
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock() = fault;
    }

    /// Lists the latest state, or with a resourceVersion one that may be old.
    async fn list(&self, resource_version: &str, field_selector: &str) -> usize {
        let fields = FieldSelector::parse(field_selector).unwrap();
        let predicate = Predicate::new(LabelSelector::everything(), fields);
        let options =
            ListOptions { resource_version: resource_version.into(), predicate, ..ListOptions::default() };
        let scope = self.cache.prefix().under(None).unwrap();
        let mut page = watchkeep_storage::list(&self.cache, scope, &options).await.unwrap();
        let mut found = 0;
        loop {
            let batch = page.cursor.next().await.unwrap();
            if batch.is_empty() {
                return found;
            }
            found += batch.len();
        }
    }

    async fn watch(&self, start: WatchStart) -> Watcher {
        self.watch_through(Predicate::everything(), start).await
    }

    async fn watch_through(&self, predicate: Predicate, start: WatchStart) -> Watcher {
        let scope = self.cache.prefix().under(None).unwrap();
        let request = WatchRequest { scope, start, predicate, progress: false };
        self.cache.watch(request).await.unwrap()
    }
}

async fn take(watch: &mut Watcher, events: usize) {
    for _ in 0..events {
        tokio::time::timeout(DEADLINE, watch.next()).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn filling_is_counted_and_timed() {
    let mut bench = Bench::filled(CacherOptions::default()).await;
    bench.seen.assert(&[
        ("apiserver_watch_cache_initializations_total", 1.0),
        ("apiserver_watch_cache_initialization_errors_total", 0.0),
    ]);
    assert_eq!(bench.seen.samples("apiserver_watch_cache_initialization_duration_seconds"), 1);
}

#[tokio::test]
async fn an_attempt_to_fill_that_fails_is_counted() {
    let mut bench = Bench::with(CacherOptions::default(), Fault::RefusesWatches).await;
    bench.seen.until("apiserver_watch_cache_initialization_errors_total", 1.0).await;
    bench.seen.assert(&[("apiserver_watch_cache_initializations_total", 0.0)]);
    bench.set(Fault::None);
    bench.seen.until("apiserver_watch_cache_initializations_total", 1.0).await;
}

#[tokio::test]
async fn events_are_counted_and_their_stages_timed() {
    let mut bench = Bench::filled(CacherOptions::default()).await;
    let mut watch = bench.watch(WatchStart::Now).await;
    create(&bench.cache, &["a", "b", "c"]).await;
    take(&mut watch, 3).await;
    bench.seen.assert(&[
        ("apiserver_watch_cache_events_received_total", 3.0),
        ("apiserver_watch_cache_events_dispatched_total", 3.0),
    ]);
    let batches = bench.seen.samples("apiserver_watch_events_dispatch_duration_seconds storage_to_cache");
    assert!((1..=3).contains(&batches), "{batches}");
    assert_eq!(bench.seen.samples("watchkeep_watch_cache_wake_seconds"), batches);
    let total = bench.seen.samples("apiserver_watch_events_dispatch_duration_seconds total");
    assert_eq!(total, 1, "of one event a second");
    assert_eq!(bench.seen.samples("watchkeep_watch_cache_receive_seconds"), 1, "of one write a second");
}

#[tokio::test]
async fn the_way_of_an_event_to_a_watch_that_came_later_is_not_timed() {
    let mut bench = Bench::filled(CacherOptions::default()).await;
    let before = bench.cache.current_revision().await.unwrap();
    let _early = bench.watch(WatchStart::Now).await;
    create(&bench.cache, &["a"]).await;
    take(&mut bench.watch(WatchStart::After(before)).await, 1).await;
    assert_eq!(bench.seen.samples("apiserver_watch_events_dispatch_duration_seconds total"), 0);
}

#[tokio::test]
async fn lists_count_what_they_look_at_and_what_they_return() {
    let mut bench = Bench::filled(CacherOptions::default()).await;
    create(&bench.cache, &["a", "b", "c"]).await;
    assert_eq!(bench.list("0", "metadata.name=b").await, 1);
    bench.seen.assert(&[
        ("apiserver_cache_list_total", 1.0),
        ("apiserver_cache_list_fetched_objects_total", 3.0),
        ("apiserver_cache_list_returned_objects_total", 1.0),
        ("apiserver_watch_cache_consistent_read_total true false", 0.0),
    ]);
    assert_eq!(bench.list("", "").await, 3);
    bench.seen.assert(&[
        ("apiserver_cache_list_total", 2.0),
        ("apiserver_cache_list_fetched_objects_total", 6.0),
        ("apiserver_cache_list_returned_objects_total", 4.0),
        ("apiserver_watch_cache_consistent_read_total true false", 1.0),
    ]);
    assert_eq!(bench.seen.samples("apiserver_watch_cache_read_wait_seconds"), 0, "nobody had to wait");
}

#[tokio::test]
async fn a_read_that_waits_in_vain_is_timed_and_counted_as_one_of_the_store() {
    let options = CacherOptions { fresh_timeout: Duration::from_millis(10), ..CacherOptions::default() };
    let mut bench = Bench::with(options, Fault::SilentWatches).await;
    bench.cache.filled().await;
    create(&bench.cache, &["a"]).await;
    assert_eq!(bench.list("", "").await, 1);
    bench.seen.assert(&[
        ("apiserver_watch_cache_consistent_read_total true true", 1.0),
        ("apiserver_watch_cache_consistent_read_total true false", 0.0),
        ("apiserver_cache_list_total", 0.0),
    ]);
    assert_eq!(bench.seen.samples("apiserver_watch_cache_read_wait_seconds"), 1);
    assert!(bench.seen.of("apiserver_watch_cache_read_wait_seconds")[0] >= 0.01);

    bench.set(Fault::RefusesLists);
    let (scope, options) = (bench.cache.prefix().under(None).unwrap(), ListOptions::default());
    assert!(watchkeep_storage::list(&bench.cache, scope, &options).await.is_err());
    bench.seen.assert(&[("apiserver_watch_cache_consistent_read_total false true", 1.0)]);
}

#[tokio::test]
async fn the_initial_state_of_watches_is_counted() {
    let mut bench = Bench::filled(CacherOptions::default()).await;
    create(&bench.cache, &["a", "b"]).await;
    let initial = WatchStart::Initial { freshness: Freshness::Latest, bookmark: false };
    take(&mut bench.watch(initial).await, 2).await;
    bench.seen.assert(&[("apiserver_init_events_total", 2.0)]);
}

#[tokio::test]
async fn watches_of_shards_are_counted_and_what_is_of_other_shards() {
    let mut bench = Bench::filled(CacherOptions::default()).await;
    let selecting = |labels: &str, shard: &str| {
        let labels = LabelSelector::parse(labels).unwrap();
        let selected = Predicate::new(labels, FieldSelector::everything());
        // These objects have no uid: all are in the shard of the empty text, whose hash begins with cb.
        selected.with_shard(ShardSelector::parse(shard).unwrap())
    };
    let upper = "shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')";
    let lower = "shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')";
    let _whole = bench.watch(WatchStart::Now).await;
    let mut of_all = bench.watch_through(selecting("", upper), WatchStart::Now).await;
    let mut of_none = bench.watch_through(selecting("", lower), WatchStart::Now).await;
    let mut of_no_label = bench.watch_through(selecting("color", lower), WatchStart::Now).await;
    bench.seen.until("apiserver_watch_shards_total", 3.0).await;

    create(&bench.cache, &["a", "b"]).await;
    take(&mut of_all, 2).await;
    bench.seen.assert(&[("apiserver_watch_filtered_events_total", 0.0)]);
    assert!(of_none.next().now_or_never().is_none());
    bench.seen.assert(&[("apiserver_watch_filtered_events_total", 2.0)]);
    assert!(of_no_label.next().now_or_never().is_none(), "what the labels leave out is not the shard's");
    bench.seen.assert(&[("apiserver_watch_filtered_events_total", 2.0)]);

    drop((of_all, of_none));
    bench.seen.until_is("apiserver_watch_shards_total", 1.0).await;
}

#[tokio::test]
async fn watches_that_fall_behind_are_counted_when_they_catch_up_and_when_they_cannot() {
    let mut bench = Bench::filled(CacherOptions { window_bytes_max: 0, ..CacherOptions::default() }).await;
    let before = bench.cache.current_revision().await.unwrap();
    create(&bench.cache, &["a", "b", "c"]).await;
    let mut behind = bench.watch(WatchStart::After(before)).await;
    let mut left_behind = bench.watch(WatchStart::After(before)).await;
    take(&mut behind, 1).await;
    bench.seen.assert(&[
        ("watchkeep_watch_cache_catch_ups_total", 2.0),
        ("apiserver_terminated_watchers_total", 0.0),
    ]);
    bench.cache.compact(bench.cache.current_revision().await.unwrap()).await.unwrap();
    assert!(matches!(left_behind.next().await, Some(Err(Error::Compacted { .. }))));
    bench.seen.assert(&[("apiserver_terminated_watchers_total", 1.0)]);
}

#[tokio::test]
async fn comparisons_with_the_store_are_counted_by_what_they_find() {
    let often = CacherOptions { check_interval: Duration::from_millis(10), ..CacherOptions::default() };
    let mut bench = Bench::filled(often.clone()).await;
    bench.seen.until("apiserver_storage_consistency_checks_total success", 1.0).await;
    bench.seen.assert(&[
        ("apiserver_storage_consistency_checks_total failure", 0.0),
        ("apiserver_storage_consistency_checks_total error", 0.0),
    ]);
    bench.set(Fault::RefusesLists);
    bench.seen.until("apiserver_storage_consistency_checks_total error", 1.0).await;

    let mut bench = Bench::with(often, Fault::ForgetfulWatches).await;
    bench.cache.filled().await;
    create(&bench.cache, &["unseen"]).await;
    bench.seen.until("apiserver_storage_consistency_checks_total failure", 1.0).await;
}

#[tokio::test]
async fn the_tick_tells_how_much_is_kept() {
    let mut bench = Bench::filled(CacherOptions::default()).await;
    create(&bench.cache, &["a", "b"]).await;
    bench.seen.until("watchkeep_watch_cache_objects", 2.0).await;
    let room = bench.seen.last("watch_cache_capacity");
    assert!(room >= 2.0 && bench.seen.last("watchkeep_watch_cache_window_bytes") > 0.0);
    let revision = bench.cache.current_revision().await.unwrap().to_string();
    assert_eq!(bench.seen.last("apiserver_watch_cache_resource_version").to_string(), revision);

    let names: Vec<_> = (0..200).map(|number| format!("n{number}")).collect();
    create(&bench.cache, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    bench.seen.until("watch_cache_capacity", room + 1.0).await;
    bench.seen.assert(&[
        ("watch_cache_capacity_increase_total", 1.0),
        ("watch_cache_capacity_decrease_total", 0.0),
    ]);
}

#[test]
fn every_histogram_has_buckets_in_order() {
    for (name, buckets) in HISTOGRAM_BUCKETS {
        assert!(!buckets.is_empty() && buckets.is_sorted_by(|one, next| one < next), "{name}");
    }
}
