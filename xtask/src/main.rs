//! Tasks of the repository. `generate` writes the field table and the resource table, `check` says
//! whether they are what `generate` would write.

mod facts;
mod model;
mod naming;
mod openapi;
mod protobuf;
mod render;
mod resources;
mod rust;
mod schema;
mod sources;
mod tables;

use std::process::ExitCode;

/// What a task fails with: a message for the one who runs it.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let outcome = match task.as_str() {
        "generate" => tables::generate(),
        "check" => tables::check(),
        _ => Err("usage: cargo run -p xtask -- generate|check".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
