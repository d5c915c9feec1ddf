//! The knobs of the etcd3 backend: unit, default, and what more costs.

use std::path::PathBuf;
use std::time::Duration;

/// Which cluster an [`super::EtcdBackend`] is a client of, and how long it waits for what.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// The URLs of the members, `http://` or `https://`. One is asked for everything, chosen by chance, and
    /// the next when it does not answer.
    pub servers: Vec<String>,
    /// What all keys begin with, so that several stores fit into one cluster. Default `/registry`, the
    /// reference's.
    pub prefix: String,
    /// The file of the certificates, PEM, that vouch for members with `https://` URLs; these need it.
    pub ca_file: Option<PathBuf>,
    /// The file of the certificate, PEM, that says who this client is, and that of its key.
    pub cert_file: Option<PathBuf>,
    /// See [`EtcdOptions::cert_file`].
    pub key_file: Option<PathBuf>,
    /// How long a connection may take to be made. Default 5 seconds.
    pub connect_timeout: Duration,
    /// How long a request may take altogether, with the members that are tried for it. Default 10 seconds:
    /// etcd itself gives up after 7, and says why. Shorter gives an error sooner, also where a slow disk
    /// would have been fast enough.
    pub request_timeout: Duration,
    /// How long a connection with requests or watches under way may be silent before it is asked for a sign
    /// of life. Default 10 seconds; etcd refuses to be asked more often than every 5.
    pub keepalive_interval: Duration,
    /// How long that sign may take before the connection counts as cut. Default 5 seconds.
    pub keepalive_timeout: Duration,
    /// For how long a watch whose connection was cut tries to go on before it ends with an error. Default 1
    /// minute: the election of a leader takes seconds, the restart of a member less than that.
    pub watch_resume_timeout: Duration,
    /// How often a watch that sees nothing asks how far the store is, so that its bookmarks move on and its
    /// place is not compacted. Default 10 seconds; shorter costs one message each way per watch.
    pub progress_interval: Duration,
    /// How often history is given up, shared by all processes of the cluster; what is older than one
    /// interval goes, so two intervals of it are kept at most. Default 5 minutes; zero leaves it to others.
    pub compaction_interval: Duration,
    /// For how long a list may be read. Default 1 minute, the longest a request may take.
    pub cursor_deadline: Duration,
    /// How often the cluster is asked whether it serves. Default 5 seconds: so late
    /// [`crate::Interface::readiness`] may notice.
    pub health_interval: Duration,
}

impl EtcdOptions {
    /// The defaults, for the cluster of these members.
    pub fn new(servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            prefix: "/registry".to_owned(),
            ca_file: None,
            cert_file: None,
            key_file: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(5),
            watch_resume_timeout: Duration::from_mins(1),
            progress_interval: Duration::from_secs(10),
            compaction_interval: Duration::from_mins(5),
            cursor_deadline: Duration::from_mins(1),
            health_interval: Duration::from_secs(5),
        }
    }
}
