//! The store that the command line asks for, from the backends that this binary was built with.
//!
//! Promises: it is the store that was asked for or none, never another one in its place; a refusal says in
//! one line how to get what is missing.

use watchkeep_storage::{Backend, Environment};

use crate::config::{BackendKind, ServeOptions};

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The features of this build leave the backend out.
    #[error("this binary was built without the {} backend: {}", name(*.0), remedy(*.0))]
    NotBuilt(BackendKind),
    /// The directory holds no store that can be opened.
    #[cfg(feature = "rocksdb")]
    #[error(transparent)]
    Rocksdb(#[from] watchkeep_storage::rocksdb::OpenError),
}

fn name(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::Rocksdb => "RocksDB",
        BackendKind::Memory => "memory",
    }
}

fn remedy(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::Rocksdb => {
            "build with make run, or scripts/with-rocksdb.sh cargo build -p watchkeep-server --features rocksdb"
        }
        BackendKind::Memory => {
            "build with make run BACKEND=memory, or cargo build -p watchkeep-server --features memory"
        }
    }
}

/// Opens the store.
///
/// # Errors
/// [`BackendError`]: the backend is not in this binary, or the store cannot be opened.
///
/// # Panics
/// Outside a tokio runtime.
#[cfg_attr(
    not(any(feature = "memory", feature = "rocksdb")),
    expect(unused_variables, reason = "a binary without a backend opens nothing")
)]
pub fn open(options: &ServeOptions, environment: &Environment) -> Result<Box<dyn Backend>, BackendError> {
    match options.backend {
        #[cfg(feature = "memory")]
        BackendKind::Memory => {
            use watchkeep_storage::memory::MemoryBackend;
            Ok(Box::new(MemoryBackend::new(options.memory(), environment.clone())))
        }
        #[cfg(feature = "rocksdb")]
        BackendKind::Rocksdb => {
            use watchkeep_storage::rocksdb::RocksBackend;
            Ok(Box::new(RocksBackend::open(options.rocksdb(), environment.clone())?))
        }
        #[cfg(not(all(feature = "memory", feature = "rocksdb")))]
        missing => Err(BackendError::NotBuilt(missing)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::{Cli, Command};

    fn asked_for(flags: &[&str]) -> Result<Box<dyn Backend>, BackendError> {
        let cli = Cli::try_parse_from(["watchkeep", "serve"].iter().chain(flags)).unwrap();
        let Command::Serve(options) = cli.command else { panic!("{flags:?} is not to serve") };
        open(&options, &Environment::system())
    }

    #[tokio::test]
    async fn a_backend_is_opened_if_and_only_if_it_was_built_in() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("data");
        let table = [
            (vec!["--backend", "memory"], cfg!(feature = "memory"), "--features memory"),
            (vec!["--data-dir", data_dir.to_str().unwrap()], cfg!(feature = "rocksdb"), "--features rocksdb"),
        ];
        for (flags, built, remedy) in table {
            match asked_for(&flags) {
                Ok(backend) => {
                    assert!(built, "{flags:?}");
                    backend.close().await.unwrap();
                }
                Err(error) => {
                    let line = error.to_string();
                    assert!(!built && line.contains(remedy) && !line.contains('\n'), "{flags:?}: {line}");
                }
            }
        }
        assert_eq!(
            data_dir.exists(),
            cfg!(feature = "rocksdb"),
            "nothing is made for a store that is not built in"
        );
    }
}
