//! What a status of gRPC means: the answers of etcd that callers act on, and the errors of the contract for
//! the rest.
//!
//! etcd tells many things under one code, so its messages decide, which are part of its interface.

use std::error::Error as _;

use tonic::{Code, ConnectError, Status};

use crate::error::Error;

/// Why a call did not give an answer.
#[derive(Debug)]
pub(super) enum CallError {
    /// The revision is compacted.
    Compacted,
    /// The revision is not reached.
    FutureRevision,
    /// The request is larger than the cluster takes.
    RequestTooLarge,
    /// The response is larger than this client takes.
    ResponseTooLarge,
    /// The lease is gone.
    LeaseNotFound,
    /// Anything else.
    Failed(Error),
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let message = status.message();
        match status.code() {
            Code::OutOfRange if message.contains("has been compacted") => Self::Compacted,
            Code::OutOfRange if message.contains("future revision") => Self::FutureRevision,
            Code::OutOfRange if message.contains("message length too large") => Self::ResponseTooLarge,
            Code::InvalidArgument if message.contains("request is too large") => Self::RequestTooLarge,
            Code::ResourceExhausted if message.contains("larger than max") => Self::RequestTooLarge,
            Code::NotFound if message.contains("lease not found") => Self::LeaseNotFound,
            _ => Self::Failed(failure(&status)),
        }
    }
}

impl From<CallError> for Error {
    /// For calls whose caller has no use for the particular answer.
    fn from(error: CallError) -> Self {
        match error {
            CallError::Failed(error) => error,
            unexpected => Self::Internal { reason: format!("etcd: {unexpected:?}") },
        }
    }
}

/// The error of a status that nobody acts on.
fn failure(status: &Status) -> Error {
    let (message, cause) = (status.message(), status.source().map(|source| innermost(source).to_string()));
    let reason = match cause {
        // Some messages are those of their cause already.
        Some(cause) if !message.contains(&cause) => format!("etcd: {message}: {cause}"),
        _ => format!("etcd: {message}"),
    };
    match status.code() {
        Code::ResourceExhausted if reason.contains("space exceeded") => Error::WritesRefused { reason },
        Code::ResourceExhausted if reason.contains("too many requests") => Error::NotReady { reason },
        // There is no leader at the moment, and the member has not passed it on to anybody.
        Code::Unknown if reason.contains("proposal dropped") => Error::NotReady { reason },
        Code::DeadlineExceeded | Code::Cancelled => Error::Timeout { reason },
        Code::Unavailable if reason.contains("timed out") => Error::Timeout { reason },
        Code::Unavailable => Error::Unreachable { reason },
        // What has a source failed on the way and not at etcd.
        _ if status.source().is_some() => Error::Unreachable { reason },
        // A stream that was cut without a last word.
        Code::Unknown if reason.contains("grpc-status") => Error::Unreachable { reason },
        code => Error::Internal { reason: format!("{reason} ({code:?})") },
    }
}

/// What it all began with: the words of the operating system rather than those of the layers above it.
fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a dyn std::error::Error {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// Whether a request that failed like this was never sent, so that it has had no effect.
pub(super) fn was_not_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// Whether another try of a request without effects may succeed.
pub(super) fn may_pass(status: &Status) -> bool {
    let CallError::Failed(error) = CallError::from(Status::new(status.code(), status.message())) else {
        return false;
    };
    status.source().is_some() || matches!(error, Error::Unreachable { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_etcd_means_what_it_says() {
        let call = |code, message: &str| CallError::from(Status::new(code, message));
        let compacted = "etcdserver: mvcc: required revision has been compacted";
        assert!(matches!(call(Code::OutOfRange, compacted), CallError::Compacted));
        let future = "etcdserver: mvcc: required revision is a future revision";
        assert!(matches!(call(Code::OutOfRange, future), CallError::FutureRevision));
        let large = "etcdserver: request is too large";
        assert!(matches!(call(Code::InvalidArgument, large), CallError::RequestTooLarge));
        let lease = "etcdserver: requested lease not found";
        assert!(matches!(call(Code::NotFound, lease), CallError::LeaseNotFound));
        let page = "Error, decoded message length too large: found 9 bytes, the limit is: 8 bytes";
        assert!(matches!(call(Code::OutOfRange, page), CallError::ResponseTooLarge));
    }

    #[test]
    fn a_failure_on_the_way_is_told_with_its_cause_once() {
        let status = Status::from_error(Box::new(std::io::Error::other("the wire is cut")));
        let Error::Unreachable { reason } = failure(&status) else { panic!("{status:?}") };
        assert_eq!(reason, "etcd: the wire is cut");
    }

    #[test]
    fn whoever_could_have_been_written_to_is_not_said_to_refuse() {
        let error = |code, message: &str| Error::from(CallError::from(Status::new(code, message)));
        let full = error(Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded");
        assert!(matches!(full, Error::WritesRefused { .. }));
        let busy = error(Code::ResourceExhausted, "etcdserver: too many requests");
        assert!(matches!(busy, Error::NotReady { .. }));
        let leaderless = error(Code::Unknown, "raft proposal dropped");
        assert!(matches!(leaderless, Error::NotReady { .. }) && !leaderless.outcome_is_unknown());
        for (code, message) in [
            (Code::Unavailable, "etcdserver: request timed out, possibly due to previous leader failure"),
            (Code::DeadlineExceeded, "context deadline exceeded"),
            (Code::Cancelled, "Timeout expired"),
        ] {
            assert!(matches!(error(code, message), Error::Timeout { .. }), "{message}");
        }
        for (code, message) in [
            (Code::Unavailable, "etcdserver: no leader"),
            (Code::Unknown, "protocol error: missing grpc-status trailer"),
        ] {
            assert!(matches!(error(code, message), Error::Unreachable { .. }), "{message}");
        }
        assert!(matches!(
            error(Code::PermissionDenied, "etcdserver: permission denied"),
            Error::Internal { .. }
        ));
    }
}
