//! Why there are no figures; each in one line for the reader.

use std::io;
use std::time::Duration;

use hyper::StatusCode;

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Flags that do not go together, or that mean nothing.
    #[error("{0}")]
    Usage(String),
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What it said.
        source: io::Error,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("{what}: {source}")]
    Http {
        /// What was asked.
        what: String,
        /// What happened to it.
        source: hyper::Error,
    },
    /// A request or a header that cannot be written.
    #[error("a request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
    /// The server answered, and not as it should.
    #[error("{what}: {status}: {body}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its status.
        status: StatusCode,
        /// The beginning of what it said.
        body: String,
    },
    /// An answer without what has to be in it.
    #[error("{what}: {missing}")]
    Answer {
        /// What was asked.
        what: String,
        /// What is not as it has to be.
        missing: &'static str,
    },
    /// Something took too long.
    #[error("{what}: nothing for {waited:?}")]
    TimedOut {
        /// What was awaited.
        what: String,
        /// For how long.
        waited: Duration,
    },
    /// The certificates do not do.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A task of the generator ended before its work did.
    #[error("a task of the generator failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The report cannot be written as JSON.
    #[error("the report: {0}")]
    Report(#[from] serde_json::Error),
}

impl LoadError {
    /// Says what was tried when the operating system refused it.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what: what.into(), source }
    }

    /// Says what was asked when the connection broke.
    pub(crate) fn http(what: impl Into<String>) -> impl FnOnce(hyper::Error) -> Self {
        move |source| Self::Http { what: what.into(), source }
    }
}
