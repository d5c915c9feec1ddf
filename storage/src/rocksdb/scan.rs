//! Reading a picture page by page: the records of a scope at a revision, in the order of their keys.
//!
//! A page is one step on a thread that may block, in a view of its own; the place in between is a key and
//! the revision, so an open list keeps nothing of the engine. \[LIST-ATOMIC\] \[LIST-ORDERED\]

use std::iter::Peekable;
use std::sync::Arc;

use super::codec::Latest;
use super::history;
use super::keyspace::ResourceId;
use super::view::{Miss, View};
use crate::defect::{self, Defect};
use crate::error::Error;
use crate::key::{Key, Scope};
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;

/// How many keys one step looks at: the bound on how long it keeps a thread.
const STEP_KEYS_MAX: usize = 16_384;

/// How many bytes of values one page holds at most, and then one more.
pub(super) const PAGE_BYTES_MAX: usize = 4 << 20;

/// A place in a picture.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) revision: Revision,
    /// The first key still to be looked at, without the prefix of the resource.
    next: String,
    /// All keys of the scope are below it, in `latest`.
    upper: Vec<u8>,
}

/// What one step found.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) records: Vec<Arc<Record>>,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<Scan>,
}

/// A key of the picture.
enum Seen<'a> {
    /// It has not changed since.
    Latest(Latest<'a>),
    /// It was what this commit wrote.
    Version(Revision),
}

impl Scan {
    /// A scan of a scope from the key `start`, or from its beginning.
    pub(super) fn new(
        id: ResourceId,
        prefix: &str,
        scope: &Scope,
        revision: Revision,
        start: Option<&str>,
    ) -> Self {
        let first = start.filter(|start| *start > scope.prefix()).unwrap_or_else(|| scope.prefix());
        let suffix = |text: &str| text.strip_prefix(prefix).unwrap_or(text).to_owned();
        let upper = match scope {
            Scope::One(key) => id.latest(&format!("{}\0", suffix(key.as_str()))),
            Scope::Under(under) => match suffix(under.as_str()).strip_suffix('/') {
                // The byte after the slash.
                Some(folder) => id.latest(&format!("{folder}0")),
                None => id.end().to_vec(),
            },
        };
        Self { revision, next: suffix(first), upper }
    }

    /// Reads on until there are `records_max` records that match, or many bytes of them, or the step has taken
    /// long enough.
    pub(super) fn page(
        &self,
        view: &View<'_>,
        predicate: &Predicate,
        records_max: usize,
    ) -> Result<Page, Error> {
        let mut records = Vec::new();
        let mut bytes = 0;
        let next = self.step(view, |suffix, seen| {
            if let Some(record) = matching(view, predicate, suffix, &seen)? {
                bytes += record.value.bytes().len();
                records.push(Arc::new(record));
            }
            Ok(records.len() < records_max && bytes < PAGE_BYTES_MAX)
        })?;
        Ok(Page { records, next })
    }

    /// Skips the next `left` matching records, as far as a step goes. `left` counts down; the last of them
    /// is in `last`.
    pub(super) fn skip(
        &self,
        view: &View<'_>,
        predicate: &Predicate,
        left: &mut usize,
        last: &mut Option<Key>,
    ) -> Result<Option<Self>, Error> {
        self.step(view, |suffix, seen| {
            if matches(view, predicate, suffix, &seen)? {
                *left -= 1;
                *last = Some(view.reader.key(suffix));
            }
            Ok(*left > 0)
        })
    }

    /// Counts what follows, as far as a step goes, and at most to `most`.
    pub(super) fn count(&self, view: &View<'_>, count: &mut u64, most: u64) -> Result<Option<Self>, Error> {
        self.step(view, |_, _| {
            *count += 1;
            Ok(*count < most)
        })
    }

    /// Shows keys to `visit` until it returns false. Where to go on, `None` at the end.
    fn step(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(&str, Seen<'_>) -> Result<bool, Error>,
    ) -> Result<Option<Self>, Error> {
        let id = view.reader.id;
        let in_range = |suffix: &str| suffix >= self.next.as_str() && id.latest(suffix) < self.upper;
        let mut undone = history::undone(view, self.revision, in_range)?;
        if defect::on(Defect::RocksPageReadsLatest) {
            undone.clear();
        }
        let mut walk = Walk { undone: undone.into_iter().peekable(), looked_at: 0, next: None };
        view.walk_latest(&id.latest(&self.next), &self.upper, |suffix, bytes| {
            if !walk.undo_before(suffix, &mut visit)? {
                return Ok(false);
            }
            if let Some(revision) = walk.undo_at(suffix) {
                return walk.undo(suffix, revision, &mut visit);
            }
            let go_on = visit(suffix, Seen::Latest(view.entry(suffix, bytes)?))?;
            Ok(walk.looked_at(suffix, go_on))
        })?;
        if walk.next.is_none() {
            walk.undo_rest(&mut visit)?;
        }
        Ok(walk.next.map(|next| Self { next, ..self.clone() }))
    }
}

/// The merge of what is stored with what is undone.
struct Walk<I: Iterator<Item = (String, Revision)>> {
    undone: Peekable<I>,
    looked_at: usize,
    /// Where the step was ended.
    next: Option<String>,
}

impl<I: Iterator<Item = (String, Revision)>> Walk<I> {
    /// Notes that a key was looked at; whether to go on.
    fn looked_at(&mut self, suffix: &str, go_on: bool) -> bool {
        self.looked_at += 1;
        let go_on = go_on && self.looked_at < STEP_KEYS_MAX;
        if !go_on {
            self.next = Some(format!("{suffix}\0"));
        }
        go_on
    }

    fn undo(
        &mut self,
        suffix: &str,
        revision: Revision,
        visit: &mut impl FnMut(&str, Seen<'_>) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let go_on = revision.is_zero() || visit(suffix, Seen::Version(revision))?;
        Ok(self.looked_at(suffix, go_on))
    }

    fn undo_at(&mut self, suffix: &str) -> Option<Revision> {
        self.undone.next_if(|(own, _)| own == suffix).map(|(_, revision)| revision)
    }

    /// Keys that are gone since, and stood before this one.
    fn undo_before(
        &mut self,
        suffix: &str,
        visit: &mut impl FnMut(&str, Seen<'_>) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        while let Some((own, revision)) = self.undone.next_if(|(own, _)| own.as_str() < suffix) {
            if !self.undo(&own, revision, visit)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn undo_rest(
        &mut self,
        visit: &mut impl FnMut(&str, Seen<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        while let Some((own, revision)) = self.undone.next() {
            if !self.undo(&own, revision, visit)? {
                break;
            }
        }
        Ok(())
    }
}

/// The record of a key, if it matches.
fn matching(
    view: &View<'_>,
    predicate: &Predicate,
    suffix: &str,
    seen: &Seen<'_>,
) -> Result<Option<Record>, Error> {
    if let Seen::Latest(entry) = seen
        && !predicate.is_empty()
        && let Some(attributes) = entry.attributes(&view.reader.schema)
        && !predicate.matches(&attributes)
    {
        // What does not match is told by its header, before its value is touched.
        return Ok(None);
    }
    let record = match seen {
        Seen::Latest(entry) => view.record(suffix, entry),
        Seen::Version(revision) => view.version(suffix, *revision),
    };
    let record = record.map_err(Miss::into_error)?;
    Ok(predicate.matches(record.value.attributes()).then_some(record))
}

/// Whether a key matches.
fn matches(view: &View<'_>, predicate: &Predicate, suffix: &str, seen: &Seen<'_>) -> Result<bool, Error> {
    if predicate.is_empty() {
        return Ok(true);
    }
    if let Seen::Latest(entry) = seen
        && let Some(attributes) = entry.attributes(&view.reader.schema)
    {
        return Ok(predicate.matches(&attributes));
    }
    matching(view, predicate, suffix, seen).map(|record| record.is_some())
}
