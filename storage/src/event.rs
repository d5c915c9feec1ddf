//! Events: what a commit changed, and how a watcher with a selector sees it.

use std::sync::Arc;

use crate::defect::{self, Defect};
use crate::key::Key;
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;

/// What one commit changed. Made by the commit and shared by everybody who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The commit.
    pub revision: Revision,
    /// The key it wrote.
    pub key: Key,
    /// The object after the commit; `None` for a deletion.
    pub current: Option<Arc<Record>>,
    /// The object before the commit; `None` for a creation.
    pub previous: Option<Arc<Record>>,
}

/// The type of a change, as a watcher sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// The object came into the view: it was created, or began to match the selector.
    Added,
    /// The object changed within the view.
    Modified,
    /// The object left the view: it was deleted, or ceased to match the selector.
    Deleted,
}

/// An event as one watcher sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The type that this watcher sees.
    pub event_type: EventType,
    /// The event, shared with the other watchers.
    pub event: Arc<Event>,
}

/// What a watch yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// An object changed.
    Change(Change),
    /// Everything up to a revision has been delivered.
    Bookmark(Bookmark),
}

/// A mark in a watch. Clause \[WATCH-BOOKMARKABLE\].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// Every change of the watch's scope up to this revision has been delivered before the mark.
    pub revision: Revision,
    /// Whether this mark ends the initial events: sent at most once in a watch.
    pub initial_events_end: bool,
}

impl Event {
    /// The event by which a watch shows an object that existed when the watch began.
    pub fn initial(record: Arc<Record>) -> Self {
        Self { revision: record.revision, key: record.key.clone(), current: Some(record), previous: None }
    }

    /// The bytes of the values before and after.
    pub fn value_bytes(&self) -> usize {
        let records = [&self.current, &self.previous].into_iter().flatten();
        records.map(|record| record.value.bytes().len()).sum()
    }

    /// The type of this event under a selector, `None` if the watcher must not see it.
    /// Clause \[WATCH-FILTERED\].
    ///
    /// | matches now | matched before | the watcher sees |
    /// |---|---|---|
    /// | yes | no | ADDED |
    /// | yes | yes | MODIFIED |
    /// | no | yes | DELETED, with the previous object |
    /// | no | no | nothing |
    pub fn seen_through(&self, predicate: &Predicate) -> Option<EventType> {
        let matches = |record: &Option<Arc<Record>>| {
            record.as_ref().is_some_and(|record| predicate.matches(record.value.attributes()))
        };
        match (matches(&self.current), matches(&self.previous)) {
            (false, true) if self.current.is_some() && defect::on(Defect::SelectorIgnoresLeaving) => None,
            (true, false) if self.previous.is_some() && defect::on(Defect::SelectorAddsAsModified) => {
                Some(EventType::Modified)
            }
            (true, false) => Some(EventType::Added),
            (true, true) => Some(EventType::Modified),
            (false, true) => Some(EventType::Deleted),
            (false, false) => None,
        }
    }
}

impl Change {
    /// The object to show: the previous one where the watcher sees a deletion.
    ///
    /// `None` only for a change that [`Event::seen_through`] did not make.
    pub fn record(&self) -> Option<&Arc<Record>> {
        match self.event_type {
            EventType::Added | EventType::Modified => self.event.current.as_ref(),
            EventType::Deleted => self.event.previous.as_ref(),
        }
    }

    /// The resourceVersion to show: always that of the event. Clause \[WATCH-DELETED-REVISION\].
    pub fn revision(&self) -> Revision {
        if defect::on(Defect::DeletionShowsOldRevision)
            && let Some(record) = self.record()
        {
            return record.revision;
        }
        self.event.revision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Value;
    use crate::schema::Schema;
    use crate::selector::{FieldSelector, LabelSelector};

    fn red_or_blue(color: &str) -> Arc<Record> {
        let json = format!(
            r#"{{"kind":"K","apiVersion":"v1","metadata":{{"name":"a","labels":{{"color":"{color}"}}}}}}"#
        );
        let value = Value::new(json.into_bytes(), &Schema::default()).unwrap();
        Arc::new(Record { key: Key::unchecked("/k/a"), value, revision: Revision::new(1) })
    }

    #[test]
    fn a_selector_turns_transitions_into_additions_and_deletions() {
        let red = Predicate::new(LabelSelector::parse("color=red").unwrap(), FieldSelector::everything());
        let record = |color| Some(red_or_blue(color));
        for (current, previous, seen) in [
            (record("red"), None, Some(EventType::Added)),
            (record("red"), record("blue"), Some(EventType::Added)),
            (record("red"), record("red"), Some(EventType::Modified)),
            (record("blue"), record("red"), Some(EventType::Deleted)),
            (None, record("red"), Some(EventType::Deleted)),
            (record("blue"), record("blue"), None),
            (record("blue"), None, None),
            (None, record("blue"), None),
        ] {
            let event = Event { revision: Revision::new(2), key: Key::unchecked("/k/a"), current, previous };
            assert_eq!(event.seen_through(&red), seen, "{event:?}");
        }
    }
}
