//! The built `watchkeep` binary, running on a port of its own with a kubeconfig of its own.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tempfile::TempDir;

use crate::etcd::{Etcd, EtcdError};
use crate::process::{END_TIMEOUT, Output, Process, ProcessError};

/// How long the server may take until it accepts requests.
pub const READY_TIMEOUT: Duration = Duration::from_mins(1);

const PREFIX: &str = "watchkeep-server-";
const ANY_PORT: &str = "127.0.0.1:0";

/// Why there is no server to talk to.
#[derive(thiserror::Error)]
pub enum ServerError {
    /// The binary is not where cargo puts it.
    #[error("no server at {}: run `cargo build -p watchkeep-server`, or set WATCHKEEP_BIN", .0.display())]
    NotBuilt(PathBuf),
    /// The test's own executable, or a folder for the server, is not to be had.
    #[error("no place for the server: {0}")]
    Io(#[from] io::Error),
    /// It did not start, or did not get ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// There is no etcd to keep its objects in.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// Its first line is not the one that says where it listens.
    #[error("the server is not ready; its first line is {0:?}")]
    NotReady(String),
    /// It was asked to stop, and ended with an error.
    #[error("the server ended with {0}")]
    EndedWith(ExitStatus),
}

/// A test's `unwrap` shows this: the words for a reader.
impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Variables to start a server with.
pub type Environment = Vec<(&'static str, OsString)>;

/// A running server. Dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Server {
    // Before what it stores in, so that the process ends first.
    process: Process,
    etcd: Option<Etcd>,
    flags: Vec<OsString>,
    url: String,
    kubeconfig: PathBuf,
    folder: TempDir,
}

/// The backend of the servers of tests that need none in particular: `WATCHKEEP_TEST_BACKEND`, or memory.
///
/// # Panics
/// When the variable names no backend: a test of a backend that was asked for must not run on another one.
pub fn backend() -> &'static str {
    match env::var("WATCHKEEP_TEST_BACKEND").as_deref() {
        Err(_) | Ok("memory") => "memory",
        Ok("rocksdb") => "rocksdb",
        Ok("etcd3") => "etcd3",
        Ok(other) => panic!("WATCHKEEP_TEST_BACKEND={other:?}"),
    }
}

/// A new store of a backend: the flags for it, and what runs beside the server.
struct Store {
    flags: Vec<OsString>,
    etcd: Option<Etcd>,
}

impl Store {
    /// One that goes with this folder.
    fn new(backend: &str, folder: &Path) -> Result<Self, ServerError> {
        let mut flags: Vec<OsString> = vec!["--backend".into(), backend.into()];
        let mut etcd = None;
        match backend {
            "rocksdb" => flags.extend(["--data-dir".into(), folder.join("data").into()]),
            "etcd3" => {
                let url = etcd.insert(Etcd::start()?).url();
                flags.extend(["--etcd-servers".into(), url.into()]);
            }
            _ => {}
        }
        Ok(Self { flags, etcd })
    }
}

impl Server {
    /// Starts a server with an empty store on [`backend`] and waits until it is ready.
    pub fn start() -> Result<Self, ServerError> {
        let folder = TempDir::with_prefix(PREFIX)?;
        let Store { flags, etcd } = Store::new(backend(), folder.path())?;
        let server = Self::launch(ANY_PORT, folder, &Environment::new(), flags)?;
        Ok(Self { etcd, ..server })
    }

    /// Starts a server with the flags of `watchkeep serve` that say where its objects are, and waits until it
    /// is ready.
    pub fn start_with(flags: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Self, ServerError> {
        Self::start_in(&Environment::new(), flags)
    }

    /// The same, with more variables in its environment.
    pub fn start_in(
        environment: &Environment,
        flags: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self, ServerError> {
        Self::launch(ANY_PORT, TempDir::with_prefix(PREFIX)?, environment, flags)
    }

    /// Stops the server, which must end without an error, and starts it again on its address and with what
    /// its store has kept.
    pub fn restart(self) -> Result<Self, ServerError> {
        let address = self.address().to_owned();
        let Self { process, etcd, flags, folder, .. } = self;
        let status = process.stop(END_TIMEOUT)?;
        if !status.success() {
            return Err(ServerError::EndedWith(status));
        }
        let server = Self::launch(&address, folder, &Environment::new(), flags)?;
        Ok(Self { etcd, ..server })
    }

    fn launch(
        address: &str,
        folder: TempDir,
        environment: &Environment,
        flags: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self, ServerError> {
        let mut command = serve()?;
        command.envs(environment.iter().cloned());
        command.args(["--listen", address, "--kubeconfig"]);
        let flags: Vec<OsString> = flags.into_iter().map(|flag| flag.as_ref().to_owned()).collect();
        command.arg(folder.path().join("kubeconfig")).args(&flags);
        let process = Process::start(&mut command)?;
        let line = process.next_line(READY_TIMEOUT)?;
        let (url, kubeconfig) = parse_ready(&line).ok_or_else(|| ServerError::NotReady(line.clone()))?;
        eprintln!("server {}: {line}", process.id());
        Ok(Self { process, etcd: None, flags, url, kubeconfig, folder })
    }

    /// Where it listens, such as `http://127.0.0.1:34567`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address in [`Server::url`], such as `127.0.0.1:34567`.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap_or(&self.url)
    }

    /// The kubeconfig that it wrote for its clients.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A folder that goes with the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it logged since the last call.
    pub fn log_so_far(&self) -> String {
        self.process.stderr_so_far()
    }

    /// Ends the server with SIGKILL: it gets no chance to finish anything.
    pub fn kill(self) -> Result<ExitStatus, ServerError> {
        Ok(self.process.kill()?)
    }

    /// Asks the server to shut down with SIGTERM and tells how it ended.
    pub fn stop(self) -> Result<ExitStatus, ServerError> {
        Ok(self.process.stop(END_TIMEOUT)?)
    }
}

/// Runs `watchkeep serve` with these flags to its end, within [`READY_TIMEOUT`]: for flags that it refuses.
pub fn run_to_end(flags: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Output, ServerError> {
    Ok(Process::start(serve()?.args(flags))?.output(READY_TIMEOUT)?)
}

/// Runs `watchkeep check` on a directory to its end.
pub fn check(directory: &Path) -> Result<Output, ServerError> {
    Ok(Process::start(watchkeep("check")?.arg("--data-dir").arg(directory))?.output(READY_TIMEOUT)?)
}

fn serve() -> Result<Command, ServerError> {
    watchkeep("serve")
}

/// A command of the binary, without the variables that would set flags.
fn watchkeep(what: &str) -> Result<Command, ServerError> {
    let mut command = Command::new(binary()?);
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"WATCHKEEP_")) {
        command.env_remove(name);
    }
    command.arg(what);
    Ok(command)
}

/// `WATCHKEEP_BIN`, or the binary in the profile folder that the test's executable lies in.
pub fn binary() -> Result<PathBuf, ServerError> {
    let path = match env::var_os("WATCHKEEP_BIN") {
        Some(path) => PathBuf::from(path),
        None => beside(&env::current_exe()?),
    };
    if path.is_file() { Ok(path) } else { Err(ServerError::NotBuilt(path)) }
}

fn beside(test: &Path) -> PathBuf {
    let mut folder = test.parent().unwrap_or(test);
    if folder.ends_with("deps") {
        folder = folder.parent().unwrap_or(folder);
    }
    folder.join("watchkeep")
}

/// The address and the kubeconfig of `watchkeep is ready on URL; kubeconfig: PATH`.
fn parse_ready(line: &str) -> Option<(String, PathBuf)> {
    let (url, path) = line.strip_prefix("watchkeep is ready on ")?.split_once("; kubeconfig: ")?;
    Some((url.to_owned(), path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_the_address_and_the_kubeconfig() {
        let line = "watchkeep is ready on http://127.0.0.1:8001; kubeconfig: /tmp/a b/kubeconfig";
        let ready = ("http://127.0.0.1:8001".to_owned(), PathBuf::from("/tmp/a b/kubeconfig"));
        assert_eq!(parse_ready(line), Some(ready));
        assert_eq!(parse_ready("watchkeep is ready on http://127.0.0.1:8001"), None);
        assert_eq!(parse_ready("error: address in use"), None);
    }

    #[test]
    fn a_store_on_the_disk_goes_with_the_folder_and_one_in_memory_has_no_directory() {
        let folder = Path::new("/tmp/f");
        assert_eq!(Store::new("memory", folder).unwrap().flags, ["--backend", "memory"]);
        let on_disk = ["--backend", "rocksdb", "--data-dir", "/tmp/f/data"];
        assert_eq!(Store::new("rocksdb", folder).unwrap().flags, on_disk);
    }

    #[test]
    fn the_binary_lies_beside_the_folder_of_test_executables() {
        assert_eq!(beside(Path::new("/t/debug/deps/end_to_end-0123")), Path::new("/t/debug/watchkeep"));
        assert_eq!(beside(Path::new("/t/release/examples")), Path::new("/t/release/watchkeep"));
    }
}
