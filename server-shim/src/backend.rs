//! The store that the command line asks for, from the backends that this binary was built with.
//!
//! Promises: it is the store that was asked for or none, never another one in its place; a refusal says in
//! one line how to get what is missing.

use std::sync::Arc;

use watchkeep_storage::{Backend, Environment, Error};

use crate::app;
use crate::config::{BackendKind, ServeOptions};
use crate::http::checkpoints::Checkpoints;

/// An open store.
pub struct Opened {
    /// The store itself.
    pub store: Arc<dyn Backend>,
    /// What requests are served from: the store with the watch cache before it, as far as the flags want one.
    /// Closing it closes the store.
    pub backend: Arc<dyn Backend>,
    /// Makes backups of it, where there is a place for them.
    pub checkpoints: Option<Checkpoints>,
}

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
    /// The flags describe no cluster that can be asked.
    #[cfg(feature = "etcd3")]
    #[error(transparent)]
    Etcd3(#[from] watchkeep_storage::etcd3::OpenError),
    /// The cluster does not answer.
    #[error(
        "no etcd answers at {servers}: {error}; see that it runs, and that --etcd-servers and the \
         certificates for it are right"
    )]
    NoEtcd {
        /// Who was asked.
        servers: String,
        /// What came of it at last.
        error: Error,
    },
    /// Another store does not answer.
    #[error("the store does not answer: {0}")]
    NoAnswer(Error),
}

fn name(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::Rocksdb => "RocksDB",
        BackendKind::Memory => "memory",
        BackendKind::Etcd3 => "etcd3",
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
        BackendKind::Etcd3 => {
            "build with make run BACKEND=etcd3, or cargo build -p watchkeep-server --features etcd3"
        }
    }
}

/// Opens the store, and puts the watch cache before it.
///
/// # Errors
/// [`BackendError`]: the backend is not in this binary, or the store cannot be opened.
///
/// # Panics
/// Outside a tokio runtime.
pub fn open(options: &ServeOptions, environment: &Environment) -> Result<Opened, BackendError> {
    let (store, checkpoints) = open_store(options, environment)?;
    let backend = options.watch_cache().over(Arc::clone(&store), environment);
    Ok(Opened { store, backend, checkpoints })
}

#[cfg_attr(
    not(any(feature = "memory", feature = "rocksdb", feature = "etcd3")),
    expect(unused_variables, reason = "a binary without a backend opens nothing")
)]
fn open_store(
    options: &ServeOptions,
    environment: &Environment,
) -> Result<(Arc<dyn Backend>, Option<Checkpoints>), BackendError> {
    match options.backend {
        #[cfg(feature = "memory")]
        BackendKind::Memory => {
            use watchkeep_storage::memory::MemoryBackend;
            Ok((Arc::new(MemoryBackend::new(options.memory(), environment.clone())), None))
        }
        #[cfg(feature = "rocksdb")]
        BackendKind::Rocksdb => {
            use watchkeep_storage::rocksdb::RocksBackend;
            let store = RocksBackend::open(options.rocksdb(), environment.clone())?;
            let checkpoints = options.checkpoint_dir.clone().map(|place| checkpoints(&store, place));
            Ok((Arc::new(store), checkpoints))
        }
        #[cfg(feature = "etcd3")]
        BackendKind::Etcd3 => {
            use watchkeep_storage::etcd3::EtcdBackend;
            Ok((Arc::new(EtcdBackend::open(options.etcd3(), environment.clone())?), None))
        }
        #[cfg(not(all(feature = "memory", feature = "rocksdb", feature = "etcd3")))]
        missing => Err(BackendError::NotBuilt(missing)),
    }
}

/// Waits for the first answer of an open store: it may be elsewhere, and away. Before it is cached: a cache
/// waits until it is filled.
///
/// # Errors
/// [`BackendError`]: there is none.
pub async fn reach(options: &ServeOptions, store: &dyn Backend) -> Result<(), BackendError> {
    app::ask(store).await.map_err(|error| match options.backend {
        BackendKind::Etcd3 => BackendError::NoEtcd { servers: options.etcd_servers.join(", "), error },
        BackendKind::Memory | BackendKind::Rocksdb => BackendError::NoAnswer(error),
    })
}

/// Checkpoints in a directory, named by their revisions.
#[cfg(feature = "rocksdb")]
fn checkpoints(
    backend: &watchkeep_storage::rocksdb::RocksBackend,
    directory: std::path::PathBuf,
) -> Checkpoints {
    use watchkeep_storage::rocksdb::CheckpointError;

    use crate::http::checkpoints::{Failed, Made};

    let source = backend.checkpoints();
    // Whoever asks may be in another directory than the server.
    let directory = std::path::absolute(&directory).unwrap_or(directory);
    Checkpoints::new(Box::new(move || {
        let (source, directory) = (source.clone(), directory.clone());
        Box::pin(async move {
            let made = source.within(directory).await.map_err(|error| match error {
                CheckpointError::Exists(_) => Failed::Exists(error.to_string()),
                _ => Failed::Internal(error.to_string()),
            })?;
            Ok(Made { path: made.directory, revision: made.revision })
        })
    }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::{Cli, Command};

    fn asked_for(flags: &[&str]) -> Result<Arc<dyn Backend>, BackendError> {
        let cli = Cli::try_parse_from(["watchkeep", "serve"].iter().chain(flags)).unwrap();
        let Command::Serve(options) = cli.command else { panic!("{flags:?} is not to serve") };
        open(&options, &Environment::system()).map(|opened| opened.backend)
    }

    #[tokio::test]
    async fn a_backend_is_opened_if_and_only_if_it_was_built_in() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("data");
        let table = [
            (vec!["--backend", "memory"], cfg!(feature = "memory"), "--features memory"),
            (vec!["--data-dir", data_dir.to_str().unwrap()], cfg!(feature = "rocksdb"), "--features rocksdb"),
            (
                vec!["--backend", "etcd3", "--etcd-servers", "http://127.0.0.1:1"],
                cfg!(feature = "etcd3"),
                "--features etcd3",
            ),
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
