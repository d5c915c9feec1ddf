//! Real etcds on free ports of this machine, alone or as a cluster, each with a temporary directory.
//!
//! Each ends with the value that stands for it, and also when the process of the test dies: a shell waits for
//! the end of its input, which nobody but the test holds open, and then kills the etcd that it has started.
//! Nothing is synced to the disk, and elections are short, so that one starts in a tenth of a second, and a
//! cluster in a second. For so long the calls here block, also in tests that are asynchronous.

mod cluster;
mod member;

use std::io;
use std::path::{Path, PathBuf};

pub use self::cluster::Cluster;
use self::member::{Member, free_ports};

/// How many times a start is tried: etcd has to be told its port, and somebody else may take it in between.
const START_TRIES: usize = 5;

/// Why there is no etcd.
#[derive(Debug, thiserror::Error)]
pub enum EtcdError {
    /// The binary is not where the script puts it.
    #[error("no etcd at {}: run scripts/setup-etcd.sh, or set WATCHKEEP_ETCD", .0.display())]
    NotFound(PathBuf),
    /// There is no port or no folder to be had, or it cannot be talked to.
    #[error("no place for etcd: {0}")]
    Io(#[from] io::Error),
    /// Somebody else has its port.
    #[error("the port of {0} was taken")]
    PortTaken(String),
    /// It ended, or does not serve in time.
    #[error("etcd does not serve at {url}; it said:\n{log}")]
    NotServing {
        /// Where it was to serve.
        url: String,
        /// What it logged.
        log: String,
    },
}

/// An etcd of one member, or one of a [`Cluster`]. Dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Etcd(Member);

impl Etcd {
    /// Starts one that holds nothing, and waits until it serves.
    ///
    /// # Errors
    /// [`EtcdError`]: there is none to start, or it does not serve.
    pub fn start() -> Result<Self, EtcdError> {
        Self::start_alone("http", &[])
    }

    /// Starts one that talks TLS, to clients that show a certificate: with `ca.pem`, `server.pem` and
    /// `server-key.pem` of a directory.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn start_with_tls(certificates: &Path) -> Result<Self, EtcdError> {
        let flag = |name, file| format!("--{name}={}", certificates.join(file).display());
        let flags = [
            flag("cert-file", "server.pem"),
            flag("key-file", "server-key.pem"),
            flag("trusted-ca-file", "ca.pem"),
            "--client-cert-auth".to_owned(),
        ];
        Self::start_alone("https", &flags)
    }

    fn start_alone(scheme: &str, flags: &[String]) -> Result<Self, EtcdError> {
        // No other member will ever join, so its address for others needs no port that is known.
        let peer = "http://127.0.0.1:0";
        let alone = format!("--initial-cluster=default={peer}");
        let timing = ["--heartbeat-interval=20".to_owned(), "--election-timeout=200".to_owned()];
        let flags: Vec<_> = flags.iter().cloned().chain(timing).chain([alone]).collect();
        on_free_ports(|| {
            let port = free_ports(1)?.into_iter().next().unwrap_or_default();
            let mut member = Member::new(format!("{scheme}://127.0.0.1:{port}"), peer, &flags)?;
            member.launch()?;
            member.wait_until_it_serves()?;
            Ok(Self(member))
        })
    }

    /// Where its clients find it.
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// The port of that.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Its process, while there is one.
    pub fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// Ends it with SIGKILL, and waits for that. Its port and what it has kept stay.
    ///
    /// # Errors
    /// When nothing is left of it.
    pub fn kill(&mut self) -> Result<(), EtcdError> {
        self.0.kill()
    }

    /// Ends it with SIGTERM, and waits for that: a leader hands over to another member before.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub fn stop(&mut self) -> Result<(), EtcdError> {
        self.0.stop()
    }

    /// Starts it where it was, after [`Etcd::kill`] or [`Etcd::stop`], and waits until it serves. One of a cluster needs half of
    /// the others for that.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn start_again(&mut self) -> Result<(), EtcdError> {
        self.0.launch_again()
    }

    /// Kills it, and starts it again.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn restart(&mut self) -> Result<(), EtcdError> {
        self.kill()?;
        self.start_again()
    }

    /// Halts it: connections stay, and nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn halt(&self) -> Result<(), EtcdError> {
        self.0.halt()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn go_on(&self) -> Result<(), EtcdError> {
        self.0.go_on()
    }
}

/// Starts something on ports that were free a moment ago, with others where they were taken since.
fn on_free_ports<T>(start: impl Fn() -> Result<T, EtcdError>) -> Result<T, EtcdError> {
    let mut tries = 1;
    loop {
        match start() {
            Err(EtcdError::PortTaken(_)) if tries < START_TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::process::Command;

    use serde_json::json;

    use super::*;
    use crate::http::send;

    /// What is set in a process that is to be killed.
    const CHILD: &str = "WATCHKEEP_TEST_ETCD_CHILD";

    fn serves(etcd: &Etcd) -> bool {
        TcpStream::connect(("127.0.0.1", etcd.port())).is_ok()
    }

    /// Writes a value, or reads it back.
    fn ask(etcd: &Etcd, method: &str, request: &serde_json::Value) -> serde_json::Value {
        let address = format!("127.0.0.1:{}", etcd.port());
        send(&address, "POST", &format!("/v3/kv/{method}"), Some(request)).unwrap().json().unwrap()
    }

    #[test]
    fn one_that_was_dropped_serves_no_more() {
        let etcd = Etcd::start().unwrap();
        let folder = etcd.0.folder().to_owned();
        assert!(serves(&etcd) && folder.exists());
        let port = etcd.port();
        drop(etcd);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err() && !folder.exists());
    }

    #[test]
    fn one_that_was_killed_comes_back_with_what_it_kept() {
        let mut etcd = Etcd::start().unwrap();
        let (url, first) = (etcd.url().to_owned(), etcd.id());
        ask(&etcd, "put", &json!({"key": "YQ==", "value": "Yg=="}));
        etcd.kill().unwrap();
        assert!(!serves(&etcd) && etcd.id().is_none() && etcd.halt().is_err());
        etcd.start_again().unwrap();
        assert!(etcd.id().is_some() && etcd.id() != first && etcd.url() == url);
        assert_eq!(ask(&etcd, "range", &json!({"key": "YQ=="}))["kvs"][0]["value"], "Yg==");
    }

    /// The test runs itself once more, in a process that kills itself.
    #[test]
    fn one_ends_with_the_process_that_started_it() {
        if std::env::var_os(CHILD).is_some() {
            let etcd = Etcd::start().unwrap();
            println!("{CHILD}={} {}", etcd.id().unwrap(), etcd.0.folder().display());
            // Killed, so that nothing is dropped.
            let pid = rustix::process::getpid();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        let name = "etcd::tests::one_ends_with_the_process_that_started_it";
        let output = again.args([name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let line = said.lines().find_map(|line| line.split_once(&format!("{CHILD}="))).unwrap().1;
        let (id, folder) = line.split_once(' ').unwrap();
        let process = PathBuf::from(format!("/proc/{id}"));
        let deadline = member::Deadline::new();
        while process.exists() || Path::new(folder).exists() {
            assert!(!deadline.is_over(), "{line} is still there");
            crate::load::pause(member::LOOK_PAUSE);
        }
    }
}
