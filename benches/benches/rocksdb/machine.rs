//! What a figure depends on besides the code: cores, kernel, disk, memory, and what else runs.

use std::fs;
use std::path::Path;
use std::time::Duration;

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The machine in one line.
pub(crate) fn describe(directory: &Path) -> String {
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", |value| value.trim_start_matches([' ', '\t', ':']).trim()).to_owned()
    };
    let system = file_system(directory).unwrap_or_else(|| "?".to_owned());
    format!(
        "{} cores of {}, kernel {}, {system}, memory {}, of it available {}",
        cores(),
        field(&cpu, "model name"),
        read("/proc/sys/kernel/osrelease").trim(),
        field(&memory, "MemTotal"),
        field(&memory, "MemAvailable"),
    )
}

/// The CPUs of the machine.
pub(crate) fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// How long the CPUs of the machine have worked since it was started, for anybody; and for others than this
/// machine, where it is a guest.
pub(crate) fn busy() -> Duration {
    let text = read("/proc/stat");
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).map_while(|ticks| ticks.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, interrupts, soft, stolen, ..] = *ticks else {
        return Duration::ZERO;
    };
    let busy = user + nice + system + interrupts + soft + stolen;
    Duration::from_millis(busy * 1000 / rustix::param::clock_ticks_per_second())
}

/// The load average of the last minute.
pub(crate) fn load() -> String {
    read("/proc/loadavg").split_whitespace().next().unwrap_or("?").to_owned()
}

/// The type of the file system of a directory that is there.
pub(crate) fn file_system(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = read("/proc/self/mountinfo");
    let mounts = mounts.lines().filter_map(|line| {
        let point = line.split_whitespace().nth(4)?;
        let kind = line.split_once(" - ")?.1.split_whitespace().next()?;
        directory.starts_with(point).then(|| (point.len(), kind.to_owned()))
    });
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// A field of this process's status that is told in kB, such as `VmRSS`; in bytes.
pub(crate) fn status_bytes(name: &str) -> u64 {
    let status = read("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}
