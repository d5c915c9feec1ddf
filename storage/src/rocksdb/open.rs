//! Opening a store: who may, what it finds, and where revisions go on.
//!
//! Before anything is changed: the directory is one of this format, and nobody else has it open. After a
//! clean close revisions go on where they were. After anything else the store may have lost what was
//! never synced, and somebody may have seen the revisions of that: so they go on after the block that was
//! reserved, and what lies between is a gap, which is answered like compacted history.
//! So it is with a checkpoint, whose original goes on to issue revisions. \[REVISION-MONOTONIC\]

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, InfoLogger,
    IteratorMode, LogLevel, Options, WriteBatch, WriteBufferManager, properties,
};

use super::codec::{self, Counters, Reader};
use super::commit::{BLOCK_REVISIONS, write_synced};
use super::compact::Marks;
use super::keyspace::{
    DEADLINES, FAMILIES, FORMAT, LATEST, META, META_CLOSED, META_COMPACTED, META_FORMAT, META_GAP, META_MARK,
    META_RESERVED, META_RESOURCE, META_REVISION, ResourceId, family, meta_at, revision_of,
};
use super::lock::DirectoryLock;
use super::log_check::{self, LogDamage};
use super::options::{Compression, RocksOptions};
use super::reopen::ROOM_FILE;
use super::state::State;
use super::view::{View, advised, engine_error};
use crate::defect::{self, Defect};
use crate::environment::Environment;
use crate::error::Error;
use crate::failpoint::{self, Point};
use crate::key::ResourcePrefix;
use crate::revision::Revision;

/// The file that tells the format, beside the engine's own directory.
const FORMAT_FILE: &str = "format";
pub(super) const ENGINE_DIRECTORY: &str = "db";
/// The file that says that the store is a checkpoint, and was not opened since.
pub(super) const CHECKPOINT_FILE: &str = "checkpoint";

/// Why a store cannot be opened; each says in one line what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is in use.
    #[error("{} is in use by another process: stop it, or choose another directory", .0.display())]
    InUse(PathBuf),
    /// The directory holds something else.
    #[error("{} is not empty and holds no store: choose another directory", .0.display())]
    NotAStore(PathBuf),
    /// There is nothing to look at.
    #[error("{} holds no store: name the directory of one", .0.display())]
    NoStore(PathBuf),
    /// A later build made the store.
    #[error("{} has format {found}, and this build reads format {FORMAT}: use the build that made it", directory.display())]
    Format {
        /// The directory.
        directory: PathBuf,
        /// The format of the store.
        found: String,
    },
    /// The directory cannot be read or written.
    #[error("{}: {error}: make it readable and writable, or choose another directory", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The log is damaged where writes are that were acknowledged.
    #[error("{0}: put a whole copy of the file there, or restore a checkpoint of the store")]
    Log(LogDamage),
    /// The engine refuses what it finds.
    #[error("{}: {reason}", directory.display())]
    Engine {
        /// The directory.
        directory: PathBuf,
        /// What the engine said.
        reason: String,
    },
}

/// An open store.
pub(super) struct Opened {
    pub(super) db: DB,
    pub(super) state: State,
    pub(super) reserved: Revision,
    pub(super) marks: Marks,
    pub(super) lock: DirectoryLock,
}

/// Opens the store of a directory, or makes it.
pub(super) fn open(options: &RocksOptions, environment: &Environment) -> Result<Opened, OpenError> {
    let directory = &options.directory;
    // Refused before anything is made; and looked at again when nobody else can change it.
    is_new(directory)?;
    let lock = DirectoryLock::take(directory)?;
    let is_new = is_new(directory)?;
    let unusable = |error| OpenError::Directory { directory: directory.clone(), error };
    if is_new {
        begin_format(directory).map_err(unusable)?;
        clear(&engine_path(options)).map_err(unusable)?;
    }
    keep_names(directory).map_err(unusable)?;
    // Left by one that was killed while it looked for room.
    let _ = fs::remove_file(directory.join(ROOM_FILE));
    let db = if is_new { new_engine(options)? } else { engine(options)? };
    let failed = |error: Error| OpenError::Engine { directory: directory.clone(), reason: error.to_string() };
    let checkpoint = directory.join(CHECKPOINT_FILE);
    let origin = match (is_new, checkpoint.exists()) {
        (true, _) => Origin::New,
        (false, true) => Origin::Checkpoint,
        (false, false) => Origin::Store,
    };
    let opened = recover(db, lock, origin, options, environment).map_err(failed)?;
    match origin {
        Origin::New => finish_format(directory).map_err(unusable)?,
        Origin::Checkpoint => {
            // It is a store of its own from here on, with revisions that are durably above the original's.
            let removed = fs::remove_file(checkpoint).and_then(|()| sync_directory(directory));
            removed.map_err(unusable)?;
        }
        Origin::Store => {}
    }
    Ok(opened)
}

/// What a directory held when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Nothing.
    New,
    /// The copy of a store that goes on elsewhere.
    Checkpoint,
    Store,
}

/// Makes the engine of a new store.
fn new_engine(options: &RocksOptions) -> Result<DB, OpenError> {
    let (mut general, families) = engine_options(options);
    general.create_if_missing(true);
    general.create_missing_column_families(true);
    let db = DB::open_cf_descriptors(&general, engine_path(options), families);
    db.map_err(|error| refused(&options.directory, error))
}

/// Opens the engine of a store.
pub(super) fn engine(options: &RocksOptions) -> Result<DB, OpenError> {
    check_log(options)?;
    let (general, families) = engine_options(options);
    let db = DB::open_cf_descriptors(&general, engine_path(options), families);
    db.map_err(|error| refused(&options.directory, error))
}

/// Opens the engine of a store, and changes nothing.
pub(super) fn read_only_engine(options: &RocksOptions) -> Result<DB, OpenError> {
    let (mut general, families) = engine_options(options);
    // Whoever looks through a store sees every version of a key, not only what a seek would find.
    general.set_max_sequential_skip_in_iterations(u64::MAX);
    let db = DB::open_cf_descriptors_read_only(&general, engine_path(options), families, false);
    db.map_err(|error| refused(&options.directory, error))
}

/// Refuses a log that is damaged, which the engine would forget from there on.
pub(super) fn check_log(options: &RocksOptions) -> Result<log_check::Summary, OpenError> {
    let engine = engine_path(options);
    let oldest_needed =
        || read_only_engine(options).ok()?.property_int_value(properties::MIN_LOG_NUMBER_TO_KEEP).ok()?;
    match log_check::check(&engine, oldest_needed) {
        Ok((summary, None)) => Ok(summary),
        Ok((_, Some(damage))) => Err(OpenError::Log(damage)),
        Err(error) => Err(OpenError::Directory { directory: engine, error }),
    }
}

fn engine_path(options: &RocksOptions) -> PathBuf {
    options.directory.join(ENGINE_DIRECTORY)
}

fn refused(directory: &Path, error: ::rocksdb::Error) -> OpenError {
    let reason = advised(error);
    // The one lock of the engine: of another process, or of another store in this one.
    if reason.contains("While lock file") || reason.contains("lock hold by current process") {
        return OpenError::InUse(directory.to_owned());
    }
    let directory = directory.to_owned();
    if reason.contains("Read-only file system") || reason.contains("Permission denied") {
        return OpenError::Directory { directory, error: std::io::Error::other(reason) };
    }
    OpenError::Engine { directory, reason }
}

/// Whether there is no store in a directory yet; makes the directory if there is none.
///
/// # Errors
/// There is something else, or a store that this build cannot read.
fn is_new(directory: &Path) -> Result<bool, OpenError> {
    if has_known_format(directory)? {
        return Ok(false);
    }
    let failed = |error| OpenError::Directory { directory: directory.to_owned(), error };
    make_directory(directory).map_err(failed)?;
    let is_begun = directory.join(NEW_FORMAT_FILE).exists();
    let mut names = fs::read_dir(directory).map_err(failed)?.flatten().map(|entry| entry.file_name());
    // A first start that was cut off leaves these.
    let is_ours = |name| is_begun && (name == NEW_FORMAT_FILE || name == ENGINE_DIRECTORY);
    if names.all(is_ours) { Ok(true) } else { Err(OpenError::NotAStore(directory.to_owned())) }
}

/// Whether a directory holds a store; an error if this build cannot read it.
pub(super) fn has_known_format(directory: &Path) -> Result<bool, OpenError> {
    match fs::read_to_string(directory.join(FORMAT_FILE)) {
        Ok(found) if found.trim() == FORMAT.to_string() => Ok(true),
        Ok(found) => {
            let found = found.trim().chars().take(40).collect();
            Err(OpenError::Format { directory: directory.to_owned(), found })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(OpenError::Directory { directory: directory.to_owned(), error }),
    }
}

const NEW_FORMAT_FILE: &str = "format.new";

/// Notes that a store is being made. Nothing is in it before [`finish_format`]: so what is found without
/// the format, but with this note, is what a first start has left that was cut off, and what is found
/// with the format and without an engine has lost it.
fn begin_format(directory: &Path) -> std::io::Result<()> {
    let mut file = fs::File::create(directory.join(NEW_FORMAT_FILE))?;
    writeln!(file, "{FORMAT}")?;
    file.sync_all()?;
    sync_directory(directory)
}

/// Removes what a first start has left that was cut off: it has acknowledged nothing.
fn clear(engine: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(engine) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Notes that the store is made.
fn finish_format(directory: &Path) -> std::io::Result<()> {
    fs::rename(directory.join(NEW_FORMAT_FILE), directory.join(FORMAT_FILE))?;
    sync_directory(directory)
}

/// Writes the format of a store that was made elsewhere, whole and durable.
pub(super) fn write_format(directory: &Path) -> std::io::Result<()> {
    begin_format(directory)?;
    finish_format(directory)
}

/// Makes a directory, and those above it that are missing, each with a name that a loss of power leaves.
pub(super) fn make_directory(directory: &Path) -> std::io::Result<()> {
    let Some(parent) = directory.parent() else { return Ok(()) };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    if directory.is_dir() {
        // Perhaps made by a process that was killed before it synced; perhaps by somebody who does not let
        // us read the directory above.
        let _ = sync_directory(parent);
        return Ok(());
    }
    make_directory(parent)?;
    fs::create_dir_all(directory)?;
    sync_directory(parent)
}

/// Has the names in the directory stay: the engine syncs only what is in its own. At every start, because
/// the one before may have been killed before it did so.
fn keep_names(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory.join(ENGINE_DIRECTORY))?;
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> std::io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// What the engine has to say. Its banners are of little use, and why it could not be opened its caller
/// is told.
fn log(level: LogLevel, line: &str) {
    let line = line.trim_end();
    match level {
        LogLevel::Warn | LogLevel::Error | LogLevel::Fatal if !line.contains("DB::Open() failed") => {
            tracing::warn!("the engine: {line}");
        }
        _ => tracing::debug!("the engine: {line}"),
    }
}

/// How much is read at a time. Larger blocks make lists cheaper, and reads of single objects that are not
/// cached dearer. With what the engine adds to it, it is just what an allocator sets aside for it.
const BLOCK_BYTES: usize = (16 << 10) - 64;
/// What the cache takes a block for when it makes room for its own table: less than most, so that it is the
/// blocks that fill it.
const BLOCK_BYTES_LEAST: usize = BLOCK_BYTES / 2;
/// How much of each file is read ahead while files are merged: memory that no bound counts.
const MERGE_READAHEAD_BYTES: usize = 512 << 10;
/// How many new files of a family are merged at once. More writes each value less often, and has a read look
/// for its key in more of them: `latest` is for reading.
const NEW_FILES_LATEST: i32 = 4;
/// The others lie in the order of revisions, so that a read finds its file at once.
const NEW_FILES_OTHERS: i32 = 8;
/// The part of a write buffer that tells which keys are in it.
const MEMTABLE_BLOOM_RATIO: f64 = 0.02;

/// The options of the engine, and its column families.
fn engine_options(options: &RocksOptions) -> (Options, Vec<ColumnFamilyDescriptor>) {
    // One bound for what is read and what is written: the write buffers take their room from the cache, and
    // take more of it rather than stall.
    let (write_bytes, stall) = (options.write_buffer_bytes, false);
    let cache_bytes = options.block_cache_bytes.saturating_add(write_bytes);
    let cache = Cache::new_hyper_clock_cache(cache_bytes, BLOCK_BYTES_LEAST);
    let write_buffers =
        WriteBufferManager::new_write_buffer_manager_with_cache(write_bytes, stall, cache.clone());
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_size(BLOCK_BYTES);
    blocks.set_block_cache(&cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_bloom_filter(10.0, false);
    let mut family = Options::default();
    family.set_block_based_table_factory(&blocks);
    family.set_compression_type(match options.compression {
        Compression::None => DBCompressionType::None,
        Compression::Lz4 => DBCompressionType::Lz4,
    });
    family.set_level_compaction_dynamic_level_bytes(true);
    family.set_write_buffer_size(options.write_buffer_bytes / 2);
    // Most keys that the writer looks up are in files: without this each of them is searched for in memory.
    family.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
    family.set_memtable_whole_key_filtering(true);

    let mut general = family.clone();
    general.set_write_buffer_manager(&write_buffers);
    general.set_max_total_wal_size(4 * options.write_buffer_bytes as u64);
    general.set_max_background_jobs(2);
    general.set_compaction_readahead_size(MERGE_READAHEAD_BYTES);
    // A torn end of the log is what a loss of power leaves: everything before it counts.
    general.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    general.set_paranoid_checks(true);
    // Into our log: a log file of its own the engine would change before it knows whether it may have the
    // directory.
    general.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, log));
    general.set_log_level(LogLevel::Warn);
    general.set_stats_dump_period_sec(0);
    general.set_stats_persist_period_sec(0);
    let families = FAMILIES.map(|name| {
        let mut family = family.clone();
        let new_files = if name == LATEST { NEW_FILES_LATEST } else { NEW_FILES_OTHERS };
        family.set_level_zero_file_num_compaction_trigger(new_files);
        ColumnFamilyDescriptor::new(name, family)
    });
    (general, families.into())
}

/// What `meta` tells of a store.
#[derive(Default)]
pub(super) struct Found {
    pub(super) format: Option<u64>,
    /// Of the last commit.
    pub(super) revision: Revision,
    pub(super) reserved: Option<Revision>,
    pub(super) closed: Option<Revision>,
    pub(super) compacted: Revision,
    pub(super) gaps: Vec<(Revision, Revision)>,
    pub(super) marks: Vec<(Revision, [u64; 3])>,
    /// The resources, by their numbers.
    pub(super) resources: Vec<ResourcePrefix>,
    /// The counts of each.
    pub(super) counters: Vec<Counters>,
}

impl Found {
    /// Whether nothing was ever stored: it was about to be made.
    pub(super) fn is_new(&self) -> bool {
        self.reserved.is_none()
    }

    /// The last revision that it knows to be issued.
    pub(super) fn last(&self) -> Revision {
        let gaps = self.gaps.iter().map(|(_, until)| *until);
        let last = gaps.chain([self.revision, self.compacted]).chain(self.closed).max();
        last.unwrap_or_default()
    }
}

/// Reads what `meta` tells.
pub(super) fn read(db: &DB) -> Result<Found, Error> {
    let mut resources = Vec::new();
    let mut found = Found::default();
    for item in db.iterator_cf(family(db, META)?, IteratorMode::Start) {
        let (key, value) = item.map_err(engine_error)?;
        let number = codec::read_number(&value);
        let at = revision_of(&key).unwrap_or_default();
        match &*key {
            META_FORMAT => found.format = number,
            META_REVISION => found.revision = Revision::new(number.unwrap_or_default()),
            META_RESERVED => found.reserved = number.map(Revision::new),
            META_CLOSED => found.closed = number.map(Revision::new),
            META_COMPACTED => found.compacted = Revision::new(number.unwrap_or_default()),
            key if key.starts_with(META_GAP) => {
                found.gaps.push((Revision::new(number.unwrap_or_default()), at));
            }
            key if key.starts_with(META_MARK) => {
                found.marks.push((at, codec::read_mark(&value).unwrap_or_default()));
            }
            key if key.starts_with(META_RESOURCE) => {
                let prefix = key.get(META_RESOURCE.len()..).unwrap_or_default();
                let prefix = ResourcePrefix::new(&String::from_utf8_lossy(prefix))?;
                resources.push((number.unwrap_or_default(), prefix));
            }
            _ => {}
        }
    }
    resources.sort_by_key(|(number, _)| *number);
    for (position, (number, prefix)) in resources.into_iter().enumerate() {
        if number != position as u64 {
            return Err(Error::Internal { reason: format!("the resource {prefix} has the number {number}") });
        }
        let id = ResourceId(u32::try_from(position).unwrap_or(u32::MAX));
        let reader = Reader { id, prefix: prefix.clone(), schema: Arc::default() };
        found.counters.push(View::open(db, &reader).counters()?);
        found.resources.push(prefix);
    }
    Ok(found)
}

fn recover(
    db: DB,
    lock: DirectoryLock,
    origin: Origin,
    options: &RocksOptions,
    environment: &Environment,
) -> Result<Opened, Error> {
    let mut found = read(&db)?;
    if found.format.is_some_and(|format| format != u64::from(FORMAT)) {
        return Err(Error::Internal { reason: "the engine's directory has another format".to_owned() });
    }
    let mut batch = WriteBatch::default();
    let meta = family(&db, META)?;
    let micros = u64::try_from(environment.unix_time().as_micros()).unwrap_or(u64::MAX);
    let (revision, reserved) = match (found.reserved, found.closed.filter(|_| origin == Origin::Store)) {
        (None, _) if origin != Origin::New => {
            let reason = "its meta data are gone: restore a checkpoint".to_owned();
            return Err(Error::Internal { reason });
        }
        (None, _) => {
            let first = Revision::new(options.first_revision.map_or(micros, Revision::get).max(1));
            // Revisions below are another store's: they cannot be read.
            found.compacted = first;
            batch.put_cf(meta, META_FORMAT, codec::numbers(&[u64::from(FORMAT)]));
            batch.put_cf(meta, META_COMPACTED, codec::numbers(&[first.get()]));
            (first, Revision::new(first.get() + BLOCK_REVISIONS))
        }
        (Some(reserved), Some(closed)) => {
            (closed, reserved.max(Revision::new(closed.get() + BLOCK_REVISIONS)))
        }
        (Some(reserved), None) => {
            let mut resumed = reserved.next();
            if origin == Origin::Checkpoint {
                // The original goes on. It began at the Unix time in microseconds and commits less often
                // than once in one, so it is below that still.
                resumed = resumed.max(Revision::new(micros));
            }
            let last = found.last();
            found.gaps.push((last, resumed));
            batch.put_cf(meta, meta_at(META_GAP, resumed), codec::numbers(&[last.get()]));
            tracing::info!(
                %last, revision = %resumed, ?origin,
                "the store was not closed: revisions go on after a gap"
            );
            (resumed, Revision::new(resumed.get() + BLOCK_REVISIONS))
        }
    };
    batch.put_cf(meta, META_RESERVED, codec::numbers(&[reserved.get()]));
    batch.delete_cf(meta, META_CLOSED);
    if defect::on(Defect::RocksForgetsDeadlines) {
        batch.delete_range_cf(family(&db, DEADLINES)?, &[][..], &[0xff][..]);
    }
    failpoint::reached(Point::RocksRecover);
    write_synced(&db, batch)?;

    let mut marks = Marks::new(options.history_bytes_max, found.marks);
    let mut batch = WriteBatch::default();
    marks.add_unmarked(&mut batch, meta, revision, environment.unix_time(), found.counters.iter());
    if !batch.is_empty() {
        write_synced(&db, batch)?;
    }
    let mut state = State::new(revision, found.compacted, found.gaps);
    for (prefix, counters) in found.resources.into_iter().zip(found.counters) {
        state.add(prefix, counters);
    }
    Ok(Opened { db, state, reserved, marks, lock })
}
