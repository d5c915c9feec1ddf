//! Latencies: every one is counted, and the percentiles are right to a thousandth.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::numbers::{float, nanos, show};
use crate::report::Cells;

/// The longest latency that is told apart; longer ones count as this one.
const LONGEST: Duration = Duration::from_mins(10);

/// How many digits of a latency matter.
const DIGITS: u8 = 3;

/// The latencies of a measurement.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

/// What is told of them, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// How many there are.
    pub(crate) count: u64,
    /// Half are below.
    pub(crate) p50_us: f64,
    /// Nine tenths are below.
    pub(crate) p90_us: f64,
    /// All but a hundredth are below.
    pub(crate) p99_us: f64,
    /// The longest.
    pub(crate) max_us: f64,
}

impl Latencies {
    /// None yet.
    ///
    /// # Panics
    /// Never: the bounds are constants that follow the rules.
    #[expect(clippy::expect_used, reason = "one bound is over twice the other, and digits are at most 5")]
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1_000, nanos(LONGEST), DIGITS).expect("the bounds are in order"))
    }

    /// Counts one.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(nanos(latency));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// What is told of them.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |percent| float(self.0.value_at_percentile(percent)) / 1_000.0;
        Percentiles {
            count: self.0.len(),
            p50_us: at(50.0),
            p90_us: at(90.0),
            p99_us: at(99.0),
            max_us: float(self.0.max()) / 1_000.0,
        }
    }
}

impl Percentiles {
    /// Adds them to a table, in milliseconds; `of` says what took as long.
    pub(crate) fn tell(&self, of: &str, cells: &mut Cells) {
        let rows = [("p50", self.p50_us), ("p90", self.p90_us), ("p99", self.p99_us), ("max", self.max_us)];
        for (name, micros) in rows {
            let micros = (self.count > 0).then_some(micros / 1_000.0);
            cells.push((format!("{of} {name}, ms"), show(micros)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_latencies() {
        let mut latencies = Latencies::new();
        for millis in 1..=1_000 {
            latencies.record(Duration::from_millis(millis));
        }
        let told = latencies.percentiles();
        assert_eq!(told.count, 1_000);
        let near = |told: f64, right: f64| (told / right - 1.0).abs() < 0.001;
        assert!(near(told.p50_us, 500_000.0), "{told:?}");
        assert!(near(told.p90_us, 900_000.0), "{told:?}");
        assert!(near(told.p99_us, 990_000.0), "{told:?}");
        assert!(near(told.max_us, 1_000_000.0), "{told:?}");
    }

    #[test]
    fn what_is_beyond_the_bound_counts_as_the_longest() {
        let mut latencies = Latencies::new();
        latencies.record(LONGEST * 3);
        let told = latencies.percentiles();
        assert_eq!(told.count, 1);
        assert!(told.max_us >= float(nanos(LONGEST)) / 1_000.0, "{told:?}");
    }

    #[test]
    fn no_latency_is_told_of_nothing() {
        let mut cells = Cells::new();
        Latencies::new().percentiles().tell("write", &mut cells);
        assert!(cells.iter().all(|(_, value)| value == "-"), "{cells:?}");
    }
}
