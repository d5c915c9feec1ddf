//! What a piece of work costs: wall time, CPU time and bytes through the file system, of the whole process
//! and of the groups of its threads.
//!
//! A shared machine's clock tells what others did as well, so how much of the machine they used is measured
//! too; the CPU time of a process is its own. Threads are told apart by their names: the store's writer, the engine's background threads, the main thread, which
//! only measures, and all others, which run the load and the reads.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::machine;

/// As the kernel cuts it off.
const WRITER: &str = "watchkeep-commi";
const ENGINE: &str = "rocksdb:";

/// What a group of threads has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// Bytes that read and write calls have moved, from the page cache as well as from the disk.
    pub(crate) read: u64,
    pub(crate) written: u64,
}

/// What a piece of work has cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// Of the whole process, with threads that have ended meanwhile.
    pub(crate) process: Usage,
    pub(crate) writer: Usage,
    pub(crate) engine: Usage,
    /// The threads of the runtime: the load, and reads that block.
    pub(crate) others: Usage,
    /// CPU of everything else on the machine.
    elsewhere: Duration,
}

/// The beginning of a piece of work.
pub(crate) struct Meter {
    at: Instant,
    process: Usage,
    machine: Duration,
    threads: BTreeMap<u32, (Group, Usage)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Main,
    Writer,
    Engine,
    Others,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { threads: threads(), machine: machine::busy(), process: process(), at: now() }
    }

    pub(crate) fn stop(&self) -> Cost {
        let (wall, after) = (now() - self.at, process());
        let process = after.since(&self.process);
        let elsewhere = machine::busy().saturating_sub(self.machine).saturating_sub(process.cpu);
        let mut cost = Cost { wall, process, elsewhere, ..Cost::default() };
        for (id, (group, usage)) in threads() {
            let before = self.threads.get(&id).map(|(_, usage)| *usage).unwrap_or_default();
            let sum = match group {
                Group::Main => continue,
                Group::Writer => &mut cost.writer,
                Group::Engine => &mut cost.engine,
                Group::Others => &mut cost.others,
            };
            *sum = sum.plus(&usage.since(&before));
        }
        cost
    }
}

impl Usage {
    fn since(&self, before: &Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            read: self.read.saturating_sub(before.read),
            written: self.written.saturating_sub(before.written),
        }
    }

    fn plus(&self, more: &Self) -> Self {
        Self { cpu: self.cpu + more.cpu, read: self.read + more.read, written: self.written + more.written }
    }
}

impl Cost {
    /// The cost of two pieces of work.
    pub(crate) fn plus(&self, more: &Self) -> Self {
        Self {
            wall: self.wall + more.wall,
            process: self.process.plus(&more.process),
            writer: self.writer.plus(&more.writer),
            engine: self.engine.plus(&more.engine),
            others: self.others.plus(&more.others),
            elsewhere: self.elsewhere + more.elsewhere,
        }
    }

    /// How much of the machine's CPUs everything else used meanwhile: where it is much, no wall time tells
    /// anything.
    pub(crate) fn elsewhere_share(&self) -> f64 {
        let machine = self.wall.as_secs_f64() * f64::from(machine::cores());
        if machine > 0.0 { self.elsewhere.as_secs_f64() / machine } else { 0.0 }
    }
}

/// The clock of the benches.
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn process() -> Usage {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = Duration::new(cpu.tv_sec.cast_unsigned(), u32::try_from(cpu.tv_nsec).unwrap_or_default());
    let (read, written) = io("/proc/self/io");
    Usage { cpu, read, written }
}

fn threads() -> BTreeMap<u32, (Group, Usage)> {
    let tasks = fs::read_dir("/proc/self/task").expect("the kernel tells the threads of a process");
    let ids = tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Some((id, thread(id)?))).collect()
}

/// `None` where the thread has ended meanwhile.
fn thread(id: u32) -> Option<(Group, Usage)> {
    let file = |name: &str| format!("/proc/self/task/{id}/{name}");
    let name = fs::read_to_string(file("comm")).ok()?;
    let ran = fs::read_to_string(file("schedstat")).ok()?;
    let nanos = ran.split_whitespace().next()?.parse().ok()?;
    let (read, written) = io(&file("io"));
    let group = match name.trim() {
        WRITER => Group::Writer,
        name if name.starts_with(ENGINE) => Group::Engine,
        _ if id == std::process::id() => Group::Main,
        _ => Group::Others,
    };
    Some((group, Usage { cpu: Duration::from_nanos(nanos), read, written }))
}

fn io(file: &str) -> (u64, u64) {
    let text = fs::read_to_string(file).unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
    };
    (field("rchar:"), field("wchar:"))
}
