//! The `watchkeep` binary: reads the command line, starts the server, and waits for the signal to stop.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use watchkeep_server::app::App;
use watchkeep_server::config::{BackendKind, Cli, Command, ServeOptions};
use watchkeep_server::server::Server;
use watchkeep_server::{bootstrap, kubeconfig, logging};
use watchkeep_storage::memory::MemoryBackend;
use watchkeep_storage::{Backend, Environment};

/// Why the server cannot run; one line.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let Command::Serve(options) = Cli::parse().command;
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &ServeOptions) -> Result<(), Failure> {
    options.check()?;
    logging::start(options.log_format, &options.log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: &ServeOptions) -> Result<(), Failure> {
    let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let environment = Environment::system();
    let backend = open(options, &environment);
    let app = Arc::new(App::new(backend.as_ref(), environment.clone(), options.event_ttl)?);
    bootstrap::run(&app).await?;
    let server = Server::bind(options.server(), Arc::clone(&app)).await;
    let server = server.map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    let url = kubeconfig::url(server.local_addr());
    let path = &options.kubeconfig;
    kubeconfig::write(path, &url).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    environment.spawn(stop_on(signals, Arc::clone(&app)));
    announce(&format!("watchkeep is ready on {url}; kubeconfig: {}", path.display()))?;
    tracing::info!(url, backend = ?options.backend, "ready");
    server.serve().await;
    tracing::info!("stopped");
    Ok(())
}

fn open(options: &ServeOptions, environment: &Environment) -> Box<dyn Backend> {
    match options.backend {
        BackendKind::Memory => Box::new(MemoryBackend::new(options.memory(), environment.clone())),
    }
}

async fn stop_on((mut terminate, mut interrupt): (Signal, Signal), app: Arc<App>) {
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, "stopping: not ready, watches end, requests under way are finished");
    app.draining.cancel();
}

/// The one line on standard output.
fn announce(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
