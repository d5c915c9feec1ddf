//! What concurrent clients were told, as data: operations between two moments of one clock, and the events of
//! watches.
//!
//! A history knows no backend and no transport. It begins on keys that hold nothing, and each content is
//! written by one operation: its tag says which.

use std::fmt;
use std::sync::Arc;

/// A moment: the number of a tick of the one clock of a history. Whoever ticked later came later.
pub type Moment = u64;

/// A key, as the history calls it: `namespace/name`.
pub type Key = Arc<str>;

/// What an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// The operation that wrote it: no two operations write the same tag.
    pub tag: u64,
    /// What increments count.
    pub count: u64,
}

/// An object at one of its revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// The commit that made it.
    pub revision: u64,
    /// What it holds.
    pub content: Content,
}

/// All that a client did.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The operations, in any order.
    pub operations: Vec<Operation>,
    /// The watches.
    pub sessions: Vec<Session>,
}

/// One operation of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who did it.
    pub client: usize,
    /// When it was begun.
    pub invoked: Moment,
    /// When its answer was there; nothing for an outcome that stays unknown.
    pub returned: Option<Moment>,
    /// What was asked.
    pub input: Input,
    /// What was answered.
    pub output: Output,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Changes one key, if it is in the expected state.
    Write {
        /// The key.
        key: Key,
        /// The state in which it has to be.
        expect: Expect,
        /// What it becomes.
        change: Change,
    },
    /// Reads one key.
    Get {
        /// The key.
        key: Key,
        /// How fresh the answer has to be.
        at: ReadAt,
    },
    /// Reads the keys of a scope, or a page of them.
    List {
        /// What it covers.
        scope: Scope,
        /// How fresh the answer has to be.
        at: ReadAt,
        /// The last key of the page before: this one holds only keys after it.
        after: Option<Key>,
    },
    /// Asks for the newest revision of the store.
    Current,
}

/// The state in which a key has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no object.
    Absent,
    /// There is one, whichever.
    Present,
    /// There is one of this revision.
    Revision(u64),
}

/// What a write makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It holds this.
    Put(Content),
    /// It holds one more than before, under this tag.
    Increment {
        /// The tag.
        tag: u64,
    },
    /// It holds nothing.
    Delete,
}

/// How fresh a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAt {
    /// It sees all that anybody has seen before it began.
    Latest,
    /// It sees this revision, or a newer one.
    AtLeast(u64),
    /// It sees this revision.
    Exactly(u64),
}

/// What a list or a watch covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// The keys that begin with this.
    Under(String),
    /// One key.
    One(Key),
}

/// What is told of a key beside the answer itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing is told.
    Untold,
    /// There was no object.
    Absent,
    /// There was one, it is not told which.
    Present,
    /// There was this one.
    Version(Version),
}

/// What a client was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The write took place.
    Committed {
        /// Its revision, if that was told.
        revision: Option<u64>,
        /// What the key holds now, if that was told.
        content: Option<Content>,
        /// What was there before.
        previous: Seen,
    },
    /// The write did not take place, because of what is stored.
    Refused {
        /// What that is.
        seen: Seen,
    },
    /// The write certainly did not take place; nothing is said of what is stored.
    Failed,
    /// What a get found.
    Found {
        /// The object, if there is one.
        version: Option<Version>,
        /// The revision of the store at which this was so, if that was told.
        revision: Option<u64>,
    },
    /// What a list found.
    Listed {
        /// The revision of the list.
        revision: u64,
        /// The objects, in the order of the list.
        items: Vec<(Key, Version)>,
        /// Whether another page follows.
        more: bool,
        /// How many objects follow, if that was told.
        remaining: Option<u64>,
    },
    /// The revision of the store.
    Revision(u64),
    /// An error that leaves open what happened, or none at all: a write may take effect at any later moment, or
    /// never.
    Unknown,
}

/// What one client saw by watching from one state on, over as many watches as it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who watched.
    pub client: usize,
    /// What it covers.
    pub scope: Scope,
    /// The revision after which it begins.
    pub after: u64,
    /// What a list at that revision showed; nothing for a client that did not list.
    pub base: Option<Vec<(Key, Version)>>,
    /// What came, in the order in which it came.
    pub seen: Vec<Observed>,
}

/// What came on a watch, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// When it was there.
    pub at: Moment,
    /// What it was.
    pub event: Event,
}

/// What comes on a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An object came into being or into view.
    Added {
        /// Its key.
        key: Key,
        /// What it is now.
        version: Version,
    },
    /// An object changed.
    Modified {
        /// Its key.
        key: Key,
        /// What it is now.
        version: Version,
        /// What it was, if that was told.
        previous: Seen,
    },
    /// An object is gone.
    Deleted {
        /// Its key.
        key: Key,
        /// The revision of the deletion.
        revision: u64,
        /// What it held last.
        last: Content,
        /// What it was, if that was told with its revision.
        previous: Seen,
    },
    /// All up to this revision has come.
    Bookmark(u64),
    /// The watch was cut off, and begun again where it was.
    Resumed,
}

impl Input {
    /// The key that is written.
    pub fn written(&self) -> Option<(&Key, Expect, Change)> {
        match self {
            Self::Write { key, expect, change } => Some((key, *expect, *change)),
            _ => None,
        }
    }
}

impl Operation {
    /// When its answer was there; the end of time for one without.
    pub fn end(&self) -> Moment {
        self.returned.unwrap_or(Moment::MAX)
    }
}

impl Expect {
    /// Whether a key is in this state.
    pub fn holds(self, state: Option<Version>) -> bool {
        match self {
            Self::Absent => state.is_none(),
            Self::Present => state.is_some(),
            Self::Revision(revision) => state.is_some_and(|version| version.revision == revision),
        }
    }
}

impl Seen {
    /// What a client saw that was told all.
    pub fn exactly(state: Option<Version>) -> Self {
        state.map_or(Self::Absent, Self::Version)
    }

    /// Whether this can be told of a state.
    pub fn fits(self, state: Option<Version>) -> bool {
        match self {
            Self::Untold => true,
            Self::Absent => state.is_none(),
            Self::Present => state.is_some(),
            Self::Version(version) => state == Some(version),
        }
    }

    /// The object that was seen.
    pub fn version(self) -> Option<Version> {
        match self {
            Self::Version(version) => Some(version),
            _ => None,
        }
    }
}

impl Change {
    /// The tag that it writes; a deletion writes none.
    pub fn tag(self) -> Option<u64> {
        match self {
            Self::Put(content) => Some(content.tag),
            Self::Increment { tag } => Some(tag),
            Self::Delete => None,
        }
    }
}

impl Scope {
    /// Whether it covers a key.
    pub fn contains(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Under(prefix) => key.starts_with(prefix.as_str()),
            Self::One(own) => **own == *key,
        }
    }
}

impl Event {
    /// The revision that it shows.
    pub fn revision(&self) -> Option<u64> {
        match self {
            Self::Added { version, .. } | Self::Modified { version, .. } => Some(version.revision),
            Self::Deleted { revision, .. } | Self::Bookmark(revision) => Some(*revision),
            Self::Resumed => None,
        }
    }

    /// The key and what it holds after the event; nothing for what is no change.
    pub fn change(&self) -> Option<(&Key, u64, Option<Content>)> {
        match self {
            Self::Added { key, version } | Self::Modified { key, version, .. } => {
                Some((key, version.revision, Some(version.content)))
            }
            Self::Deleted { key, revision, .. } => Some((key, *revision, None)),
            Self::Bookmark(_) | Self::Resumed => None,
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.count, self.tag)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.content, self.revision)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untold => f.write_str("something"),
            Self::Absent => f.write_str("nothing"),
            Self::Present => f.write_str("an object"),
            Self::Version(version) => version.fmt(f),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Under(prefix) => write!(f, "{prefix}…"),
            Self::One(key) => f.write_str(key),
        }
    }
}

impl fmt::Display for ReadAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("the latest"),
            Self::AtLeast(revision) => write!(f, "not older than {revision}"),
            Self::Exactly(revision) => write!(f, "exactly {revision}"),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { key, expect, change } => {
                match change {
                    Change::Put(content) => write!(f, "put {key} = {content}")?,
                    Change::Increment { tag } => write!(f, "increment {key} = ?#{tag}")?,
                    Change::Delete => write!(f, "delete {key}")?,
                }
                match expect {
                    Expect::Absent => f.write_str(", if absent"),
                    Expect::Present => f.write_str(", if present"),
                    Expect::Revision(revision) => write!(f, ", if at {revision}"),
                }
            }
            Self::Get { key, at } => write!(f, "get {key}, {at}"),
            Self::List { scope, at, after: None } => write!(f, "list {scope}, {at}"),
            Self::List { scope, at, after: Some(after) } => write!(f, "list {scope} after {after}, {at}"),
            Self::Current => f.write_str("current revision"),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committed { revision, content, previous } => {
                f.write_str("committed")?;
                content.iter().try_for_each(|content| write!(f, " {content}"))?;
                revision.iter().try_for_each(|revision| write!(f, " at {revision}"))?;
                if *previous == Seen::Untold { Ok(()) } else { write!(f, ", before: {previous}") }
            }
            Self::Refused { seen } => write!(f, "refused, there is {seen}"),
            Self::Failed => f.write_str("failed, nothing was done"),
            Self::Found { version, revision } => {
                write!(f, "found {}", Seen::exactly(*version))?;
                revision.iter().try_for_each(|revision| write!(f, ", the store is at {revision}"))
            }
            Self::Listed { revision, items, more, .. } => {
                write!(f, "at {revision}:")?;
                items.iter().try_for_each(|(key, version)| write!(f, " {key} = {version};"))?;
                f.write_str(if *more { " and more" } else { "" })
            }
            Self::Revision(revision) => revision.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, invoked, returned, input, output } = self;
        match returned {
            Some(returned) => write!(f, "client {client} [{invoked}, {returned}]: {input} -> {output}"),
            None => write!(f, "client {client} [{invoked}, …): {input} -> {output}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { key, version } => write!(f, "ADDED {key} = {version}"),
            Self::Modified { key, version, previous } => {
                write!(f, "MODIFIED {key} = {version}, before: {previous}")
            }
            Self::Deleted { key, revision, last, previous } => {
                write!(f, "DELETED {key} at {revision}, it held {last}, before: {previous}")
            }
            Self::Bookmark(revision) => write!(f, "BOOKMARK {revision}"),
            Self::Resumed => f.write_str("resumed"),
        }
    }
}
