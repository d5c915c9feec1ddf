//! The command line, each flag also as a variable of the environment: unit, default, and why one would
//! change it.

mod units;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
#[cfg(feature = "etcd3")]
use watchkeep_storage::etcd3::EtcdOptions;
#[cfg(feature = "memory")]
use watchkeep_storage::memory::MemoryOptions;
#[cfg(feature = "rocksdb")]
use watchkeep_storage::rocksdb::RocksOptions;

use self::units::{parse_bytes, parse_duration, parse_timeout};
use crate::cached::{WatchCache, WatchCacheSize};
use crate::http::service::ServiceOptions;
use crate::logging::LogFormat;
use crate::server::ServerOptions;

/// A Kubernetes API server for tests, development and control planes without nodes.
#[derive(Debug, Parser)]
#[command(name = "watchkeep", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary does.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it lives as long as the process")]
pub enum Command {
    /// Serve the Kubernetes API until SIGTERM or SIGINT.
    Serve(ServeOptions),
    /// Look through the store of a stopped server, and change nothing: exit code 0 when all is well, and 1
    /// with a line for each problem otherwise.
    Check(CheckOptions),
}

/// The flags of `watchkeep check`.
#[derive(Clone, Debug, Args)]
pub struct CheckOptions {
    /// Directory of the store.
    #[arg(long, env = "WATCHKEEP_DATA_DIR", value_name = "PATH", default_value = DATA_DIR)]
    pub data_dir: PathBuf,
}

/// Where objects are kept when nobody says where: in the directory that the server was started in.
const DATA_DIR: &str = "watchkeep.data";

/// Where objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendKind {
    /// On the disk, in the directory of --data-dir: what is acknowledged stays.
    Rocksdb,
    /// In memory: fast, and gone with the process.
    Memory,
    /// In the etcd cluster of --etcd-servers, which several servers may share.
    Etcd3,
}

/// The flags of `watchkeep serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    /// Address and port to listen on; port 0 takes a free one. The protocol is plain HTTP without
    /// authentication, so the default is reachable from this machine only.
    #[arg(long, env = "WATCHKEEP_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8001")]
    pub listen: SocketAddr,

    /// Listen on an address that other machines may reach, although whoever reaches it may do anything,
    /// unnamed and unasked. For networks that keep others out by themselves. Without it, also requests
    /// that a web page in this machine's browser sends, or that are addressed to a name other than
    /// localhost, are refused.
    #[arg(long, env = "WATCHKEEP_ALLOW_ANONYMOUS_NETWORK_ACCESS")]
    pub allow_anonymous_network_access: bool,

    /// Where objects are kept.
    #[arg(long, env = "WATCHKEEP_BACKEND", value_enum, default_value_t = BackendKind::Rocksdb)]
    pub backend: BackendKind,

    /// Directory of the store of --backend rocksdb; made if there is none. One server at a time has it.
    /// Without it: watchkeep.data, in the directory that the server is started in.
    #[arg(long, env = "WATCHKEEP_DATA_DIR", value_name = "PATH")]
    pub data_dir: Option<PathBuf>,

    /// Directory for backups of the store of --backend rocksdb; made if there is none. A POST to /checkpoints
    /// makes one in it, named by its last revision. On the file system of --data-dir it costs little; on
    /// another one it survives the disk.
    #[arg(long, env = "WATCHKEEP_CHECKPOINT_DIR", value_name = "PATH")]
    pub checkpoint_dir: Option<PathBuf>,

    /// How many bytes of stored blocks --backend rocksdb keeps in memory, such as 256Mi. More saves reads
    /// of what does not fit.
    #[arg(long, env = "WATCHKEEP_BLOCK_CACHE_BYTES", value_name = "BYTES", default_value = "24Mi", value_parser = parse_bytes)]
    pub block_cache_bytes: usize,

    /// How many bytes of writes --backend rocksdb gathers in memory before they become files. More makes
    /// fewer files, and a longer start after a kill.
    #[arg(long, env = "WATCHKEEP_WRITE_BUFFER_BYTES", value_name = "BYTES", default_value = "32Mi", value_parser = parse_bytes)]
    pub write_buffer_bytes: usize,

    /// URLs of the members of the cluster of --backend etcd3, separated by commas, such as
    /// https://etcd-1:2379,https://etcd-2:2379. One is asked for everything, the next when it fails.
    #[arg(long, env = "WATCHKEEP_ETCD_SERVERS", value_name = "URL", value_delimiter = ',')]
    pub etcd_servers: Vec<String>,

    /// What the keys of --backend etcd3 begin with: servers that are to share objects need the same, stores
    /// that share a cluster need different ones.
    #[arg(long, env = "WATCHKEEP_ETCD_PREFIX", value_name = "PREFIX", default_value = "/registry")]
    pub etcd_prefix: String,

    /// File of certificates, PEM, that vouch for etcd's members. URLs with https:// need it.
    #[arg(long, env = "WATCHKEEP_ETCD_CAFILE", value_name = "PATH")]
    pub etcd_cafile: Option<PathBuf>,

    /// File of the certificate, PEM, that this server shows to etcd, where etcd asks for one.
    #[arg(long, env = "WATCHKEEP_ETCD_CERTFILE", value_name = "PATH")]
    pub etcd_certfile: Option<PathBuf>,

    /// File of the key, PEM, of --etcd-certfile.
    #[arg(long, env = "WATCHKEEP_ETCD_KEYFILE", value_name = "PATH")]
    pub etcd_keyfile: Option<PathBuf>,

    /// File to write a kubeconfig for this server to, once it accepts requests. An existing one is
    /// replaced.
    #[arg(long, env = "WATCHKEEP_KUBECONFIG", value_name = "PATH", default_value = "watchkeep.kubeconfig")]
    pub kubeconfig: PathBuf,

    /// How log lines are written: `json` for programs that collect them.
    #[arg(long, env = "WATCHKEEP_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What is logged: a level (error, warn, info, debug, trace), or a list such as `info,hyper=debug`.
    /// `debug` has one line per request.
    #[arg(long, env = "WATCHKEEP_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    pub log_level: String,

    /// For how long events are kept after their last change, such as 90s or 2h. They tell what happened
    /// lately; longer costs room in the store in proportion to how much happens.
    #[arg(long, env = "WATCHKEEP_EVENT_TTL", value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    pub event_ttl: Duration,

    /// For how long history is kept, so that a client that was away can go on with its watch. Longer
    /// costs room in the store in proportion to how much changes. With --backend etcd3 it is how often
    /// the servers of the cluster compact, together; 0s leaves that to others.
    #[arg(long, env = "WATCHKEEP_HISTORY_RETENTION", value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    pub history_retention: Duration,

    /// How many bytes history may take beside the objects themselves, such as 64Mi: on the disk, or in
    /// memory with --backend memory. The oldest is given up early when it is more. Not with --backend etcd3.
    #[arg(long, env = "WATCHKEEP_HISTORY_BYTES", value_name = "BYTES", default_value = "256Mi", value_parser = parse_bytes)]
    pub history_bytes: usize,

    /// Serve lists and watches from memory, out of a watch cache for each resource (docs/cache.md), which has
    /// all its objects and follows the store. Off, they are read from the store, each for itself: for
    /// comparing, or where memory for all objects is not to be had.
    #[arg(
        long,
        env = "WATCHKEEP_WATCH_CACHE",
        value_name = "true|false",
        default_value_t = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = ArgAction::Set
    )]
    pub watch_cache: bool,

    /// Resources without a watch cache, as resource[.group]#0 separated by commas, such as
    /// secrets#0,leases.coordination.k8s.io#0: for what is large or written much, and hardly watched. Any other
    /// number is ignored, as caches have no fixed size, but that it switches on the cache of events, which have
    /// none otherwise.
    #[arg(long, env = "WATCHKEEP_WATCH_CACHE_SIZES", value_name = "RESOURCE#SIZE", value_delimiter = ',')]
    pub watch_cache_sizes: Vec<WatchCacheSize>,

    /// How long requests under way may take once the server is to stop; then they are cut. Longer than
    /// the slowest request, shorter than the patience of whoever stops the server.
    #[arg(long, env = "WATCHKEEP_SHUTDOWN_GRACE", value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub shutdown_grace: Duration,

    /// How many connections may be open at once; more wait until one is closed. Each costs a file
    /// descriptor and some memory, and an HTTP/1.1 client needs one per watch.
    #[arg(
        long,
        env = "WATCHKEEP_MAX_CONNECTIONS",
        value_name = "NUMBER",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_connections: u32,

    /// How many requests other than watches may be under way at once; more are told to come again in a
    /// second, those for health and metrics excepted. Each may have a body of 3 MiB in memory.
    #[arg(
        long,
        env = "WATCHKEEP_MAX_REQUESTS_INFLIGHT",
        value_name = "NUMBER",
        default_value_t = ServiceOptions::REQUESTS_INFLIGHT,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_requests_inflight: u32,

    /// How many watches may be open at once; more are told to come again in a second. Each costs some
    /// memory, and time at every change that it sees; a controller has dozens of them.
    #[arg(
        long,
        env = "WATCHKEEP_MAX_WATCHES",
        value_name = "NUMBER",
        default_value_t = ServiceOptions::WATCHES,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_watches: u32,

    /// For how long bytes may wait for a client that reads none of them before its connection is closed,
    /// such as 30s. Connections with nothing to send, as quiet watches, stay. Longer for clients that
    /// are halted in a debugger; shorter gives room back sooner.
    #[arg(long, env = "WATCHKEEP_WRITE_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = parse_timeout)]
    pub write_timeout: Duration,
}

/// Flags that cannot be had together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The address is open to other machines.
    #[error(
        "{0} may be reachable from other machines, and everybody who reaches it is an administrator: \
         listen on 127.0.0.1, or pass --allow-anonymous-network-access"
    )]
    OpenToNetwork(SocketAddr),
    /// The place is for a store that is not asked for.
    #[error("--data-dir is for --backend rocksdb: with --backend memory nothing is kept")]
    UnusedDataDir,
    /// The place is for backups of a store that is not asked for.
    #[error("--checkpoint-dir is for --backend rocksdb: with --backend memory nothing is kept")]
    UnusedCheckpointDir,
    /// The place is for a store that is not asked for.
    #[error(
        "--data-dir and --checkpoint-dir are for --backend rocksdb: with --backend etcd3 the cluster keeps the objects"
    )]
    UnusedDirectory,
    /// There is no cluster.
    #[error("--backend etcd3 needs --etcd-servers")]
    NoEtcdServers,
    /// The cluster is for a store that is not asked for.
    #[error("--etcd-servers is for --backend etcd3")]
    UnusedEtcdServers,
    /// Backups would go with what they are for.
    #[error(
        "--checkpoint-dir lies in --data-dir: choose a directory beside it, so that backups outlive the store"
    )]
    CheckpointsInStore,
}

impl ServeOptions {
    /// Refuses what is likely a mistake with grave consequences.
    ///
    /// # Errors
    /// [`ConfigError`] says which.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() && !self.allow_anonymous_network_access {
            return Err(ConfigError::OpenToNetwork(self.listen));
        }
        match (self.backend, self.etcd_servers.is_empty()) {
            (BackendKind::Etcd3, true) => return Err(ConfigError::NoEtcdServers),
            (BackendKind::Rocksdb | BackendKind::Memory, false) => {
                return Err(ConfigError::UnusedEtcdServers);
            }
            _ => {}
        }
        if self.backend == BackendKind::Etcd3 && (self.data_dir.is_some() || self.checkpoint_dir.is_some()) {
            return Err(ConfigError::UnusedDirectory);
        }
        if self.backend == BackendKind::Memory && self.data_dir.is_some() {
            return Err(ConfigError::UnusedDataDir);
        }
        if self.backend == BackendKind::Memory && self.checkpoint_dir.is_some() {
            return Err(ConfigError::UnusedCheckpointDir);
        }
        if self.checkpoint_dir.as_ref().is_some_and(|backups| backups.starts_with(self.data_dir())) {
            return Err(ConfigError::CheckpointsInStore);
        }
        Ok(())
    }

    /// The directory of the store on the disk.
    pub fn data_dir(&self) -> &Path {
        self.data_dir.as_deref().unwrap_or_else(|| Path::new(DATA_DIR))
    }

    /// The part for the listener.
    pub fn server(&self) -> ServerOptions {
        ServerOptions {
            listen: self.listen,
            max_connections: self.max_connections,
            shutdown_grace: self.shutdown_grace,
        }
    }

    /// The part for the service.
    pub fn service(&self) -> ServiceOptions {
        ServiceOptions {
            max_requests_inflight: self.max_requests_inflight,
            max_watches: self.max_watches,
            this_machine_only: !self.allow_anonymous_network_access,
        }
    }

    /// The part for the watch cache.
    pub fn watch_cache(&self) -> WatchCache {
        WatchCache { enabled: self.watch_cache, sizes: self.watch_cache_sizes.clone() }
    }

    /// The part for the memory backend.
    #[cfg(feature = "memory")]
    pub fn memory(&self) -> MemoryOptions {
        MemoryOptions {
            history_retention: self.history_retention,
            history_bytes_max: self.history_bytes,
            ..MemoryOptions::default()
        }
    }

    /// The part for the RocksDB backend.
    #[cfg(feature = "rocksdb")]
    pub fn rocksdb(&self) -> RocksOptions {
        RocksOptions {
            history_retention: self.history_retention,
            history_bytes_max: self.history_bytes as u64,
            block_cache_bytes: self.block_cache_bytes,
            write_buffer_bytes: self.write_buffer_bytes,
            ..RocksOptions::new(self.data_dir())
        }
    }

    /// The part for the etcd3 backend.
    #[cfg(feature = "etcd3")]
    pub fn etcd3(&self) -> EtcdOptions {
        EtcdOptions {
            prefix: self.etcd_prefix.clone(),
            ca_file: self.etcd_cafile.clone(),
            cert_file: self.etcd_certfile.clone(),
            key_file: self.etcd_keyfile.clone(),
            compaction_interval: self.history_retention,
            ..EtcdOptions::new(&self.etcd_servers)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(flags: &[&str]) -> Result<ServeOptions, clap::Error> {
        match Cli::try_parse_from(["watchkeep", "serve"].iter().chain(flags))?.command {
            Command::Serve(options) => Ok(options),
            other @ Command::Check(_) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_is_a_variable_of_the_same_name() {
        use clap::CommandFactory as _;
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        for flag in serve.get_arguments().filter(|flag| !matches!(flag.get_id().as_str(), "help" | "version"))
        {
            let expected = format!("WATCHKEEP_{}", flag.get_id().as_str().to_uppercase());
            assert_eq!(flag.get_env().unwrap().to_str(), Some(expected.as_str()));
            assert_eq!(flag.get_long().unwrap().replace('-', "_"), flag.get_id().as_str());
        }
    }

    #[test]
    fn an_address_open_to_others_needs_a_word() {
        let open = serve(&["--listen", "0.0.0.0:8001"]).unwrap();
        assert_eq!(open.check(), Err(ConfigError::OpenToNetwork(open.listen)));
        let allowed = serve(&["--listen", "0.0.0.0:8001", "--allow-anonymous-network-access"]).unwrap();
        assert_eq!(allowed.check(), Ok(()));
        assert_eq!(serve(&["--listen", "[::1]:0"]).unwrap().check(), Ok(()));
    }

    #[test]
    fn objects_are_kept_on_the_disk_unless_memory_is_asked_for() {
        let options = serve(&[]).unwrap();
        assert_eq!(
            (options.backend, options.data_dir()),
            (BackendKind::Rocksdb, Path::new("watchkeep.data"))
        );
        assert_eq!(options.check(), Ok(()));
        let elsewhere = serve(&["--data-dir", "d"]).unwrap();
        assert_eq!((elsewhere.check(), elsewhere.data_dir()), (Ok(()), Path::new("d")));
    }

    #[test]
    fn a_store_in_memory_has_no_directory() {
        let check = |flags| serve(flags).unwrap().check();
        assert_eq!(check(&["--backend", "memory"]), Ok(()));
        assert_eq!(check(&["--backend", "memory", "--data-dir", "d"]), Err(ConfigError::UnusedDataDir));
        assert_eq!(
            check(&["--backend", "memory", "--checkpoint-dir", "c"]),
            Err(ConfigError::UnusedCheckpointDir)
        );
    }

    #[test]
    fn a_cluster_is_named_if_and_only_if_it_is_asked_for() {
        let check = |flags: &[&str]| serve(flags).unwrap().check();
        assert_eq!(check(&["--backend", "etcd3"]), Err(ConfigError::NoEtcdServers));
        assert_eq!(check(&["--etcd-servers", "http://e:2379"]), Err(ConfigError::UnusedEtcdServers));
        let etcd = ["--backend", "etcd3", "--etcd-servers", "http://e:2379,http://f:2379"];
        assert_eq!(check(&etcd), Ok(()));
        assert_eq!(serve(&etcd).unwrap().etcd_servers, ["http://e:2379", "http://f:2379"]);
        for directory in ["--data-dir", "--checkpoint-dir"] {
            let flags: Vec<_> = etcd.into_iter().chain([directory, "d"]).collect();
            assert_eq!(check(&flags), Err(ConfigError::UnusedDirectory));
        }
    }

    #[cfg(feature = "etcd3")]
    #[test]
    fn a_cluster_is_reached_as_its_flags_say() {
        let flags = ["--backend", "etcd3", "--etcd-servers", "http://e:2379", "--etcd-cafile", "ca.pem"];
        let (options, defaults) = (serve(&flags).unwrap().etcd3(), EtcdOptions::new(["http://e:2379"]));
        assert_eq!((options.servers, options.prefix), (defaults.servers, defaults.prefix));
        assert_eq!(options.compaction_interval, defaults.compaction_interval);
        assert_eq!((options.ca_file, options.cert_file), (Some(PathBuf::from("ca.pem")), None));
    }

    #[test]
    fn backups_lie_beside_the_store() {
        let check = |backups| serve(&["--data-dir", "d", "--checkpoint-dir", backups]).unwrap().check();
        assert_eq!(check("d/backups"), Err(ConfigError::CheckpointsInStore));
        assert_eq!((check("backups"), check("data")), (Ok(()), Ok(())));
    }

    #[test]
    fn flags_have_units() {
        let options = serve(&["--event-ttl", "90s", "--history-bytes", "64Mi"]).unwrap();
        assert_eq!((options.event_ttl, options.history_bytes), (Duration::from_secs(90), 64 << 20));
        assert!(serve(&["--event-ttl", "90"]).is_err());
        assert!(serve(&["--max-connections", "0"]).is_err());
        assert_eq!(options.write_timeout, crate::server::WRITE_TIMEOUT);
        assert!(serve(&["--write-timeout", "0s"]).is_err());
    }

    #[test]
    fn the_watch_cache_is_on_unless_it_is_switched_off() {
        let enabled = |flags| serve(flags).unwrap().watch_cache().enabled;
        assert_eq!((enabled(&[]), enabled(&["--watch-cache"])), (true, true));
        assert_eq!((enabled(&["--watch-cache=true"]), enabled(&["--watch-cache=false"])), (true, false));
        assert!(serve(&["--watch-cache=maybe"]).is_err());
        let sizes = serve(&["--watch-cache-sizes", "pods#0,deployments.apps#5"]).unwrap().watch_cache().sizes;
        assert_eq!(sizes, ["pods#0", "deployments.apps#5"].map(|size| size.parse().unwrap()));
        for wrong in ["pods", "pods#-1", "pods#0,", ""] {
            assert!(serve(&["--watch-cache-sizes", wrong]).is_err(), "{wrong:?}");
        }
    }

    #[cfg(feature = "memory")]
    #[test]
    fn history_in_memory_is_bounded_by_its_flags() {
        let defaults = MemoryOptions::default();
        let options = serve(&["--backend", "memory"]).unwrap().memory();
        assert_eq!(options.history_retention, defaults.history_retention);
        assert_eq!(options.history_bytes_max, defaults.history_bytes_max);
        assert_eq!(serve(&["--history-bytes", "64Mi"]).unwrap().memory().history_bytes_max, 64 << 20);
    }

    #[cfg(feature = "rocksdb")]
    #[test]
    fn a_store_on_the_disk_is_bounded_by_its_flags() {
        let defaults = RocksOptions::new("watchkeep.data");
        let options = serve(&[]).unwrap().rocksdb();
        assert_eq!(options.directory, defaults.directory);
        assert_eq!(options.history_retention, defaults.history_retention);
        assert_eq!(options.history_bytes_max, defaults.history_bytes_max);
        assert_eq!(options.block_cache_bytes, defaults.block_cache_bytes);
        assert_eq!(options.write_buffer_bytes, defaults.write_buffer_bytes);
        assert_eq!(serve(&["--block-cache-bytes", "8Mi"]).unwrap().rocksdb().block_cache_bytes, 8 << 20);
    }

    #[test]
    fn only_who_opens_the_network_answers_everybody() {
        assert!(serve(&[]).unwrap().service().this_machine_only);
        let open = serve(&["--allow-anonymous-network-access", "--max-watches", "7"]).unwrap().service();
        assert_eq!((open.this_machine_only, open.max_watches, open.max_requests_inflight), (false, 7, 400));
    }
}
