//! Quotients of counts and times, and how people read them.

use std::time::Duration;

/// A count as a number with a fraction.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// How many in a second, by the clock.
pub(crate) fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { float(count) / seconds } else { 0.0 }
}

/// A time in seconds divided over a count, in units of which a second has `unit`; nothing for nothing.
pub(crate) fn each(seconds: Option<f64>, count: u64, unit: f64) -> Option<f64> {
    (count > 0).then(|| seconds.map(|seconds| seconds * unit / float(count)))?
}

/// The nanoseconds of a duration.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A number with three digits that matter, or a dash.
pub(crate) fn show(number: Option<f64>) -> String {
    match number {
        None => "-".to_owned(),
        Some(number) if number.abs() >= 100.0 => format!("{number:.0}"),
        Some(number) if number.abs() >= 10.0 => format!("{number:.1}"),
        Some(number) if number.abs() >= 1.0 => format!("{number:.2}"),
        Some(number) => format!("{number:.3}"),
    }
}

/// Bytes as MiB.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    float(bytes) / 1_048_576.0
}

/// So many of something, whose name forms its plural with an ending.
pub(crate) fn several(count: u32, name: &str, ending: &str) -> String {
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}{ending}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_shown_and_nothing_is_a_dash() {
        let shown = [None, Some(0.0), Some(0.1234), Some(1.234), Some(12.34), Some(1_234.4)].map(show);
        assert_eq!(shown, ["-", "0.000", "0.123", "1.23", "12.3", "1234"]);
    }

    #[test]
    fn one_is_not_several() {
        assert_eq!(
            [0, 1, 2].map(|count| several(count, "watch", "es")),
            ["0 watches", "1 watch", "2 watches"]
        );
    }

    #[test]
    fn nothing_divided_over_nothing_is_no_number() {
        assert_eq!(each(Some(1.0), 0, 1e6), None);
        assert_eq!(each(None, 5, 1e6), None);
        assert_eq!(each(Some(2.0), 4, 1e6), Some(500_000.0));
        assert!(rate(5, 0.0).abs() < f64::EPSILON);
    }
}
