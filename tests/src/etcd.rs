//! A real etcd of one member on a free port, with a temporary directory, for servers that keep their objects
//! there. It ends with the value that stands for it.

use std::env;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::process::{Process, ProcessError};

/// How long a start may take.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How many ports are tried: etcd has to be told its own, and somebody else may take it in between.
const START_TRIES: usize = 5;
/// What it says when it is ready.
const READY: &str = "serving client traffic";
/// What a store with the largest objects needs: see docs/etcd.md.
const REQUEST_BYTES_MAX: &str = "1703936";

/// Why there is no etcd.
#[derive(Debug, thiserror::Error)]
pub enum EtcdError {
    /// The binary is not where the script puts it.
    #[error("no etcd at {}: run scripts/setup-etcd.sh, or set WATCHKEEP_ETCD", .0.display())]
    NotFound(PathBuf),
    /// There is no port or no folder to be had.
    #[error("no place for etcd: {0}")]
    Io(#[from] io::Error),
    /// It did not start, on any port that was tried.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// A running etcd. Dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Etcd {
    // Before the folder, so that the process ends first.
    process: Process,
    folder: TempDir,
    url: String,
}

impl Etcd {
    /// Starts one that holds nothing, and waits until it serves.
    ///
    /// # Errors
    /// [`EtcdError`]: there is none to start, or it does not serve.
    pub fn start() -> Result<Self, EtcdError> {
        let mut tries = 1;
        loop {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let (folder, url) =
                (TempDir::with_prefix("watchkeep-etcd-")?, format!("http://127.0.0.1:{port}"));
            match launch(&folder, &url) {
                Ok(process) => return Ok(Self { process, folder, url }),
                Err(EtcdError::Process(ProcessError::Ended { .. })) if tries < START_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Kills it, and starts it again in the same place with what it has kept.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn restart(self) -> Result<Self, EtcdError> {
        let Self { process, folder, url } = self;
        process.kill()?;
        Ok(Self { process: launch(&folder, &url)?, folder, url })
    }

    /// Halts it: connections stay, and nothing answers.
    ///
    /// # Errors
    /// When it has ended.
    pub fn halt(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go_on(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(id.ok_or(io::ErrorKind::NotFound)?, signal)?)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its clients find it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn launch(folder: &TempDir, url: &str) -> Result<Process, EtcdError> {
    let mut command = Command::new(binary()?);
    command.arg("--data-dir").arg(folder.path().join("data"));
    command.args(["--listen-client-urls", url, "--advertise-client-urls", url]);
    // No other member will ever join, so these need no port that is known.
    let peer = "http://127.0.0.1:0";
    command.args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]);
    command.args(["--initial-cluster", &format!("default={peer}")]);
    // What a test keeps need not survive the machine.
    command.args(["--unsafe-no-fsync", "--heartbeat-interval", "20", "--election-timeout", "200"]);
    command.args(["--max-request-bytes", REQUEST_BYTES_MAX]);
    // Variables would set flags.
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"ETCD_")) {
        command.env_remove(name);
    }
    let process = Process::start(&mut command)?;
    process.stderr_line_with(READY, START_TIMEOUT)?;
    Ok(process)
}

/// `WATCHKEEP_ETCD`, or where `scripts/setup-etcd.sh` links one.
fn binary() -> Result<PathBuf, EtcdError> {
    let in_cache = || {
        let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/watchkeep");
        env::var_os("WATCHKEEP_CACHE").map_or_else(home, PathBuf::from).join("tools/etcd")
    };
    let path = env::var_os("WATCHKEEP_ETCD").map_or_else(in_cache, PathBuf::from);
    if path.exists() { Ok(path) } else { Err(EtcdError::NotFound(path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_dropped_serves_no_more() {
        let etcd = Etcd::start().unwrap();
        let address = etcd.url().trim_start_matches("http://").to_owned();
        assert!(std::net::TcpStream::connect(&address).is_ok());
        drop(etcd);
        assert!(std::net::TcpStream::connect(&address).is_err());
    }
}
