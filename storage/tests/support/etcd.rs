//! A real etcd of one member, in a process of its own on a free port, with a temporary directory.
//!
//! It ends with the value that stands for it, and also when the process of the test dies: a shell waits for
//! the end of its input, which nobody but the test holds open, and then kills the etcd that it has started.
//! Nothing is synced to the disk, and elections are short, so that one starts in a tenth of a second.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a start may take.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the log is looked at meanwhile.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// With the arguments: the directory, the log, the binary, its flags.
const SHELL: &str = r#"
directory=$1 log=$2; shift 2
"$@" >>"$log" 2>&1 </dev/null &
echo $!
read -r word
kill -9 $! && wait $!
[ "$word" = keep ] || rm -rf "$directory"
"#;

/// A running etcd.
pub(crate) struct Etcd {
    shell: Child,
    input: Option<ChildStdin>,
    pid: Pid,
    port: u16,
    directory: TempDir,
}

impl Etcd {
    /// Starts one on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with more flags.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        let directory = TempDir::with_prefix("watchkeep-etcd-").unwrap();
        Self::launch(directory, 0, flags).await
    }

    async fn launch(directory: TempDir, port: u16, flags: &[&str]) -> Self {
        let log = directory.path().join("log");
        // What an earlier one wrote is not the answer.
        drop(File::create(&log).unwrap());
        let mut shell = command(directory.path(), &log, port).args(flags).spawn().unwrap();
        let input = shell.stdin.take();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        let mut etcd = Self { shell, input, pid, port, directory };
        let started = tokio::time::timeout(START_TIMEOUT, etcd.port_in(&log)).await;
        etcd.port = started.unwrap_or_else(|_| panic!("no etcd: {}", fs::read_to_string(&log).unwrap()));
        etcd
    }

    /// The port that its log tells once it serves.
    async fn port_in(&self, log: &Path) -> u16 {
        loop {
            let text = fs::read_to_string(log).unwrap();
            let serves = text.lines().find(|line| line.contains("serving client traffic"));
            if let Some((_, port)) = serves.and_then(|line| line.split_once("\"address\":\"127.0.0.1:")) {
                return port.split('"').next().unwrap().parse().unwrap();
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Where its clients find it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, and starts it again with what it has kept.
    pub(crate) async fn restarted(mut self) -> Self {
        if let Some(input) = &mut self.input {
            input.write_all(b"keep\n").unwrap();
        }
        self.end();
        let directory = std::mem::replace(&mut self.directory, TempDir::new().unwrap());
        let port = self.port;
        drop(self);
        Self::launch(directory, port, &[]).await
    }

    /// Halts it: connections stay, and nothing answers.
    pub(crate) fn halt(&self) {
        kill_process(self.pid, Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        kill_process(self.pid, Signal::CONT).unwrap();
    }

    fn end(&mut self) {
        drop(self.input.take());
        let _ = self.shell.wait();
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.end();
    }
}

fn command(directory: &Path, log: &Path, port: u16) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", SHELL, "sh"]).arg(directory).arg(log).arg(binary());
    command.arg("--data-dir").arg(directory.join("data"));
    let (client, peer) = (format!("http://127.0.0.1:{port}"), "http://127.0.0.1:0");
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]);
    command.args(["--initial-cluster", &format!("default={peer}"), "--unsafe-no-fsync"]);
    command.args(["--heartbeat-interval", "20", "--election-timeout", "200"]);
    // An object of the largest size has to fit into a request, beside its key.
    command.args(["--max-request-bytes", "1703936"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // Variables would set flags.
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"ETCD_")) {
        command.env_remove(name);
    }
    command
}

/// `WATCHKEEP_ETCD`, or where `scripts/setup-etcd.sh` links one.
fn binary() -> PathBuf {
    let in_cache = || {
        let cache = env::var_os("WATCHKEEP_CACHE").map(PathBuf::from);
        let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/watchkeep");
        cache.unwrap_or_else(home).join("tools/etcd")
    };
    let path = env::var_os("WATCHKEEP_ETCD").map_or_else(in_cache, PathBuf::from);
    assert!(path.exists(), "no etcd at {}: run scripts/setup-etcd.sh", path.display());
    path
}
