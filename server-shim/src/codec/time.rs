//! Times in RFC 3339: any offset and fraction in, UTC with whole seconds or six decimals out.

use std::ops::Range;

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// The layout by which error messages name a time with seconds.
const SECONDS: &str = "2006-01-02T15:04:05Z07:00";

/// The layout by which error messages name a time with microseconds.
const MICROS: &str = "2006-01-02T15:04:05.000000Z07:00";

/// How long a refused text is shown in the message.
const SHOWN: usize = 64;

/// The first instant of year 1 stands for no time at all.
const ZERO: &str = "0001-01-01T00:00:00";

/// How exact a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// `2006-01-02T15:04:05Z`.
    Seconds,
    /// `2006-01-02T15:04:05.000000Z`.
    Micros,
}

/// The one spelling of the instant that `text` stands for; none for the zero time.
pub(super) fn canonical(text: &str, precision: Precision) -> Result<Option<String>, String> {
    let Some((moment, nanos)) = parse(text) else {
        return Err(fault(text, precision));
    };
    let (date, time) = (moment.date(), moment.time());
    let printed = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    let micros = nanos / 1000;
    if printed == ZERO && (precision == Precision::Seconds || micros == 0) {
        return Ok(None);
    }
    Ok(Some(match precision {
        Precision::Seconds => format!("{printed}Z"),
        Precision::Micros => format!("{printed}.{micros:06}Z"),
    }))
}

/// The message names the first part of the layout only: clients match on its beginning at most.
fn fault(text: &str, precision: Precision) -> String {
    let layout = match precision {
        Precision::Seconds => SECONDS,
        Precision::Micros => MICROS,
    };
    let shown: String = text.chars().take(SHOWN).collect();
    format!("parsing time \"{shown}\" as \"{layout}\": cannot parse \"{shown}\" as \"2006\"")
}

/// The second in UTC and the nanoseconds that follow it.
fn parse(text: &str) -> Option<(DateTime, u32)> {
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, separator)| bytes.get(*at) != Some(separator)) {
        return None;
    }
    let local = DateTime::new(
        number(bytes, 0..4)?,
        number(bytes, 5..7)?.try_into().ok()?,
        number(bytes, 8..10)?.try_into().ok()?,
        number(bytes, 11..13)?.try_into().ok()?,
        number(bytes, 14..16)?.try_into().ok()?,
        number(bytes, 17..19)?.try_into().ok()?,
        0,
    );
    let (nanos, offset) = fraction(bytes.get(19..)?)?;
    let offset = SignedDuration::from_mins(minutes_east(offset)?);
    let utc = local.ok()?.checked_sub(offset).ok()?;
    (utc.year() >= 0).then_some((utc, nanos))
}

fn number(bytes: &[u8], range: Range<usize>) -> Option<i16> {
    bytes.get(range)?.iter().try_fold(0_i16, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| i16::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// The nanoseconds of a fraction, if there is one, and what follows. Finer digits are dropped.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at_checked(length)?;
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanos = padded.fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
    (length > 0).then_some((nanos, rest))
}

/// `Z`, or the offset as `+hh:mm`.
fn minutes_east(offset: &[u8]) -> Option<i64> {
    let (sign, rest) = offset.split_first()?;
    if (*sign, rest.len()) == (b'Z', 0) {
        return Some(0);
    }
    if rest.len() != 5 || rest.get(2) != Some(&b':') {
        return None;
    }
    let (hours, minutes) = (i64::from(number(rest, 0..2)?), i64::from(number(rest, 3..5)?));
    let east = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
    match sign {
        b'+' => Some(east),
        b'-' => Some(-east),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(text: &str, precision: Precision, expected: &str) {
        assert_eq!(canonical(text, precision).unwrap().as_deref(), Some(expected), "{text}");
        assert_eq!(canonical(expected, precision).unwrap().as_deref(), Some(expected), "{text} again");
    }

    #[test]
    fn every_offset_becomes_utc() {
        becomes("2026-11-21T22:43:43Z", Precision::Seconds, "2026-11-21T22:43:43Z");
        becomes("2026-11-22T00:13:43+01:30", Precision::Seconds, "2026-11-21T22:43:43Z");
        becomes("2026-12-31T23:59:59-00:01", Precision::Seconds, "2027-01-01T00:00:59Z");
        becomes("2024-02-29T23:00:00-02:00", Precision::Seconds, "2024-03-01T01:00:00Z");
    }

    #[test]
    fn a_fraction_is_cut_to_the_precision() {
        becomes("2026-11-21T22:43:43.999999999Z", Precision::Seconds, "2026-11-21T22:43:43Z");
        becomes("2026-11-21T22:43:43.1234567Z", Precision::Micros, "2026-11-21T22:43:43.123456Z");
        becomes("2026-11-21T22:43:43Z", Precision::Micros, "2026-11-21T22:43:43.000000Z");
        becomes("2026-11-21T22:43:43.5Z", Precision::Micros, "2026-11-21T22:43:43.500000Z");
    }

    #[test]
    fn the_zero_time_is_no_time() {
        assert_eq!(canonical("0001-01-01T00:00:00Z", Precision::Seconds), Ok(None));
        assert_eq!(canonical("0001-01-01T00:00:00.9Z", Precision::Seconds), Ok(None));
        assert_eq!(canonical("0001-01-01T00:00:00.000000Z", Precision::Micros), Ok(None));
        becomes("0001-01-01T00:00:00.000001Z", Precision::Micros, "0001-01-01T00:00:00.000001Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T22:43:43",
            "2026-11-21 22:43:43Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T22:43:60Z",
            "2026-11-21T22:43:43.Z",
            "2026-11-21T22:43:43+1:00",
            "2026-11-21T22:43:43+24:00",
            "2026-11-21T22:43:43ZZ",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+00:01",
            "2026-11-21T22:43:4ü",
        ] {
            assert!(canonical(text, Precision::Seconds).is_err(), "{text}");
        }
        assert_eq!(
            canonical("x", Precision::Seconds).unwrap_err(),
            "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\""
        );
    }
}
