//! The knobs of the memory backend: unit, default, and what more costs.

use std::time::Duration;

use crate::revision::Revision;

/// How a [`super::MemoryBackend`] bounds what it keeps.
#[derive(Clone, Debug)]
pub struct MemoryOptions {
    /// For how long history is kept at least, unless it outgrows [`MemoryOptions::history_bytes_max`].
    /// Longer lets clients that were away for longer go on without a new list. Default 5 minutes, the
    /// reference's compaction interval.
    pub history_retention: Duration,
    /// How many bytes of values history may keep beside the latest state. Default 256 MiB. When it is
    /// reached the oldest history is given up early, which [`crate::Stats::early_compactions`] counts.
    pub history_bytes_max: usize,
    /// For how long a list may be read; a longer one would keep its picture in memory. Default 1 minute,
    /// the longest a request may take.
    pub cursor_deadline: Duration,
    /// The revision before the first commit; `None` takes the Unix time in microseconds, so that a store
    /// that starts again does not issue a revision that a client has seen.
    pub first_revision: Option<Revision>,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            history_retention: Duration::from_mins(5),
            history_bytes_max: 256 << 20,
            cursor_deadline: Duration::from_mins(1),
            first_revision: None,
        }
    }
}
