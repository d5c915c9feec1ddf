//! What does the RocksDB backend cost, measured as a server meets it: through the trait, on a disk?
//!
//! Every bench runs in a process of its own, so that what the one before has left in memory, or has the
//! engine still do, is not counted. `--help` tells the names and the sizes. For each figure there is a rate and
//! the CPU time of the process per operation; where others use the machine, believe the CPU time.

mod append;
mod crew;
mod files;
mod gets;
mod layout;
mod lists;
mod machine;
mod meter;
mod objects;
mod opening;
mod replay;
mod report;
mod resident;
mod store;
mod writes;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;

use crate::report::{Report, say};

/// As in the server of `make run`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures the RocksDB backend through the trait.
#[derive(Debug, Parser)]
struct Args {
    /// Which benches to run, in this order; all of them if none is named.
    #[arg(value_parser = BENCHES.map(|bench| bench.name))]
    names: Vec<String>,
    /// Where the stores lie while they are measured; on a disk.
    #[arg(long, default_value = default_directory())]
    dir: PathBuf,
    /// Small sizes: a look whether all works, no figures to believe.
    #[arg(long)]
    quick: bool,
    /// A file to which the figures are added as lines of JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Runs in this process, for a profiler.
    #[arg(long)]
    here: bool,
    /// Objects of 1 KiB [default: 100000]
    #[arg(long)]
    objects: Option<usize>,
    /// Updates of 64 writers [default: 500000]
    #[arg(long)]
    updates: Option<usize>,
    /// How long 64 writers of 12 KiB write at least, in seconds [default: 60]
    #[arg(long)]
    large_seconds: Option<u64>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much of what.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    objects: usize,
    updates: usize,
    turns: usize,
    turn_commits: usize,
    large_objects: usize,
    large_bytes: usize,
    large_time: Duration,
    gets: usize,
    lists: usize,
    replayed: usize,
    replays: usize,
    layout_updates: usize,
    layout_events: usize,
    opened_objects: usize,
    resident_objects: usize,
}

/// What every bench is given.
struct Context {
    directory: PathBuf,
    sizes: Sizes,
}

type Run = for<'a> fn(&'a Context, &'a mut Report) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

struct Bench {
    name: &'static str,
    run: Run,
}

const BENCHES: [Bench; 9] = [
    Bench { name: "one-writer", run: |context, report| Box::pin(writes::one_writer(context, report)) },
    Bench { name: "writers-1k", run: |context, report| Box::pin(writes::many_small(context, report)) },
    Bench { name: "writers-12k", run: |context, report| Box::pin(writes::many_large(context, report)) },
    Bench { name: "get", run: |context, report| Box::pin(gets::get(context, report)) },
    Bench { name: "list", run: |context, report| Box::pin(lists::list(context, report)) },
    Bench { name: "replay", run: |context, report| Box::pin(replay::replay(context, report)) },
    Bench { name: "layout", run: |context, report| Box::pin(layout::layout(context, report)) },
    Bench { name: "open", run: |context, report| Box::pin(opening::open(context, report)) },
    Bench { name: "memory", run: |context, report| Box::pin(resident::resident(context, report)) },
];

/// Below the target directory: on the disk that builds are on, and gone with it.
fn default_directory() -> &'static str {
    concat!(env!("CARGO_TARGET_TMPDIR"), "/bench-data")
}

impl Args {
    fn sizes(&self) -> Sizes {
        let mut sizes = if self.quick { QUICK } else { FULL };
        sizes.objects = self.objects.unwrap_or(sizes.objects);
        sizes.updates = self.updates.unwrap_or(sizes.updates);
        sizes.large_time = self.large_seconds.map_or(sizes.large_time, Duration::from_secs);
        sizes
    }
}

const FULL: Sizes = Sizes {
    objects: 100_000,
    updates: 500_000,
    turns: 12,
    turn_commits: 300,
    large_objects: 10_000,
    large_bytes: 4 << 30,
    large_time: Duration::from_mins(1),
    gets: 500_000,
    lists: 10,
    replayed: 200_000,
    replays: 5,
    layout_updates: 1_000_000,
    layout_events: 100_000,
    opened_objects: 1_000_000,
    resident_objects: 300_000,
};

const QUICK: Sizes = Sizes {
    objects: 10_000,
    updates: 20_000,
    turns: 3,
    turn_commits: 50,
    large_objects: 1_000,
    large_bytes: 64 << 20,
    large_time: Duration::from_secs(2),
    gets: 20_000,
    lists: 2,
    replayed: 10_000,
    replays: 2,
    layout_updates: 50_000,
    layout_events: 10_000,
    opened_objects: 20_000,
    resident_objects: 20_000,
};

fn main() -> ExitCode {
    let args = Args::parse();
    let Some(names) = selected(&args) else { return ExitCode::FAILURE };
    if args.here {
        let context = Context { directory: args.dir.clone(), sizes: args.sizes() };
        for bench in names {
            run_here(bench, &context, args.json.as_deref());
        }
        return ExitCode::SUCCESS;
    }
    if let Err(reason) = check_directory(&args.dir) {
        say(&reason);
        return ExitCode::FAILURE;
    }
    say(&machine::describe(&args.dir));
    say(&format!("{:?}, seed {}", args.sizes(), objects::SEED));
    let failed = names.into_iter().filter(|bench| !run_apart(bench)).count();
    // Only if it is empty: it may have been there before.
    let _ = std::fs::remove_dir(&args.dir);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The benches that were named; `None` never, clap has checked them.
fn selected(args: &Args) -> Option<Vec<&'static Bench>> {
    if args.names.is_empty() {
        return Some(BENCHES.iter().collect());
    }
    args.names.iter().map(|name| BENCHES.iter().find(|bench| bench.name == name)).collect()
}

/// A store in memory is none that is durable.
fn check_directory(directory: &Path) -> Result<(), String> {
    let unusable = |error| format!("{}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(unusable)?;
    match machine::file_system(directory).as_deref() {
        Some("tmpfs" | "ramfs") => Err(format!("{} is in memory: choose a disk", directory.display())),
        _ => Ok(()),
    }
}

/// Runs a bench in a process of its own, with the same arguments; whether it succeeded.
fn run_apart(bench: &Bench) -> bool {
    let names: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
    let arguments = std::env::args().skip(1).filter(|argument| !names.contains(&argument.as_str()));
    let own = std::env::current_exe().expect("the system tells a process its file");
    let status = Command::new(own).args(arguments).args(["--here", bench.name]).status();
    status.is_ok_and(|status| status.success())
}

fn run_here(bench: &Bench, context: &Context, json: Option<&Path>) {
    let mut report = Report::new(bench.name, json);
    store::runtime().block_on((bench.run)(context, &mut report));
}
