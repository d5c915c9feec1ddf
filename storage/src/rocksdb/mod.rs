//! The RocksDB backend: durable on one disk, with nothing else to run.
//!
//! A commit is acknowledged when it is on the disk. One thread writes (`commit`): it takes what waits,
//! decides it against the latest state, writes one batch, syncs the log once, publishes, and then
//! acknowledges; so a sync is paid for by everybody who waited for it. Readers never wait for it.
//!
//! ```text
//!        commit ──▶ queue ──▶ the writer ──▶ batch + sync ──▶ State ──▶ acknowledgement
//!                                                │               │
//!   get, list: a revision, and views of          ▼               ▼
//!   the column families, page by page ◀── latest · versions   the newest events
//!   watch: a place, and ◀──────────────── history               in memory ──▶ watches that keep up
//! ```
//!
//! What lies where:
//!
//! - **latest** is the state, in the order of keys: a list is one scan of it, whatever happened before.
//! - **history** is what each commit changed, in the order of (resource, revision), without the values: a
//!   watch reads what it returns, and what is given up goes as a range.
//! - **versions** are the values by the commit that wrote them. Large ones stand only here, small ones in
//!   `latest` too (`codec`): writing a large value twice would halve the rate, and reading a small one from
//!   elsewhere would cost more than its bytes.
//! - **deadlines** are what is to expire, in the order of time.
//!
//! A read at a revision undoes: it is the latest state, where every key that changed since is what the
//! first change after the revision replaced (`history`, `scan`). So lists of the latest state and of old
//! revisions are one code, an open list holds a revision instead of a snapshot of the engine, and while it
//! is open a pin (`state`) keeps the history that it has to undo.
//!
//! What is published lives in `state` under one lock, and can all be had from the disk again. The byte
//! layout is drawn in `keyspace` (keys) and `codec` (values). It is format version 1, which every later
//! build opens: stores that were written by earlier ones lie in `tests/golden`.
//!
//! # What durable means here
//! An acknowledged write survives the death of the process and of the machine, as far as the disk keeps
//! what it has confirmed with fdatasync. Its revision is never issued again: revisions are reserved in
//! blocks, and after anything but a clean close they go on after the block (`open`). After a failed write
//! its outcome is unknown, and no further write is accepted until the store is opened again; reads go on.

mod check;
mod checkpoint;
mod codec;
mod commit;
mod compact;
mod engine;
mod history;
mod keyspace;
mod list;
mod lock;
mod log_check;
mod open;
mod options;
mod recent;
mod remaining;
mod reopen;
mod scan;
mod state;
mod telemetry;
mod ttl;
mod view;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle as Thread;

use ::rocksdb::DB;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch as watermark};
use tokio::task::{JoinError, JoinHandle};

pub use self::check::{CheckReport, PROBLEMS_MAX, Problem, check};
pub use self::checkpoint::{Checkpoint, CheckpointError, Checkpoints};
use self::codec::Reader;
use self::commit::{QUEUE_COMMITS_MAX, Request, Writer};
use self::engine::{Engine, closed};
use self::history::Newest;
use self::list::{Page, Pin, ScanCursor};
pub use self::log_check::LogDamage;
pub use self::open::OpenError;
use self::open::Opened;
pub use self::options::{Compression, RocksOptions};
use self::remaining::{Place, Remaining};
use self::scan::Scan;
use self::state::State;
pub use self::telemetry::HISTOGRAM_BUCKETS;
use self::telemetry::Telemetry;
use self::view::{Miss, Stored, Tier, View};
use self::watch::{HistoryWatch, Initial};
use crate::environment::Environment;
use crate::error::{CompactedDuring, Error, OBJECT_BYTES_MAX};
use crate::interface::{Backend, BoxFuture, Commit, Found, Freshness, Interface, Operation, Outcome, Stats};
use crate::key::{Key, ResourcePrefix};
use crate::list::{ListRequest, Listing};
use crate::revision::Revision;
use crate::schema::Schema;
use crate::watch::{WatchRequest, WatchStart, Watcher};

/// A store in a directory. It is open until it is closed, or until nobody has it, a resource, a list or a
/// watch of it any more: whoever drops the last of them waits for its end, a flush of what is in memory, so
/// call [`Backend::close`] where nothing may block. Closing does what was asked for before and refuses what comes later. When [`Backend::close`] has returned, and the last read under way has ended, the directory is free.
pub struct RocksBackend {
    shared: Arc<Shared>,
    user: Arc<User>,
}

/// What the backend, its resources and its watches share.
struct Shared {
    engine: Engine,
    /// What follows the pages that were read lately.
    remaining: Remaining,
    state: Mutex<State>,
    /// The published revision, for who waits for it.
    published: watermark::Sender<Revision>,
    /// The queue of the writer; `None` when the store is closed.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    /// Tells the writer to finish.
    closing: AtomicBool,
    /// The writer, until somebody has waited for its end.
    writer: Mutex<Option<Thread<Result<(), Error>>>>,
    options: RocksOptions,
    environment: Environment,
    telemetry: Telemetry,
    /// Names the watches. Relaxed: only uniqueness matters.
    watchers: AtomicU64,
}

/// Who keeps the store open: its writer and its tasks do not. The last one closes it, and waits: a process
/// must not end under the engine.
struct User {
    shared: Arc<Shared>,
}

impl Drop for User {
    fn drop(&mut self) {
        self.shared.start_closing();
        if let Some(Err(error)) = self.shared.join_writer() {
            tracing::warn!(%error, "a store that nobody has any more was not closed cleanly");
        }
    }
}

/// One resource of a [`RocksBackend`].
struct RocksResource {
    shared: Arc<Shared>,
    user: Arc<User>,
    reader: Arc<Reader>,
}

impl RocksBackend {
    /// Opens the store of a directory, or makes it; and starts its thread, and the task that expires.
    ///
    /// Blocks while the engine replays its log: for as long as writing that took.
    ///
    /// # Errors
    /// [`OpenError`], each with what to do. Nothing was changed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(options: RocksOptions, environment: Environment) -> Result<Self, OpenError> {
        let Opened { db, state, reserved, marks, lock } = open::open(&options, &environment)?;
        let telemetry = Telemetry::new();
        telemetry.opened();
        let (requests, queue) = mpsc::channel(QUEUE_COMMITS_MAX);
        let issued = state.revision;
        let shared = Arc::new(Shared {
            engine: Engine::new(db),
            remaining: Remaining::default(),
            published: watermark::Sender::new(issued),
            state: Mutex::new(state),
            requests: Mutex::new(Some(requests)),
            closing: AtomicBool::new(false),
            writer: Mutex::new(None),
            options,
            environment,
            telemetry,
            watchers: AtomicU64::new(0),
        });
        let writer = Writer::new(Arc::clone(&shared), issued, reserved, marks, lock);
        let thread = std::thread::Builder::new().name("watchkeep-commit".to_owned());
        let thread = thread.spawn(move || commit::run(writer, queue));
        let thread = thread
            .map_err(|error| OpenError::Directory { directory: shared.options.directory.clone(), error })?;
        let environment = shared.environment.clone();
        shared.environment.spawn(ttl::run(Arc::downgrade(&shared), environment));
        let user = Arc::new(User { shared: Arc::clone(&shared) });
        *shared.writer.lock() = Some(thread);
        Ok(Self { shared, user })
    }
}

impl Backend for RocksBackend {
    fn resource(
        &self,
        prefix: ResourcePrefix,
        schema: Arc<Schema>,
    ) -> BoxFuture<'_, Result<Arc<dyn Interface>, Error>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let queue = self.shared.queue()?;
            queue.send(Request::Open { prefix, schema, reply }).await.map_err(|_| closed())?;
            let reader = answer.await.map_err(|_| closed())??;
            let (shared, user) = (Arc::clone(&self.shared), Arc::clone(&self.user));
            Ok(Arc::new(RocksResource { shared, user, reader }) as Arc<dyn Interface>)
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.shared.start_closing();
            let shared = Arc::clone(&self.shared);
            joined(tokio::task::spawn_blocking(move || shared.join_writer().unwrap_or(Ok(()))).await)
        })
    }
}

impl Shared {
    /// Has the writer finish: it does what was asked for before, and closes the store.
    fn start_closing(&self) {
        self.closing.store(true, Ordering::Release);
        if let Some(requests) = self.requests.lock().take() {
            // Wakes the writer. A queue without room needs no waking.
            let _ = requests.try_send(Request::Tick);
        }
    }

    /// Waits until the writer has ended, and says how; `None` for who comes second.
    fn join_writer(&self) -> Option<Result<(), Error>> {
        // Waited for outside of the lock.
        let writer = self.writer.lock().take()?;
        let panicked = |_| Err(Error::Internal { reason: "the thread that commits has panicked".to_owned() });
        Some(writer.join().unwrap_or_else(panicked))
    }

    fn queue(&self) -> Result<mpsc::Sender<Request>, Error> {
        self.requests.lock().clone().ok_or_else(closed)
    }

    /// Waits until a revision that the engine shows is published, or may never be.
    async fn wait_for(&self, revision: Revision) -> Result<(), Error> {
        let mut published = self.published.subscribe();
        while *published.borrow_and_update() < revision {
            if let Some(reason) = self.state.lock().refusing.clone() {
                // What the engine shows is of a write that has failed, and counts when it is open anew.
                return Err(Error::NotReady { reason: format!("a write has failed: {reason}") });
            }
            if self.engine.is_closed() {
                return Err(closed());
            }
            published.changed().await.map_err(|_| closed())?;
        }
        Ok(())
    }

    /// Has a commit written. \[CANCEL-COMMIT\]
    async fn commit(&self, reader: Arc<Reader>, commit: Commit) -> Result<Outcome, Error> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue()?;
        queue.send(Request::Commit { reader, commit, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| Error::Internal { reason: "the thread that commits is gone".to_owned() })?
    }
}

/// What a look at a key has found.
enum Looked {
    Stored(Stored),
    /// Nothing, in a view that shows commits up to this one.
    Absent {
        at: Revision,
    },
}

fn look(db: &DB, reader: &Reader, suffix: &str, tier: Tier) -> Result<Looked, Miss> {
    // What one look finds is whole without a snapshot, which would cost a lock of the engine.
    if let Some(stored) = View::of_now(db, reader, tier).latest_inline(suffix)? {
        return Ok(Looked::Stored(stored));
    }
    let view = View::open_in(db, reader, tier);
    match view.latest(suffix)? {
        Some(stored) => Ok(Looked::Stored(stored)),
        None => Ok(Looked::Absent { at: view.revision()? }),
    }
}

/// Starts a read on a thread that may block.
fn start_blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    read: impl FnOnce(&DB) -> Result<T, Error> + Send + 'static,
) -> JoinHandle<Result<T, Error>> {
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || read(&*shared.engine.get()?))
}

/// What a read on such a thread gave.
fn joined<T>(joined: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    joined.unwrap_or_else(|error| Err(Error::Internal { reason: format!("a read ended: {error}") }))
}

/// Reads on a thread that may block.
async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    read: impl FnOnce(&DB) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    joined(start_blocking(shared, read).await)
}

impl RocksResource {
    /// The latest state of a key: from memory at once, from the disk on a thread that may block.
    async fn latest(&self, key: &Key) -> Result<Looked, Error> {
        let suffix = self.reader.suffix(key.as_str());
        if let Some(db) = self.shared.engine.try_get()? {
            match look(&db, &self.reader, suffix, Tier::Memory) {
                Err(Miss::OnDisk) => {}
                found => return found.map_err(Miss::into_error),
            }
        }
        let (reader, suffix) = (Arc::clone(&self.reader), suffix.to_owned());
        let read = move |db: &DB| look(db, &reader, &suffix, Tier::Disk).map_err(Miss::into_error);
        blocking(&self.shared, read).await
    }

    async fn read(&self, key: Key, freshness: Freshness) -> Result<Found, Error> {
        let published = self.shared.state.lock().read_at(freshness.into())?;
        let (record, seen) = match self.latest(&key).await? {
            // Written before the read began, and not since: so it was at the published revision.
            Looked::Stored(stored) => (Some(Arc::clone(&stored.record)), stored.record.revision),
            // When it went does not stand there, but what the look has seen altogether does.
            Looked::Absent { at } => (None, at),
        };
        if seen > published {
            // It is durable, and about to be published: whoever sees it shall find it everywhere.
            self.shared.wait_for(seen).await?;
        }
        Ok(Found { record, revision: published.max(seen) })
    }

    fn scan(&self, scope: &crate::key::Scope, revision: Revision, start: Option<&str>) -> Scan {
        Scan::new(self.reader.id, self.reader.prefix.as_str(), scope, revision, start)
    }

    async fn open_list(&self, request: ListRequest) -> Result<Listing, Error> {
        let ListRequest { scope, at, start, limit, predicate } = request;
        let shared = &self.shared;
        let pin = Pin::new(shared, at)?;
        let revision = pin.revision();
        let scan = self.scan(&scope, revision, start.as_deref());
        let continuation = match limit {
            Some(limit) => {
                let place = Place { id: self.reader.id, revision, scope, start: start.unwrap_or_default() };
                let page = Page { place, limit, predicate: &predicate };
                pin.checked(list::continuation(shared, &self.reader, scan.clone(), page).await)?
            }
            None => None,
        };
        let cursor =
            ScanCursor::new(Arc::clone(&self.user), pin, Arc::clone(&self.reader), scan, predicate, limit);
        Ok(Listing { revision, continuation, cursor: Box::new(cursor) })
    }

    fn open_watch(&self, request: WatchRequest) -> Result<Watcher, Error> {
        let WatchRequest { scope, start, predicate, progress } = request;
        let shared = &self.shared;
        let (position, initial) = match start {
            WatchStart::After(revision) => {
                shared.state.lock().check_kept(revision, CompactedDuring::Watch)?;
                (revision, None)
            }
            WatchStart::Now => (shared.state.lock().revision, None),
            WatchStart::Initial { freshness, bookmark } => {
                let pin = Pin::new(shared, freshness.into())?;
                let revision = pin.revision();
                (revision, Some(Initial::new(self.scan(&scope, revision, None), bookmark, pin)))
            }
        };
        let progress_requests = shared.state.lock().keyspace(self.reader.id).progress_requests;
        Ok(Watcher::new(HistoryWatch {
            shared: Arc::clone(shared),
            _user: Arc::clone(&self.user),
            reader: Arc::clone(&self.reader),
            watcher: shared.watchers.fetch_add(1, Ordering::Relaxed),
            scope,
            predicate,
            initial,
            reading: None,
            newest: Newest::default(),
            taken: [].into(),
            position,
            progress_answered: progress.then_some(progress_requests),
        }))
    }
}

impl Interface for RocksResource {
    fn prefix(&self) -> &ResourcePrefix {
        &self.reader.prefix
    }

    fn schema(&self) -> &Schema {
        &self.reader.schema
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>> {
        Box::pin(async move {
            if let Operation::Put { value, .. } = &commit.operation
                && value.bytes().len() > OBJECT_BYTES_MAX
            {
                return Err(Error::ObjectTooLarge { key: commit.key, bytes: value.bytes().len() });
            }
            self.shared.commit(Arc::clone(&self.reader), commit).await
        })
    }

    fn get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        Box::pin(self.read(key.clone(), freshness))
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
            watch::request_progress(&self.shared, self.reader.id);
            Ok(())
        })
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let queue = self.shared.queue()?;
            queue.send(Request::Compact { revision, reply }).await.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        })
    }

    fn compacted_revision(&self) -> Revision {
        self.shared.state.lock().compacted
    }

    fn check_resumable(&self, requested: Revision) -> Result<(), Error> {
        self.shared.state.lock().check_kept(requested, CompactedDuring::Watch)
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>> {
        Box::pin(async move {
            let state = self.shared.state.lock();
            Ok(state.keyspace(self.reader.id).counters.stats(state.early_compactions))
        })
    }

    fn readiness(&self) -> Result<(), Error> {
        if self.shared.engine.is_closed() {
            return Err(closed());
        }
        match &self.shared.state.lock().refusing {
            Some(reason) => Err(Error::NotReady { reason: format!("writes are refused: {reason}") }),
            None => Ok(()),
        }
    }
}
