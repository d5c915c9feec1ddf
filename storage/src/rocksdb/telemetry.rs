//! What a store tells of itself while it runs: the names, units and descriptions of its metrics.
//!
//! They go to the recorder of the `metrics` facade that is there when the store is opened; without one they
//! cost next to nothing. A group of commits reports once, however many it has; what the engine and the
//! state know is looked up at the tick, twice a second. The stores of one process count together, and the
//! gauges are of the one that ticked last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::rocksdb::DB;
use ::rocksdb::properties::{self, PropName};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use super::Shared;
use super::keyspace::{FAMILIES, LATEST, family};
use super::state::State;

const GROUP_COMMITS: &str = "watchkeep_rocksdb_group_commits";
const COMMIT_BYTES: &str = "watchkeep_rocksdb_commit_bytes";
const SYNC_SECONDS: &str = "watchkeep_rocksdb_sync_seconds";
const QUEUE_COMMITS: &str = "watchkeep_rocksdb_queue_commits";
// The facade counts in whole numbers, and the engine tells so exactly.
const STALL_MILLISECONDS: &str = "watchkeep_rocksdb_stall_milliseconds_total";
const FAILED_WRITES: &str = "watchkeep_rocksdb_failed_writes_total";
const OPENINGS: &str = "watchkeep_rocksdb_openings_total";
const EARLY_COMPACTIONS: &str = "watchkeep_rocksdb_early_compactions_total";
const MEMTABLE_BYTES: &str = "watchkeep_rocksdb_memtable_bytes";
const BLOCK_CACHE_BYTES: &str = "watchkeep_rocksdb_block_cache_bytes";
const FILE_BYTES: &str = "watchkeep_rocksdb_file_bytes";
const HISTORY_BYTES: &str = "watchkeep_rocksdb_history_bytes";
const HISTORY_EVENTS: &str = "watchkeep_rocksdb_history_events";
const REFUSING: &str = "watchkeep_rocksdb_refusing";

/// Upper bounds of the buckets of each histogram, for a recorder that wants them. A sync takes from 50 µs, on
/// a disk that confirms from memory of its own, to the second of one that is overwhelmed.
pub const HISTOGRAM_BUCKETS: [(&str, &[f64]); 4] = [
    (GROUP_COMMITS, &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]),
    (
        COMMIT_BYTES,
        &[256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0],
    ),
    (
        SYNC_SECONDS,
        &[50e-6, 100e-6, 200e-6, 500e-6, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0],
    ),
    (QUEUE_COMMITS, &[0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0]),
];

/// The metrics of a store.
pub(super) struct Telemetry {
    group_commits: Histogram,
    commit_bytes: Histogram,
    sync_seconds: Histogram,
    queue_commits: Histogram,
    stall: Counter,
    failed_writes: Counter,
    openings: Counter,
    early_compactions: Counter,
    memtable_bytes: Gauge,
    block_cache_bytes: Gauge,
    file_bytes: Gauge,
    history_bytes: Gauge,
    history_events: Gauge,
    refusing: Gauge,
    /// What the engine had counted at the last look. Relaxed: one thread looks.
    stalled_millis: AtomicU64,
}

impl Telemetry {
    /// The metrics of a store that is being opened, at the recorder that is there.
    pub(super) fn new() -> Self {
        describe();
        Self {
            group_commits: histogram!(GROUP_COMMITS),
            commit_bytes: histogram!(COMMIT_BYTES),
            sync_seconds: histogram!(SYNC_SECONDS),
            queue_commits: histogram!(QUEUE_COMMITS),
            stall: counter!(STALL_MILLISECONDS),
            failed_writes: counter!(FAILED_WRITES),
            openings: counter!(OPENINGS),
            early_compactions: counter!(EARLY_COMPACTIONS),
            memtable_bytes: gauge!(MEMTABLE_BYTES),
            block_cache_bytes: gauge!(BLOCK_CACHE_BYTES),
            file_bytes: gauge!(FILE_BYTES),
            history_bytes: gauge!(HISTORY_BYTES),
            history_events: gauge!(HISTORY_EVENTS),
            refusing: gauge!(REFUSING),
            stalled_millis: AtomicU64::new(0),
        }
    }

    /// The engine was opened, for the first time or again.
    pub(super) fn opened(&self) {
        self.openings.increment(1);
    }

    /// A group was made durable.
    pub(super) fn group(&self, commits: u64, bytes: usize, sync: Duration) {
        self.group_commits.record(float(commits));
        self.commit_bytes.record(float(bytes as u64));
        self.sync_seconds.record(sync);
    }

    /// A group begins, and so many requests are left for the next one.
    pub(super) fn waiting(&self, requests: usize) {
        self.queue_commits.record(float(requests as u64));
    }

    /// A write failed, and no more are accepted.
    pub(super) fn failed_write(&self) {
        self.failed_writes.increment(1);
        self.refusing.set(1.0);
    }

    /// What is to be looked up, at the tick. An engine that is away tells nothing.
    pub(super) fn look(&self, shared: &Shared) {
        self.look_at(&shared.state.lock());
        if let Ok(Some(db)) = shared.engine.try_get() {
            self.look_into(&db);
        }
    }

    /// What the state knows.
    fn look_at(&self, state: &State) {
        let (events, bytes) = state.history();
        self.history_events.set(float(events));
        self.history_bytes.set(float(bytes));
        self.early_compactions.absolute(state.early_compactions);
        self.refusing.set(if state.refusing.is_some() { 1.0 } else { 0.0 });
    }

    /// What the engine knows.
    fn look_into(&self, db: &DB) {
        let now = stalled_millis(db).unwrap_or_default();
        let before = self.stalled_millis.swap(now, Ordering::Relaxed);
        // An engine that was opened again begins at zero.
        self.stall.increment(now.checked_sub(before).unwrap_or(now));
        self.memtable_bytes.set(float(over_families(db, properties::SIZE_ALL_MEM_TABLES)));
        self.file_bytes.set(float(over_families(db, properties::TOTAL_SST_FILES_SIZE)));
        // All families share one cache.
        self.block_cache_bytes.set(float(property(db, LATEST, properties::BLOCK_CACHE_USAGE)));
    }
}

fn describe() {
    describe_histogram!(GROUP_COMMITS, Unit::Count, "Commits that share one sync of the log");
    describe_histogram!(COMMIT_BYTES, Unit::Bytes, "Bytes that a group of commits writes to the log");
    describe_histogram!(
        SYNC_SECONDS,
        Unit::Seconds,
        "Time to write a group of commits to the log and sync it"
    );
    describe_histogram!(QUEUE_COMMITS, Unit::Count, "Requests that wait for the next group when one begins");
    describe_counter!(
        STALL_MILLISECONDS,
        Unit::Milliseconds,
        "Time that the engine held writes back because flushes or compactions were behind"
    );
    describe_counter!(FAILED_WRITES, Unit::Count, "Writes that failed, so that their outcome is unknown");
    describe_counter!(
        OPENINGS,
        Unit::Count,
        "Times that the engine was opened: more than once is after a failed write"
    );
    describe_counter!(
        EARLY_COMPACTIONS,
        Unit::Count,
        "Events given up early because history outgrew its bytes"
    );
    describe_gauge!(MEMTABLE_BYTES, Unit::Bytes, "Memory of writes that are not in files yet");
    describe_gauge!(BLOCK_CACHE_BYTES, Unit::Bytes, "Memory of the blocks that are cached");
    describe_gauge!(FILE_BYTES, Unit::Bytes, "Bytes of the files on the disk, without the log");
    describe_gauge!(HISTORY_BYTES, Unit::Bytes, "Bytes of replaced values that history keeps");
    describe_gauge!(HISTORY_EVENTS, Unit::Count, "Events that history keeps");
    describe_gauge!(REFUSING, Unit::Count, "1 while no writes are accepted, after one has failed");
}

/// For how long writes were held back since the engine was opened. It tells in a text for people; its
/// statistics for programs would cost every read as much as a tenth of what the engine does for it.
fn stalled_millis(db: &DB) -> Option<u64> {
    parse_stall(&db.property_value(properties::DBSTATS).ok()??)
}

/// The milliseconds of a line such as `Cumulative stall: 01:02:03.456 H:M:S, 7.8 percent`.
fn parse_stall(report: &str) -> Option<u64> {
    let line = report.lines().find_map(|line| line.strip_prefix("Cumulative stall: "))?;
    let (hours, rest) = line.split_once(':')?;
    let (minutes, rest) = rest.split_once(':')?;
    let (seconds, millis) = rest.split_once(' ')?.0.split_once('.')?;
    let number = |text: &str| text.parse::<u64>().ok();
    Some(((number(hours)? * 60 + number(minutes)?) * 60 + number(seconds)?) * 1000 + number(millis)?)
}

/// The sum of a property of the engine over all families.
fn over_families(db: &DB, name: &PropName) -> u64 {
    FAMILIES.iter().map(|family| property(db, family, name)).sum()
}

/// A property of the engine; nothing where it does not tell.
fn property(db: &DB, of: &str, name: &PropName) -> u64 {
    let value = family(db, of).ok().and_then(|family| db.property_int_value_cf(family, name).ok());
    value.flatten().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a metric may be rounded beyond 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

    use super::super::{RocksBackend, RocksOptions};
    use super::*;
    use crate::environment::Environment;
    use crate::interface::Backend;
    use crate::key::ResourcePrefix;
    use crate::record::Value;
    use crate::revision::Revision;
    use crate::schema::Schema;

    /// How long a value may take to become what a test waits for, and how often it looks.
    const DEADLINE: Duration = Duration::from_secs(20);
    const PAUSE: Duration = Duration::from_millis(20);

    /// What was recorded so far: a look takes what was counted and measured since the one before.
    #[derive(Default)]
    struct Seen(BTreeMap<String, Vec<f64>>);

    impl Seen {
        fn read(&mut self, looks: &Snapshotter) {
            for (key, _, description, value) in looks.snapshot().into_vec() {
                assert!(description.is_some(), "{key:?} has no description");
                let seen = self.0.entry(key.key().name().to_owned()).or_default();
                match value {
                    DebugValue::Counter(count) => *seen = vec![seen.first().unwrap_or(&0.0) + float(count)],
                    DebugValue::Gauge(value) => *seen = vec![value.into_inner()],
                    DebugValue::Histogram(values) => seen.extend(values.into_iter().map(f64::from)),
                }
            }
        }

        fn of(&self, name: &str) -> &[f64] {
            self.0.get(name).unwrap_or_else(|| panic!("{name} is not recorded"))
        }
    }

    async fn create_objects(backend: &RocksBackend, count: usize) {
        let pods = backend
            .resource(ResourcePrefix::new("/pods").unwrap(), Arc::new(Schema::default()))
            .await
            .unwrap();
        for index in 0..count {
            let name = format!("p{index}");
            let json = format!(r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}"}}}}"#);
            let value = Value::new(json.into_bytes(), pods.schema()).unwrap();
            let key = pods.prefix().object(Some("n"), &name).unwrap();
            crate::create(&*pods, key, value, None).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_store_tells_of_its_groups_and_at_the_tick_of_its_size() {
        let directory = tempfile::tempdir().unwrap();
        let recorder = DebuggingRecorder::new();
        let environment = Environment::system();
        let options = RocksOptions::new(directory.path());
        let open = || RocksBackend::open(options, environment.clone());
        let backend = metrics::with_local_recorder(&recorder, open).unwrap();
        create_objects(&backend, 3).await;

        let mut seen = Seen::default();
        let looks = recorder.snapshotter();
        seen.read(&looks);
        assert_eq!(seen.of(GROUP_COMMITS), [1.0; 3], "one after the other, each syncs for itself");
        assert_eq!(seen.of(QUEUE_COMMITS), [0.0; 3]);
        assert_eq!(seen.of(SYNC_SECONDS).len(), 3);
        assert!(seen.of(SYNC_SECONDS).iter().all(|seconds| (0.0..20.0).contains(seconds)));
        assert!(seen.of(COMMIT_BYTES).iter().all(|bytes| (100.0..4096.0).contains(bytes)));
        assert_eq!((seen.of(OPENINGS), seen.of(FAILED_WRITES)), (&[1.0][..], &[0.0][..]));

        let begin = environment.uptime();
        while seen.of(HISTORY_EVENTS) != [3.0] {
            assert!(environment.uptime() < begin + DEADLINE, "the tick tells nothing: {:?}", seen.0);
            environment.sleep(PAUSE).await;
            seen.read(&looks);
        }
        assert!(seen.of(MEMTABLE_BYTES)[0] > 0.0);
        for name in [STALL_MILLISECONDS, EARLY_COMPACTIONS, REFUSING, HISTORY_BYTES] {
            assert_eq!(seen.of(name), [0.0], "{name}");
        }
        backend.close().await.unwrap();
    }

    #[test]
    fn a_failed_write_is_counted_and_shows_until_writes_are_accepted() {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, || {
            let telemetry = Telemetry::new();
            telemetry.failed_write();
            let mut seen = Seen::default();
            seen.read(&recorder.snapshotter());
            assert_eq!((seen.of(FAILED_WRITES), seen.of(REFUSING)), (&[1.0][..], &[1.0][..]));
            telemetry.look_at(&State::new(Revision::ZERO, Revision::ZERO, vec![]));
            seen.read(&recorder.snapshotter());
            assert_eq!((seen.of(FAILED_WRITES), seen.of(REFUSING)), (&[1.0][..], &[0.0][..]));
        });
    }

    #[test]
    fn every_histogram_has_buckets_in_order() {
        for (name, buckets) in HISTOGRAM_BUCKETS {
            assert!(!buckets.is_empty() && buckets.is_sorted_by(|one, next| one < next), "{name}");
        }
    }

    #[test]
    fn the_report_of_the_engine_tells_of_stalls() {
        let directory = tempfile::tempdir().unwrap();
        let db = DB::open_default(directory.path()).unwrap();
        assert_eq!(stalled_millis(&db), Some(0));
        let report = "** DB Stats **\nCumulative stall: 01:02:03.045 H:M:S, 7.8 percent\n";
        assert_eq!(parse_stall(report), Some(3_723_045));
        assert_eq!(parse_stall("Cumulative stall: much"), None);
    }
}
