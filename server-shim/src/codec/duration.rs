//! Durations such as `1h2m3s` or `1.5s`: every spelling becomes the canonical one.

use std::time::Duration;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The units with their length in nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
];

/// The one spelling of the duration that `text` stands for.
pub(super) fn canonical(text: &str) -> Result<String, String> {
    let (negative, nanos) = signed_nanos(text)?;
    let sign = if negative && nanos > 0 { "-" } else { "" };
    Ok(format!("{sign}{}", print(nanos)))
}

/// The duration that `text` stands for; one below zero is zero.
///
/// # Errors
/// A text such as `time: invalid duration "abc"`.
pub fn read(text: &str) -> Result<Duration, String> {
    let (negative, nanos) = signed_nanos(text)?;
    Ok(if negative { Duration::ZERO } else { Duration::from_nanos(nanos) })
}

/// The duration that a canonical text stands for, in nanoseconds; `None` for any other text.
pub(super) fn nanos(text: &str) -> Option<i64> {
    let (is_negative, nanos) = signed_nanos(text).ok()?;
    if is_negative { 0_i64.checked_sub_unsigned(nanos) } else { i64::try_from(nanos).ok() }
}

/// The canonical text of a duration of so many nanoseconds.
pub(super) fn of_nanos(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}{}", print(nanos.unsigned_abs()))
}

/// Whether a duration is below zero, and its length in nanoseconds, within 64 bits with a sign.
fn signed_nanos(text: &str) -> Result<(bool, u64), String> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    // One more nanosecond fits below zero than above.
    let largest = i64::MAX.unsigned_abs() + u64::from(negative);
    let nanos = parse(unsigned).filter(|nanos| *nanos <= largest);
    nanos.map(|nanos| (negative, nanos)).ok_or_else(|| format!("time: invalid duration {text:?}"))
}

fn parse(mut rest: &str) -> Option<u64> {
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0_u64;
    loop {
        let (part, after) = parse_part(rest)?;
        total = total.checked_add(part)?;
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
}

/// A number with its unit, in nanoseconds, and what follows it.
fn parse_part(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let (_, unit) = UNITS.iter().find(|(known, _)| *known == name)?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some((whole.checked_mul(*unit)?.checked_add(fraction_of(fraction, *unit)?)?, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// `0.digits` of a unit, in whole nanoseconds. Digits beyond the fifteenth are below one.
fn fraction_of(digits: &str, unit: u64) -> Option<u64> {
    let digits = digits.get(..15).unwrap_or(digits);
    let places = u32::try_from(digits.len()).ok()?;
    let value: u128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    u64::try_from(value * u128::from(unit) / 10_u128.pow(places)).ok()
}

fn print(nanos: u64) -> String {
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => with_fraction(nanos, 1_000, "µs"),
        1_000_000..NANOS_PER_SECOND => with_fraction(nanos, 1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (nanos / (60 * NANOS_PER_SECOND), nanos % (60 * NANOS_PER_SECOND));
            let seconds = with_fraction(rest, NANOS_PER_SECOND, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

fn with_fraction(nanos: u64, unit: u64, name: &str) -> String {
    let (whole, rest) = (nanos / unit, nanos % unit);
    if rest == 0 {
        return format!("{whole}{name}");
    }
    // `unit` is a power of ten, so adding it pads the fraction with zeros behind a one.
    let padded = (unit + rest).to_string();
    let fraction = padded.get(1..).unwrap_or_default().trim_end_matches('0');
    format!("{whole}.{fraction}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_becomes_the_same() {
        for (text, expected) in [
            ("0", "0s"),
            ("0h", "0s"),
            ("-0s", "0s"),
            ("90s", "1m30s"),
            ("60m", "1h0m0s"),
            ("3600s", "1h0m0s"),
            ("1h2m3s", "1h2m3s"),
            ("3s2m1h", "1h2m3s"),
            ("1.5s", "1.5s"),
            ("1500ms", "1.5s"),
            (".5m", "30s"),
            ("1us", "1µs"),
            ("1.05ms", "1.05ms"),
            ("1.1s", "1.1s"),
            ("11.1s", "11.1s"),
            ("1μs", "1µs"),
            ("999ns", "999ns"),
            ("-1m", "-1m0s"),
            ("+2s", "2s"),
            ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
            assert_eq!(canonical(expected).as_deref(), Ok(expected), "{text} again");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "1", "s", "1x", "1 s", ".s", "--1s", "9223372036854775808ns", "99999999999999999999h"]
        {
            assert_eq!(canonical(text), Err(format!("time: invalid duration \"{text}\"")));
        }
    }
}
