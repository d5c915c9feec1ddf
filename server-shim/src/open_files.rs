//! How many files the process may have open: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside connections: those of the store, the log, the listener.
const OTHERS: u64 = 1_024;

/// Raises the limit of open files as far as the process may, for so many connections. Systems start
/// processes with 1,024, so that old programs do not break; the limit that matters is the hard one.
///
/// Returns how many connections there is room for, where it is fewer.
pub fn make_room(connections: u64) -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = connections.saturating_add(OTHERS);
    if limit.current.is_none_or(|current| current >= wanted) {
        return None;
    }
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    // A refusal leaves what there was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit });
    let current = getrlimit(Resource::Nofile).current?;
    (current < wanted).then(|| current.saturating_sub(OTHERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_what_is_missing_is_told() {
        let before = getrlimit(Resource::Nofile);
        let low = Rlimit { current: Some(2_000), maximum: before.maximum };
        setrlimit(Resource::Nofile, low).unwrap();
        assert_eq!(make_room(100), None);
        assert_eq!(getrlimit(Resource::Nofile).current, Some(2_000), "there was room");
        let hard = before.maximum.unwrap_or(u64::MAX);
        assert!(hard > 4_000, "{before:?}");
        assert_eq!(make_room(2_500), None);
        assert_eq!(getrlimit(Resource::Nofile).current, Some(2_500 + OTHERS));
        if let Some(maximum) = before.maximum {
            assert_eq!(make_room(maximum), Some(maximum - OTHERS));
        }
        setrlimit(Resource::Nofile, before).unwrap();
    }
}
