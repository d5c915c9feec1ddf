//! The load generator: asks a Kubernetes API server over HTTP, and tells what it cost the server.
//!
//! ```text
//!   cli ── fill · list · watch · write        one file each: what is asked, what is counted
//!             │            │
//!             │            └─ meter           CPU and memory of the server, by process id; our own beside it
//!             ▼
//!   connection ── target                      HTTP/1.1 or HTTP/2, plain or TLS, on one thread
//! ```
//!
//! Promises:
//! - The CPU time of the server's process is counted, also that of its threads that have ended. The clock of a
//!   shared machine lies; CPU times and ratios within a run count.
//! - What the generator used itself stands beside it, and nothing is parsed that need not be: it has to be
//!   cheaper than the server.
//! - A latency of the open loop begins when the write was due, not when it could be sent.
//! - Everything is bounded: connections, writes in flight, waits.
//! - A server that it started ends with it.

pub mod cli;
mod connection;
mod counting;
mod crew;
mod error;
mod events;
mod files;
mod fill;
mod latency;
mod list;
mod meter;
mod numbers;
mod objects;
mod pace;
mod procfs;
mod report;
mod schedule;
mod stamp;
mod start;
mod target;
mod tls;
mod watch;
mod write;

use std::io::Write;
use std::sync::Arc;

pub use self::error::LoadError;

use self::cli::{Cli, Command, Common};
use self::meter::Meter;
use self::report::{About, Report};
use self::start::Started;
use self::target::Target;

/// Does what the command line says, and writes the report.
///
/// # Errors
/// [`LoadError`] says what failed; then there is no report.
pub async fn run(cli: Cli, out: &mut impl Write) -> Result<(), LoadError> {
    let Cli { command, common } = cli;
    let started = start(&common).await?;
    let measured = measure(&command, &common, started.as_ref()).await;
    // The server ends before its figures are told, and also where there are none.
    if let Some(started) = started {
        started.stop().await?;
    }
    measured?.write(common.json, out)
}

/// The server that the command line has us start.
async fn start(common: &Common) -> Result<Option<Started>, LoadError> {
    let Some(binary) = &common.start else { return Ok(None) };
    Ok(Some(Started::launch(binary, common).await?))
}

async fn measure(command: &Command, common: &Common, started: Option<&Started>) -> Result<Report, LoadError> {
    let (url, pids) = match (started, &common.server) {
        (Some(started), _) => (started.url().to_owned(), vec![started.id()]),
        (None, Some(url)) => (url.clone(), common.pid.clone()),
        (None, None) => return Err(LoadError::Usage("one of --server and --start is needed".to_owned())),
    };
    let target = Arc::new(Target::resolve(&url, common).await?);
    let meter = Meter::of(pids)?;
    let mut report = Report::new(About::new(command.name(), &url, common, &meter));
    match command {
        Command::Fill(options) => fill::run(&target, &meter, options, &mut report).await?,
        Command::List(options) => list::run(&target, &meter, options, &mut report).await?,
        Command::Watch(options) => watch::run(&target, &meter, options, &mut report).await?,
        Command::Write(options) => write::run(&target, &meter, options, &mut report).await?,
    }
    Ok(report)
}
