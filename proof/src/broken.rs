//! What a proof finds: a promise that was not kept.

use std::fmt;

/// A promise of the contract that was broken, and by what.
#[derive(Clone, PartialEq, Eq)]
pub struct Broken {
    /// The id of the clause, as in the documentation of [`watchkeep_storage`].
    pub promise: &'static str,
    /// What was expected, and what came instead.
    pub what: String,
}

impl Broken {
    /// The broken promise of a clause.
    pub fn new(promise: &'static str, what: impl Into<String>) -> Self {
        Self { promise, what: what.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}] is broken: {}", self.promise, self.what)
    }
}

/// A test's `unwrap` shows this: the words for a reader.
impl fmt::Debug for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for Broken {}

/// Returns [`Broken`] from the function around it unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $promise:literal, $($what:tt)+) => {
        if !$condition {
            return Err($crate::Broken::new($promise, format!($($what)+)));
        }
    };
}
pub(crate) use ensure;
