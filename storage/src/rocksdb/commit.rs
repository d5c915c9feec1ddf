//! Group commit: one thread that decides and writes all commits of the store.
//!
//! ```text
//!  futures ──▶ bounded queue ──▶ decide against the latest state ──▶ one batch, one sync of the log
//!                                       ▲ (and the group so far)            │
//!                                       │                                   ▼
//!                                       └────────── acknowledge ◀── publish: state, watermark, wake-ups
//! ```
//!
//! Who commits while a group is being synced is part of the next one, so the cost of a sync is shared by
//! as many as wait for it. Nothing is visible before it is durable, nothing is acknowledged before it is
//! visible. \[COMMIT-ORDERED\] \[COMMIT-VISIBLE\]
//!
//! After a failed write its outcome is unknown: its revisions are burnt, everybody in the group gets an
//! error, and no further write is accepted until the engine is open anew (`reopen`). Reads go on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use ::rocksdb::{ColumnFamily, DB, FlushOptions, WriteBatch, WriteOptions};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::codec::{self, Counters, Entry, Reader};
use super::compact::{Marks, Trim};
use super::engine::OpenDb;
use super::keyspace::{
    DEADLINES, FAMILIES, HISTORY, LATEST, META, META_CLOSED, META_COMPACTED, META_RESERVED, META_RESOURCE,
    META_REVISION, ResourceId, VERSIONS, family,
};
use super::lock::DirectoryLock;
use super::recent::Recent;
use super::reopen::Retry;
use super::view::{Miss, Stored, View, engine_error};
use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::event::Event;
use crate::failpoint::{self, Point};
use crate::interface::{Commit, Committed, Expect, Operation, Outcome};
use crate::key::{Key, ResourcePrefix};
use crate::record::Record;
use crate::revision::Revision;
use crate::schema::Schema;

/// How many commits wait for the thread; more wait in their own futures.
pub(super) const QUEUE_COMMITS_MAX: usize = 1024;
/// How many commits share one sync at most.
const GROUP_COMMITS_MAX: usize = 512;
/// How many bytes of values share one sync at most, and then one more; what is replaced counts too.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// How many events are given up between two groups.
const TRIM_EVENTS_MAX: usize = 2 * GROUP_COMMITS_MAX;
/// How many bytes of the values that were written last the thread keeps: what is written often is not read
/// from the engine before each write.
const RECENT_BYTES_MAX: usize = 4 << 20;
/// How many revisions are reserved at a time. Reserving is a few bytes in a batch that is written anyway;
/// after a crash the rest of the block is never issued. Tests of that should not have to fill so large a block.
pub(super) const BLOCK_REVISIONS: u64 = if cfg!(feature = "failpoints") { 1 << 11 } else { 1 << 20 };

/// What the thread is asked for.
pub(super) enum Request {
    /// A write.
    Commit { reader: Arc<Reader>, commit: Commit, reply: Reply },
    /// A resource, new or known.
    Open { prefix: ResourcePrefix, schema: Arc<Schema>, reply: oneshot::Sender<Result<Arc<Reader>, Error>> },
    /// A compaction.
    Compact { revision: Revision, reply: oneshot::Sender<Result<(), Error>> },
    /// A look at the clock: what has become too old, or is no longer pinned, goes.
    Tick,
}

type Reply = oneshot::Sender<Result<Outcome, Error>>;

/// A commit that is to be written.
type Waiting = (Arc<Reader>, Commit, Reply);

/// The one writer of a store.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    /// The revision that was issued last, published or burnt.
    pub(super) issued: Revision,
    /// No revision above it may be issued.
    pub(super) reserved: Revision,
    pub(super) marks: Marks,
    pub(super) trim: Trim,
    pub(super) retry: Retry,
    /// What was written last, as it is stored. Nobody else writes, so it is true until a write fails.
    recent: Recent<Stored>,
    /// The resources that `meta` does not have yet: their keys and numbers. They go with the next group, as
    /// nothing is written that is not synced: see `log_check`.
    new_resources: Vec<(Vec<u8>, Vec<u8>)>,
    /// Given back when nothing is written any more.
    _lock: DirectoryLock,
}

/// Commits that are written together.
struct Group<'a> {
    batch: WriteBatch,
    now: Duration,
    /// What the group has made of its keys so far.
    written: HashMap<Key, Option<Stored>>,
    counters: HashMap<ResourceId, Counters>,
    events: Vec<(ResourceId, Arc<Event>)>,
    /// Who waits, and what is decided if the group is written.
    replies: Vec<(Reply, Result<Outcome, Error>)>,
    /// Of the values that the group holds in memory: what it writes, and what that replaces.
    bytes: usize,
    db: &'a DB,
    shared: &'a Shared,
    latest: &'a ColumnFamily,
    versions: &'a ColumnFamily,
    history: &'a ColumnFamily,
    deadlines: &'a ColumnFamily,
    meta: &'a ColumnFamily,
}

/// Runs until the store is to be closed, and closes it when everything that was asked for is done.
pub(super) fn run(mut writer: Writer, mut requests: mpsc::Receiver<Request>) -> Result<(), Error> {
    let _last = LastWords(Arc::clone(&writer.shared));
    loop {
        // Acquire: what was asked for before the flag was set is in the queue.
        let closing = writer.shared.closing.load(Ordering::Acquire);
        if closing {
            requests.close();
        }
        let first = match requests.try_recv() {
            Ok(request) => request,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) if closing => break,
            Err(TryRecvError::Empty) if writer.trim(TRIM_EVENTS_MAX) => continue,
            Err(TryRecvError::Empty) => match requests.blocking_recv() {
                Some(request) => request,
                None => break,
            },
        };
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next.take() {
            match request {
                Request::Commit { reader, commit, reply } => {
                    group.push((reader, commit, reply));
                }
                other => {
                    writer.commit(std::mem::take(&mut group));
                    writer.serve(other);
                }
            }
            if group.len() < GROUP_COMMITS_MAX {
                next = requests.try_recv().ok();
            }
        }
        if !group.is_empty() {
            writer.shared.telemetry.waiting(requests.len());
        }
        writer.commit(group);
    }
    writer.close()
}

/// Closes the engine when the thread ends by a panic, so that nobody waits for what will not come.
struct LastWords(Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.engine.close();
            self.0.published.send_modify(|_| ());
            let wakers = self.0.state.lock().take_wakers();
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

impl Writer {
    /// The writer of a store that was just opened.
    pub(super) fn new(
        shared: Arc<Shared>,
        issued: Revision,
        reserved: Revision,
        marks: Marks,
        lock: DirectoryLock,
    ) -> Self {
        let (trim, retry) = (Trim::default(), Retry::default());
        let (recent, new_resources) = (Recent::new(RECENT_BYTES_MAX), Vec::new());
        Self { shared, issued, reserved, marks, trim, retry, recent, new_resources, _lock: lock }
    }

    /// The engine, to write.
    pub(super) fn db(&self) -> Result<Arc<OpenDb>, Error> {
        self.shared.engine.get()
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Commit { .. } => {}
            Request::Open { prefix, schema, reply } => {
                let _ = reply.send(self.open_resource(prefix, schema));
            }
            Request::Compact { revision, reply } => {
                // Whoever has dropped its future has accepted not to know.
                let _ = reply.send(self.compact(revision));
            }
            Request::Tick => self.tick(),
        }
    }

    fn commit(&mut self, commits: Vec<Waiting>) {
        let mut commits = commits.into_iter();
        while !commits.as_slice().is_empty() {
            self.commit_group(&mut commits);
            // Also while the queue is never empty: history must not outgrow its bounds because of that.
            self.trim(TRIM_EVENTS_MAX);
        }
    }

    /// Decides and writes commits until they are too many bytes for one group, and answers them.
    fn commit_group(&mut self, commits: &mut std::vec::IntoIter<Waiting>) {
        let (shared, db) = (Arc::clone(&self.shared), self.check_accepting().and_then(|()| self.db()));
        let group = db.as_ref().map_err(Error::clone).and_then(|db| Group::new(db, &shared));
        let mut group = match group {
            Ok(group) => group,
            Err(error) => {
                for (_, _, reply) in commits {
                    let _ = reply.send(Err(error.clone()));
                }
                return;
            }
        };
        while group.bytes < GROUP_BYTES_MAX
            && let Some((reader, commit, reply)) = commits.next()
        {
            let decided = self.decide(&mut group, &reader, commit);
            group.replies.push((reply, decided));
        }
        let written = self.write(&mut group);
        if let Err(error) = &written {
            self.refuse(error);
        }
        failpoint::reached(Point::RocksAcknowledge);
        group.answer(&written);
    }

    pub(super) fn check_accepting(&self) -> Result<(), Error> {
        match &self.shared.state.lock().refusing {
            Some(reason) => Err(Error::WritesRefused { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Accepts no more writes, until the engine is open anew.
    pub(super) fn refuse(&mut self, error: &Error) {
        // What a failed write has stored shows when the engine is open again.
        self.recent.clear();
        let reason = error.to_string();
        let mut state = self.shared.state.lock();
        if state.refusing.is_none() {
            self.shared.telemetry.failed_write();
        }
        if state.refusing.as_ref() != Some(&reason) {
            tracing::error!(%error, "writes are refused until the store has opened its engine anew");
        }
        state.refusing = Some(reason);
        drop(state);
        // Who waits for what was written shall not wait for the next write.
        self.shared.published.send_modify(|_| ());
    }

    /// Adds a commit to the group, if its expectation holds.
    fn decide(
        &mut self,
        group: &mut Group<'_>,
        reader: &Arc<Reader>,
        commit: Commit,
    ) -> Result<Outcome, Error> {
        let Commit { key, expect, operation } = commit;
        let stored = match group.written.get(&key) {
            Some(written) => written.clone(),
            None => self.stored(group.db, reader, &key)?,
        };
        let current = stored.as_ref().map(|stored| Arc::clone(&stored.record));
        if !holds(expect, current.as_deref()) || (current.is_none() && matches!(operation, Operation::Delete))
        {
            return Ok(Outcome::Conflict { current });
        }
        let revision = self.issued.next();
        let stored = group.put(reader, key, revision, operation, stored.as_ref());
        self.issued = revision;
        Ok(Outcome::Committed(Committed { revision, record: stored, previous: current }))
    }

    /// What is stored under a key.
    fn stored(&mut self, db: &DB, reader: &Reader, key: &Key) -> Result<Option<Stored>, Error> {
        if let Some(stored) = self.recent.get(key) {
            return Ok(Some(stored.clone()));
        }
        View::of_the_writer(db, reader).latest(reader.suffix(key.as_str())).map_err(Miss::into_error)
    }

    /// Makes the group durable, then visible.
    fn write(&mut self, group: &mut Group<'_>) -> Result<(), Error> {
        if group.events.is_empty() {
            return Ok(());
        }
        let meta = group.meta;
        for (id, counters) in &group.counters {
            group.batch.put_cf(meta, id.counters(), counters.write());
        }
        let bytes = group.events.iter().map(|(_, event)| Marks::event_bytes(event)).sum();
        let events = group.events.len() as u64;
        self.marks.add(&mut group.batch, meta, self.issued, group.now, (bytes, events));
        let compacted = self.marks.outgrown(&mut group.batch, meta);
        if let Some((compacted, _)) = compacted {
            group.batch.put_cf(meta, META_COMPACTED, codec::numbers(&[compacted.get()]));
        }
        group.batch.put_cf(meta, META_REVISION, codec::numbers(&[self.issued.get()]));
        let block_ends = self.issued.get() + BLOCK_REVISIONS / 2;
        if block_ends > self.reserved.get() {
            self.reserved = Revision::new(self.issued.get() + BLOCK_REVISIONS);
            failpoint::reached(Point::RocksReserve);
            if !defect::on(Defect::RocksBlockNotReserved) {
                group.batch.put_cf(meta, META_RESERVED, codec::numbers(&[self.reserved.get()]));
            }
        }
        for (key, number) in &self.new_resources {
            group.batch.put_cf(meta, key, number);
        }
        let batch = std::mem::take(&mut group.batch);
        let (bytes, begin) = (batch.size_in_bytes(), self.shared.environment.uptime());
        if defect::on(Defect::RocksPublishesBeforeWrite) {
            self.publish(group, compacted);
        }
        write_synced(group.db, batch)?;
        self.shared.telemetry.group(events, bytes, self.shared.environment.uptime().saturating_sub(begin));
        self.new_resources.clear();
        self.remember(&mut group.written);
        if defect::on(Defect::RocksAcknowledgesBeforePublish) {
            group.answer(&Ok(()));
        }
        failpoint::reached(Point::RocksDurable);
        self.publish(group, compacted);
        if compacted.is_some() {
            // The bound holds when the commit is acknowledged.
            self.trim(TRIM_EVENTS_MAX);
        }
        Ok(())
    }

    /// Keeps what was written for the next writes of the same keys.
    fn remember(&mut self, written: &mut HashMap<Key, Option<Stored>>) {
        for (key, stored) in written.drain() {
            match stored {
                Some(stored) => {
                    let bytes = stored.record.value.bytes().len();
                    self.recent.insert(key, stored, bytes);
                }
                None if defect::on(Defect::RocksRemembersDeleted) => {}
                None => self.recent.remove(&key),
            }
        }
    }

    fn publish(&self, group: &mut Group<'_>, compacted: Option<(Revision, u64)>) {
        let mut wakers = Vec::new();
        {
            let mut state = self.shared.state.lock();
            for (id, event) in group.events.drain(..) {
                state.keyspace_mut(id).append(event);
            }
            for (id, counters) in &group.counters {
                let keyspace = state.keyspace_mut(*id);
                keyspace.counters = *counters;
                wakers.extend(keyspace.take_wakers());
            }
            if let Some((compacted, events)) = compacted {
                state.compacted = state.compacted.max(compacted);
                state.early_compactions += events;
            }
            state.revision = self.issued;
        }
        failpoint::reached(Point::RocksPublished);
        self.shared.published.send_replace(self.issued);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The resource of a prefix. A new one gets the next number; that is durable with the first commit that
    /// uses it.
    fn open_resource(&mut self, prefix: ResourcePrefix, schema: Arc<Schema>) -> Result<Arc<Reader>, Error> {
        // Nobody else adds resources, so the lock need not be held while the engine works.
        let (known, next) = {
            let state = self.shared.state.lock();
            (state.find(&prefix)?, state.next_id())
        };
        if known.is_none() {
            let key = [META_RESOURCE, prefix.as_str().as_bytes()].concat();
            self.new_resources.push((key, codec::numbers(&[u64::from(next.0)])));
        }
        let mut state = self.shared.state.lock();
        let id = known.unwrap_or_else(|| state.add(prefix, Counters::default()));
        state.keyspace_mut(id).open(schema)
    }

    /// Moves the oldest readable revision up. History below it is given up by and by.
    fn compact(&mut self, revision: Revision) -> Result<(), Error> {
        self.check_accepting()?;
        {
            let state = self.shared.state.lock();
            if revision < state.compacted {
                let (oldest, during) = (state.compacted, CompactedDuring::Compact);
                return Err(Error::Compacted { requested: revision, oldest, during });
            }
            state.check_reached(revision)?;
        }
        self.mark_compacted(revision)
    }

    /// Notes that nothing was lost, and gives the engine back.
    fn close(self) -> Result<(), Error> {
        let closed = self.check_accepting().and_then(|()| self.write_closed());
        self.shared.engine.close();
        self.shared.published.send_modify(|_| ());
        let wakers = self.shared.state.lock().take_wakers();
        wakers.into_iter().for_each(Waker::wake);
        closed.inspect_err(|error| {
            tracing::warn!(%error, "the store was not closed cleanly: it recovers when it is opened");
        })
    }

    /// Leaves nothing in the log, so that the next one to open the store has nothing to replay.
    fn write_closed(&self) -> Result<(), Error> {
        let db = self.db()?;
        let mut batch = WriteBatch::default();
        batch.put_cf(family(&db, META)?, META_CLOSED, codec::numbers(&[self.issued.get()]));
        write_synced(&db, batch)?;
        let families = FAMILIES.into_iter().map(|name| family(&db, name)).collect::<Result<Vec<_>, _>>()?;
        db.flush_cfs_opt(&families, &FlushOptions::default()).map_err(engine_error)
    }
}

/// How everything is written: durable before the next write begins, which `log_check` relies on.
pub(super) fn write_synced(db: &DB, batch: WriteBatch) -> Result<(), Error> {
    failpoint::passed(Point::RocksWrite)?;
    if defect::on(Defect::RocksSkipsSync) {
        return db.write(batch).map_err(engine_error);
    }
    let mut options = WriteOptions::default();
    options.set_sync(true);
    db.write_opt(batch, &options).map_err(engine_error)?;
    failpoint::passed(Point::RocksSync)
}

impl<'a> Group<'a> {
    fn new(db: &'a DB, shared: &'a Shared) -> Result<Self, Error> {
        Ok(Self {
            batch: WriteBatch::default(),
            now: shared.environment.unix_time(),
            written: HashMap::new(),
            counters: HashMap::new(),
            events: Vec::new(),
            replies: Vec::new(),
            bytes: 0,
            db,
            shared,
            latest: family(db, LATEST)?,
            versions: family(db, VERSIONS)?,
            history: family(db, HISTORY)?,
            deadlines: family(db, DEADLINES)?,
            meta: family(db, META)?,
        })
    }

    /// Tells everybody in the group how it ended.
    fn answer(&mut self, written: &Result<(), Error>) {
        for (reply, decided) in self.replies.drain(..) {
            // Whoever has dropped its future has accepted not to know.
            let _ = reply.send(written.clone().and(decided));
        }
    }

    /// Adds a write; what it has stored.
    fn put(
        &mut self,
        reader: &Arc<Reader>,
        key: Key,
        revision: Revision,
        operation: Operation,
        before: Option<&Stored>,
    ) -> Option<Arc<Record>> {
        let (id, suffix) = (reader.id, reader.suffix(key.as_str()).to_owned());
        let stored = match operation {
            Operation::Delete => None,
            Operation::Put { value, ttl } => {
                let mut deadline_millis = ttl.map_or(0, |ttl| millis_after(self.now, ttl));
                if ttl.is_none() && defect::on(Defect::RocksRewriteKeepsDeadline) {
                    deadline_millis = before.map_or(0, |before| before.deadline_millis);
                }
                Some(Stored {
                    record: Arc::new(Record { key: key.clone(), value, revision }),
                    deadline_millis,
                })
            }
        };
        let previous = before.map(|before| Arc::clone(&before.record));
        let entry = Entry {
            previous: previous.as_ref().map_or(Revision::ZERO, |record| record.revision),
            deletion: stored.is_none(),
            previous_bytes: u32::try_from(value_bytes(previous.as_ref())).unwrap_or(u32::MAX),
            suffix,
        };
        self.write_entries(reader, revision, stored.as_ref(), before, &entry);
        self.count(id, stored.as_ref().map(|stored| &stored.record), previous.as_ref());
        let current = stored.as_ref().map(|stored| Arc::clone(&stored.record));
        let event = Event { revision, key: key.clone(), current: current.clone(), previous };
        self.bytes += event.value_bytes();
        self.events.push((id, Arc::new(event)));
        self.written.insert(key, stored);
        current
    }

    fn write_entries(
        &mut self,
        reader: &Reader,
        revision: Revision,
        stored: Option<&Stored>,
        before: Option<&Stored>,
        entry: &Entry,
    ) {
        let id = reader.id;
        self.batch.put_cf(self.history, id.at(revision), entry.write());
        if let Some(before) = before.filter(|before| before.deadline_millis > 0) {
            // The last write decides. [TTL-DROPPED]
            self.batch.delete_cf(self.deadlines, id.deadline(before.deadline_millis, before.record.revision));
        }
        let Some(Stored { record, deadline_millis }) = stored else {
            self.batch.delete_cf(self.latest, id.latest(&entry.suffix));
            return;
        };
        let (version, value_start) = codec::version(&record.value, &reader.schema);
        let newest = codec::latest(revision, *deadline_millis, &version, value_start);
        self.batch.put_cf(self.latest, id.latest(&entry.suffix), newest);
        self.batch.put_cf(self.versions, id.at(revision), version);
        if *deadline_millis > 0 {
            self.batch.put_cf(self.deadlines, id.deadline(*deadline_millis, revision), &entry.suffix);
        }
    }

    fn count(&mut self, id: ResourceId, current: Option<&Arc<Record>>, previous: Option<&Arc<Record>>) {
        let published = || self.shared.state.lock().keyspace(id).counters;
        let counters = self.counters.entry(id).or_insert_with(published);
        counters.objects += u64::from(current.is_some());
        counters.objects = counters.objects.saturating_sub(u64::from(previous.is_some()));
        counters.value_bytes += value_bytes(current);
        counters.value_bytes = counters.value_bytes.saturating_sub(value_bytes(previous));
        counters.history_events += 1;
        counters.history_bytes += value_bytes(previous);
    }
}

fn holds(expect: Expect, stored: Option<&Record>) -> bool {
    match expect {
        Expect::Absent => stored.is_none(),
        Expect::Revision(revision) => stored.is_some_and(|record| record.revision == revision),
    }
}

fn value_bytes(record: Option<&Arc<Record>>) -> u64 {
    record.map_or(0, |record| record.value.bytes().len() as u64)
}

/// The Unix time in milliseconds at which `ttl` has passed, rounded up. \[TTL-LOWER-BOUND\]
fn millis_after(now: Duration, ttl: Duration) -> u64 {
    let deadline = now.saturating_add(ttl).saturating_add(Duration::from_nanos(999_999));
    u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)
}
