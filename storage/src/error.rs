//! What can go wrong in a store. Values, not strings: the caller decides what to tell whom
//! ([`crate::status`] says what an API client is told).

use std::time::Duration;

use crate::continue_token::ContinueTokenError;
use crate::key::{Key, KeyError, ResourcePrefix};
use crate::revision::{InvalidResourceVersion, Revision};

/// The largest object in bytes, as it is stored. One limit for every backend: it is etcd's for a request.
pub const OBJECT_BYTES_MAX: usize = 1_572_864;

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no object of this key. The caller's to handle.
    #[error("{key}: key not found")]
    NotFound {
        /// The key.
        key: Key,
    },
    /// There is an object of this key already. The caller's to handle.
    #[error("{key}: key exists")]
    Exists {
        /// The key.
        key: Key,
    },
    /// The object is not the one the caller expected: a precondition, or the caller's own check.
    #[error("{key}: invalid object: {reason}")]
    InvalidObject {
        /// The key.
        key: Key,
        /// Which expectation failed, with the expected and the found value.
        reason: String,
    },
    /// The object to be created carries a resourceVersion already. The client's to fix.
    #[error("resourceVersion should not be set on objects to be created")]
    ResourceVersionOnCreate,
    /// A value that is no object of the resource. The caller's to fix.
    #[error("{key}: not an object of this resource: {reason}")]
    InvalidValue {
        /// The key.
        key: Key,
        /// What is wrong with it.
        reason: String,
    },
    /// The object is larger than [`OBJECT_BYTES_MAX`]. The client's to fix.
    #[error("{key}: object of {bytes} bytes is larger than the limit of {OBJECT_BYTES_MAX}")]
    ObjectTooLarge {
        /// The key.
        key: Key,
        /// The size of the object as it would be stored.
        bytes: usize,
    },
    /// A revision that the store has not reached. The client may come again later.
    #[error("too large resource version: {requested}, current: {current}")]
    FutureRevision {
        /// What was asked for.
        requested: Revision,
        /// Where the store is.
        current: Revision,
        /// When it makes sense to ask again; zero says nothing about it.
        retry_after: Duration,
    },
    /// A revision whose state or events are no longer kept. The client has to list again.
    #[error("revision {requested} is compacted, the oldest is {oldest}")]
    Compacted {
        /// What was asked for.
        requested: Revision,
        /// The oldest revision that can be read.
        oldest: Revision,
        /// For which request.
        during: CompactedDuring,
    },
    /// An open list was read more slowly than its deadline allows, so its picture was freed.
    #[error("the list at revision {revision} was open for longer than {limit:?}")]
    CursorExpired {
        /// The revision of the list.
        revision: Revision,
        /// The deadline, counted from when the list was opened.
        limit: Duration,
    },
    /// A resource was opened before, with another schema. The embedder's to fix.
    #[error("the resource {prefix} is open with another schema")]
    SchemaDiffers {
        /// The prefix of the resource.
        prefix: ResourcePrefix,
    },
    /// A key outside the rules. The caller's to fix.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A resourceVersion that is no number. The client's to fix.
    #[error(transparent)]
    ResourceVersion(#[from] InvalidResourceVersion),
    /// A `resourceVersionMatch` that does not exist. The client's to fix.
    #[error("unknown ResourceVersionMatch value: {value}")]
    UnknownMatch {
        /// What the client sent.
        value: String,
    },
    /// A continue token that no server made. The client's to fix.
    #[error("invalid continue token: {0}")]
    ContinueToken(#[from] ContinueTokenError),
    /// A continue token together with a resourceVersion. The client's to fix.
    #[error("specifying resource version is not allowed when using continue")]
    ContinueWithResourceVersion,
    /// What is stored under a key cannot be read. The operator's to repair.
    #[error("{key}: corrupt object: {reason}")]
    Corrupt {
        /// The key.
        key: Key,
        /// The commit that stored it, where that is known: a deletion that expects it gets rid of it.
        revision: Option<Revision>,
        /// What is wrong with it.
        reason: String,
    },
    /// The store does not accept requests yet, or no longer.
    #[error("storage not ready: {reason}")]
    NotReady {
        /// Why.
        reason: String,
    },
    /// A cache that has to be filled first, or anew. The client may come again later.
    #[error("storage is (re)initializing: {reason}")]
    Initializing {
        /// What it waits for.
        reason: String,
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
    /// The store takes no writes at present: its disk is full or fails. It did not happen; reads go on, and
    /// writes are taken again when the store has recovered. The operator's to make room.
    #[error("writes are refused until the store has recovered: {reason}")]
    WritesRefused {
        /// What happened to the last one.
        reason: String,
    },
    /// The engine does not answer. The operation may or may not have happened.
    #[error("server unreachable: {reason}")]
    Unreachable {
        /// What the engine said.
        reason: String,
    },
    /// The engine did not answer in time. The operation may or may not have happened.
    #[error("request timeout: {reason}")]
    Timeout {
        /// What was waited for.
        reason: String,
    },
    /// A failure inside the store. Writes: the outcome is unknown.
    #[error("internal error: {reason}")]
    Internal {
        /// What happened.
        reason: String,
    },
}

/// Which request met a compacted revision: each has its own message and its own way on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompactedDuring {
    /// A list of an exact revision.
    List,
    /// A page of a list; the token continues at the latest revision, if one could be made.
    Continue {
        /// The replacement token.
        replacement: Option<String>,
    },
    /// A watch.
    Watch,
    /// A compaction to a revision that is compacted already.
    Compact,
}

impl Error {
    /// Whether a commit that failed like this may have taken place all the same.
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Internal { .. })
    }

    /// The text of the reference for an [`Error::InvalidObject`], as clients see it inside a Conflict.
    pub(crate) fn invalid_object(key: &Key, reason: String) -> Self {
        Self::InvalidObject { key: key.clone(), reason }
    }
}
