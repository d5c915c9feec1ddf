//! What a broken promise looks like to whoever has to find out why.

use std::fmt;

use super::history::{Operation, Session};

/// The promises that a history is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// No two commits have one revision.
    RevisionsAreUnique,
    /// All who see a commit see the same.
    OneContent,
    /// Only what somebody asked for is written.
    NothingUninvited,
    /// A write that was refused or has failed changes nothing.
    NoDirtyRead,
    /// A write takes effect once.
    OnceOnly,
    /// Nobody sees a write before it was begun.
    NotBeforeInvocation,
    /// A write takes effect only where its expectation holds: no update is lost.
    NoLostUpdate,
    /// A write gets a revision above all that anybody had seen before it was begun.
    RevisionsFollowTime,
    /// A read of the latest state sees all that anybody had seen before it was begun.
    NoStaleRead,
    /// A write is refused only for what is stored.
    RefusedForAReason,
    /// A read is at the revision that was asked for, or above the least that was asked for.
    ReadAsDemanded,
    /// A read shows the state of its revision.
    ReadIsTheState,
    /// A list is the state of one revision, whole and in the order of its keys.
    ListIsAtomic,
    /// Events come in the order of their revisions.
    WatchIsOrdered,
    /// No event comes twice.
    WatchIsUnique,
    /// No event is left out.
    WatchIsReliable,
    /// An event shows what the commit changed, to who may see it.
    WatchShowsTheChange,
    /// A bookmark is not ahead of what has come.
    BookmarkIsBehind,
    /// The operations of a key have an order in which each is answered as one after the other would be, and
    /// which follows time.
    Linearizable,
}

impl Promise {
    /// The promise in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::RevisionsAreUnique => "no two commits have one revision",
            Self::OneContent => "all who see a commit see the same",
            Self::NothingUninvited => "only what somebody asked for is written",
            Self::NoDirtyRead => "a write that was refused or has failed changes nothing",
            Self::OnceOnly => "a write takes effect once",
            Self::NotBeforeInvocation => "nobody sees a write before it was begun",
            Self::NoLostUpdate => "a write takes effect only where its expectation holds",
            Self::RevisionsFollowTime => {
                "a write gets a revision above all that was seen before it was begun"
            }
            Self::NoStaleRead => "a read of the latest state sees all that was seen before it was begun",
            Self::RefusedForAReason => "a write is refused only for what is stored",
            Self::ReadAsDemanded => "a read is as fresh as was asked for",
            Self::ReadIsTheState => "a read shows the state of its revision",
            Self::ListIsAtomic => "a list is the state of one revision",
            Self::WatchIsOrdered => "events come in the order of their revisions",
            Self::WatchIsUnique => "no event comes twice",
            Self::WatchIsReliable => "no event is left out",
            Self::WatchShowsTheChange => "an event shows what the commit changed",
            Self::BookmarkIsBehind => "a bookmark is not ahead of what has come",
            Self::Linearizable => "the operations of a key have an order that follows time",
        }
    }
}

/// A broken promise, with the part of the history that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The promise.
    pub promise: Promise,
    /// What is wrong, in a sentence.
    pub reason: String,
    /// The operations and events that show it.
    pub shown: Vec<String>,
}

impl Violation {
    pub(crate) fn new(promise: Promise, reason: impl Into<String>) -> Self {
        Self { promise, reason: reason.into(), shown: Vec::new() }
    }

    /// Shows an operation.
    pub(crate) fn operation(self, operation: &Operation) -> Self {
        self.line(operation.to_string())
    }

    /// Shows something that came on a watch.
    pub(crate) fn event(self, session: &Session, at: usize) -> Self {
        match session.seen.get(at) {
            Some(seen) => self.line(format!("client {} [{}]: {}", session.client, seen.at, seen.event)),
            None => self,
        }
    }

    /// Shows a line, once.
    pub(crate) fn line(mut self, line: String) -> Self {
        if !self.shown.contains(&line) {
            self.shown.push(line);
        }
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken: {}", self.promise.words())?;
        write!(f, "  {}", self.reason)?;
        self.shown.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl std::error::Error for Violation {}
