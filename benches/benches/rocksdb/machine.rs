//! What a figure depends on besides the code: cores, kernel, disk, memory, and what else runs.

use std::fs;
use std::path::Path;

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The machine in one line.
pub(crate) fn describe(directory: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", |value| value.trim_start_matches([' ', '\t', ':']).trim()).to_owned()
    };
    let system = file_system(directory).unwrap_or_else(|| "?".to_owned());
    format!(
        "{cores} cores of {}, kernel {}, {system}, memory {}, of it available {}",
        field(&cpu, "model name"),
        read("/proc/sys/kernel/osrelease").trim(),
        field(&memory, "MemTotal"),
        field(&memory, "MemAvailable"),
    )
}

/// The load averages of the machine.
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
