//! Looks through a store that nobody has open, and changes nothing: whether its files are whole, and
//! whether what they say fits together.
//!
//! 1. The log is read (`log_check`), then the engine is opened to read only, which replays the log into
//!    memory, then every block of every file is read and its checksum compared. A block that only lookups
//!    use, such as a filter, is not read: damage there makes lookups slower and no answer wrong.
//! 2. Where that finds nothing, the entries are held against each other, resource by resource
//!    (`resource`), and against what `meta` says of them.
//!
//! The schema of a resource is not stored, so the selectable fields in headers are not compared with the
//! values. The marks of history tell bounds of its sizes, and are not held against its events.
//!
//! Memory: the log, the block cache, and 8 bytes for each object and each event of one resource.

mod meta;
mod resource;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ::rocksdb::{DB, ReadOptions};

use self::resource::ResourceCheck;
use super::codec::Latest;
use super::keyspace::{
    DEADLINES, FAMILIES, FORMAT, HISTORY, LATEST, ResourceId, VERSIONS, deadline_of, family,
};
use super::lock::DirectoryLock;
use super::log_check;
use super::open::{self, Found, OpenError};
use super::options::RocksOptions;
use super::view::{damaged_file, engine_error, engine_reason};
use crate::error::Error;
use crate::key::Key;
use crate::revision::Revision;

/// How many problems are told; more are counted.
pub const PROBLEMS_MAX: usize = 1000;

/// How much of a file is read ahead.
const READAHEAD_BYTES: usize = 1 << 20;

/// What a look through a store has found. Written out it is one line when all is well, and otherwise one
/// for each problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// The directory.
    pub directory: PathBuf,
    /// The last revision.
    pub revision: Revision,
    /// The oldest revision that can be read.
    pub compacted: Revision,
    /// How many resources there are.
    pub resources: u64,
    /// How many objects, over all resources.
    pub objects: u64,
    /// How many events history holds.
    pub events: u64,
    /// How many bytes the files have.
    pub bytes: u64,
    /// What is wrong, up to [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub more: u64,
}

/// Something that is wrong in a store, with where it is as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: Option<PathBuf>,
    /// The key of the object, or the prefix of the resource.
    pub key: Option<Key>,
    /// The revision.
    pub revision: Option<Revision>,
    /// What is wrong.
    pub fault: String,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, compacted, resources, objects, events, .. } = self;
        if self.is_well() {
            let (directory, mib) = (self.directory.display(), self.bytes.div_ceil(1 << 20));
            return write!(
                formatter,
                "{directory}: format {FORMAT}, revision {revision}, {resources} resources, {objects} objects, \
                 {events} events of history since {compacted}, {mib} MiB, no errors"
            );
        }
        for (position, problem) in self.problems.iter().enumerate() {
            let line_end = if position == 0 { "" } else { "\n" };
            write!(formatter, "{line_end}{problem}")?;
        }
        if self.more > 0 { write!(formatter, "\nand {} more", self.more) } else { Ok(()) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{}: ", file.display())?;
        }
        if let Some(key) = &self.key {
            write!(formatter, "{key}: ")?;
        }
        if let Some(revision) = self.revision {
            write!(formatter, "revision {revision}: ")?;
        }
        self.fault.fmt(formatter)
    }
}

/// Looks through the store of a directory. Blocks: it reads all of it.
///
/// # Errors
/// [`OpenError`] when the store is in use, or is none that this build can read.
pub fn check(directory: &Path) -> Result<CheckReport, OpenError> {
    if !open::has_known_format(directory)? {
        return Err(OpenError::NoStore(directory.to_owned()));
    }
    let _lock = DirectoryLock::take(directory)?;
    let options = RocksOptions::new(directory);
    let mut report = CheckReport { directory: directory.to_owned(), ..CheckReport::default() };
    match open::check_log(&options) {
        Ok(log_check::Summary { .. }) => {}
        Err(OpenError::Log(damage)) => {
            let file = Some(damage.file.clone());
            report.add(Problem { file, fault: damage.what(), ..Problem::default() });
            // The engine would show what was before the damage, which is not what is stored.
            return Ok(report);
        }
        Err(error) => return Err(error),
    }
    let db = open::read_only_engine(&options)?;
    for name in FAMILIES {
        read_blocks(&db, name, &mut report);
    }
    report.bytes = bytes_in(db.path())?;
    if report.is_well() {
        let fault = |error: Error| Problem { fault: error.to_string(), ..Problem::default() };
        Entries { db: &db, report: &mut report }.check().unwrap_or_else(|error| report.add(fault(error)));
    }
    Ok(report)
}

fn bytes_in(directory: &Path) -> Result<u64, OpenError> {
    let sum = || fs::read_dir(directory)?.map(|entry| Ok(entry?.metadata()?.len())).sum::<io::Result<u64>>();
    sum().map_err(|error| OpenError::Directory { directory: directory.to_owned(), error })
}

/// Reads all that a column family has on the disk. Where that ends early, the ranges of its files are read
/// one by one, so that damage in one file does not hide that in another.
fn read_blocks(db: &DB, name: &str, report: &mut CheckReport) {
    let Err(first) = read_range(db, name, &[], None) else { return };
    let mut reasons = BTreeSet::from([first]);
    for file in db.live_files().unwrap_or_default() {
        if let (true, Some(start), Some(end)) =
            (file.column_family_name == name, file.start_key, file.end_key)
        {
            let after = [&end[..], &[0]].concat();
            reasons.extend(read_range(db, name, &start, Some(after)).err());
        }
    }
    for reason in reasons {
        report.add(Problem { file: damaged_file(&reason), fault: reason, ..Problem::default() });
    }
}

#[expect(deprecated, reason = "for the cost of reading, which is not the point here")]
fn read_range(db: &DB, name: &str, start: &[u8], end: Option<Vec<u8>>) -> Result<(), String> {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_readahead_size(READAHEAD_BYTES);
    // What was deleted is in the files still, and is read when these are compacted.
    options.set_ignore_range_deletions(true);
    if let Some(end) = end {
        options.set_iterate_upper_bound(end);
    }
    let family = family(db, name).map_err(|error| error.to_string())?;
    let mut iterator = db.raw_iterator_cf_opt(family, options);
    iterator.seek(start);
    while iterator.valid() {
        iterator.next();
    }
    iterator.status().map_err(engine_reason)
}

/// Shows the entries of a column family from `lower` on and below `upper` to `visit`.
fn walk(
    db: &DB,
    name: &str,
    lower: &[u8],
    upper: Option<&[u8]>,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_readahead_size(READAHEAD_BYTES);
    if let Some(upper) = upper {
        options.set_iterate_upper_bound(upper);
    }
    let mut iterator = db.raw_iterator_cf_opt(family(db, name)?, options);
    iterator.seek(lower);
    while let Some((key, value)) = iterator.item() {
        visit(key, value)?;
        iterator.next();
    }
    iterator.status().map_err(engine_error)
}

/// The look at the entries.
struct Entries<'a> {
    db: &'a DB,
    report: &'a mut CheckReport,
}

impl Entries<'_> {
    fn check(&mut self) -> Result<(), Error> {
        let found = open::read(self.db)?;
        meta::check(self.db, &found, self.report)?;
        self.report.revision = found.last();
        self.report.compacted = found.compacted;
        self.report.resources = found.resources.len() as u64;
        let counted = found.resources.iter().zip(&found.counters);
        for (number, (prefix, counters)) in (0..).zip(counted) {
            let resource = (ResourceId(number), prefix, *counters);
            ResourceCheck::new(self.db, &found, resource, self.report).run()?;
        }
        self.strays(&found)?;
        self.deadlines(&found)
    }

    /// Entries of resources that there are none of.
    fn strays(&mut self, found: &Found) -> Result<(), Error> {
        let end = u32::try_from(found.resources.len()).unwrap_or(u32::MAX).to_be_bytes();
        for name in [LATEST, VERSIONS, HISTORY] {
            walk(self.db, name, &end, None, |key, _| {
                let fault = format!("{name} has a key of no resource: {}", key.escape_ascii());
                self.report.add(Problem { fault, ..Problem::default() });
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Each deadline is that of an object.
    fn deadlines(&mut self, found: &Found) -> Result<(), Error> {
        let latest = family(self.db, LATEST)?;
        walk(self.db, DEADLINES, &[], None, |key, suffix| {
            let suffix = String::from_utf8_lossy(suffix);
            let mut problem = Problem::default();
            let Some((millis, id, revision)) = deadline_of(key) else {
                problem.fault = format!("deadlines has a key that is cut off: {}", key.escape_ascii());
                self.report.add(problem);
                return Ok(());
            };
            problem.revision = Some(revision);
            problem.key =
                found.resources.get(id.position()).map(|prefix| Key::unchecked(&format!("{prefix}{suffix}")));
            let stored = self.db.get_pinned_cf(latest, id.latest(&suffix)).map_err(engine_error)?;
            let expires = stored.as_deref().and_then(Latest::read);
            if expires.is_none_or(|entry| (entry.deadline_millis, entry.revision) != (millis, revision)) {
                problem.fault = format!("the deadline {millis} is that of no object");
                self.report.add(problem);
            }
            Ok(())
        })
    }
}

/// The range of a resource in a column family.
fn range(id: ResourceId) -> ([u8; 4], [u8; 4]) {
    (id.0.to_be_bytes(), id.end())
}

/// Why no commit can have this revision.
fn fault_of(found: &Found, revision: Revision) -> Option<String> {
    let reserved = found.reserved.unwrap_or_default();
    let gap = found.gaps.iter().find(|(after, until)| *after < revision && revision < *until);
    if revision.is_zero() {
        Some("the revision is zero".to_owned())
    } else if revision > reserved {
        Some(format!("it is above {reserved}, where the reserved revisions end"))
    } else if let Some((after, until)) = gap {
        Some(format!("it is in the gap between {after} and {until}, which was never issued"))
    } else if revision > found.revision {
        Some(format!("it is above {}, the last that was committed", found.revision))
    } else {
        None
    }
}
