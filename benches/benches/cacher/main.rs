//! What do reads, writes and watches cost with the watch cache over a store?
//!
//! 150,000 pods of 12 KB of JSON: 50 namespaces with 3,000 each, on 5,000 nodes; one index, `spec.nodeName`.
//! Upstream's benches have these names and dimensions. Figures are CPU time, so that a machine that is shared tells
//! the same; rates and latencies are by the clock and say so. Each group of rows has a process of its own.
//!
//! `--quick` takes a tenth of the objects. Names are the groups to run. The store is the memory backend; groups
//! that begin with `rocksdb` need the feature of that name.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod background;
mod blocked;
mod clocks;
mod fan_out;
mod latency;
mod lists;
mod memory;
mod pods;
#[cfg(feature = "rocksdb")]
mod rocks;
mod writes;

use std::env;
use std::pin::Pin;
use std::process::{Command, ExitCode};

use crate::pods::Size;

/// The allocator of `make run`.
#[cfg(feature = "rocksdb")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Tells a process which group it is for.
const GROUP: &str = "WATCHKEEP_BENCH_GROUP";

type Group = (&'static str, fn(Size) -> Pin<Box<dyn Future<Output = ()>>>);

const GROUPS: &[Group] = &[
    ("lists", |size| Box::pin(lists::run(size))),
    ("writes", |size| Box::pin(writes::run(size))),
    ("watched", |size| Box::pin(writes::watched(size))),
    ("background", |size| Box::pin(background::run(size))),
    ("latency", |size| Box::pin(latency::run(size))),
    ("fan-out", |size| Box::pin(fan_out::run(size))),
    ("blocked", |size| Box::pin(blocked::run(size))),
    ("memory", |size| Box::pin(memory::objects(size))),
    ("watchers", |size| Box::pin(memory::watchers(size))),
    #[cfg(feature = "rocksdb")]
    ("rocksdb-writes", |size| Box::pin(rocks::writes(size))),
    #[cfg(feature = "rocksdb")]
    ("rocksdb-ready", |size| Box::pin(rocks::ready(size))),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let size = Size::new(arguments.iter().any(|argument| argument == "--quick"));
    if let Ok(asked) = env::var(GROUP) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for (_, run) in GROUPS.iter().filter(|(name, _)| *name == asked) {
            runtime.block_on(run(size));
        }
        return ExitCode::SUCCESS;
    }
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = names.iter().find(|name| GROUPS.iter().all(|(group, _)| group != **name)) {
        println!(
            "no group is called {unknown}; there are: {}",
            GROUPS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
        );
        return ExitCode::FAILURE;
    }
    for (name, _) in
        GROUPS.iter().filter(|(group, _)| names.is_empty() || names.iter().any(|name| name == group))
    {
        println!("{name}, at a load of {}", clocks::load());
        let bench = env::current_exe().expect("the bench runs");
        let ended = Command::new(bench).args(&arguments).env(GROUP, name).status();
        if !ended.is_ok_and(|status| status.success()) {
            println!("{name} has failed");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
