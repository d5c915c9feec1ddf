//! The `watchkeep` binary: reads the command line, starts the server, and waits for the signal to stop.

mod check;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use watchkeep_server::app::App;
use watchkeep_server::backend::Opened;
use watchkeep_server::config::{Cli, Command, ServeOptions};
use watchkeep_server::server::Server;
use watchkeep_server::telemetry::{self, Metrics};
use watchkeep_server::{backend, bootstrap, kubeconfig, logging, open_files};
use watchkeep_storage::Environment;

/// Why the server cannot run; one line.
type Failure = Box<dyn std::error::Error>;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(options) => run(&options).map(|()| ExitCode::SUCCESS),
        Command::Check(options) => check::run(&options),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// How long work that nobody waits for any more may keep the process from ending.
const LEFTOVERS_MAX: Duration = Duration::from_secs(2);

fn run(options: &ServeOptions) -> Result<(), Failure> {
    options.check()?;
    logging::start(options.log_format, &options.log_level)?;
    if let Some(room) = open_files::make_room(options.max_connections.into()) {
        tracing::warn!(
            room,
            wanted = options.max_connections,
            "the limit of open files leaves room for fewer connections: raise it (ulimit -n), or lower --max-connections"
        );
    }
    #[cfg(feature = "failpoints")]
    let _failpoints = watchkeep_storage::failpoint::Scenario::begin();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(options));
    // The store is closed. What is still under way, such as a checkpoint, is not worth waiting for longer.
    runtime.shutdown_timeout(LEFTOVERS_MAX);
    outcome
}

/// Serves from an open store, and closes it.
async fn serve(options: &ServeOptions) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    let environment = Environment::system();
    let metrics = record(&environment)?;
    let opened = backend::open(options, &environment)?;
    let backend = Arc::clone(&opened.backend);
    let served = serve_from(options, opened, &environment, metrics, signals).await;
    let closed = backend.close().await;
    served?;
    Ok(closed?)
}

async fn serve_from(
    options: &ServeOptions,
    opened: Opened,
    environment: &Environment,
    metrics: Metrics,
    mut signals: Signals,
) -> Result<(), Failure> {
    let (server, app) = tokio::select! {
        started = start(options, opened, environment) => started?,
        name = signals.next() => return Err(format!("stopped by {name} before it was ready").into()),
    };
    let server = server.showing(metrics);
    tokio::select! {
        () = server.serve() => {
            tracing::info!("stopped");
            Ok(())
        }
        name = stop(&mut signals, &app) => {
            Err(format!("stopped at once by a second signal, {name}: requests under way are cut").into())
        }
    }
}

/// Begins to measure, for the whole process: before the store is opened, which measures too.
fn record(environment: &Environment) -> Result<Metrics, Failure> {
    let (recorder, metrics) = telemetry::recorder()?;
    metrics::set_global_recorder(recorder)?;
    environment.spawn(metrics.clone().upkeep(environment.clone()));
    Ok(metrics)
}

/// Does everything up to the first request.
async fn start(
    options: &ServeOptions,
    Opened { store, backend, checkpoints }: Opened,
    environment: &Environment,
) -> Result<(Server, Arc<App>), Failure> {
    backend::reach(options, &*store).await?;
    let mut app = App::new(&*backend, environment.clone(), options.event_ttl).await?;
    app.checkpoints = checkpoints;
    let app = Arc::new(app);
    bootstrap::run(&app).await?;
    let server = Server::bind(options.server(), Arc::clone(&app)).await;
    let server = server.map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    let url = kubeconfig::url(server.local_addr());
    let path = &options.kubeconfig;
    kubeconfig::write(path, &url).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    announce(&format!("watchkeep is ready on {url}; kubeconfig: {}", path.display()))?;
    tracing::info!(url, backend = ?options.backend, "ready");
    Ok((server.write_timeout(options.write_timeout).answering(options.service()), app))
}

/// Begins to stop at the first signal; returns the name of the second.
async fn stop(signals: &mut Signals, app: &App) -> &'static str {
    let name = signals.next().await;
    tracing::info!(signal = name, "stopping: not ready, watches end, requests under way are finished");
    app.draining.cancel();
    signals.next().await
}

/// The signals to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The one line on standard output.
fn announce(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
