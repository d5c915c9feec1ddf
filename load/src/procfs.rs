//! Reads the texts of `/proc`: pure, so that their forms can be tested.

use std::time::Duration;

/// A field of `status` or `smaps_rollup` that is told in kB, such as `VmRSS`; in bytes.
pub(crate) fn field_bytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let mut words = value.split_whitespace();
    let kilobytes: u64 = words.next()?.parse().ok()?;
    (words.next() == Some("kB")).then(|| kilobytes.saturating_mul(1024))
}

/// How long the CPUs of the machine have worked, for anybody, and for others than this machine where it is a
/// guest: the first line of `stat`, in ticks of which a second has `ticks`.
pub(crate) fn busy(stat: &str, ticks: u64) -> Option<Duration> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let counted: Vec<u64> = line.split_whitespace().map_while(|ticks| ticks.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, interrupts, soft, stolen, ..] = *counted else { return None };
    let busy = [user, nice, system, interrupts, soft, stolen].into_iter().fold(0, u64::saturating_add);
    Some(Duration::from_millis(busy.saturating_mul(1_000).checked_div(ticks)?))
}

/// The load of the last minute: `loadavg`.
pub(crate) fn load(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// The name of a process: its `comm`.
pub(crate) fn name(text: &str) -> &str {
    text.trim_end_matches('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\twatchkeep\nUmask:\t0022\nState:\tS (sleeping)\nPid:\t42\nVmPeak:\t  900000 kB\n\
                          VmSize:\t  800000 kB\nVmHWM:\t   12345 kB\nVmRSS:\t   10240 kB\nThreads:\t4\n";
    const ROLLUP: &str = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:    10240 kB\nPss:     9000 kB\n\
                          Pss_Dirty:    8000 kB\n";

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(field_bytes(STATUS, "VmRSS"), Some(10_240 * 1024));
        assert_eq!(field_bytes(STATUS, "VmHWM"), Some(12_345 * 1024));
        assert_eq!(field_bytes(ROLLUP, "Pss"), Some(9_000 * 1024), "not the dirty part of it");
    }

    #[test]
    fn what_is_not_there_or_no_size_is_nothing() {
        assert_eq!(field_bytes(STATUS, "VmSwap"), None);
        assert_eq!(field_bytes(STATUS, "Threads"), None);
        assert_eq!(field_bytes("", "VmRSS"), None);
    }

    #[test]
    fn idle_and_waiting_are_not_busy_and_stolen_is() {
        let stat = "cpu  100 20 30 9000 800 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(busy(stat, 100), Some(Duration::from_millis(1_650)));
        assert_eq!(busy("cpu0 1 2 3 4 5 6 7 8", 100), None);
        assert_eq!(busy("cpu  1 2 3", 100), None);
    }

    #[test]
    fn the_load_is_that_of_the_last_minute() {
        assert_eq!(load("0.58 0.64 1.07 2/345 6789\n"), Some(0.58));
        assert_eq!(load(""), None);
    }

    #[test]
    fn the_name_of_a_process_may_hold_spaces() {
        assert_eq!(name("kube-apiserver\n"), "kube-apiserver");
        assert_eq!(name("a b\n"), "a b");
    }
}
