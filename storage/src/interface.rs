//! The trait, and nothing else. Its types are in the files of their names.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{CompactedDuring, Error};
use crate::key::{Key, ResourcePrefix};
use crate::list::{ListRequest, Listing};
use crate::record::{Record, Value};
use crate::revision::Revision;
use crate::schema::Schema;
use crate::watch::{WatchRequest, Watcher};

/// The future of a trait method. Boxed, so that a server can swap backends at run time; what the box
/// costs is measured by the bench `boxed_futures`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The storage of one resource. Clause ids in brackets name the tests of [`crate::conformance`] that
/// hold them; the essay of this crate lists them all.
///
/// # Caller guarantees
/// Keys and scopes were made by this interface's [`Interface::prefix`]. Values were made with its
/// [`Interface::schema`].
///
/// # Implementations must
/// order all commits of a store in one sequence of revisions, also over several resources; and make
/// each commit visible to readers and watchers before it is acknowledged \[COMMIT-VISIBLE\].
///
/// # Cancel safety
/// Dropping the future of a read, at any await, has no effect \[CANCEL-READ\]. Dropping the future of
/// [`Interface::commit`] leaves the outcome unknown, the commit done or not done, and the store
/// consistent \[CANCEL-COMMIT\].
pub trait Interface: Send + Sync {
    /// The part of the keyspace that this interface serves.
    fn prefix(&self) -> &ResourcePrefix;

    /// What is extracted from the objects of this resource.
    fn schema(&self) -> &Schema;

    /// Writes one key if it is in the expected state. The one way in which anything changes.
    ///
    /// A commit whose expectation holds gets the next revision \[COMMIT-ORDERED\], replaces the object
    /// and the time-to-live of the key, and is an event of every watch that covers the key. A commit
    /// whose expectation does not hold changes nothing and answers with the current record
    /// \[COMMIT-CONFLICT\]. Deleting a key expected to be absent changes nothing and conflicts with
    /// nothing: it is a conflict without a current record.
    ///
    /// Put with a time-to-live: the key is deleted, by a commit of its own, not before the time has
    /// passed and soon after \[TTL-LOWER-BOUND\]. Put without one: the key stays \[TTL-DROPPED\].
    ///
    /// # Errors
    /// [`Error::ObjectTooLarge`] for more than [`crate::OBJECT_BYTES_MAX`] bytes \[COMMIT-SIZE\]; [`Error::NotReady`]
    /// while the store accepts no writes. [`Error::Unreachable`], [`Error::Timeout`] and
    /// [`Error::Internal`] leave the outcome unknown.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>>;

    /// Reads one key.
    ///
    /// The record is at least as new as `freshness` demands \[GET-FRESH\], with the revision of the
    /// commit that made it. A missing key is no error here.
    ///
    /// # Errors
    /// [`Error::FutureRevision`] when the store does not reach the demanded revision in time;
    /// [`Error::Corrupt`] when what is stored cannot be read.
    fn get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>>;

    /// Opens a list: a picture of the scope at one revision, read through a lazy cursor.
    ///
    /// The records are those of one revision \[LIST-ATOMIC\], in the order of their keys
    /// \[LIST-ORDERED\], and match the predicate. With a limit, the cursor ends after that many records,
    /// and there is a continuation if and only if the scope holds records after the last one, whether
    /// they match or not \[LIST-CONTINUATION\].
    ///
    /// # Errors
    /// [`Error::Compacted`] for an exact revision below [`Interface::compacted_revision`]
    /// \[COMPACT-READS\]; [`Error::FutureRevision`] for one that the store has not reached.
    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>>;

    /// Watches a scope.
    ///
    /// Events arrive in the order of their revisions \[WATCH-ORDERED\], each once \[WATCH-UNIQUE\], none
    /// is left out \[WATCH-RELIABLE\], from exactly after the revision where the watch begins
    /// \[WATCH-RESUMABLE\], as the predicate shows them \[WATCH-FILTERED\]. A slow reader slows nobody
    /// down. A watch that begins in the future waits.
    ///
    /// # Errors
    /// [`Error::Compacted`] when the events from the beginning on are no longer kept \[COMPACT-WATCHES\];
    /// [`Error::FutureRevision`] when the initial state is to be newer than the store. The stream itself
    /// ends after its first error.
    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>>;

    /// The newest revision of the store, over all its resources: linearizable.
    ///
    /// # Errors
    /// [`Error::Unreachable`] and [`Error::Timeout`] from engines elsewhere.
    fn current_revision(&self) -> BoxFuture<'_, Result<Revision, Error>>;

    /// Asks for a bookmark in every watch of this resource that was opened with
    /// [`WatchRequest::progress`], at or above the current revision \[WATCH-PROGRESS\].
    ///
    /// # Errors
    /// As [`Interface::current_revision`].
    fn request_progress(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Gives up the history below a revision: afterwards exact reads of it, and watches from it, fail
    /// with [`Error::Compacted`]. Affects the whole store, all resources.
    ///
    /// # Errors
    /// [`Error::Compacted`] when a later one is compacted already (the same one again is fine),
    /// [`Error::FutureRevision`] when the store has not reached it.
    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), Error>>;

    /// The oldest revision that can be read; zero if all history is there.
    fn compacted_revision(&self) -> Revision;

    /// Whether a watch can begin right after a revision, as far as the store knows without asking anybody: an
    /// error here means that [`Interface::watch`] would refuse it. Who keeps history of its own, as a cache does,
    /// asks this before it serves a watch from it \[COMPACT-WATCHES\]. Costs a look at counters.
    ///
    /// Besides what is compacted, these are revisions that a crash has taken back, where a store knows of any: who
    /// has seen one has seen what is no longer so.
    ///
    /// # Errors
    /// [`Error::Compacted`].
    fn check_resumable(&self, requested: Revision) -> Result<(), Error> {
        let oldest = self.compacted_revision();
        if requested < oldest {
            return Err(Error::Compacted { requested, oldest, during: CompactedDuring::Watch });
        }
        Ok(())
    }

    /// Counts of this resource \[STATS\]. Costs no more than a look at counters.
    ///
    /// # Errors
    /// As [`Interface::current_revision`].
    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>>;

    /// Whether requests can be served.
    ///
    /// # Errors
    /// [`Error::NotReady`] with the reason.
    fn readiness(&self) -> Result<(), Error>;
}

/// A store, from which the interfaces of its resources are had.
pub trait Backend: Send + Sync {
    /// The interface of a resource. Opening one twice gives the same resource. May read all of it, where
    /// the schema has another version than what is stored was extracted with.
    ///
    /// # Errors
    /// [`crate::KeyError::Overlaps`] where its prefix and that of another one contain each other
    /// \[KEYS\]; [`Error::SchemaDiffers`] if it is open with another schema; those of the engine.
    fn resource(
        &self,
        prefix: ResourcePrefix,
        schema: Arc<Schema>,
    ) -> BoxFuture<'_, Result<Arc<dyn Interface>, Error>>;

    /// Ends the store in an orderly way: what was acknowledged is kept, what it holds is given back. Requests
    /// after it may fail with [`Error::NotReady`]. Dropping a store without it loses nothing that a kill
    /// would not.
    ///
    /// # Errors
    /// Those of the engine.
    fn close(&self) -> BoxFuture<'_, Result<(), Error>>;
}

/// One write.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The key to write.
    pub key: Key,
    /// The state in which it has to be.
    pub expect: Expect,
    /// What to do with it.
    pub operation: Operation,
}

/// The state in which a key has to be for a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no object.
    Absent,
    /// There is an object of this revision.
    Revision(Revision),
}

/// What a commit does.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Stores a value.
    Put {
        /// The value.
        value: Value,
        /// When to delete it again, counted from the commit; `None` keeps it. Engines may round it up to
        /// seconds.
        ttl: Option<Duration>,
    },
    /// Deletes the object.
    Delete,
}

/// How a commit ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The expectation held.
    Committed(Committed),
    /// It did not; nothing has changed.
    Conflict {
        /// What is stored instead.
        current: Option<Arc<Record>>,
    },
}

/// A commit that took place.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its revision.
    pub revision: Revision,
    /// The stored record; `None` for a deletion.
    pub record: Option<Arc<Record>>,
    /// What was there before.
    pub previous: Option<Arc<Record>>,
}

/// How fresh a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It sees every commit that was acknowledged before the read began.
    Latest,
    /// It sees this revision and all before it; zero is any state.
    AtLeast(Revision),
}

/// What a get found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record, if there is one.
    pub record: Option<Arc<Record>>,
    /// The revision of the store at which this was so.
    pub revision: Revision,
}

/// Counts of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The number of objects.
    pub objects: u64,
    /// The sum of the sizes of their values, in bytes.
    pub value_bytes: u64,
    /// Events kept for watches from the past.
    pub history_events: u64,
    /// The bytes of values that only history keeps.
    pub history_bytes: u64,
    /// How many events were given up before their time, because history outgrew its bound in bytes. Counted
    /// over the whole store.
    pub early_compactions: u64,
}

impl Stats {
    /// The mean size of a value in bytes, rounded down; zero without objects.
    pub fn mean_value_bytes(&self) -> u64 {
        self.value_bytes.checked_div(self.objects).unwrap_or(0)
    }
}
