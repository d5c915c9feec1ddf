//! One process of etcd, its port and its folder, and the shell that ends it in any case.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::EtcdError;
use crate::load::pause;

/// How long a start may take.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is looked whether something has happened.
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// What etcd says when it is ready, and when it cannot be.
const READY: &str = "serving client traffic";
const TAKEN: &str = "address already in use";

/// What a store with the largest objects needs: see docs/etcd.md.
const REQUEST_BYTES_MAX: u32 = 1_703_936;

/// How many of the last lines of a log are shown.
const LOG_LINES: usize = 40;

/// Starts and kills etcd when it is told so, and kills it at the end of its input, with its folder. Its
/// arguments are the folder, the log, the binary and the flags; it answers each word with a line.
const SHELL: &str = r#"
folder=$1 log=$2; shift 2
# The signals of a terminal are for the test: with it everything ends.
trap '' HUP INT TERM
while read -r word; do
    case $word in
        start) : >"$log"; "$@" >>"$log" 2>&1 </dev/null & pid=$!; echo "$pid" ;;
        kill) kill -9 "$pid"; wait "$pid"; pid=; echo killed ;;
    esac
done
[ -z "$pid" ] || { kill -9 "$pid"; wait "$pid"; }
rm -rf "$folder"
"#;

/// A process that may be started, killed and started again.
#[derive(Debug)]
pub(super) struct Member {
    shell: Child,
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pid: Option<Pid>,
    url: String,
    folder: TempDir,
}

impl Member {
    /// One that is not started yet, at addresses for clients and for other members.
    pub(super) fn new(url: String, peer: &str, flags: &[String]) -> Result<Self, EtcdError> {
        let folder = TempDir::with_prefix("watchkeep-etcd-")?;
        let mut command = Command::new("sh");
        command.args(["-c", SHELL, "sh"]).arg(folder.path()).arg(log_in(folder.path())).arg(binary()?);
        command.arg("--data-dir").arg(folder.path().join("data"));
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        command.args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]);
        command.args(["--unsafe-no-fsync", "--max-request-bytes", &REQUEST_BYTES_MAX.to_string()]);
        command.args(flags);
        // Variables would set flags.
        for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"ETCD_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = command.spawn()?;
        let no_pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let answers = BufReader::new(shell.stdout.take().ok_or_else(no_pipe)?);
        let words = shell.stdin.take();
        Ok(Self { shell, words, answers, pid: None, url, folder })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn port(&self) -> u16 {
        self.url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.pid.map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
    }

    #[cfg(test)]
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it, and does not wait for it.
    pub(super) fn launch(&mut self) -> Result<(), EtcdError> {
        let answer = self.tell("start")?;
        let pid = answer.parse().ok().and_then(Pid::from_raw);
        self.pid = Some(pid.ok_or(io::ErrorKind::InvalidData).map_err(io::Error::from)?);
        Ok(())
    }

    /// Starts it on the port that it had, and waits until it serves. Meanwhile somebody may have the port, such
    /// as a client of it for a connection of its own.
    pub(super) fn launch_again(&mut self) -> Result<(), EtcdError> {
        let deadline = Deadline::new();
        loop {
            self.launch()?;
            match self.wait_until_it_serves() {
                Err(EtcdError::PortTaken(_)) if !deadline.is_over() => {
                    self.kill()?;
                    pause(LOOK_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }

    pub(super) fn kill(&mut self) -> Result<(), EtcdError> {
        if self.pid.take().is_some() {
            self.tell("kill")?;
        }
        Ok(())
    }

    pub(super) fn stop(&mut self) -> Result<(), EtcdError> {
        self.signal(Signal::TERM)?;
        self.wait_for(|states| states.is_none_or(|states| states.contains('Z')))?;
        self.kill()
    }

    /// What the shell answers.
    fn tell(&mut self, word: &str) -> Result<String, EtcdError> {
        let words = self.words.as_mut().ok_or(io::ErrorKind::BrokenPipe).map_err(io::Error::from)?;
        writeln!(words, "{word}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    pub(super) fn wait_until_it_serves(&self) -> Result<(), EtcdError> {
        let deadline = Deadline::new();
        loop {
            // Before the log: what it said at last is there then.
            let has_ended = self.states().is_none_or(|states| states.contains('Z'));
            let log = fs::read_to_string(log_in(self.folder.path()))?;
            if log.contains(READY) {
                return Ok(());
            }
            if log.contains(TAKEN) {
                return Err(EtcdError::PortTaken(self.url.clone()));
            }
            if has_ended || deadline.is_over() {
                return Err(EtcdError::NotServing { url: self.url.clone(), log });
            }
            pause(LOOK_PAUSE);
        }
    }

    pub(super) fn halt(&self) -> Result<(), EtcdError> {
        self.signal(Signal::STOP)?;
        // Its threads stop one after the other.
        self.wait_for(|states| states.is_none_or(|states| states.chars().all(|state| state == 'T')))
    }

    pub(super) fn go_on(&self) -> Result<(), EtcdError> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), EtcdError> {
        let pid = self.pid.ok_or(io::ErrorKind::NotFound).map_err(io::Error::from)?;
        Ok(kill_process(pid, signal).map_err(io::Error::from)?)
    }

    /// Waits until its threads are in states.
    fn wait_for(&self, are: impl Fn(Option<String>) -> bool) -> Result<(), EtcdError> {
        let deadline = Deadline::new();
        while !are(self.states()) {
            if deadline.is_over() {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            pause(LOOK_PAUSE);
        }
        Ok(())
    }

    /// A letter for each of its threads: what the operating system says that they do.
    fn states(&self) -> Option<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id()?)).ok()?;
        let state = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).ok()?;
            // It follows the name, which stands in parentheses and may hold some.
            stat.rsplit_once(") ")?.1.chars().next()
        };
        Some(tasks.flatten().filter_map(state).collect())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(log_in(self.folder.path())).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
            eprintln!("--- last lines of the log of etcd at {}:\n{}", self.url, last.join("\n"));
        }
        drop(self.words.take());
        // The folder goes with the shell: nobody is left to tell of a failure.
        let _ = self.shell.wait();
    }
}

/// A moment after which nothing is waited for.
pub(super) struct Deadline(Instant);

impl Deadline {
    /// That of a start.
    #[expect(clippy::disallowed_methods, reason = "real processes run on real time")]
    pub(super) fn new() -> Self {
        Self(Instant::now() + START_TIMEOUT)
    }

    #[expect(clippy::disallowed_methods, reason = "real processes run on real time")]
    pub(super) fn is_over(&self) -> bool {
        Instant::now() > self.0
    }
}

fn log_in(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// So many ports that nobody has at the moment.
pub(super) fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    // All at once, so that none is given out twice.
    let held = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<Vec<_>>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
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
