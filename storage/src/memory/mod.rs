//! The memory backend: the smallest and most obviously right one, and the reference for the others.
//!
//! One lock guards the state of the whole store (`state`); it is held for O(log n) or for a bounded
//! batch, never across an await. Lists read pictures outside of it (`scan`), watches are places in a
//! log (`watch`), and one task expires and trims (`maintenance`).
//!
//! Leaves to others: durability. What is not kept here is gone with the process.

mod list;
mod maintenance;
mod options;
mod picture;
mod scan;
mod state;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use self::list::PictureCursor;
pub use self::options::MemoryOptions;
use self::picture::{OpenPicture, OpenPictures};
use self::scan::Scan;
use self::state::{Aftermath, Picture, ResourceId, State};
use self::watch::{Initial, LogWatch};
use crate::defect::{self, Defect};
use crate::environment::Environment;
use crate::error::{CompactedDuring, Error, OBJECT_BYTES_MAX};
use crate::failpoint::{self, Point};
use crate::interface::{Backend, BoxFuture, Commit, Found, Freshness, Interface, Operation, Outcome, Stats};
use crate::key::{Key, ResourcePrefix};
use crate::list::{ListRequest, Listing, ReadAt};
use crate::revision::Revision;
use crate::schema::Schema;
use crate::watch::{WatchRequest, WatchStart, Watcher};

/// The largest revision that a store may begin with: numbers of JSON are exact up to here, and a continue
/// token holds more than this.
const FIRST_REVISION_MAX: u64 = 1 << 53;

/// A store in memory.
pub struct MemoryBackend {
    shared: Arc<Shared>,
}

/// What the backend, its resources and its watches share.
struct Shared {
    state: Mutex<State>,
    options: MemoryOptions,
    environment: Environment,
    pictures: Mutex<OpenPictures>,
    /// Names the watches. Relaxed: only uniqueness matters.
    watchers: AtomicU64,
}

/// One resource of a [`MemoryBackend`].
struct MemoryResource {
    shared: Arc<Shared>,
    id: ResourceId,
    prefix: ResourcePrefix,
    schema: Arc<Schema>,
}

impl MemoryBackend {
    /// An empty store, and the task that expires and trims until the store is dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(options: MemoryOptions, environment: Environment) -> Self {
        let micros = u64::try_from(environment.unix_time().as_micros()).unwrap_or(u64::MAX);
        let first = options.first_revision.map_or(micros, Revision::get);
        let first = Revision::new(first.clamp(1, FIRST_REVISION_MAX));
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(first)),
            options,
            environment,
            pictures: Mutex::default(),
            watchers: AtomicU64::new(0),
        });
        let environment = shared.environment.clone();
        shared.environment.spawn(maintenance::run(Arc::downgrade(&shared), environment));
        Self { shared }
    }
}

impl Backend for MemoryBackend {
    fn resource(
        &self,
        prefix: ResourcePrefix,
        schema: Arc<Schema>,
    ) -> BoxFuture<'_, Result<Arc<dyn Interface>, Error>> {
        Box::pin(async move {
            let id = self.shared.state.lock().open(&prefix, &schema)?;
            let resource = MemoryResource { shared: Arc::clone(&self.shared), id, prefix, schema };
            Ok(Arc::new(resource) as Arc<dyn Interface>)
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}

impl MemoryResource {
    fn commit_now(&self, commit: Commit) -> Result<Outcome, Error> {
        if let Operation::Put { value, .. } = &commit.operation
            && value.bytes().len() > OBJECT_BYTES_MAX
        {
            return Err(Error::ObjectTooLarge { key: commit.key, bytes: value.bytes().len() });
        }
        failpoint::reached(Point::MemoryCommit);
        let now = self.shared.environment.uptime();
        let (outcome, aftermath) = {
            let mut state = self.shared.state.lock();
            let (outcome, mut aftermath) = state.commit(self.id, commit, now);
            // A commit gives up more than it adds; what is left over is the maintenance's.
            let bytes_max = self.shared.options.history_bytes_max;
            state.trim_to_bytes(bytes_max, maintenance::BATCH_MAX, &mut aftermath);
            (outcome, aftermath)
        };
        failpoint::reached(Point::MemoryPublished);
        aftermath.settle();
        failpoint::reached(Point::MemoryAcknowledge);
        Ok(outcome)
    }

    /// The picture that a read of this freshness may use, and its revision.
    fn picture(&self, at: ReadAt) -> Result<(Picture, Revision), Error> {
        let state = self.shared.state.lock();
        let revision = match at {
            ReadAt::Latest => state.revision,
            ReadAt::AtLeast(revision) => {
                state.check_reached(revision)?;
                state.revision
            }
            ReadAt::Exact(revision) => {
                state.check_reached(revision)?;
                if revision < state.compacted && !defect::on(Defect::MemoryReadsBelowCompacted) {
                    let (oldest, during) = (state.compacted, CompactedDuring::List);
                    return Err(Error::Compacted { requested: revision, oldest, during });
                }
                revision
            }
        };
        Ok((state.keyspace(self.id).objects.clone(), revision))
    }

    async fn open_list(&self, request: ListRequest) -> Result<Listing, Error> {
        let ListRequest { scope, at, start, limit, predicate } = request;
        let (picture, revision) = self.picture(at)?;
        let mut read_at = revision;
        if defect::on(Defect::MemoryPageReadsLatest) {
            read_at = Revision::new(u64::MAX);
        }
        let scan = Scan::new(picture, scope, read_at, start.as_deref());
        let continuation = match limit {
            Some(limit) => list::continuation(scan.clone(), &predicate, limit).await,
            None => None,
        };
        let picture = OpenPicture::new(&self.shared, scan, revision);
        let cursor = PictureCursor::new(picture, predicate, limit);
        Ok(Listing { revision, continuation, cursor: Box::new(cursor) })
    }

    fn open_watch(&self, request: WatchRequest) -> Result<Watcher, Error> {
        let WatchRequest { scope, start, predicate, progress } = request;
        let (mut position, initial) = match start {
            WatchStart::After(revision) => (self.check_kept(revision)?, None),
            WatchStart::Now => (self.shared.state.lock().revision, None),
            WatchStart::Initial { freshness, bookmark } => {
                let (picture, revision) = self.picture(freshness.into())?;
                let scan = Scan::new(picture, scope.clone(), revision, None);
                let picture = Some(OpenPicture::new(&self.shared, scan, revision));
                (revision, Some(Initial { picture, batch: [].into(), bookmark }))
            }
        };
        if defect::on(Defect::MemoryWatchRepeatsItsStart) {
            position = position.previous();
        }
        failpoint::reached(Point::MemoryPicture);
        let progress_requests = self.shared.state.lock().keyspace(self.id).progress_requests;
        Ok(Watcher::new(LogWatch {
            shared: Arc::clone(&self.shared),
            id: self.id,
            watcher: self.shared.watchers.fetch_add(1, Ordering::Relaxed),
            scope,
            predicate,
            initial,
            taken: [].into(),
            position,
            progress_answered: progress.then_some(progress_requests),
        }))
    }

    fn check_kept(&self, revision: Revision) -> Result<Revision, Error> {
        let compacted = self.shared.state.lock().compacted;
        if revision < compacted {
            let during = CompactedDuring::Watch;
            return Err(Error::Compacted { requested: revision, oldest: compacted, during });
        }
        Ok(revision)
    }
}

impl Interface for MemoryResource {
    fn prefix(&self) -> &ResourcePrefix {
        &self.prefix
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>> {
        Box::pin(async move { self.commit_now(commit) })
    }

    fn get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        let key = key.clone();
        Box::pin(async move {
            let state = self.shared.state.lock();
            if let Freshness::AtLeast(revision) = freshness {
                state.check_reached(revision)?;
            }
            // Under the lock, and not in a picture: that would make the next commit copy what it shares.
            let record = state.keyspace(self.id).record(&key).cloned();
            Ok(Found { record, revision: state.revision })
        })
    }

    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        Box::pin(self.open_list(request))
    }

    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        Box::pin(async move { self.open_watch(request) })
    }

    fn current_revision(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        Box::pin(async move { Ok(self.shared.state.lock().revision) })
    }

    fn request_progress(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            watch::request_progress(&self.shared, self.id);
            Ok(())
        })
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.shared.state.lock().compact(revision)?;
            failpoint::reached(Point::MemoryCompacted);
            maintenance::trim(&self.shared).await;
            Ok(())
        })
    }

    fn compacted_revision(&self) -> Revision {
        self.shared.state.lock().compacted
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>> {
        Box::pin(async move { Ok(self.shared.state.lock().stats(self.id)) })
    }

    fn readiness(&self) -> Result<(), Error> {
        Ok(())
    }
}
