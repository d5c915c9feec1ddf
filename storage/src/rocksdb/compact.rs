//! Giving up history: what is old enough to go, and its going, a bounded piece at a time.
//!
//! Marks remember when history reached a revision and how many bytes it had gathered, so that neither the
//! bound in time nor the one in bytes has to read history to find what to give up. Giving up an event
//! deletes the value that it replaced: a value is there exactly as long as a kept revision, or the latest
//! state, has it. The events themselves go as a range.
//!
//! Only the mark of the compaction has to be durable before anybody sees it. What is interrupted in
//! between goes on with the next piece, also after a restart.

use std::collections::VecDeque;
use std::time::Duration;

use ::rocksdb::{ColumnFamily, DB, WriteBatch};

use super::codec::{self, Counters};
use super::commit::{Writer, write_synced};
use super::history::read_entry;
use super::keyspace::{
    HISTORY, META, META_COMPACTED, META_GAP, META_MARK, ResourceId, VERSIONS, family, meta_at,
};
use super::view::View;
use crate::defect::{self, Defect};
use crate::error::Error;
use crate::event::Event;
use crate::failpoint::{self, Point};
use crate::revision::Revision;

/// What an event costs in history beside the value it keeps, in bytes. An estimate, so that a flood of
/// small writes is bounded too.
const EVENT_OVERHEAD_BYTES: u64 = 256;
/// A mark is set this often at most, and for each of so many parts of the bound in bytes.
const MARK_INTERVAL: Duration = Duration::from_secs(1);
const MARK_PARTS: u64 = 32;
/// When history has outgrown its bound, one of so many parts is given up at once.
const GIVE_UP_PARTS: u64 = 16;
/// From so many events on, they are deleted as a range: below, single deletions cost readers less.
const RANGE_EVENTS_MIN: usize = 64;

/// When history reached a revision, and the bytes and events it gathered since the mark before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    revision: Revision,
    at: Duration,
    bytes: u64,
    events: u64,
}

/// The marks of the history that is kept, oldest first.
pub(super) struct Marks {
    closed: VecDeque<Mark>,
    /// What has been gathered since, and since when.
    open: Option<(Mark, Duration)>,
    bytes: u64,
    bytes_max: u64,
}

/// The progress of giving up.
#[derive(Default)]
pub(super) struct Trim {
    /// Everything up to here is gone, or is tried again with the next target.
    done: Revision,
    /// Up to where it is going now, and which resources are left.
    target: Revision,
    left: Vec<ResourceId>,
}

impl Marks {
    /// The marks of a store that was just opened: their revisions, and what `meta` keeps of them.
    pub(super) fn new(bytes_max: u64, known: Vec<(Revision, [u64; 3])>) -> Self {
        let mark = |(revision, [millis, bytes, events]): (Revision, [u64; 3])| {
            let at = Duration::from_millis(millis);
            Mark { revision, at, bytes, events }
        };
        let closed: VecDeque<_> = known.into_iter().map(mark).collect();
        Self { bytes: closed.iter().map(|mark| mark.bytes).sum(), closed, open: None, bytes_max }
    }

    /// What an event costs.
    pub(super) fn event_bytes(event: &Event) -> u64 {
        EVENT_OVERHEAD_BYTES + event.previous.as_ref().map_or(0, |record| record.value.bytes().len() as u64)
    }

    /// Accounts for the history that no mark tells of: since the last one before the store was closed.
    pub(super) fn add_unmarked<'a>(
        &mut self,
        batch: &mut WriteBatch,
        meta: &ColumnFamily,
        revision: Revision,
        now: Duration,
        counters: impl Iterator<Item = &'a Counters>,
    ) {
        let (events, values) = counters.fold((0, 0), |(events, bytes), counters| {
            (events + counters.history_events, bytes + counters.history_bytes)
        });
        let unmarked = (values + EVENT_OVERHEAD_BYTES * events).saturating_sub(self.bytes);
        if unmarked > 0 {
            let marked: u64 = self.closed.iter().map(|mark| mark.events).sum();
            self.add(batch, meta, revision, now, (unmarked, events.saturating_sub(marked)));
        }
    }

    /// Accounts for history up to `revision`.
    pub(super) fn add(
        &mut self,
        batch: &mut WriteBatch,
        meta: &ColumnFamily,
        revision: Revision,
        now: Duration,
        (bytes, events): (u64, u64),
    ) {
        let nothing = Mark { revision, at: now, bytes: 0, events: 0 };
        let (gathered, since) = self.open.unwrap_or((nothing, now));
        let (gathered_bytes, gathered_events) = (gathered.bytes + bytes, gathered.events + events);
        let mark = Mark { revision, at: now, bytes: gathered_bytes, events: gathered_events };
        self.open = Some((mark, since));
        self.bytes += bytes;
        if mark.bytes >= self.bytes_max / MARK_PARTS {
            self.close(batch, meta);
        } else {
            self.close_due(batch, meta, now);
        }
    }

    /// Sets the mark, if it is time to.
    fn close_due(&mut self, batch: &mut WriteBatch, meta: &ColumnFamily, now: Duration) {
        if self.open.is_some_and(|(_, since)| now.saturating_sub(since) >= MARK_INTERVAL) {
            self.close(batch, meta);
        }
    }

    fn close(&mut self, batch: &mut WriteBatch, meta: &ColumnFamily) {
        if let Some((mark, _)) = self.open.take() {
            let millis = u64::try_from(mark.at.as_millis()).unwrap_or(u64::MAX);
            batch.put_cf(
                meta,
                meta_at(META_MARK, mark.revision),
                codec::numbers(&[millis, mark.bytes, mark.events]),
            );
            self.closed.push_back(mark);
        }
    }

    /// The revision up to which history has to go because it has outgrown its bound, and how many events
    /// that are.
    pub(super) fn outgrown(
        &mut self,
        batch: &mut WriteBatch,
        meta: &ColumnFamily,
    ) -> Option<(Revision, u64)> {
        if self.bytes <= self.bytes_max {
            return None;
        }
        self.close(batch, meta);
        let keep = self.bytes_max - self.bytes_max / GIVE_UP_PARTS;
        let mut target = None;
        let mut events = 0;
        while self.bytes > keep
            && let Some(mark) = self.pop(batch, meta, |_| true)
        {
            target = Some(mark.revision);
            events += mark.events;
        }
        target.map(|revision| (revision, events))
    }

    /// The revision up to which history is older than `retention`.
    fn outlived(
        &mut self,
        batch: &mut WriteBatch,
        meta: &ColumnFamily,
        now: Duration,
        retention: Duration,
    ) -> Option<Revision> {
        let mut target = None;
        while let Some(mark) = self.pop(batch, meta, |mark| now.saturating_sub(mark.at) >= retention) {
            target = Some(mark.revision);
        }
        target
    }

    /// Forgets the marks of history up to a revision.
    fn forget(&mut self, batch: &mut WriteBatch, meta: &ColumnFamily, revision: Revision) {
        if self.open.is_some_and(|(mark, _)| mark.revision <= revision) {
            self.close(batch, meta);
        }
        while self.pop(batch, meta, |mark| mark.revision <= revision).is_some() {}
    }

    fn pop(
        &mut self,
        batch: &mut WriteBatch,
        meta: &ColumnFamily,
        goes: impl FnOnce(&Mark) -> bool,
    ) -> Option<Mark> {
        let mark = *self.closed.front()?;
        if !goes(&mark) {
            return None;
        }
        self.closed.pop_front();
        self.bytes = self.bytes.saturating_sub(mark.bytes);
        batch.delete_cf(meta, meta_at(META_MARK, mark.revision));
        Some(mark)
    }
}

impl Writer {
    /// Marks history that is older than the retention as compacted, and lets go of overdue pins.
    pub(super) fn tick(&mut self) {
        let now = self.shared.environment.unix_time();
        let uptime = self.shared.environment.uptime();
        self.shared.state.lock().unpin_expired(uptime);
        self.reopen_when_due();
        self.shared.telemetry.look(&self.shared);
        if self.check_accepting().is_err() {
            return;
        }
        if let Err(error) = self.retain(now) {
            self.refuse(&error);
        }
    }

    fn retain(&mut self, now: Duration) -> Result<(), Error> {
        let db = self.db()?;
        let meta = family(&db, META)?;
        let mut batch = WriteBatch::default();
        self.marks.close_due(&mut batch, meta, now);
        let target = self.marks.outlived(&mut batch, meta, now, self.shared.options.history_retention);
        let target = target.filter(|target| *target > self.shared.state.lock().compacted);
        if !batch.is_empty() {
            write_synced(&db, batch)?;
        }
        target.map_or(Ok(()), |target| self.mark_compacted(target))
    }

    /// Makes `revision` the oldest that can be read: durable, then published.
    pub(super) fn mark_compacted(&mut self, revision: Revision) -> Result<(), Error> {
        let db = self.db()?;
        let meta = family(&db, META)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, META_COMPACTED, codec::numbers(&[revision.get()]));
        self.marks.forget(&mut batch, meta, revision);
        let gaps = self.shared.state.lock().gaps.clone();
        for (_, until) in gaps.iter().filter(|(_, until)| *until <= revision) {
            batch.delete_cf(meta, meta_at(META_GAP, *until));
        }
        if let Err(error) = write_synced(&db, batch) {
            self.refuse(&error);
            return Err(error);
        }
        {
            let mut state = self.shared.state.lock();
            state.compacted = state.compacted.max(revision);
            state.gaps.retain(|(_, until)| *until > revision);
        }
        failpoint::reached(Point::RocksCompacted);
        Ok(())
    }

    /// Gives up at most `events_max` events of compacted history that no open list reads. Whether more is
    /// to be given up.
    pub(super) fn trim(&mut self, events_max: usize) -> bool {
        match self.trim_piece(events_max) {
            Ok(more) => more,
            Err(error) => {
                // What stays costs room and nothing else; the next target tries again.
                tracing::error!(%error, "compacted history could not be given up");
                self.trim.left.clear();
                self.trim.done = self.trim.target;
                false
            }
        }
    }

    fn trim_piece(&mut self, events_max: usize) -> Result<bool, Error> {
        if self.shared.state.lock().refusing.is_some() {
            return Ok(false);
        }
        if self.trim.left.is_empty() {
            let state = self.shared.state.lock();
            let mut target = state.trim_target();
            if defect::on(Defect::RocksCompactsOneTooMany) {
                target = target.next();
            }
            if target <= self.trim.done {
                return Ok(false);
            }
            self.trim.target = target;
            self.trim.left.extend(state.readers().map(|reader| reader.id));
        }
        let db = self.db()?;
        let mut batch = WriteBatch::default();
        let mut trimmed = Vec::new();
        let mut left = events_max;
        while left > 0
            && let Some(id) = self.trim.left.last().copied()
        {
            let (count, counters) = self.trim_resource(&db, &mut batch, id, left)?;
            if count < left {
                self.trim.left.pop();
            }
            if count > 0 {
                trimmed.push((id, counters));
            }
            left -= count;
        }
        if !batch.is_empty() {
            failpoint::reached(Point::RocksTrim);
            write_synced(&db, batch)?;
        }
        let mut state = self.shared.state.lock();
        for (id, counters) in trimmed {
            state.keyspace_mut(id).trimmed(counters);
        }
        if self.trim.left.is_empty() {
            self.trim.done = self.trim.target;
        }
        Ok(!self.trim.left.is_empty() || state.trim_target() > self.trim.done)
    }

    /// Adds the deletion of a resource's oldest events to a batch; how many, and the counts afterwards.
    fn trim_resource(
        &self,
        db: &DB,
        batch: &mut WriteBatch,
        id: ResourceId,
        events_max: usize,
    ) -> Result<(usize, Counters), Error> {
        let (reader, mut counters) = {
            let state = self.shared.state.lock();
            let keyspace = state.keyspace(id);
            (std::sync::Arc::clone(&keyspace.reader), keyspace.counters)
        };
        let (history, versions) = (family(db, HISTORY)?, family(db, VERSIONS)?);
        let view = View::of_the_writer(db, &reader);
        let mut events = Vec::new();
        view.walk_history(counters.dropped, |revision, entry| {
            if revision > self.trim.target {
                return Ok(false);
            }
            let entry = read_entry(&view, revision, entry)?;
            if !entry.previous.is_zero() {
                batch.delete_cf(versions, id.at(entry.previous));
            }
            counters.history_events = counters.history_events.saturating_sub(1);
            counters.history_bytes = counters.history_bytes.saturating_sub(u64::from(entry.previous_bytes));
            counters.dropped = revision;
            events.push(revision);
            Ok(events.len() < events_max)
        })?;
        if let [first, .., last] = *events
            && events.len() >= RANGE_EVENTS_MIN
        {
            batch.delete_range_cf(history, id.at(first), id.at(last.next()));
        } else {
            for revision in &events {
                batch.delete_cf(history, id.at(*revision));
            }
        }
        if !events.is_empty() {
            batch.put_cf(family(db, META)?, id.counters(), counters.write());
        }
        Ok((events.len(), counters))
    }
}
