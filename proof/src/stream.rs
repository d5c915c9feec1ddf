//! What one watch was asked for and has shown: the evidence that the [`crate::checkers`] look at.

use std::fmt;

use bytes::Bytes;
use watchkeep_storage::{Change, Error, EventType, Record, Revision};

use crate::objects::View;
use crate::oracle::Version;

/// The stream of one watch.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What it covers and shows.
    pub view: View,
    /// Where it was to begin.
    pub start: Start,
    /// The revisions of the store right before it was asked for, and right after it had been opened.
    pub opened: (Revision, Revision),
    /// What came, in order.
    pub items: Vec<Item>,
}

/// Where a watch was to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Right after this revision.
    After(Revision),
    /// With what comes next.
    Now,
    /// With the state.
    Initial {
        /// The state may not be older than this.
        not_before: Revision,
        /// Whether a bookmark ends it.
        bookmark: bool,
    },
}

/// What a watch said.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A change.
    Change(Seen),
    /// A bookmark.
    Bookmark {
        /// Everything up to here was delivered.
        revision: Revision,
        /// Whether it ends the initial events.
        ends_initial: bool,
    },
    /// Asked for its progress, it said this.
    Progress(Revision),
    /// It has said that everything up to here was delivered, and had nothing more to show.
    Drained(Revision),
    /// It has ended.
    Ended(Error),
}

/// A change, as a watch has shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The type.
    pub event_type: EventType,
    /// The key.
    pub key: String,
    /// The resourceVersion to show.
    pub revision: Revision,
    /// The object before.
    pub before: Option<Found>,
    /// The object after.
    pub after: Option<Found>,
}

/// A record, as a reader has got it.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: String,
    /// Its revision.
    pub revision: Revision,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Found {
    /// What a record says.
    pub fn new(record: &Record) -> Self {
        let (key, bytes) = (record.key.as_str().to_owned(), record.value.bytes().clone());
        Self { key, revision: record.revision, bytes }
    }

    /// Whether it is this version of the object at a place.
    pub fn is(&self, place: crate::objects::Place, version: Version) -> bool {
        self.revision == version.revision
            && self.key == place.key_text()
            && self.bytes == version.content.text(place).as_bytes()
    }
}

/// The beginning is enough to tell two of them apart.
impl fmt::Debug for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning: String = String::from_utf8_lossy(&self.bytes).chars().take(160).collect();
        write!(formatter, "{}@{} {beginning}", self.key, self.revision)
    }
}

impl Seen {
    /// What a change says.
    pub fn new(change: &Change) -> Self {
        let found = |record: &Option<std::sync::Arc<Record>>| record.as_deref().map(Found::new);
        Self {
            event_type: change.event_type,
            key: change.event.key.as_str().to_owned(),
            revision: change.revision(),
            before: found(&change.event.previous),
            after: found(&change.event.current),
        }
    }
}

impl Stream {
    /// The changes, in order.
    pub fn changes(&self) -> impl Iterator<Item = &Seen> {
        self.items.iter().filter_map(|item| match item {
            Item::Change(seen) => Some(seen),
            _ => None,
        })
    }

    /// The first `initial` changes, and those after them.
    pub fn split(&self, initial: usize) -> (Vec<&Seen>, Vec<&Seen>) {
        let mut changes: Vec<_> = self.changes().collect();
        let live = changes.split_off(initial.min(changes.len()));
        (changes, live)
    }

    /// How many changes came before the bookmark that ends the initial events; `None` without one.
    pub fn changes_before_the_end_of_the_initial(&self) -> Option<usize> {
        let ends = |item: &Item| matches!(item, Item::Bookmark { ends_initial: true, .. });
        let end = self.items.iter().position(ends)?;
        Some(self.items.iter().take(end).filter(|item| matches!(item, Item::Change(_))).count())
    }

    /// The revision up to which it has claimed to have delivered everything.
    pub fn claimed(&self) -> Revision {
        let claim = |item: &Item| match item {
            Item::Bookmark { revision, .. } | Item::Progress(revision) | Item::Drained(revision) => *revision,
            Item::Change(_) | Item::Ended(_) => Revision::ZERO,
        };
        self.items.iter().map(claim).max().unwrap_or_default()
    }

    /// From where a client goes on that was cut off here; `None` if it has to begin anew.
    pub fn resume_from(&self) -> Option<Revision> {
        let initial = matches!(self.start, Start::Initial { .. });
        if initial && self.claimed().is_zero() {
            return None;
        }
        let start = match self.start {
            Start::After(revision) => revision,
            Start::Now | Start::Initial { .. } => Revision::ZERO,
        };
        let last = self.changes().map(|seen| seen.revision).max().unwrap_or_default();
        let resume = last.max(self.claimed()).max(start);
        (!resume.is_zero()).then_some(resume)
    }
}
