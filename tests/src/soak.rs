//! The long tier: tests whose name has `soak` in it run for as long as `WATCHKEEP_SOAK_MINUTES` says,
//! and for a moment without it.

use std::env;
use std::time::Duration;

/// How long a soak test runs when nobody asks for a long one.
pub const SHORT: Duration = Duration::from_secs(3);

/// How long a soak test has to run.
///
/// # Panics
///
/// When `WATCHKEEP_SOAK_MINUTES` is not a whole number: a soak that was asked for must not be cut short.
pub fn duration() -> Duration {
    match env::var("WATCHKEEP_SOAK_MINUTES") {
        Err(_) => SHORT,
        Ok(text) => parse_minutes(&text).unwrap_or_else(|| panic!("WATCHKEEP_SOAK_MINUTES={text:?}")),
    }
}

/// Whether a long run was asked for. Tests that count, instead of running for a time, count further then.
pub fn is_long() -> bool {
    env::var_os("WATCHKEEP_SOAK_MINUTES").is_some()
}

fn parse_minutes(text: &str) -> Option<Duration> {
    let minutes: u32 = text.parse().ok()?;
    Some(Duration::from_mins(minutes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_whole_numbers() {
        assert_eq!(parse_minutes("90"), Some(Duration::from_mins(90)));
        assert_eq!(parse_minutes("1.5"), None);
        assert_eq!(parse_minutes(""), None);
    }
}
