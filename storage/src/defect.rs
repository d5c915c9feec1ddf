//! Defects that tests switch on, to see that the proof of the contract finds them.
//!
//! Each is a mistake of the kind that is made, seeded where it would be made, in one line that
//! `failpoint::Scenario::seed` switches on. Without the feature `failpoints` `on` is a constant, and
//! nothing of them is compiled. What finds which is in `docs/testing.md`, and a test each in the crate
//! `watchkeep-proof`.

/// A mistake, with the promise that it breaks: a clause of the contract, or an invariant of ARCHITECTURE.md.
#[cfg_attr(
    not(feature = "failpoints"),
    allow(dead_code, unreachable_pub, reason = "without the feature nobody sees it")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defect {
    // The loops and the types that all backends share.
    /// An update believes the refusal of a suggested record. \[UPDATE-SUGGESTION\]
    UpdateTrustsSuggestedRefusal,
    /// An update that changes nothing in a suggested record does not look at what is stored. \[UPDATE-NOOP\]
    UpdateTrustsSuggestedNoop,
    /// An update is written over whatever is stored by then. \[UPDATE-CURRENT\]
    UpdateOverwritesWinner,
    /// A deletion believes the refusal of a suggested record. \[DELETE-SUGGESTION\]
    DeleteTrustsSuggestedRefusal,
    /// A deletion takes whatever is stored by then, validated or not. \[DELETE-CURRENT\]
    DeleteTakesWinner,
    /// The token of a page does not say at which revision to go on. \[LIST-CONTINUATION\]
    TokenWithoutRevision,
    /// A selector is held against the new state only: what leaves the view just stays away.
    /// \[WATCH-FILTERED\]
    SelectorIgnoresLeaving,
    /// An object that comes into view by a change is MODIFIED and not ADDED. \[WATCH-FILTERED\]
    SelectorAddsAsModified,
    /// A deletion is shown with the revision of the last state. \[WATCH-DELETED-REVISION\]
    DeletionShowsOldRevision,

    // Memory.
    /// A conflict is not noticed where the bytes to write are those that are stored. \[COMMIT-CONFLICT\]
    MemoryEqualBytesNeverConflict,
    /// A compaction drops one revision too many. \[COMPACT-WATCHES\]
    MemoryCompactsOneTooMany,
    /// History that outgrows its bound goes without a mark of what is compacted. \[COMPACT-READS\]
    MemoryTrimsUnmarked,
    /// Exact reads below the compacted revision are answered, from what happens to be there.
    /// \[COMPACT-READS\]
    MemoryReadsBelowCompacted,
    /// A watch that history was given up under goes on after the gap. \[WATCH-RELIABLE\]
    MemoryWatchSkipsLostHistory,
    /// A watch begins with its own revision. \[WATCH-RESUMABLE\]
    MemoryWatchRepeatsItsStart,
    /// A watch takes its place in the log when its initial events end, and not with their picture.
    /// \[WATCH-RELIABLE\]
    MemoryWatchRegistersLate,
    /// Progress is the newest revision of the store, also while events are taken and not delivered.
    /// \[WATCH-BOOKMARKABLE\]
    MemoryProgressIsTheHead,
    /// A watch that another task goes on to read wakes the first one. \[WATCH-RELIABLE\]
    MemoryWakesFirstReader,
    /// The next page begins with the last record of the one before. \[LIST-CONTINUATION\]
    MemoryPageRepeatsLast,
    /// The next page begins one record late. \[LIST-CONTINUATION\]
    MemoryPageSkipsOne,
    /// One too few records are said to follow a page. \[LIST-CONTINUATION\]
    MemoryRemainingOneTooFew,
    /// A page is read at the latest revision and not at the one of its list. \[LIST-ATOMIC\]
    MemoryPageReadsLatest,
    /// A deadline outlives a write without a time-to-live. \[TTL-DROPPED\]
    MemoryRewriteKeepsDeadline,
    /// What expires goes without a commit: no revision, no event. \[TTL-EVENT\]
    MemoryExpiresSilently,

    // RocksDB.
    /// Events are published before their commit is in the engine. \[COMMIT-VISIBLE\]
    RocksPublishesBeforeWrite,
    /// Commits are acknowledged before they are published. \[COMMIT-VISIBLE\]
    RocksAcknowledgesBeforePublish,
    /// Commits are acknowledged without a sync of the log. \[I4\]
    RocksSkipsSync,
    /// A used block of revisions is followed by one that is not made durable. \[REVISION-MONOTONIC\]
    RocksBlockNotReserved,
    /// What the writer remembers of a key survives its deletion. \[COMMIT-CONFLICT\]
    RocksRemembersDeleted,
    /// Recovery after a failed write does not publish the group that was found in the log after all.
    /// \[WATCH-RELIABLE\]
    RocksReopensWithoutNewest,
    /// A replay of history goes on one revision late after a full read. \[WATCH-RELIABLE\]
    RocksReplaySkipsAtBoundary,
    /// A write without a time-to-live inherits the deadline that was there. \[TTL-DROPPED\]
    RocksRewriteKeepsDeadline,
    /// Deadlines are gone after a restart. \[TTL-LOWER-BOUND\]
    RocksForgetsDeadlines,
    /// Open lists do not keep the history that they read. \[LIST-ATOMIC\]
    RocksIgnoresPins,
    /// A compaction gives up one revision too many. \[COMPACT-READS\]
    RocksCompactsOneTooMany,
    /// A list reads its pages as they are and undoes nothing. \[LIST-ATOMIC\]
    RocksPageReadsLatest,
    /// Progress is the newest revision of the store, also while events are not yet taken.
    /// \[WATCH-BOOKMARKABLE\]
    RocksProgressIsTheHead,

    // etcd3.
    /// A transaction that expects a revision compares nothing. \[COMMIT-CONFLICT\]
    EtcdUpdatesUnconditionally,
    /// The pages of a list are each of the latest revision. \[LIST-ATOMIC\]
    EtcdPagesNotPinned,
    /// Progress that is asked for is answered with the newest revision at once. \[WATCH-BOOKMARKABLE\]
    EtcdProgressIsTheHead,
    /// A watch that was cut goes on one revision late. \[WATCH-RELIABLE\]
    EtcdResumesLate,
    /// Of a response in fragments only the first is delivered. \[WATCH-RELIABLE\]
    EtcdTakesFirstFragment,
    /// A lease is granted for whole seconds, rounded down. \[TTL-LOWER-BOUND\]
    EtcdLeaseRoundedDown,

    // The watch cache.
    /// A topic that is made does not note what was published before it. \[WATCH-RELIABLE\]
    CacheTopicForgetsBegun,
    /// A topic that is full gives its oldest event up without a mark. \[WATCH-RELIABLE\]
    CacheTopicDropsUnmarked,
    /// An event goes to the topic of the new value of a field alone. \[WATCH-FILTERED\]
    CacheTopicIgnoresLeaving,
    /// A watch that another task goes on to read wakes the first one. \[WATCH-RELIABLE\]
    CacheWakesFirstReader,
    /// A watch reads what is published after it has looked for events. \[WATCH-RELIABLE\]
    CacheProgressAfterLook,
    /// An event is published before the topics have it. \[WATCH-RELIABLE\]
    CachePublishesBeforeTopics,
    /// Progress is the newest revision of the cache, also while events are taken and not delivered.
    /// \[WATCH-BOOKMARKABLE\]
    CacheProgressIsTheHead,
    /// A watch that is behind reads the window without a look at what it has given up. \[WATCH-RELIABLE\]
    CacheWindowHidesGap,
    /// A watch goes on from history where the window begins, whether it has come so far or not.
    /// \[WATCH-RELIABLE\]
    CacheLeavesHistoryEarly,
    /// The watch of the store is opened again at the newest revision of the store. \[WATCH-RELIABLE\]
    CacheReopensAtHead,
    /// A cache that is filled anew keeps its window. \[WATCH-RELIABLE\]
    CacheRefillKeepsWindow,
    /// A cache that is filled anew keeps what the list does not hold. \[COMMIT-VISIBLE\]
    CacheRefillKeepsDeleted,
    /// A list of the latest state does not wait until the cache has it. \[COMMIT-VISIBLE\]
    CacheLatestDoesNotWait,
    /// A list of the past is the nearest picture, without the events after it. \[LIST-ATOMIC\]
    CachePastWithoutReplay,
    /// After a compaction the newest picture is kept as that of the compacted revision. \[LIST-ATOMIC\]
    CacheKeepsWrongPicture,
    /// An index keeps an object under the value that it had. \[LIST-ATOMIC\]
    CacheIndexKeepsOldValue,
    /// A page continues only if what an index finds does. \[LIST-CONTINUATION\]
    CacheContinuesByMatches,
}

/// Whether a defect is switched on.
#[cfg(not(feature = "failpoints"))]
#[doc(hidden)]
#[inline]
pub const fn on(_: Defect) -> bool {
    false
}

/// Whether a defect is switched on.
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub fn on(defect: Defect) -> bool {
    crate::failpoint::is_seeded(defect)
}
