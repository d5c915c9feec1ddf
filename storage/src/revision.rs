//! The logical clock of a store: revisions, and their spelling as a resourceVersion.

use std::fmt;

/// A point in the history of a store: the number of the commit that made it.
///
/// Every commit of a store gets the next revision, over all resources together. A revision is never
/// issued twice and never goes back, also not over a restart: a client that watches from a revision in
/// the future waits for ever.
///
/// [`Revision::ZERO`] is no commit: as a request it means "any".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// No commit; in a request, "any".
    pub const ZERO: Self = Self(0);

    /// The largest revision. Requests may carry it; no store reaches it.
    pub const MAX: Self = Self(u64::MAX);

    /// The revision of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this is [`Revision::ZERO`].
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The revision after this one.
    ///
    /// # Panics
    /// At the end of 64 bits, which a store that commits a million times a second reaches in 500,000
    /// years.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(number) => Self(number),
            None => panic!("the revisions of 64 bits are used up"),
        }
    }

    /// The revision before this one; zero stays zero.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Parses a resourceVersion as a client sends it: empty and `0` are [`Revision::ZERO`], anything
    /// else is an unsigned decimal number.
    ///
    /// # Errors
    /// [`InvalidResourceVersion`] for anything else; the client is to blame.
    pub fn parse_resource_version(text: &str) -> Result<Self, InvalidResourceVersion> {
        let invalid = |detail| InvalidResourceVersion { value: text.to_owned(), detail };
        if text.is_empty() {
            return Ok(Self::ZERO);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid("invalid syntax"));
        }
        text.parse().map(Self).map_err(|_| invalid("value out of range"))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A resourceVersion that is no unsigned decimal number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resourceVersion: Invalid value: {value:?}: strconv.ParseUint: parsing {value:?}: {detail}")]
pub struct InvalidResourceVersion {
    /// What the client sent.
    pub value: String,
    /// What is wrong with it.
    pub detail: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_zero_mean_any() {
        assert_eq!(Revision::parse_resource_version(""), Ok(Revision::ZERO));
        assert_eq!(Revision::parse_resource_version("0"), Ok(Revision::ZERO));
        assert_eq!(Revision::parse_resource_version("17"), Ok(Revision::new(17)));
    }

    #[test]
    fn what_is_no_unsigned_number_is_refused_with_the_value() {
        for (text, detail) in [
            ("abc", "invalid syntax"),
            ("-1", "invalid syntax"),
            ("+1", "invalid syntax"),
            ("1 ", "invalid syntax"),
            ("18446744073709551616", "value out of range"),
        ] {
            let error = Revision::parse_resource_version(text).unwrap_err();
            assert_eq!((error.value.as_str(), error.detail), (text, detail));
        }
        assert_eq!(
            Revision::parse_resource_version("abc").unwrap_err().to_string(),
            "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax"
        );
    }
}
