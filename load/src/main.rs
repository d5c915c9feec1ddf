//! The `watchkeep-bench` binary: reads the command line, runs on one thread, and ends the server that it started
//! also when it is interrupted.

use std::process::ExitCode;

use clap::Parser as _;
use watchkeep_load::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // One thread: what it takes from the server's cores is bounded, and nothing has to be handed over.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(format!("no runtime: {error}").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    tokio::select! {
        outcome = watchkeep_load::run(cli, &mut out) => Ok(outcome?),
        // Dropping the run ends the server that it started.
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err("interrupted".into())
        }
    }
}
