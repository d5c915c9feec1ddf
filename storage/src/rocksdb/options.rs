//! The knobs of the RocksDB backend: unit, default, and what more costs.

use std::path::PathBuf;
use std::time::Duration;

use crate::revision::Revision;

/// Where a [`super::RocksBackend`] lives, and how it bounds what it keeps.
#[derive(Clone, Debug)]
pub struct RocksOptions {
    /// The directory of the store; made if there is none. It belongs to one process at a time.
    pub directory: PathBuf,
    /// For how long history is kept at least, unless it outgrows [`RocksOptions::history_bytes_max`].
    /// Longer lets clients that were away for longer go on without a new list. Default 5 minutes, the
    /// reference's compaction interval.
    pub history_retention: Duration,
    /// How many bytes of values history may keep beside the latest state, on disk. Default 256 MiB. When
    /// it is reached the oldest history is given up early, which [`crate::Stats::early_compactions`]
    /// counts. An open list keeps what it reads beyond this bound, until its deadline.
    pub history_bytes_max: u64,
    /// For how long a list may be read; a longer one would keep the history that it undoes. Default
    /// 1 minute, the longest a request may take.
    pub cursor_deadline: Duration,
    /// How many bytes of uncompressed blocks stay in memory, and what the write buffers have no use for.
    /// Default 24 MiB; more saves reads of what does not fit.
    pub block_cache_bytes: usize,
    /// How many bytes of writes are gathered in memory before they become files. While they do they may take
    /// half as many again, from the cache. Default 32 MiB; more makes fewer and larger files, and a longer
    /// replay after a kill.
    pub write_buffer_bytes: usize,
    /// What is done with blocks before they go to the disk. Default [`Compression::None`].
    pub compression: Compression,
    /// The revision before the first commit of a new store; `None` takes the Unix time in microseconds,
    /// so that a store that replaces another does not issue a revision that a client has seen.
    pub first_revision: Option<Revision>,
}

/// Whether blocks are compressed. A store reads what either has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are: the least CPU for each write and each read.
    #[default]
    None,
    /// LZ4: JSON takes a third to a fifth of the room, and each write and each read of what is not cached
    /// pays for it.
    Lz4,
}

impl RocksOptions {
    /// The defaults, for a store in this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            history_retention: Duration::from_mins(5),
            history_bytes_max: 256 << 20,
            cursor_deadline: Duration::from_mins(1),
            block_cache_bytes: 24 << 20,
            write_buffer_bytes: 32 << 20,
            compression: Compression::default(),
            first_revision: None,
        }
    }
}
