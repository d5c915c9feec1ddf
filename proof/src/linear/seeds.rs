//! Seeds, so that what a run met can be met again.

use std::env;
use std::time::Duration;

use watchkeep_storage::Environment;

/// The seeds of a run: the fixed ones and one that nobody has tried; or `WATCHKEEP_SEED` alone.
///
/// # Panics
/// When the variable is no number: what was asked for must not be left out.
pub fn seeds(fixed: impl IntoIterator<Item = u64>) -> Vec<u64> {
    match env::var("WATCHKEEP_SEED") {
        Ok(text) => vec![text.parse().unwrap_or_else(|_| panic!("WATCHKEEP_SEED={text:?}"))],
        Err(_) => fixed.into_iter().chain([fresh()]).collect(),
    }
}

/// A seed that nobody has tried.
pub fn fresh() -> u64 {
    Environment::system().random()
}

/// For how long a soak was asked for, by `WATCHKEEP_SOAK_MINUTES`.
///
/// # Panics
/// When the variable is no whole number.
pub fn soak() -> Option<Duration> {
    let text = env::var("WATCHKEEP_SOAK_MINUTES").ok()?;
    let minutes: u32 = text.parse().unwrap_or_else(|_| panic!("WATCHKEEP_SOAK_MINUTES={text:?}"));
    Some(Duration::from_mins(minutes.into()))
}
