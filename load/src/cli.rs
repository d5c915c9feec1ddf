//! The command line: what to ask, of which server.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The most clients of a closed loop: each has a connection.
const CLIENTS_MAX: i64 = 1_000;

/// The most watches: with HTTP/1.1 each has a connection.
const WATCHES_MAX: i64 = 100_000;

/// The most writes of an open loop in a second: what one thread can begin.
const RATE_MAX: i64 = 100_000;

/// Asks a Kubernetes API server over HTTP, and tells what it cost the server.
#[derive(Debug, Parser)]
#[command(name = "watchkeep-bench", version)]
pub struct Cli {
    /// What to ask.
    #[command(subcommand)]
    pub command: Command,
    /// Of whom.
    #[command(flatten)]
    pub common: Common,
}

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create objects; those that are there stay as they are.
    Fill(FillOptions),
    /// List objects, again and again.
    List(ListOptions),
    /// Watch while objects are written at a rate.
    Watch(WatchOptions),
    /// Write objects, each writer one after the other.
    Write(WriteOptions),
}

impl Command {
    /// Its name on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Fill(_) => "fill",
            Self::List(_) => "list",
            Self::Watch(_) => "watch",
            Self::Write(_) => "write",
        }
    }
}

/// Which server, and how the figures are told.
#[derive(Debug, Args)]
#[command(next_help_heading = "The server")]
pub struct Common {
    /// URL of a server that runs, such as <http://127.0.0.1:8001> or <https://10.0.0.1:6443>.
    #[arg(long, global = true, value_name = "URL", conflicts_with = "start")]
    pub server: Option<String>,
    /// Process ids whose CPU time and memory are counted, separated by commas: the server, and its store where
    /// that is another process. Without them only the clock is told.
    #[arg(long, global = true, value_name = "PID", value_delimiter = ',', conflicts_with = "start")]
    pub pid: Vec<u32>,
    /// The watchkeep binary to start on a free port, with an empty store in a directory that goes at the end.
    #[arg(long, global = true, value_name = "PATH")]
    pub start: Option<PathBuf>,
    /// Where the server of --start keeps objects.
    #[arg(long, global = true, value_enum, default_value_t = BackendKind::Memory)]
    pub backend: BackendKind,
    /// A flag for the server of --start, such as --serve-flag=--watch-cache=false.
    #[arg(long = "serve-flag", global = true, value_name = "FLAG", allow_hyphen_values = true)]
    pub serve_flags: Vec<String>,
    /// Where the directory of --start is made: on the disk that is meant [default: that of temporary files].
    #[arg(long, global = true, value_name = "PATH")]
    pub dir: Option<PathBuf>,
    /// File of certificates, PEM, that vouch for the server; https:// needs it.
    #[arg(long, global = true, value_name = "PATH")]
    pub cacert: Option<PathBuf>,
    /// File of the certificate, PEM, to show to the server.
    #[arg(long, global = true, value_name = "PATH", requires = "key")]
    pub cert: Option<PathBuf>,
    /// File of its key, PEM.
    #[arg(long, global = true, value_name = "PATH", requires = "cert")]
    pub key: Option<PathBuf>,
    /// The token to show to the server.
    #[arg(long, global = true, env = "WATCHKEEP_BENCH_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// HTTP/2, with up to 100 watches on a connection, instead of HTTP/1.1.
    #[arg(long, global = true)]
    pub http2: bool,
    /// The report as one line of JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Where the server that is started keeps objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendKind {
    /// In memory.
    Memory,
    /// On the disk.
    Rocksdb,
}

impl BackendKind {
    /// Its name on both command lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Rocksdb => "rocksdb",
        }
    }
}

/// The kinds that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Resource {
    /// `ConfigMap`s: one long text.
    Configmaps,
    /// Pods: many small fields, and a node.
    Pods,
}

/// What the objects are like, beside their kind and number. The n-th object has the name bench-n, lies in
/// namespace bench-(n mod namespaces), and, if it is a pod, on node-(n mod nodes).
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "The objects")]
pub struct Shape {
    /// About how many bytes each is in a list; configmaps have 440 at least, pods 920.
    #[arg(long, default_value_t = 1_600)]
    pub bytes: usize,
    /// Over how many namespaces they are spread.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub namespaces: u32,
    /// Over how many nodes pods are spread.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub nodes: u32,
    /// What their random words follow from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// The flags of `fill`.
#[derive(Debug, Args)]
pub struct FillOptions {
    /// The kind of the objects.
    #[arg(long, visible_alias = "kind", value_enum, default_value_t = Resource::Configmaps)]
    pub resource: Resource,
    /// How many there shall be.
    #[arg(long, default_value_t = 10_000)]
    pub objects: u32,
    /// How many are written at the same time, each on a connection of its own.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub writers: u32,
    /// What they are like.
    #[command(flatten)]
    pub shape: Shape,
}

/// The flags of `list`.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// The kind of the objects.
    #[arg(long, visible_alias = "kind", value_enum, default_value_t = Resource::Configmaps)]
    pub resource: Resource,
    /// How many objects are created before, as `fill` does; with 0 what is there is listed.
    #[arg(long, default_value_t = 0)]
    pub objects: u32,
    /// What they are like.
    #[command(flatten)]
    pub shape: Shape,
    /// How many whole lists are asked for, after one that is not counted.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub lists: u32,
    /// How many are asked for at the same time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub clients: u32,
    /// Pages of so many objects.
    #[arg(long)]
    pub limit: Option<u32>,
    /// As a table, as kubectl get asks for it.
    #[arg(long, conflicts_with = "metadata")]
    pub table: bool,
    /// Only the metadata.
    #[arg(long)]
    pub metadata: bool,
    /// Compressed.
    #[arg(long)]
    pub gzip: bool,
    /// Only those of a namespace.
    #[arg(long)]
    pub namespace: Option<String>,
    /// Only those that a field selector matches, such as spec.nodeName=node-1.
    #[arg(long, value_name = "SELECTOR")]
    pub field_selector: Option<String>,
    /// At this resourceVersion, or with 0 at any.
    #[arg(long, value_name = "REVISION")]
    pub resource_version: Option<String>,
}

/// The flags of `watch`.
#[derive(Debug, Args)]
pub struct WatchOptions {
    /// The kind of the objects.
    #[arg(long, visible_alias = "kind", value_enum, default_value_t = Resource::Configmaps)]
    pub resource: Resource,
    /// How many objects there are; they are written in turn.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub objects: u32,
    /// What they are like.
    #[command(flatten)]
    pub shape: Shape,
    /// How many watches, one measurement for each number.
    #[arg(long, value_delimiter = ',', default_value = "1000", value_parser = clap::value_parser!(u32).range(0..=WATCHES_MAX))]
    pub watchers: Vec<u32>,
    /// What each selects: spec.nodeName=NAME or metadata.name=NAME, where {n} is the number of the watch.
    #[arg(long, value_name = "SELECTOR")]
    pub field_selector: Option<String>,
    /// How many writes are sent in a second, each when it is due, whether or not those before are answered.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=RATE_MAX))]
    pub rate: u32,
    /// For how many seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// How they are written.
    #[arg(long = "write", value_enum, default_value_t = WatchedWrite::Patch)]
    pub write: WatchedWrite,
}

/// How objects are written that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WatchedWrite {
    /// A merge patch of an annotation.
    Patch,
    /// The whole object.
    Put,
}

/// The flags of `write`.
#[derive(Debug, Args)]
pub struct WriteOptions {
    /// The kind of the objects.
    #[arg(long, value_enum, default_value_t = Resource::Configmaps)]
    pub resource: Resource,
    /// How many objects there are; each belongs to one writer, who writes its own in turn.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub objects: u32,
    /// What they are like.
    #[command(flatten)]
    pub shape: Shape,
    /// How many write at the same time, each on a connection of its own; one measurement for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64", value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub writers: Vec<u32>,
    /// How many writes for each number of writers.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub writes: u32,
    /// How they are written.
    #[arg(long, value_enum, default_value_t = WriteKind::Put)]
    pub kind: WriteKind,
}

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WriteKind {
    /// A merge patch of an annotation.
    Patch,
    /// A merge patch of the status of a pod.
    Status,
    /// The whole object, without a resourceVersion.
    Put,
    /// A creation, and then the deletion of what was created: two writes.
    CreateDelete,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lists_of_numbers_are_separated_by_commas() {
        let cli = Cli::parse_from(["watchkeep-bench", "write", "--writers", "1,8", "--server", "http://a:1"]);
        let Command::Write(options) = cli.command else { panic!("{cli:?}") };
        assert_eq!(options.writers, [1, 8]);
    }

    #[test]
    fn a_server_is_either_started_or_there() {
        let both = ["watchkeep-bench", "fill", "--server", "http://a:1", "--start", "/bin/watchkeep"];
        assert!(Cli::try_parse_from(both).is_err());
    }
}
