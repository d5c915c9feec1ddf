//! The store as of one moment: a snapshot of the engine, and the reads that are made in it.
//!
//! A view blocks on the disk, unless it looks at memory only ([`Tier`]). It lives for one step of an
//! operation: what has to last for longer is a revision, and the pin that keeps its history. The writer
//! needs no snapshot: while it looks nobody else changes anything.

use std::path::PathBuf;
use std::sync::Arc;

use ::rocksdb::{DB, DBPinnableSlice, DBRawIterator, ErrorKind, ReadOptions, ReadTier, Snapshot};

use super::codec::{Counters, Latest, Reader, read_number};
use super::keyspace::{HISTORY, LATEST, META, META_REVISION, VERSIONS, family, revision_of, suffix_of};
use crate::error::Error;
use crate::record::Record;
use crate::revision::Revision;

/// The reads of one resource at one moment.
pub(super) struct View<'a> {
    db: &'a DB,
    snapshot: Option<Snapshot<'a>>,
    pub(super) reader: &'a Reader,
    tier: Tier,
}

/// Where a view looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// In memory, where a look does not block: what is elsewhere is [`Miss::OnDisk`].
    Memory,
    /// On the disk too.
    Disk,
}

/// A record and when it expires.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) record: Arc<Record>,
    /// Zero for never.
    pub(super) deadline_millis: u64,
}

/// Why a view has no answer.
#[derive(Debug)]
pub(super) enum Miss {
    /// The answer is on the disk, where this view does not look.
    OnDisk,
    /// There is none.
    Error(Error),
}

impl From<Error> for Miss {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Miss {
    /// The error of a view that looks at the disk.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::OnDisk => Error::Internal { reason: "the engine did not look at its disk".to_owned() },
            Self::Error(error) => error,
        }
    }
}

/// What the engine says, in the words of the contract.
pub(super) fn engine_error(error: ::rocksdb::Error) -> Error {
    Error::Internal { reason: advised(error) }
}

/// What the engine says, in one line; of damage, where it names the file, with what to do.
pub(super) fn advised(error: ::rocksdb::Error) -> String {
    let is_damage = error.kind() == ErrorKind::Corruption;
    let mut reason = engine_reason(error);
    if is_damage {
        reason.push_str(
            ": look through the whole store with `watchkeep check`, and restore a checkpoint of it",
        );
    }
    reason
}

/// What the engine says, in one line.
pub(super) fn engine_reason(error: ::rocksdb::Error) -> String {
    error.into_string().lines().collect::<Vec<_>>().join(" ")
}

/// The file that the engine says is damaged, if it names one.
pub(super) fn damaged_file(reason: &str) -> Option<PathBuf> {
    let end = reason.find(".sst")? + ".sst".len();
    let start = reason.get(..end)?.find('/')?;
    reason.get(start..end).map(PathBuf::from)
}

fn missed(error: ::rocksdb::Error) -> Miss {
    match error.kind() {
        ErrorKind::Incomplete => Miss::OnDisk,
        _ => Miss::Error(engine_error(error)),
    }
}

/// A walk over the versions of a resource, in the order of their commits.
pub(super) struct Versions<'a> {
    iterator: DBRawIterator<'a>,
    reader: &'a Reader,
    begun: bool,
}

impl Versions<'_> {
    /// How many versions are passed by one by one before the engine is asked to find the next.
    const PASS_MAX: usize = 4;

    /// The record that a commit wrote, which is none before the last that was asked for. Commits that
    /// follow each other are read as they lie.
    pub(super) fn record(&mut self, suffix: &str, revision: Revision) -> Result<Record, Error> {
        let target = self.reader.id.at(revision);
        for _ in 0..Self::PASS_MAX {
            if !self.begun || self.iterator.key().is_none_or(|key| key >= target.as_slice()) {
                break;
            }
            self.iterator.next();
        }
        if self.iterator.key() != Some(&target) {
            self.iterator.seek(target);
            self.begun = true;
        }
        self.iterator.status().map_err(engine_error)?;
        match self.iterator.item() {
            Some((key, version)) if key == target => self.reader.record(suffix, revision, version),
            _ => Err(missing(self.reader, suffix, revision)),
        }
    }
}

/// The version that an entry speaks of is not there.
fn missing(reader: &Reader, suffix: &str, revision: Revision) -> Error {
    Error::Corrupt {
        key: reader.key(suffix),
        revision: Some(revision),
        reason: format!("the value of its revision {revision} is missing"),
    }
}

impl<'a> View<'a> {
    /// The resource as it is now.
    pub(super) fn open(db: &'a DB, reader: &'a Reader) -> Self {
        Self::open_in(db, reader, Tier::Disk)
    }

    /// As [`View::open`], for a look that goes no further than the tier.
    pub(super) fn open_in(db: &'a DB, reader: &'a Reader, tier: Tier) -> Self {
        Self { db, snapshot: Some(db.snapshot()), reader, tier }
    }

    /// The resource while the writer looks at it.
    pub(super) fn of_the_writer(db: &'a DB, reader: &'a Reader) -> Self {
        Self::of_now(db, reader, Tier::Disk)
    }

    /// The resource as each single look finds it: between two of them it may change.
    pub(super) fn of_now(db: &'a DB, reader: &'a Reader, tier: Tier) -> Self {
        Self { db, snapshot: None, reader, tier }
    }

    fn get(&self, name: &str, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, Miss> {
        let mut options = ReadOptions::default();
        if self.tier == Tier::Memory {
            options.set_read_tier(ReadTier::BlockCache);
        }
        let family = family(self.db, name)?;
        let found = match &self.snapshot {
            Some(snapshot) => snapshot.get_pinned_cf_opt(family, key, options),
            None => self.db.get_pinned_cf_opt(family, key, &options),
        };
        found.map_err(missed)
    }

    fn iterate(&self, name: &str, options: ReadOptions) -> Result<DBRawIterator<'_>, Error> {
        let family = family(self.db, name)?;
        Ok(match &self.snapshot {
            Some(snapshot) => snapshot.raw_iterator_cf_opt(family, options),
            None => self.db.raw_iterator_cf_opt(family, options),
        })
    }

    /// The revision of the last commit that this view shows.
    pub(super) fn revision(&self) -> Result<Revision, Miss> {
        let revision = self.get(META, META_REVISION)?;
        Ok(Revision::new(revision.as_deref().and_then(read_number).unwrap_or_default()))
    }

    /// The latest state of a key.
    pub(super) fn latest(&self, suffix: &str) -> Result<Option<Stored>, Miss> {
        let Some(bytes) = self.get(LATEST, &self.reader.id.latest(suffix))? else { return Ok(None) };
        let entry = self.entry(suffix, &bytes)?;
        let record = Arc::new(self.record(suffix, &entry)?);
        Ok(Some(Stored { record, deadline_millis: entry.deadline_millis }))
    }

    /// As [`View::latest`], where one look is enough: `None` also for a value that does not stand in `latest`.
    pub(super) fn latest_inline(&self, suffix: &str) -> Result<Option<Stored>, Miss> {
        let Some(bytes) = self.get(LATEST, &self.reader.id.latest(suffix))? else { return Ok(None) };
        let entry = self.entry(suffix, &bytes)?;
        let Some(version) = entry.inline_version() else { return Ok(None) };
        let record = Arc::new(self.reader.record(suffix, entry.revision, version)?);
        Ok(Some(Stored { record, deadline_millis: entry.deadline_millis }))
    }

    /// Reads an entry of `latest`.
    pub(super) fn entry<'b>(&self, suffix: &str, bytes: &'b [u8]) -> Result<Latest<'b>, Error> {
        let corrupt = || Error::Corrupt {
            key: self.reader.key(suffix),
            revision: None,
            reason: "its entry is cut off".to_owned(),
        };
        Latest::read(bytes).ok_or_else(corrupt)
    }

    /// The record of an entry of `latest`.
    pub(super) fn record(&self, suffix: &str, entry: &Latest<'_>) -> Result<Record, Miss> {
        match entry.inline_version() {
            Some(version) => Ok(self.reader.record(suffix, entry.revision, version)?),
            None => self.version(suffix, entry.revision),
        }
    }

    /// The record that a commit wrote.
    pub(super) fn version(&self, suffix: &str, revision: Revision) -> Result<Record, Miss> {
        match self.get(VERSIONS, &self.reader.id.at(revision))? {
            Some(version) => Ok(self.reader.record(suffix, revision, &version)?),
            None => Err(Miss::Error(missing(self.reader, suffix, revision))),
        }
    }

    /// A walk over the versions, in the order of their commits.
    pub(super) fn versions(&self) -> Result<Versions<'_>, Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(self.reader.id.end());
        Ok(Versions { iterator: self.iterate(VERSIONS, options)?, reader: self.reader, begun: false })
    }

    /// The counts of the resource.
    pub(super) fn counters(&self) -> Result<Counters, Error> {
        let bytes = self.get(META, &self.reader.id.counters()).map_err(Miss::into_error)?;
        let corrupt =
            || Error::Internal { reason: format!("the counters of {} are cut off", self.reader.prefix) };
        let Some(bytes) = bytes else { return Ok(Counters::default()) };
        Counters::read(&bytes).ok_or_else(corrupt)
    }

    /// Shows the entries of `latest` from `lower` on and below `upper` to `visit`, in the order of their
    /// keys, until it returns false or fails.
    pub(super) fn walk_latest(
        &self,
        lower: &[u8],
        upper: &[u8],
        mut visit: impl FnMut(&str, &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.walk(LATEST, lower, upper, |key, value| {
            let corrupt =
                || Error::Internal { reason: format!("{} has a key that is no text", self.reader.prefix) };
            visit(suffix_of(key).ok_or_else(corrupt)?, value)
        })
    }

    /// As [`View::walk_latest`], of the history of the resource after a revision.
    pub(super) fn walk_history(
        &self,
        after: Revision,
        mut visit: impl FnMut(Revision, &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let id = self.reader.id;
        self.walk(HISTORY, &id.at(after.next()), &id.end(), |key, value| {
            visit(revision_of(key).unwrap_or_default(), value)
        })
    }

    fn walk(
        &self,
        name: &str,
        lower: &[u8],
        upper: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(upper);
        let mut iterator = self.iterate(name, options)?;
        iterator.seek(lower);
        while let Some((key, value)) = iterator.item() {
            if !visit(key, value)? {
                return Ok(());
            }
            iterator.next();
        }
        iterator.status().map_err(engine_error)
    }
}
