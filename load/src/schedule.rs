//! When the writes of an open loop are due: at a steady rate, whatever comes of them.

use std::time::Duration;

use tokio::time::Instant;

const SECOND_NANOS: u64 = 1_000_000_000;

/// The times of the writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: Instant,
    interval_nanos: u64,
}

impl Schedule {
    /// So many in a second, from a time on: the first is due one interval after it.
    pub(crate) fn new(start: Instant, rate: u32) -> Self {
        Self { start, interval_nanos: SECOND_NANOS.checked_div(rate.into()).unwrap_or(SECOND_NANOS) }
    }

    /// When a write is due; the first is number 0.
    pub(crate) fn due(&self, write: u64) -> Instant {
        self.start + Duration::from_nanos(self.interval_nanos.saturating_mul(write.saturating_add(1)))
    }

    /// How long a write has been due at a time.
    pub(crate) fn late(&self, write: u64, at: Instant) -> Duration {
        at.saturating_duration_since(self.due(write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_due_at_equal_intervals() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 50);
        assert_eq!(schedule.due(0) - start, Duration::from_millis(20));
        assert_eq!(schedule.due(49) - start, Duration::from_secs(1));
        assert_eq!(schedule.due(1_000_000) - schedule.due(999_999), Duration::from_millis(20));
    }

    #[test]
    fn a_write_is_late_by_the_time_since_it_was_due_and_never_early() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 1_000);
        assert_eq!(schedule.late(4, start + Duration::from_millis(12)), Duration::from_millis(7));
        assert_eq!(schedule.late(4, start), Duration::ZERO);
    }
}
