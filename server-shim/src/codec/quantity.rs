//! Resource quantities such as `100m`, `1.5Gi` or `1e3`: every spelling becomes the canonical one.
//!
//! The canonical form has no fraction, the largest suffix that allows that, and keeps the family of the
//! suffix: decimal (`n u m k M G T P E`), binary (`Ki Mi Gi Ti Pi Ei`), or an exponent. The arithmetic
//! is exact, on decimal digits, with two exceptions that the format demands: what is finer than a
//! billionth is rounded away from zero, and binary quantities end at 2^63 - 1.

/// How long a quantity may be written.
const MAX_LENGTH: usize = 512;

/// How many significant digits it may have. Below [`MAX_LENGTH`], so that the canonical form of a
/// quantity is one too.
const MAX_DIGITS: usize = 400;

/// The largest power of ten by which an exponent may scale, in either direction.
const MAX_EXPONENT: i32 = 999;

/// The finest resolution: a billionth.
const NANO: i32 = -9;

const WRONG_FORMAT: &str = "quantities must match the regular expression \
    '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const WRONG_NUMBER: &str = "unable to parse numeric part of quantity";
const WRONG_SUFFIX: &str = "unable to parse quantity's suffix";

/// The decimal suffixes with the power of ten they stand for.
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// The binary suffixes, by the power of 1024 they stand for.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The family of the suffix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Decimal,
    Binary,
    Exponent,
}

/// The one spelling of the quantity that `text` stands for.
pub(super) fn canonical(text: &str) -> Result<String, &'static str> {
    let (negative, digits, exponent, suffix) = split(text)?;
    let mut number = Number { digits, exponent };
    let mut family = scale(&mut number, suffix)?;
    number.trim();
    if number.digits.len() > MAX_DIGITS || number.exponent.abs() > MAX_EXPONENT {
        return Err(WRONG_NUMBER);
    }
    number.round_up_to_nano();
    if family == Family::Binary {
        number.cap();
        // A binary suffix can neither show fractions nor make a small number shorter.
        if number.to_u64().is_none_or(|value| value < 1024) {
            family = Family::Decimal;
        }
    }
    Ok(number.print(negative, family))
}

/// Sign, digits, the power of ten that the decimal point stands for, and the suffix.
fn split(text: &str) -> Result<(bool, Vec<u8>, i32, &str), &'static str> {
    if text.is_empty() || text.len() > MAX_LENGTH {
        return Err(WRONG_FORMAT);
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, rest) = split_digits(unsigned);
    let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    let digits = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
    let places = i32::try_from(fraction.len()).map_err(|_| WRONG_FORMAT)?;
    check_suffix(suffix)?;
    Ok((negative, digits, -places, suffix))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// A suffix is letters, then perhaps a sign, then perhaps digits.
fn check_suffix(suffix: &str) -> Result<(), &'static str> {
    let tail = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let digits = tail.strip_prefix(['+', '-']).unwrap_or(tail);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { Ok(()) } else { Err(WRONG_FORMAT) }
}

/// Multiplies `number` by what `suffix` stands for.
fn scale(number: &mut Number, suffix: &str) -> Result<Family, &'static str> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        number.exponent += power;
        return Ok(Family::Decimal);
    }
    if let Some(power) = BINARY.iter().position(|name| *name == suffix) {
        for _ in 0..power {
            number.multiply(1024);
        }
        return Ok(Family::Binary);
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(WRONG_SUFFIX)?;
    let power: i32 = exponent.parse().map_err(|_| WRONG_SUFFIX)?;
    if power.abs() > MAX_EXPONENT {
        return Err(WRONG_SUFFIX);
    }
    number.exponent += power;
    Ok(Family::Exponent)
}

/// A number without sign: its decimal digits, the first the most significant, times a power of ten.
struct Number {
    digits: Vec<u8>,
    exponent: i32,
}

impl Number {
    /// Drops zeros at both ends. Zero itself has no digits left.
    fn trim(&mut self) {
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..leading);
        while self.digits.pop_if(|digit| *digit == 0).is_some() {
            self.exponent += 1;
        }
        if self.digits.is_empty() {
            self.exponent = 0;
        }
    }

    fn multiply(&mut self, factor: u32) {
        let mut carry = 0;
        for digit in self.digits.iter_mut().rev() {
            let product = u32::from(*digit) * factor + carry;
            *digit = last_digit(product);
            carry = product / 10;
        }
        while carry > 0 {
            self.digits.insert(0, last_digit(carry));
            carry /= 10;
        }
    }

    /// Away from zero: who asks for some of a resource gets some of it.
    fn round_up_to_nano(&mut self) {
        let surplus = usize::try_from(NANO.saturating_sub(self.exponent)).unwrap_or(0);
        if surplus == 0 || self.digits.is_empty() {
            return;
        }
        // The last digit is not zero, so there always is something to round up.
        self.digits.truncate(self.digits.len().saturating_sub(surplus));
        self.exponent = NANO;
        for digit in self.digits.iter_mut().rev() {
            *digit = if *digit == 9 { 0 } else { *digit + 1 };
            if *digit != 0 {
                return self.trim();
            }
        }
        self.digits.insert(0, 1);
        self.trim();
    }

    /// The value, if it is whole and below 2^64.
    fn to_u64(&self) -> Option<u64> {
        let power = 10_u64.checked_pow(u32::try_from(self.exponent).ok()?);
        let mut value = 0_u64;
        for digit in &self.digits {
            value = value.checked_mul(10)?.checked_add(u64::from(*digit))?;
        }
        value.checked_mul(power?)
    }

    /// Ends at 2^63 - 1.
    fn cap(&mut self) {
        const LIMIT: &str = "9223372036854775807";
        let magnitude = i32::try_from(self.digits.len()).unwrap_or(i32::MAX).saturating_add(self.exponent);
        let limit: Vec<u8> = LIMIT.bytes().map(|byte| byte - b'0').collect();
        // Digits are compared from the front, so numbers of equal magnitude compare as their digits do.
        if magnitude > 19 || (magnitude == 19 && self.digits > limit) {
            *self = Self { digits: limit, exponent: 0 };
        }
    }

    fn print(mut self, negative: bool, family: Family) -> String {
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        let sign = if negative { "-" } else { "" };
        if family == Family::Binary
            && let Some(value) = self.to_u64()
        {
            return print_binary(sign, value);
        }
        let target = match family {
            Family::Exponent => floor_to_three(self.exponent),
            // There is no suffix beyond the last one: there the zeros are written.
            Family::Binary | Family::Decimal => floor_to_three(self.exponent).min(18),
        };
        let zeros = usize::try_from(self.exponent.saturating_sub(target)).unwrap_or(0);
        self.digits.resize(self.digits.len().saturating_add(zeros), 0);
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        match family {
            Family::Exponent if target != 0 => format!("{sign}{digits}e{target}"),
            _ => {
                let suffix = DECIMAL.iter().find(|(_, power)| *power == target).map_or("", |(name, _)| name);
                format!("{sign}{digits}{suffix}")
            }
        }
    }
}

fn last_digit(number: u32) -> u8 {
    u8::try_from(number % 10).unwrap_or(0)
}

fn floor_to_three(exponent: i32) -> i32 {
    exponent.div_euclid(3) * 3
}

fn print_binary(sign: &str, mut value: u64) -> String {
    let mut suffixes = BINARY.iter();
    let mut suffix = suffixes.next();
    while value.is_multiple_of(1024)
        && let Some(next) = suffixes.next()
    {
        value /= 1024;
        suffix = Some(next);
    }
    format!("{sign}{value}{}", suffix.unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(pairs: &[(&str, &str)]) {
        for (text, expected) in pairs {
            assert_eq!(canonical(text).as_deref(), Ok(*expected), "{text}");
            assert_eq!(canonical(expected).as_deref(), Ok(*expected), "{text} again");
        }
    }

    #[test]
    fn decimal_quantities_have_no_fraction_and_the_largest_suffix() {
        becomes(&[
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1", "1"),
            ("100m", "100m"),
            ("1.5", "1500m"),
            ("1500m", "1500m"),
            ("1500", "1500"),
            ("1000", "1k"),
            ("1000k", "1M"),
            ("12000000", "12M"),
            ("0.001", "1m"),
            ("0.0001", "100u"),
            ("1.G", "1G"),
            (".5", "500m"),
            ("0010", "10"),
            ("1u", "1u"),
            ("1000n", "1u"),
            ("1000E", "1000E"),
            ("123456789012345678901", "123456789012345678901"),
        ]);
    }

    #[test]
    fn binary_quantities_keep_their_family_where_they_can() {
        becomes(&[
            ("1024Ki", "1Mi"),
            ("1Ki", "1Ki"),
            ("0.5Gi", "512Mi"),
            ("1.5Gi", "1536Mi"),
            ("1000Ki", "1000Ki"),
            ("1536Ki", "1536Ki"),
            ("64Mi", "64Mi"),
            ("0.5Ki", "512"),
            ("0.001Ki", "1024m"),
            ("2000.0001Ki", "2048000102400u"),
            ("1.1Gi", "1181116006400m"),
            ("8Ei", "9223372036854775807"),
            ("100Ei", "9223372036854775807"),
            ("-100Ei", "-9223372036854775807"),
            ("7Ei", "7Ei"),
        ]);
    }

    #[test]
    fn exponents_are_kept_as_multiples_of_three() {
        becomes(&[
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("1e4", "10e3"),
            ("12e6", "12e6"),
            ("1e-1", "100e-3"),
            ("1.5e3", "1500"),
            ("1000e-3", "1"),
            ("1e+2", "100"),
            ("1e100", "10e99"),
        ]);
    }

    #[test]
    fn zero_is_zero_in_every_family() {
        becomes(&[
            ("0", "0"),
            ("0Ki", "0"),
            ("0e3", "0"),
            ("-0", "0"),
            ("0.000m", "0"),
            ("+", "0"),
            (".", "0"),
        ]);
    }

    #[test]
    fn what_is_finer_than_a_billionth_is_rounded_away_from_zero() {
        becomes(&[
            ("0.1n", "1n"),
            ("-0.1n", "-1n"),
            ("1.0000000001", "1000000001n"),
            ("0.9999999999", "1"),
            ("1e-20", "1e-9"),
            ("0.0000000001Ki", "103n"),
        ]);
    }

    #[test]
    fn the_sign_is_kept() {
        becomes(&[("-1000m", "-1"), ("+5", "5"), ("-1Ki", "-1Ki"), ("-1.5Gi", "-1536Mi")]);
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "abc", "1 ", " 1", "1.2.3", "1Kix", "1KI", "1e3.5", "ü"] {
            assert_eq!(canonical(text), Err(WRONG_FORMAT), "{text}");
        }
        for text in ["1kk", "--1", "1e", "1e99999999999", "1e1000", "1i", "1m3"] {
            assert_eq!(canonical(text), Err(WRONG_SUFFIX), "{text}");
        }
        assert_eq!(canonical(&"1".repeat(401)), Err(WRONG_NUMBER));
        assert_eq!(canonical(&"1".repeat(513)), Err(WRONG_FORMAT));
    }

    #[test]
    fn the_canonical_form_of_the_longest_quantity_is_a_quantity() {
        let longest = format!("{}.1", "1".repeat(399));
        let once = canonical(&longest).unwrap();
        assert_eq!(canonical(&once).as_deref(), Ok(once.as_str()));
    }
}
