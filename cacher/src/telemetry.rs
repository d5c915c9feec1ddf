//! What a cache tells of itself while it runs: the names, units and descriptions of its metrics, which are the
//! reference's where it has them.
//!
//! They go to the recorder of the `metrics` facade that is there when the cache is made; without one they cost
//! next to nothing. All have the labels `group` and `resource`. A batch of events counts once, however many it
//! has and whoever watches; what the window and the picture know is looked up twice a second. The time from
//! the store to a watch is measured on one event a second, by each watch that shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Label, SharedString, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};
use parking_lot::Mutex;
use watchkeep_storage::{Environment, Error, Revision};

use crate::options::ResourceName;
use crate::shared::Shared;

const LISTS: &str = "apiserver_cache_list_total";
const LIST_FETCHED: &str = "apiserver_cache_list_fetched_objects_total";
const LIST_RETURNED: &str = "apiserver_cache_list_returned_objects_total";
const CONSISTENT_READS: &str = "apiserver_watch_cache_consistent_read_total";
const READ_WAIT: &str = "apiserver_watch_cache_read_wait_seconds";
const INIT_EVENTS: &str = "apiserver_init_events_total";
const RECEIVED: &str = "apiserver_watch_cache_events_received_total";
const DISPATCHED: &str = "apiserver_watch_cache_events_dispatched_total";
const DISPATCH_SECONDS: &str = "apiserver_watch_events_dispatch_duration_seconds";
const RECEIVE_SECONDS: &str = "watchkeep_watch_cache_receive_seconds";
const WAKE_SECONDS: &str = "watchkeep_watch_cache_wake_seconds";
const CATCH_UPS: &str = "watchkeep_watch_cache_catch_ups_total";
const SHARDS: &str = "apiserver_watch_shards_total";
const OF_OTHER_SHARDS: &str = "apiserver_watch_filtered_events_total";
const TERMINATED: &str = "apiserver_terminated_watchers_total";
const INITIALIZATIONS: &str = "apiserver_watch_cache_initializations_total";
const INITIALIZATION_ERRORS: &str = "apiserver_watch_cache_initialization_errors_total";
const INITIALIZATION_SECONDS: &str = "apiserver_watch_cache_initialization_duration_seconds";
const CHECKS: &str = "apiserver_storage_consistency_checks_total";
const RESOURCE_VERSION: &str = "apiserver_watch_cache_resource_version";
const CAPACITY: &str = "watch_cache_capacity";
const CAPACITY_INCREASES: &str = "watch_cache_capacity_increase_total";
const CAPACITY_DECREASES: &str = "watch_cache_capacity_decrease_total";
const WINDOW_BYTES: &str = "watchkeep_watch_cache_window_bytes";
const OBJECTS: &str = "watchkeep_watch_cache_objects";

/// Upper bounds of the buckets of each histogram, for a recorder that wants them: the reference's. Waking has
/// smaller ones: it is most of what the writer does for many watches.
pub const HISTOGRAM_BUCKETS: [(&str, &[f64]); 5] = [
    (READ_WAIT, &[0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0]),
    (DISPATCH_SECONDS, &[1e-4, 5e-4, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]),
    (RECEIVE_SECONDS, &[1e-5, 1e-4, 5e-4, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]),
    (WAKE_SECONDS, &[1e-6, 1e-5, 1e-4, 5e-4, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0]),
    (INITIALIZATION_SECONDS, &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0]),
];

/// How often the way of an event is measured to the watches.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// The metrics of the cache of a resource.
pub(crate) struct Telemetry {
    pub(crate) lists: Counter,
    pub(crate) list_fetched: Counter,
    pub(crate) list_returned: Counter,
    pub(crate) read_wait: Histogram,
    pub(crate) init_events: Counter,
    pub(crate) catch_ups: Counter,
    pub(crate) of_other_shards: Counter,
    consistent: Counter,
    consistent_from_store: Counter,
    consistent_failed: Counter,
    received: Counter,
    dispatched: Counter,
    receive: Histogram,
    to_cache: Histogram,
    wake: Histogram,
    total: Histogram,
    terminated: Counter,
    initializations: Counter,
    initialization_errors: Counter,
    initialization: Histogram,
    checks_passed: Counter,
    checks_failed: Counter,
    checks_broken: Counter,
    resource_version: Gauge,
    capacity: Gauge,
    capacity_increases: Counter,
    capacity_decreases: Counter,
    /// The capacity at the last look. Relaxed: one task looks.
    last_capacity: AtomicU64,
    window_bytes: Gauge,
    objects: Gauge,
    shards: Gauge,
    /// How many watches of a shard are open. Relaxed: it orders nothing.
    open_shards: AtomicU64,
    /// The revision of `sample`, so that who has another one need not lock it. Relaxed: it orders nothing.
    sampled: AtomicU64,
    sample: Mutex<Sample>,
    /// The revision of the write that is measured on its way from the store, zero once it is here. Relaxed: it
    /// orders nothing.
    awaited: AtomicU64,
    /// When the store acknowledged the write that was measured last, by uptime.
    committed: Mutex<Option<Duration>>,
}

/// The event that is measured on its way to the watches.
#[derive(Clone, Copy, Default)]
struct Sample {
    revision: Revision,
    /// When the store's watch yielded it, by uptime.
    taken: Option<Duration>,
}

/// A batch of events on its way from the store to the watches.
pub(crate) struct Batch {
    events: u64,
    /// When the first one came, by uptime.
    taken: Duration,
}

impl Telemetry {
    /// The metrics of a cache that is being made, at the recorder that is there.
    pub(crate) fn new(name: &ResourceName) -> Self {
        describe();
        let label = |key, value: &Arc<str>| Label::new(key, SharedString::from(Arc::clone(value)));
        let labels = vec![label("group", &name.group), label("resource", &name.resource)];
        let and = |more: &[(&'static str, &'static str)]| {
            let more = more.iter().map(|(key, value)| Label::from_static_parts(key, value));
            labels.iter().cloned().chain(more).collect::<Vec<_>>()
        };
        let read = |success, fallback| {
            counter!(CONSISTENT_READS, and(&[("success", success), ("fallback", fallback)]))
        };
        let check = |status| counter!(CHECKS, and(&[("status", status)]));
        let stage = |stage| histogram!(DISPATCH_SECONDS, and(&[("stage", stage)]));
        Self {
            lists: counter!(LISTS, labels.clone()),
            list_fetched: counter!(LIST_FETCHED, labels.clone()),
            list_returned: counter!(LIST_RETURNED, labels.clone()),
            read_wait: histogram!(READ_WAIT, labels.clone()),
            init_events: counter!(INIT_EVENTS, labels.clone()),
            catch_ups: counter!(CATCH_UPS, labels.clone()),
            of_other_shards: counter!(OF_OTHER_SHARDS, labels.clone()),
            consistent: read("true", "false"),
            consistent_from_store: read("true", "true"),
            consistent_failed: read("false", "true"),
            received: counter!(RECEIVED, labels.clone()),
            dispatched: counter!(DISPATCHED, labels.clone()),
            receive: histogram!(RECEIVE_SECONDS, labels.clone()),
            to_cache: stage("storage_to_cache"),
            total: stage("total"),
            wake: histogram!(WAKE_SECONDS, labels.clone()),
            terminated: counter!(TERMINATED, labels.clone()),
            initializations: counter!(INITIALIZATIONS, labels.clone()),
            initialization_errors: counter!(INITIALIZATION_ERRORS, labels.clone()),
            initialization: histogram!(INITIALIZATION_SECONDS, labels.clone()),
            checks_passed: check("success"),
            checks_failed: check("failure"),
            checks_broken: check("error"),
            resource_version: gauge!(RESOURCE_VERSION, labels.clone()),
            capacity: gauge!(CAPACITY, labels.clone()),
            capacity_increases: counter!(CAPACITY_INCREASES, labels.clone()),
            capacity_decreases: counter!(CAPACITY_DECREASES, labels.clone()),
            last_capacity: AtomicU64::new(0),
            window_bytes: gauge!(WINDOW_BYTES, labels.clone()),
            objects: gauge!(OBJECTS, labels.clone()),
            shards: gauge!(SHARDS, labels),
            open_shards: AtomicU64::new(0),
            sampled: AtomicU64::new(0),
            sample: Mutex::default(),
            awaited: AtomicU64::new(0),
            committed: Mutex::default(),
        }
    }

    /// The latest state was listed, from the cache or after too long a wait from the store.
    pub(crate) fn consistent_read(&self, succeeded: bool, from_store: bool) {
        let counter = match (succeeded, from_store) {
            (true, false) => &self.consistent,
            (true, true) => &self.consistent_from_store,
            (false, _) => &self.consistent_failed,
        };
        counter.increment(1);
    }

    /// The store has acknowledged a write of this cache's, whose event the cache has or has not. One in a while is
    /// measured.
    pub(crate) fn committed(&self, revision: Revision, is_here: bool, environment: &Environment) {
        let now = environment.uptime();
        let mut committed = self.committed.lock();
        if committed.is_some_and(|before| now.saturating_sub(before) < SAMPLE_INTERVAL) {
            return;
        }
        *committed = Some(now);
        self.awaited.store(if is_here { 0 } else { revision.get() }, Ordering::Relaxed);
        if is_here {
            self.receive.record(Duration::ZERO);
        }
    }

    /// The write that is measured has come from the store, if it is this one.
    fn arrived(&self, revision: Revision, environment: &Environment) {
        if self.awaited.load(Ordering::Relaxed) != revision.get() {
            return;
        }
        let committed = *self.committed.lock();
        self.awaited.store(0, Ordering::Relaxed);
        let at = committed.unwrap_or_default();
        self.receive.record(environment.uptime().saturating_sub(at));
    }

    /// An event came from the store, to be published next. One in a while is measured up to the watches.
    pub(crate) fn taken(&self, batch: &mut Option<Batch>, revision: Revision, environment: &Environment) {
        self.arrived(revision, environment);
        if let Some(batch) = batch {
            batch.events += 1;
            return;
        }
        let taken = environment.uptime();
        *batch = Some(Batch { events: 1, taken });
        let mut sample = self.sample.lock();
        if sample.taken.is_none_or(|before| taken.saturating_sub(before) >= SAMPLE_INTERVAL) {
            *sample = Sample { revision, taken: Some(taken) };
            self.sampled.store(revision.get(), Ordering::Relaxed);
        }
    }

    /// A batch is published. Returns when, to be handed to [`Telemetry::woken`].
    pub(crate) fn published(&self, batch: &Batch, environment: &Environment) -> Duration {
        let now = environment.uptime();
        self.received.increment(batch.events);
        self.to_cache.record(now.saturating_sub(batch.taken));
        now
    }

    /// Who waited for a batch was woken.
    pub(crate) fn woken(&self, batch: &Batch, published: Duration, environment: &Environment) {
        self.dispatched.increment(batch.events);
        self.wake.record(environment.uptime().saturating_sub(published));
    }

    /// A watch that was opened at some uptime has an event that it is going to show.
    pub(crate) fn shown(&self, revision: Revision, opened: Duration, environment: &Environment) {
        if self.sampled.load(Ordering::Relaxed) != revision.get() {
            return;
        }
        let sample = *self.sample.lock();
        // A watch that came later was not waited for.
        if let Some(taken) = sample.taken.filter(|taken| sample.revision == revision && opened <= *taken) {
            self.total.record(environment.uptime().saturating_sub(taken));
        }
    }

    /// A watch of a shard was opened.
    pub(crate) fn shard_opened(&self) {
        self.open_shards.fetch_add(1, Ordering::Relaxed);
    }

    /// A watch of a shard is gone.
    pub(crate) fn shard_closed(&self) {
        self.open_shards.fetch_sub(1, Ordering::Relaxed);
    }

    /// A watch of the cache has ended with an error.
    pub(crate) fn ended(&self, error: &Error) {
        if matches!(error, Error::Compacted { .. }) {
            self.terminated.increment(1);
        }
    }

    /// An attempt to fill the cache has ended, and took so long.
    pub(crate) fn filled(&self, succeeded: bool, took: Duration) {
        if succeeded {
            self.initializations.increment(1);
            self.initialization.record(took);
        } else {
            self.initialization_errors.increment(1);
        }
    }

    /// The cache was compared with the store, and was right or not, or could not be.
    pub(crate) fn checked(&self, verdict: Option<bool>) {
        match verdict {
            Some(true) => self.checks_passed.increment(1),
            Some(false) => self.checks_failed.increment(1),
            None => self.checks_broken.increment(1),
        }
    }

    /// What is to be looked up, at the tick.
    pub(crate) fn look(&self, shared: &Shared) {
        self.resource_version.set(float(shared.published().get()));
        let window = shared.window.lock().stats();
        self.look_at_capacity(window.capacity as u64);
        self.window_bytes.set(float(window.bytes as u64));
        self.objects.set(float(shared.current().len() as u64));
        self.shards.set(float(self.open_shards.load(Ordering::Relaxed)));
    }

    fn look_at_capacity(&self, capacity: u64) {
        self.capacity.set(float(capacity));
        match self.last_capacity.swap(capacity, Ordering::Relaxed) {
            // The first look.
            0 => {}
            before if before < capacity => self.capacity_increases.increment(1),
            before if before > capacity => self.capacity_decreases.increment(1),
            _ => {}
        }
    }
}

fn describe() {
    describe_counter!(LISTS, Unit::Count, "Lists that were served from the cache");
    describe_counter!(LIST_FETCHED, Unit::Count, "Objects that lists from the cache looked at");
    describe_counter!(LIST_RETURNED, Unit::Count, "Objects that lists from the cache returned");
    describe_counter!(
        CONSISTENT_READS,
        Unit::Count,
        "Lists of the latest state; fallback is true where the cache was not fresh in time and the store was read"
    );
    describe_histogram!(
        READ_WAIT,
        Unit::Seconds,
        "How long reads waited for the cache to become fresh enough, where it was not at once"
    );
    describe_counter!(INIT_EVENTS, Unit::Count, "Objects that watches got as their initial state");
    describe_counter!(RECEIVED, Unit::Count, "Events that the cache has from the store");
    describe_counter!(DISPATCHED, Unit::Count, "Events that were handed to the watches they concern");
    describe_histogram!(
        DISPATCH_SECONDS,
        Unit::Seconds,
        "Time of events on their way. storage_to_cache: from the first of a batch to its publication; total: \
         until a watch takes it to show it, of one event a second"
    );
    describe_histogram!(
        RECEIVE_SECONDS,
        Unit::Seconds,
        "Time from when the store acknowledges a write until its watch yields the event, of one write a second; \
         zero where the cache had it before"
    );
    describe_histogram!(
        WAKE_SECONDS,
        Unit::Seconds,
        "Time from the publication of a batch of events until all watches that wait for it were woken"
    );
    describe_counter!(
        CATCH_UPS,
        Unit::Count,
        "Times that a watch fell behind what the cache keeps, and read on in the store's history"
    );
    describe_gauge!(SHARDS, Unit::Count, "Watches of a shard that are open");
    describe_counter!(
        OF_OTHER_SHARDS,
        Unit::Count,
        "Events that watches looked at and did not show because they are of another shard"
    );
    describe_counter!(TERMINATED, Unit::Count, "Watches that ended because they fell behind all history");
    describe_counter!(
        INITIALIZATIONS,
        Unit::Count,
        "Times that the cache was filled from a list of the store"
    );
    describe_counter!(INITIALIZATION_ERRORS, Unit::Count, "Attempts to fill the cache that failed");
    describe_histogram!(INITIALIZATION_SECONDS, Unit::Seconds, "How long it took to fill the cache");
    describe_counter!(
        CHECKS,
        Unit::Count,
        "Comparisons of the cache with the store; error is for those that could not be made"
    );
    describe_gauge!(RESOURCE_VERSION, Unit::Count, "The revision up to which the cache has everything");
    describe_gauge!(CAPACITY, Unit::Count, "Events that the window has room for");
    describe_counter!(CAPACITY_INCREASES, Unit::Count, "Times that the window was found to have more room");
    describe_counter!(CAPACITY_DECREASES, Unit::Count, "Times that the window was found to have less room");
    describe_gauge!(WINDOW_BYTES, Unit::Bytes, "Bytes that the window keeps");
    describe_gauge!(OBJECTS, Unit::Count, "Objects in the cache");
}

#[expect(clippy::cast_precision_loss, reason = "a metric may be rounded beyond 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
