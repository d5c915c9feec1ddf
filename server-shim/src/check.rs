//! `watchkeep check`: looks through a store that nobody has open.

use std::process::ExitCode;

use watchkeep_server::config::CheckOptions;

use crate::Failure;

/// Writes what is found to standard output: one line when all is well, and one for each problem otherwise,
/// with exit code 1.
#[cfg(feature = "rocksdb")]
pub(crate) fn run(options: &CheckOptions) -> Result<ExitCode, Failure> {
    let report = watchkeep_storage::rocksdb::check(&options.data_dir)?;
    crate::announce(&report.to_string())?;
    Ok(if report.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// There is no such store in this build.
#[cfg(not(feature = "rocksdb"))]
pub(crate) fn run(_: &CheckOptions) -> Result<ExitCode, Failure> {
    use watchkeep_server::backend::BackendError;
    use watchkeep_server::config::BackendKind;

    Err(BackendError::NotBuilt(BackendKind::Rocksdb).into())
}
