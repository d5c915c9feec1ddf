//! A real etcd of one member, in a process of its own on a free port, with a temporary directory.
//!
//! It ends with the value that stands for it, and also when the process of the test dies: a shell waits for
//! the end of its input, which nobody but the test holds open, and then kills the etcd that it has started.
//! Nothing is synced to the disk, and elections are short, so that one starts in a tenth of a second.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a start may take.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How many ports are tried.
const START_TRIES: usize = 5;

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
    url: String,
    directory: TempDir,
}

impl Etcd {
    /// Starts one on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_with("http", &[]).await
    }

    /// Starts one that talks TLS, to clients that show a certificate, with the files of a directory.
    pub(crate) async fn start_with_tls(certificates: &Path) -> Self {
        let file = |name| certificates.join(name).to_str().unwrap().to_owned();
        let flags = [
            format!("--cert-file={}", file("server.pem")),
            format!("--key-file={}", file("server-key.pem")),
            format!("--trusted-ca-file={}", file("ca.pem")),
            "--client-cert-auth".to_owned(),
        ];
        Self::start_with("https", &flags).await
    }

    async fn start_with(scheme: &'static str, flags: &[String]) -> Self {
        for _ in 0..START_TRIES {
            // etcd calls itself, so it has to be told its port; somebody else may take it in between.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let directory = TempDir::with_prefix("watchkeep-etcd-").unwrap();
            if let Ok(etcd) = Self::launch(directory, format!("{scheme}://127.0.0.1:{port}"), flags).await {
                return etcd;
            }
        }
        panic!("every port was taken");
    }

    /// An error where its port is taken.
    async fn launch(directory: TempDir, url: String, flags: &[String]) -> Result<Self, ()> {
        let log = directory.path().join("log");
        // What an earlier one wrote is not the answer.
        drop(File::create(&log).unwrap());
        let mut shell = command(directory.path(), &log, &url).args(flags).spawn().unwrap();
        let input = shell.stdin.take();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        let etcd = Self { shell, input, pid, url, directory };
        let served = tokio::time::timeout(START_TIMEOUT, serves(&log)).await;
        let served = served.unwrap_or_else(|_| panic!("no etcd: {}", fs::read_to_string(&log).unwrap()));
        served.map(|()| etcd)
    }

    /// Where its clients find it.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Kills it, and starts it again with what it has kept.
    pub(crate) async fn restarted(mut self) -> Self {
        if let Some(input) = &mut self.input {
            input.write_all(b"keep\n").unwrap();
        }
        self.end();
        let directory = std::mem::replace(&mut self.directory, TempDir::new().unwrap());
        let url = self.url();
        drop(self);
        Self::launch(directory, url, &[]).await.unwrap()
    }

    /// Halts it: connections stay, and nothing answers.
    pub(crate) async fn halt(&self) {
        kill_process(self.pid, Signal::STOP).unwrap();
        // Its threads stop one after the other.
        while !self.has_stopped() {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    fn has_stopped(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_nonzero())).unwrap();
        tasks.map(Result::unwrap).all(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // The state follows the name, which stands in parentheses and may hold some.
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
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

/// Waits until the log tells that it serves; an error when it tells that it cannot.
async fn serves(log: &Path) -> Result<(), ()> {
    loop {
        let text = fs::read_to_string(log).unwrap();
        if text.contains("serving client traffic") {
            return Ok(());
        }
        if text.contains("address already in use") {
            return Err(());
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn command(directory: &Path, log: &Path, client: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", SHELL, "sh"]).arg(directory).arg(log).arg(binary());
    command.arg("--data-dir").arg(directory.join("data"));
    let peer = "http://127.0.0.1:0";
    command.args(["--listen-client-urls", client, "--advertise-client-urls", client]);
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
