//! Ages as tables show them: the time since an instant, with two or three significant figures.

use std::time::SystemTime;

use jiff::Timestamp;

/// What stands for the age of something that has no time.
const UNKNOWN: &str = "<unknown>";

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// The present of a request, as an instant that ages are counted from.
///
/// A clock beyond the year 9999 counts as the end of time.
pub(super) fn instant(now: SystemTime) -> Timestamp {
    Timestamp::try_from(now).unwrap_or(Timestamp::MAX)
}

/// The instant that an RFC 3339 text names.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// The age of what happened at `time`; `<unknown>` for what is no time.
pub(super) fn since(time: &str, now: Timestamp) -> String {
    parse(time).map_or_else(|| UNKNOWN.to_owned(), |time| between(time, now))
}

/// How long it is from `start` to `end`.
pub(super) fn between(start: Timestamp, end: Timestamp) -> String {
    human(end.duration_since(start).as_secs())
}

/// A duration in whole seconds, the shorter the more exact.
///
/// Clocks differ: a second into the future is now, what is further ahead is `<invalid>`.
pub(super) fn human(seconds: i64) -> String {
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => two_units(seconds, (MINUTE, 'm'), (1, 's')),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => two_units(seconds, (HOUR, 'h'), (MINUTE, 'm')),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => two_units(seconds, (DAY, 'd'), (HOUR, 'h')),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two_units(seconds, (YEAR, 'y'), (DAY, 'd')),
        _ => format!("{}y", seconds / YEAR),
    }
}

/// The larger unit, followed by the smaller one unless that is zero.
fn two_units(seconds: i64, large: (i64, char), small: (i64, char)) -> String {
    let (whole, rest) = (seconds / large.0, seconds % large.0 / small.0);
    if rest == 0 { format!("{whole}{}", large.1) } else { format!("{whole}{}{rest}{}", large.1, small.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_has_its_units() {
        for (seconds, shown) in [
            (i64::MIN, "<invalid>"),
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (599, "9m59s"),
            (600, "10m"),
            (601, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (3 * HOUR + MINUTE, "3h1m"),
            (8 * HOUR - 1, "7h59m"),
            (8 * HOUR, "8h"),
            (8 * HOUR + MINUTE, "8h"),
            (2 * DAY - 1, "47h"),
            (2 * DAY, "2d"),
            (2 * DAY + HOUR, "2d1h"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY, "8d"),
            (8 * DAY + HOUR, "8d"),
            (2 * YEAR - 1, "729d"),
            (2 * YEAR, "2y"),
            (2 * YEAR + DAY, "2y1d"),
            (8 * YEAR - 1, "7y364d"),
            (8 * YEAR, "8y"),
            (8 * YEAR + DAY, "8y"),
            (20 * YEAR + 300 * DAY, "20y"),
        ] {
            assert_eq!(human(seconds), shown, "{seconds}");
        }
    }

    #[test]
    fn an_age_is_the_time_that_has_passed() {
        let now: Timestamp = "2026-11-21T22:50:37.9Z".parse().unwrap();
        for (time, age) in [
            ("2026-11-21T22:50:29Z", "8s"),
            ("2026-11-21T22:50:29.950000Z", "7s"),
            ("2026-11-22T00:20:29+01:30", "8s"),
            ("2026-11-21T22:50:39Z", "0s"),
            ("2026-11-21T22:50:40Z", "<invalid>"),
            ("1026-11-21T22:50:40Z", "1000y"),
            ("", "<unknown>"),
            ("yesterday", "<unknown>"),
        ] {
            assert_eq!(since(time, now), age, "{time}");
        }
    }

    #[test]
    fn the_clock_of_the_request_is_the_present() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(90);
        assert_eq!(since("1970-01-01T00:00:00Z", instant(now)), "90s");
    }
}
