//! What the watches were told: which write each event is of, and how long after it was due.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::events::is_error;
use crate::latency::{Latencies, Percentiles};
use crate::schedule::Schedule;
use crate::stamp::StampReader;

/// The counts of all watches.
#[derive(Debug)]
pub(crate) struct Delivered {
    stamps: StampReader,
    schedule: OnceLock<Schedule>,
    latencies: Mutex<Latencies>,
    bytes: AtomicU64,
    ended: AtomicU64,
}

impl Delivered {
    /// Nothing has come yet.
    pub(crate) fn new(stamps: StampReader) -> Self {
        Self {
            stamps,
            schedule: OnceLock::new(),
            latencies: Mutex::new(Latencies::new()),
            bytes: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// Says when the writes are due; before it no event counts.
    pub(crate) fn begin(&self, schedule: Schedule) {
        let set = self.schedule.set(schedule);
        debug_assert!(set.is_ok(), "a measurement begins once");
    }

    /// Counts an event that came at a time, if it is of a write of this run.
    pub(crate) fn event(&self, line: &[u8], at: Instant) {
        if is_error(line) {
            self.end();
            return;
        }
        let Some((schedule, write)) = self.schedule.get().zip(self.stamps.read(line)) else { return };
        self.latencies.lock().record(schedule.late(write, at));
    }

    /// Counts what was read.
    pub(crate) fn read(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a watch that ended.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// How many events came.
    pub(crate) fn events(&self) -> u64 {
        self.latencies.lock().count()
    }

    /// How many bytes came.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many watches ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// From the time that a write was due to its event.
    pub(crate) fn percentiles(&self) -> Percentiles {
        self.latencies.lock().percentiles()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stamp::{ANNOTATION, Stamps};

    fn event(stamp: &str) -> Vec<u8> {
        format!(
            r#"{{"type":"MODIFIED","object":{{"metadata":{{"annotations":{{"{ANNOTATION}":"{stamp}"}}}}}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn the_latency_of_an_event_begins_when_its_write_was_due() {
        let stamps = Stamps::new();
        let delivered = Delivered::new(stamps.reader());
        let schedule = Schedule::new(Instant::now(), 100);
        delivered.begin(schedule);
        delivered.event(&event(&stamps.of(7)), schedule.due(7) + Duration::from_millis(5));
        let told = delivered.percentiles();
        assert_eq!(told.count, 1);
        assert!((told.max_us / 5_000.0 - 1.0).abs() < 0.001, "{told:?}");
    }

    #[test]
    fn what_is_not_of_this_run_does_not_count_and_an_error_ends_a_watch() {
        let stamps = Stamps::new();
        let delivered = Delivered::new(stamps.reader());
        delivered.event(&event(&stamps.of(0)), Instant::now());
        assert_eq!(delivered.events(), 0, "before the beginning");
        delivered.begin(Schedule::new(Instant::now(), 100));
        delivered.event(&event("another.0"), Instant::now());
        delivered.event(br#"{"type":"ERROR","object":{}}"#, Instant::now());
        assert_eq!((delivered.events(), delivered.ended()), (0, 1));
    }
}
