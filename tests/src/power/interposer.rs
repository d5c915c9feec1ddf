//! The library that is loaded into the server: it keeps the journal, and makes calls fail when asked.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::disk::Disk;
use super::image::Image;
use super::journal::{self, Record};
use crate::process::{Process, ProcessError};
use crate::server::{Environment, Server, ServerError};

/// How long the C compiler may take.
const COMPILE_TIMEOUT: Duration = Duration::from_mins(2);

/// The place of each fault in the file of faults, as `tests/interposer/journal.h` draws it.
const QUOTA: u64 = 0;
const FAILING_SYNCS: u64 = 8;
const FAILING_LOG_SYNCS: u64 = 16;
const NO_LOG_SYNC: u64 = 24;

/// Which syncs are to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// Of any file.
    All,
    /// Of the write-ahead log.
    Log,
}

impl Syncs {
    fn place(self) -> u64 {
        match self {
            Self::All => FAILING_SYNCS,
            Self::Log => FAILING_LOG_SYNCS,
        }
    }
}

/// The compiled library. It is there as long as anybody has it.
#[derive(Clone, Debug)]
pub struct Interposer {
    folder: Arc<TempDir>,
}

impl Interposer {
    /// Compiles it.
    ///
    /// # Errors
    /// When there is no C compiler, or it refuses.
    pub fn build() -> Result<Self, ServerError> {
        let interposer = Self { folder: Arc::new(TempDir::with_prefix("watchkeep-interposer-")?) };
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("interposer");
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O2", "-o"]).arg(interposer.library());
        command.arg(sources.join("journal.c")).arg(sources.join("calls.c"));
        let compiled = Process::start(&mut command)?.output(COMPILE_TIMEOUT)?;
        if compiled.status.success() {
            return Ok(interposer);
        }
        Err(ProcessError::Ended { process: "cc".to_owned(), stderr: compiled.stderr }.into())
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("interposer.so")
    }
}

/// A directory whose changes are recorded, and a store in it.
#[derive(Debug)]
pub struct Interposed {
    interposer: Interposer,
    before: Image,
    /// Holds the directory, the journals and the faults.
    folder: TempDir,
    faults: File,
    /// How many servers were started: each has a journal of its own.
    starts: usize,
}

impl Interposed {
    /// A directory that holds this.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn new(interposer: &Interposer, image: Image) -> io::Result<Self> {
        let folder = TempDir::with_prefix("watchkeep-power-")?;
        let directory = folder.path().join("disk");
        fs::create_dir(&directory)?;
        image.write(&directory)?;
        let path = folder.path().join("faults");
        fs::write(&path, [u64::MAX.to_ne_bytes(), [0; 8], [0; 8], [0; 8]].concat())?;
        let faults = File::options().read(true).write(true).open(path)?;
        Ok(Self { interposer: interposer.clone(), before: image, folder, faults, starts: 0 })
    }

    /// The directory whose changes are recorded.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// The directory of the store: below the recorded one, so that its own name is recorded too.
    pub fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Starts a server on the store and waits until it is ready. To be called once after each end of one.
    ///
    /// # Errors
    /// Those of [`Server::start_in`].
    pub fn start(&mut self, flags: &[&str]) -> Result<Server, ServerError> {
        self.starts += 1;
        let environment = self.environment();
        let mut all = vec!["--backend".into(), "rocksdb".into(), "--data-dir".into()];
        all.push(self.data_dir().into_os_string());
        all.extend(flags.iter().map(Into::into));
        let server = Server::start_in(&environment, all)?;
        // The dynamic linker goes on without a library that it cannot load.
        fs::metadata(self.journal_path(self.starts))?;
        Ok(server)
    }

    /// What has the dynamic linker load the interposer, and tells it what to record where.
    fn environment(&self) -> Environment {
        let path = |name: &str| self.folder.path().join(name).into_os_string();
        vec![
            ("LD_PRELOAD", self.interposer.library().into_os_string()),
            ("INTERPOSER_DIRECTORY", self.path().into_os_string()),
            ("INTERPOSER_JOURNAL", self.journal_path(self.starts).into_os_string()),
            ("INTERPOSER_FAULTS", path("faults")),
        ]
    }

    fn journal_path(&self, start: usize) -> PathBuf {
        self.folder.path().join(format!("journal-{start}"))
    }

    /// What the server of the last start has changed, in order.
    ///
    /// # Errors
    /// When there is no journal, or it makes no sense.
    pub fn journal(&self) -> io::Result<Vec<Record>> {
        journal::read(&self.journal_path(self.starts))
    }

    /// What the directory held before the first start.
    pub fn before(&self) -> &Image {
        &self.before
    }

    /// The disk after all changes. The seed is for what becomes of failed syncs.
    ///
    /// # Errors
    /// When the journal tells something else than what lies there. A kill may hit between a change and the
    /// record of it, so one change may be missing; a rename is seen at two paths.
    pub fn disk(&self, seed: u64) -> Result<Disk, String> {
        let mut disk = Disk::new(&self.before, seed);
        for start in 1..=self.starts {
            let records = journal::read(&self.journal_path(start)).map_err(|error| error.to_string())?;
            disk.replay(&records)?;
        }
        let lies = Image::read(&self.path()).map_err(|error| error.to_string())?;
        match disk.live().differences(&lies) {
            wrong if wrong.len() > 2 => Err(format!("the journal tells something else of {wrong:?}")),
            _ => Ok(disk),
        }
    }

    /// Lets the server write so many more bytes; `None` as many as it likes.
    ///
    /// # Errors
    /// Those of writing the file of faults.
    pub fn set_quota(&self, bytes: Option<u64>) -> io::Result<()> {
        self.faults.write_all_at(&bytes.unwrap_or(u64::MAX).to_ne_bytes(), QUOTA)
    }

    /// Has the next sync of a file fail: of any, or of the write-ahead log.
    ///
    /// # Errors
    /// Those of writing the file of faults.
    pub fn fail_next_sync(&self, of: Syncs) -> io::Result<()> {
        self.faults.write_all_at(&1_u64.to_ne_bytes(), of.place())
    }

    /// Whether that has happened.
    ///
    /// # Errors
    /// Those of reading the file of faults.
    pub fn sync_has_failed(&self, of: Syncs) -> io::Result<bool> {
        let mut count = [0; 8];
        self.faults.read_exact_at(&mut count, of.place())?;
        Ok(count == [0; 8])
    }

    /// Has syncs of the write-ahead log do nothing: a store that does not sync.
    ///
    /// # Errors
    /// Those of writing the file of faults.
    pub fn ignore_log_syncs(&self) -> io::Result<()> {
        self.faults.write_all_at(&1_u64.to_ne_bytes(), NO_LOG_SYNC)
    }
}
