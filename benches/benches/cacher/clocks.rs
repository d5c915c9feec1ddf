//! What is measured: CPU time of the process or of a thread, how long a thread had to wait, resident memory.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

fn clock(id: ClockId) -> Duration {
    Duration::try_from(clock_gettime(id)).expect("a clock of the kernel is not negative")
}

/// CPU time of the process.
pub(crate) fn cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

/// The time that passes.
pub(crate) fn now() -> Duration {
    clock(ClockId::Monotonic)
}

/// For how long this thread could have run and was not let by the machine.
pub(crate) fn waited_for_cpu() -> Duration {
    let text =
        fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells how threads were scheduled");
    let nanos = text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("the second number is the time in the queue"))
}

/// The resident set of this process, in bytes.
pub(crate) fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("Linux tells the resident set");
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("the second number is the resident set") * rustix::param::page_size()
}

/// How many threads of the machine were busy in the last minute.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Prints what one of so many operations has cost.
pub(crate) fn print(name: &str, took: Duration, operations: usize) {
    let each = took / u32::try_from(operations).expect("a bench has fewer operations");
    println!("  {name:<64} {each:>12.2?} each of {operations}");
}

/// Runs work of so many operations and prints the CPU time of the process for one.
pub(crate) async fn row<T>(name: &str, operations: usize, work: impl Future<Output = T>) -> T {
    let before = cpu();
    let result = work.await;
    print(name, cpu().saturating_sub(before), operations);
    result
}

/// A part of sorted values; the largest for 1.
pub(crate) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place among the values of a bench"
    )]
    let place = (last as f64 * part).ceil() as usize;
    sorted.get(place).copied().unwrap_or_default()
}
