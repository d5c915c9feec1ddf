//! A server of our own: on a free port, with an empty store in a directory of its own. It ends with us, and its
//! directory goes.

use std::env;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::cli::{BackendKind, Common};
use crate::error::LoadError;

/// How long it may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// How long it may take to end by itself.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    // A server whose output nobody takes would end.
    _output: BufReader<ChildStdout>,
    id: u32,
    url: String,
    // After the process: it goes when nothing writes to it any more.
    _directory: TempDir,
}

impl Started {
    /// Starts it, and waits until it is ready.
    pub(crate) async fn launch(binary: &Path, flags: &Common) -> Result<Self, LoadError> {
        let what = || binary.display().to_string();
        let mut builder = tempfile::Builder::new();
        builder.prefix("watchkeep-bench-");
        let directory = match &flags.dir {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        let directory = directory.map_err(LoadError::io("a directory for the server"))?;
        let mut child = command(binary, flags, directory.path()).spawn().map_err(LoadError::io(what()))?;
        let ended = |missing| LoadError::Answer { what: what(), missing };
        let id = child.id().ok_or_else(|| ended("it ended at once"))?;
        let mut output = BufReader::new(child.stdout.take().ok_or_else(|| ended("no output"))?);
        let mut line = String::new();
        timeout(READY_TIMEOUT, output.read_line(&mut line))
            .await
            .map_err(|_| LoadError::TimedOut { what: what(), waited: READY_TIMEOUT })?
            .map_err(LoadError::io(what()))?;
        let url = ready_url(&line).ok_or_else(|| ended("it did not say that it is ready"))?.to_owned();
        Ok(Self { child, _output: output, id, url, _directory: directory })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Asks it to end, and kills it when it does not.
    pub(crate) async fn stop(mut self) -> Result<(), LoadError> {
        let what = || format!("ending process {}", self.id);
        // Nobody has waited for the child yet, so that its id cannot mean another process.
        if let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).map_err(|error| LoadError::io(what())(error.into()))?;
        }
        match timeout(END_TIMEOUT, self.child.wait()).await {
            Ok(ended) => ended.map_err(LoadError::io(what())).map(|_| ()),
            Err(_) => self.child.kill().await.map_err(LoadError::io(what())),
        }
    }
}

/// How it is started: without the variables that would set flags.
fn command(binary: &Path, flags: &Common, directory: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"WATCHKEEP_")) {
        command.env_remove(name);
    }
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--log-level",
        "warn",
        "--backend",
        flags.backend.name(),
    ]);
    command.arg("--kubeconfig").arg(directory.join("kubeconfig"));
    if flags.backend == BackendKind::Rocksdb {
        command.arg("--data-dir").arg(directory.join("data"));
    }
    command.args(&flags.serve_flags);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// The address in the line that says that it is ready.
fn ready_url(line: &str) -> Option<&str> {
    line.strip_prefix("watchkeep is ready on ")?.split(';').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_the_address() {
        let line = "watchkeep is ready on http://127.0.0.1:34567; kubeconfig: /tmp/a b/kubeconfig\n";
        assert_eq!(ready_url(line), Some("http://127.0.0.1:34567"));
        assert_eq!(ready_url("error: no"), None);
    }
}
