//! Durations and sizes as people write them.

use std::time::Duration;

/// Units of time with their length in milliseconds.
const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
/// Units of size with their length in bytes.
const SIZES: [(&str, usize); 4] = [("", 1), ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)];

/// A duration such as `90s`, `1h30m` or `250ms`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut millis = 0_u64;
    loop {
        let (number, unit, after) = split(rest);
        let part = number.zip(of(&TIMES, unit)).and_then(|(number, unit)| number.checked_mul(unit));
        let Some(sum) = part.and_then(|part| millis.checked_add(part)) else {
            return Err("not a duration such as 90s, 1h30m or 250ms".to_owned());
        };
        millis = sum;
        if after.is_empty() {
            return Ok(Duration::from_millis(millis));
        }
        rest = after;
    }
}

/// A duration that is not zero.
pub(super) fn parse_timeout(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.is_zero() { Err("nothing is done in no time".to_owned()) } else { Ok(duration) }
}

/// A size such as `65536`, `64Ki`, `256Mi` or `1Gi`.
pub(super) fn parse_bytes(text: &str) -> Result<usize, String> {
    let (number, unit, after) = split(text);
    number
        .and_then(|number| usize::try_from(number).ok())
        .zip(of(&SIZES, unit))
        .and_then(|(number, unit)| number.checked_mul(unit))
        .filter(|_| after.is_empty())
        .ok_or_else(|| "not a number of bytes such as 65536, 64Ki, 256Mi or 1Gi".to_owned())
}

fn of<T: Copy>(units: &[(&str, T)], name: &str) -> Option<T> {
    units.iter().find(|(known, _)| *known == name).map(|(_, size)| *size)
}

/// The number and the unit at the beginning, and what follows.
fn split(text: &str) -> (Option<u64>, &str, &str) {
    let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let (unit, after) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
    (digits.parse().ok(), unit, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_units() {
        for (text, millis) in [("10s", 10_000), ("1h30m", 5_400_000), ("250ms", 250), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "1d", "-1s", "1 s", "99999999999999999h", "1hh"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_powers_of_two() {
        for (text, bytes) in [("65536", 65_536), ("64Ki", 65_536), ("2Gi", 2 << 30), ("0", 0)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "Mi", "1M", "1MiB", "1Mi1", "-1", "99999999999Gi"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
