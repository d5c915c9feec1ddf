//! Going on after a failed write, without a restart.
//!
//! What a failed write has left in the log nobody knows, and the engine takes no further write. So the
//! writer opens the engine anew, as a restart would: what is found then is what happened. It is published
//! like any other commit; revisions that were not found are burnt. Until that has succeeded writes are
//! refused, and reads go on: on the old engine, while there is no room to open it anew, and read-only if
//! it could not be opened to write.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use ::rocksdb::{DB, WriteBatch};

use super::codec;
use super::commit::{Writer, write_synced};
use super::compact::{Marks, Trim};
use super::keyspace::{META, META_RESOURCE, family};
use super::open;
use crate::defect::{self, Defect};
use crate::error::Error;
use crate::failpoint::{self, Point};

/// How long the writer waits before it tries again.
const RETRY: Duration = Duration::from_secs(1);
/// How long reads under way may keep the old engine, while others wait for it; then the writer tries again
/// later.
const READS_MAX: Duration = Duration::from_secs(1);
/// What opening writes beside what is still in memory.
const ROOM_BYTES_MIN: u64 = 8 << 20;
pub(super) const ROOM_FILE: &str = "room.new";

/// When the next attempt is due, by uptime.
#[derive(Default)]
pub(super) struct Retry {
    due: Duration,
}

impl Writer {
    /// Opens the engine anew, if writes are refused and it is time to try.
    pub(super) fn reopen_when_due(&mut self) {
        let now = self.shared.environment.uptime();
        if self.check_accepting().is_ok() || now < self.retry.due {
            return;
        }
        self.retry.due = now + RETRY;
        match self.reopen() {
            Ok(()) => tracing::info!(revision = %self.issued, "writes are accepted again"),
            Err(error) => self.refuse(&error),
        }
    }

    fn reopen(&mut self) -> Result<(), Error> {
        failpoint::passed(Point::RocksReopen)?;
        let options = &self.shared.options;
        let engine = &self.shared.engine;
        if let Some(db) = engine.try_get().ok().flatten() {
            let bytes = ROOM_BYTES_MIN + bytes_in_memory(&db);
            make_room(&options.directory, bytes)
                .map_err(|error| no_room(&options.directory, bytes, &error))?;
        }
        if engine.is_copied() {
            return Err(Error::Internal { reason: "a checkpoint is being made".to_owned() });
        }
        if !engine.take(READS_MAX) {
            return Err(Error::Internal { reason: "reads under way keep the engine open".to_owned() });
        }
        match open::engine(options) {
            Ok(db) => self.go_on_with(db),
            Err(error) => {
                let reason = error.to_string();
                match open::read_only_engine(options) {
                    Ok(db) => engine.put(db),
                    Err(error) => engine.fail(error.to_string()),
                }
                Err(Error::Internal { reason })
            }
        }
    }

    /// Publishes what the engine has found, and accepts writes.
    fn go_on_with(&mut self, db: DB) -> Result<(), Error> {
        let recovered = self.recovered(&db);
        // Reads go on in any case.
        self.shared.engine.put(db);
        self.shared.telemetry.opened();
        let found = recovered?;
        let (revision, wakers) = {
            let mut state = self.shared.state.lock();
            let mut newest = found.revision;
            if defect::on(Defect::RocksReopensWithoutNewest) {
                newest = state.revision;
            }
            state.reopened(newest, found.compacted, &found.counters);
            (state.revision, state.take_wakers())
        };
        self.shared.published.send_replace(revision);
        wakers.into_iter().for_each(std::task::Waker::wake);
        Ok(())
    }

    fn recovered(&mut self, db: &DB) -> Result<open::Found, Error> {
        let found = open::read(db)?;
        let meta = family(db, META)?;
        let mut batch = WriteBatch::default();
        // A resource that was opened when the write failed may be known in memory only.
        for reader in self.shared.state.lock().readers() {
            let key = [META_RESOURCE, reader.prefix.as_str().as_bytes()].concat();
            batch.put_cf(meta, key, codec::numbers(&[u64::from(reader.id.0)]));
        }
        self.marks = Marks::new(self.shared.options.history_bytes_max, found.marks.clone());
        let now = self.shared.environment.unix_time();
        let newest = found.revision.max(found.compacted);
        self.marks.add_unmarked(&mut batch, meta, newest, now, found.counters.iter());
        self.trim = Trim::default();
        self.reserved = found.reserved.unwrap_or_default();
        self.issued = self.issued.max(found.revision);
        write_synced(db, batch)?;
        Ok(found)
    }
}

/// What the engine holds in memory, and writes to files when it is opened anew.
fn bytes_in_memory(db: &DB) -> u64 {
    let bytes = |name| {
        let cf = family(db, name).ok()?;
        db.property_int_value_cf(cf, ::rocksdb::properties::CUR_SIZE_ALL_MEM_TABLES).ok().flatten()
    };
    super::keyspace::FAMILIES.into_iter().filter_map(bytes).sum()
}

/// Fails where the directory has no room for so many bytes: the old engine still serves reads, and is
/// better not given up for one that cannot be opened.
fn make_room(directory: &Path, bytes: u64) -> io::Result<()> {
    let path = directory.join(ROOM_FILE);
    let written = fill(&path, bytes);
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn no_room(directory: &Path, bytes: u64, error: &io::Error) -> Error {
    let (directory, mebibytes) = (directory.display(), bytes >> 20);
    let reason =
        format!("{directory} cannot take the {mebibytes} MiB that this needs, make room there: {error}");
    Error::Internal { reason }
}

fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    const CHUNK: usize = 1 << 20;
    let mut file = fs::File::create(path)?;
    let zeros = vec![0; CHUNK];
    for _ in 0..bytes.div_ceil(CHUNK as u64) {
        file.write_all(&zeros)?;
    }
    file.sync_all()
}
