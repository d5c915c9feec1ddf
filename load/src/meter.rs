//! What a piece of work cost: CPU time of the server's processes, and our own; what everybody else used
//! meanwhile; and the memory of the server.

use std::fs;
use std::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use rustix::param::clock_ticks_per_second;
use serde::Serialize;
use tokio::time::Instant;

use crate::error::LoadError;
use crate::numbers::{each, mebibytes, show};
use crate::procfs;
use crate::report::Cells;

/// Linux gives no process this id or a higher one; the number of a clock has no room for much higher ones.
const PID_LIMIT: i32 = 1 << 22;

/// From this share of a core on, the generator is what is measured.
const OWN_SHARE_MAX: f64 = 0.8;

/// Reads clocks and memory.
#[derive(Debug)]
pub(crate) struct Meter {
    server: Vec<(u32, ClockId)>,
}

/// A moment.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Instant,
    server: Option<Duration>,
    own: Duration,
    machine: Option<Duration>,
}

/// A piece of work that goes on.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    meter: &'a Meter,
    begun: Moment,
}

/// What it cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Cost {
    /// By the clock.
    pub(crate) seconds: f64,
    /// CPU time of the server's processes, user and system, of all threads.
    pub(crate) server_cpu_seconds: Option<f64>,
    /// CPU time of the generator.
    pub(crate) own_cpu_seconds: f64,
    /// The share of all cores that others used, or that the machine did not get.
    pub(crate) elsewhere_share: Option<f64>,
}

/// The memory of the server's processes.
#[expect(clippy::struct_field_names, reason = "they are names in the report, which say their unit")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// Resident.
    pub(crate) rss_bytes: u64,
    /// Resident, with what is shared counted in part; where it may be read.
    pub(crate) pss_bytes: Option<u64>,
    /// The most that was ever resident.
    pub(crate) peak_bytes: u64,
}

impl Meter {
    /// Of these processes; of nobody but us if there are none.
    pub(crate) fn of(pids: Vec<u32>) -> Result<Self, LoadError> {
        let clock = |id: u32| {
            let refused = LoadError::io(format!("the CPU clock of process {id}"));
            let pid = i32::try_from(id).ok().filter(|pid| *pid < PID_LIMIT).ok_or(Errno::ESRCH);
            let clock = pid.and_then(|pid| clock_getcpuclockid(Pid::from_raw(pid)));
            clock.map(|clock| (id, clock)).map_err(|error| refused(error.into()))
        };
        Ok(Self { server: pids.into_iter().map(clock).collect::<Result<_, _>>()? })
    }

    /// The processes.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.server.iter().map(|(pid, _)| *pid)
    }

    /// The names of the processes.
    pub(crate) fn names(&self) -> Vec<String> {
        let read = |pid| procfs::name(&read(&format!("/proc/{pid}/comm"))).to_owned();
        self.pids().map(read).collect()
    }

    /// Begins to count.
    pub(crate) fn begin(&self) -> Result<Work<'_>, LoadError> {
        Ok(Work { meter: self, begun: self.moment()? })
    }

    fn moment(&self) -> Result<Moment, LoadError> {
        let read = |clock| clock_gettime(clock).map(Duration::from);
        let server = self.server.iter().map(|(_, clock)| read(*clock)).sum::<Result<Duration, _>>();
        let server = server.map_err(|error| LoadError::io("the CPU clock of the server")(error.into()))?;
        let own = read(ClockId::CLOCK_PROCESS_CPUTIME_ID);
        Ok(Moment {
            at: Instant::now(),
            server: (!self.server.is_empty()).then_some(server),
            own: own.map_err(|error| LoadError::io("our own CPU clock")(error.into()))?,
            machine: procfs::busy(&read_machine(), clock_ticks_per_second()),
        })
    }

    /// The memory of the server now, if its processes are known.
    pub(crate) fn memory(&self) -> Option<Memory> {
        let each = self.server.iter().map(|(pid, _)| memory_of(*pid));
        each.reduce(|one, other| Memory {
            rss_bytes: one.rss_bytes + other.rss_bytes,
            pss_bytes: one.pss_bytes.zip(other.pss_bytes).map(|(one, other)| one + other),
            peak_bytes: one.peak_bytes + other.peak_bytes,
        })
    }
}

impl Work<'_> {
    /// What it cost up to now.
    pub(crate) fn cost(&self) -> Result<Cost, LoadError> {
        let (begun, ended) = (self.begun, self.meter.moment()?);
        let passed = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64();
        let seconds = ended.at.duration_since(begun.at).as_secs_f64();
        let server = begun.server.zip(ended.server).map(|(from, to)| passed(from, to));
        let own = passed(begun.own, ended.own);
        let machine = begun.machine.zip(ended.machine).map(|(from, to)| passed(from, to));
        let elsewhere = machine.map(|machine| machine - server.unwrap_or_default() - own);
        Ok(Cost {
            seconds,
            server_cpu_seconds: server,
            own_cpu_seconds: own,
            elsewhere_share: elsewhere.map(|used| (used / seconds / f64::from(cores())).clamp(0.0, 1.0)),
        })
    }
}

impl Cost {
    /// The server's CPU for each of so many, in microseconds.
    pub(crate) fn micros_each(&self, count: u64) -> Option<f64> {
        each(self.server_cpu_seconds, count, 1e6)
    }

    /// The server's CPU for each of so many, in nanoseconds.
    pub(crate) fn nanos_each(&self, count: u64) -> Option<f64> {
        each(self.server_cpu_seconds, count, 1e9)
    }

    /// Adds what stands under every measurement to a table.
    pub(crate) fn tell(&self, cells: &mut Cells) {
        cells.push(("seconds".to_owned(), show(Some(self.seconds))));
        cells.push(("server CPU, s".to_owned(), show(self.server_cpu_seconds)));
        let own = show(Some(self.own_cpu_seconds));
        let limits = self.own_cpu_seconds > self.seconds * OWN_SHARE_MAX;
        cells.push(("generator CPU, s".to_owned(), if limits { format!("{own} (its limit)") } else { own }));
        let elsewhere = self.elsewhere_share.map(|share| share * 100.0);
        cells.push(("CPU used elsewhere, %".to_owned(), show(elsewhere)));
    }
}

impl Memory {
    /// Adds it to a table.
    pub(crate) fn tell(memory: Option<Self>, when: &str, cells: &mut Cells) {
        let row = |name: &str, bytes: Option<u64>| (format!("{name}{when}, MiB"), show(bytes.map(mebibytes)));
        cells.push(row("resident", memory.map(|memory| memory.rss_bytes)));
        cells.push(row("PSS", memory.and_then(|memory| memory.pss_bytes)));
        cells.push(row("peak", memory.map(|memory| memory.peak_bytes)));
    }
}

/// The CPUs of the machine.
pub(crate) fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// The load of the machine in the last minute.
pub(crate) fn load() -> Option<f64> {
    procfs::load(&read("/proc/loadavg"))
}

fn read_machine() -> String {
    read("/proc/stat")
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn memory_of(pid: u32) -> Memory {
    let status = read(&format!("/proc/{pid}/status"));
    let rollup = read(&format!("/proc/{pid}/smaps_rollup"));
    Memory {
        rss_bytes: procfs::field_bytes(&status, "VmRSS").unwrap_or_default(),
        pss_bytes: procfs::field_bytes(&rollup, "Pss"),
        peak_bytes: procfs::field_bytes(&status, "VmHWM").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_of_a_process_is_counted_and_that_of_its_ended_threads() {
        let meter = Meter::of(vec![std::process::id()]).unwrap();
        let work = meter.begin().unwrap();
        let spin = || {
            let begun = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
            let until = Duration::from(begun) + Duration::from_millis(20);
            while Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap()) < until {}
        };
        std::thread::spawn(spin).join().unwrap();
        let cost = work.cost().unwrap();
        assert!(cost.server_cpu_seconds.unwrap() >= 0.02, "{cost:?}");
        assert!(cost.own_cpu_seconds >= 0.02, "{cost:?}");
    }

    #[test]
    fn the_memory_of_a_process_is_read() {
        let memory = Meter::of(vec![std::process::id()]).unwrap().memory().unwrap();
        assert!(memory.rss_bytes > 0 && memory.peak_bytes >= memory.rss_bytes, "{memory:?}");
    }

    #[test]
    fn without_processes_the_clock_is_told_and_no_cpu() {
        let meter = Meter::of(Vec::new()).unwrap();
        assert_eq!(meter.begin().unwrap().cost().unwrap().server_cpu_seconds, None);
        assert_eq!(meter.memory(), None);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Meter::of(vec![u32::MAX]).is_err());
        assert!(Meter::of(vec![PID_LIMIT as u32]).is_err());
    }

    #[test]
    fn a_generator_that_uses_its_whole_core_is_pointed_out() {
        let cost =
            Cost { seconds: 1.0, server_cpu_seconds: None, own_cpu_seconds: 0.9, elsewhere_share: None };
        let mut cells = Cells::new();
        cost.tell(&mut cells);
        assert!(cells.iter().any(|(_, value)| value.contains("its limit")), "{cells:?}");
    }
}
