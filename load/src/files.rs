//! How many files the process may have open: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::LoadError;

/// Files beside connections, and connections of writers.
const OTHERS: u64 = 512;

/// Raises the limit of open files for so many connections.
pub(crate) fn make_room(connections: u64) -> Result<(), LoadError> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = connections.saturating_add(OTHERS);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
        .map_err(|error| LoadError::io(format!("the limit of open files, ulimit -n {wanted}"))(error.into()))
}
