//! Times as clients see them.

use std::time::SystemTime;

use jiff::Timestamp;

/// A time in the notation of RFC 3339, in UTC, rounded down to seconds.
pub(crate) fn rfc3339_seconds(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The time that a text in the notation of RFC 3339 stands for.
pub(crate) fn of_rfc3339(text: &str) -> Option<SystemTime> {
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_time_is_rounded_down_to_seconds() {
        assert_eq!(rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(1_999)), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn what_was_written_is_read() {
        let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        assert_eq!(of_rfc3339(&rfc3339_seconds(time)), Some(time));
        assert_eq!(of_rfc3339("yesterday"), None);
    }
}
