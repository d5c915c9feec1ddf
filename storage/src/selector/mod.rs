//! Selectors: which objects a client asks for, by their labels, by their fields and by the shard they are in.
//!
//! A selector is parsed once, is immutable and cheap to clone, and matches without allocating. What a
//! client may send is bounded: see the constants. The texts of the errors are what the client reads.

mod field;
mod label;
mod label_parser;
mod label_syntax;
#[cfg(test)]
mod properties;
pub(crate) mod quote;
mod shard;

pub use field::{FieldSelector, UnsupportedField, unsupported};
pub use label::LabelSelector;
pub use label_parser::{InvalidValue, RequirementError};
pub use shard::{RANGES_MAX, ShardError, ShardSelector};

/// The longest selector in bytes.
pub const SELECTOR_BYTES_MAX: usize = 64 * 1024;

/// The most requirements of one selector; every object of a list may be held against all of them.
pub const REQUIREMENTS_MAX: usize = 1024;

/// The most values of one requirement, those of `in (…)`.
pub const VALUES_MAX: usize = 8192;

/// Why a text is no selector; the client is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The text is longer than [`SELECTOR_BYTES_MAX`].
    #[error("the selector is longer than {SELECTOR_BYTES_MAX} bytes")]
    TooLong,
    /// There are more requirements than [`REQUIREMENTS_MAX`].
    #[error("the selector has more than {REQUIREMENTS_MAX} requirements")]
    TooManyRequirements,
    /// One requirement of a label selector is wrong.
    #[error("unable to parse requirement: {0}")]
    Requirement(#[from] RequirementError),
    /// Something else stands where a requirement of a label selector begins or ends.
    #[error("found '{found}', expected: {expected}")]
    Unexpected {
        /// The text that stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A term of a field selector has no operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole selector.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash in the value of a field selector escapes nothing that needs it.
    #[error("invalid field selector: invalid escape sequence: {sequence}")]
    Escape {
        /// The backslash and what follows it.
        sequence: String,
    },
    /// A character in the value of a field selector needs a backslash. The text has its number.
    #[error("invalid field selector: unescaped character in value: {}", u32::from(*.character))]
    Unescaped {
        /// The character.
        character: char,
    },
    /// A shard selector is wrong.
    #[error("invalid shard selector: {0}")]
    Shard(#[from] ShardError),
}

fn check_length(text: &str) -> Result<(), SelectorError> {
    if text.len() > SELECTOR_BYTES_MAX { Err(SelectorError::TooLong) } else { Ok(()) }
}

/// Parses arbitrary bytes as a label selector and checks what must hold of every selector.
///
/// # Panics
/// If a promise of [`LabelSelector`] does not hold.
#[doc(hidden)]
pub fn fuzz_label(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(selector) = LabelSelector::parse(&text) else { return };
    let canonical = selector.to_string();
    if canonical.len() <= SELECTOR_BYTES_MAX {
        assert_eq!(LabelSelector::parse(&canonical).as_ref(), Ok(&selector), "of {text:?}");
    }
    assert_eq!(selector.is_empty(), canonical.is_empty(), "of {text:?}");
    assert!(!selector.is_empty() || selector.matches(|_| None), "of {text:?}");
}

/// Parses arbitrary bytes as a field selector and checks what must hold of every selector.
///
/// # Panics
/// If a promise of [`FieldSelector`] does not hold.
#[doc(hidden)]
pub fn fuzz_field(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(selector) = FieldSelector::parse(&text) else { return };
    let canonical = selector.to_string();
    assert!(canonical.len() <= text.len(), "of {text:?}");
    assert_eq!(FieldSelector::parse(&canonical).as_ref(), Ok(&selector), "of {text:?}");
    assert_eq!(selector.is_empty(), canonical.is_empty(), "of {text:?}");
    assert!(!selector.is_empty() || selector.matches(|_| None), "of {text:?}");
}

/// Parses arbitrary bytes as a shard selector and checks what must hold of every selector.
///
/// # Panics
/// If a promise of [`ShardSelector`] does not hold.
#[doc(hidden)]
pub fn fuzz_shard(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(selector) = ShardSelector::parse(&text) else { return };
    let canonical = selector.to_string();
    assert_eq!(ShardSelector::parse(&canonical).as_ref(), Ok(&selector), "of {text:?}");
    assert!(!canonical.is_empty(), "of {text:?}");
}
