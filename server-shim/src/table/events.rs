//! The table of events, in both versions of the kind.

use super::Table;
use super::age;
use super::column::{Column, NAME};
use super::fields::Fields;

pub(super) static CORE: Table =
    Table { columns: COLUMNS, cells: |event, now| cells(&core(event), event.name(), now) };

pub(super) static EVENTS: Table =
    Table { columns: COLUMNS, cells: |event, now| cells(&new(event), event.name(), now) };

const COLUMNS: &[Column] = &[
    Column::text("Last Seen", "Time since it happened last."),
    Column::text("Type", "Normal, or a warning."),
    Column::text("Reason", "What happened, in one word."),
    Column::text("Object", "Object that it is about."),
    Column::text("Subobject", "Part of that object.").wide(),
    Column::text("Source", "Who reports it, and from where.").wide(),
    Column::text("Message", "What happened."),
    Column::text("First Seen", "Time since it happened first.").wide(),
    Column::text("Count", "How often it happened.").wide(),
    Column { priority: 1, ..NAME },
];

/// What differs in name between the two versions of an event, and the rest of it.
struct Event<'a> {
    whole: Fields<'a>,
    object: Fields<'a>,
    source: Fields<'a>,
    reporter: &'a str,
    first: &'a str,
    last: &'a str,
    count: i64,
    message: &'a str,
}

/// An event of the core group.
fn core(event: Fields<'_>) -> Event<'_> {
    Event {
        whole: event,
        object: event.get("involvedObject"),
        source: event.get("source"),
        reporter: event.get("reportingComponent").text(),
        first: event.get("firstTimestamp").text(),
        last: event.get("lastTimestamp").text(),
        count: event.get("count").number(),
        message: event.get("message").text(),
    }
}

/// An event of the group `events.k8s.io`.
fn new(event: Fields<'_>) -> Event<'_> {
    Event {
        whole: event,
        object: event.get("regarding"),
        source: event.get("deprecatedSource"),
        reporter: event.get("reportingController").text(),
        first: event.get("deprecatedFirstTimestamp").text(),
        last: event.get("deprecatedLastTimestamp").text(),
        count: event.get("deprecatedCount").number(),
        message: event.get("note").text(),
    }
}

fn cells(event: &Event<'_>, name: &str, now: jiff::Timestamp) -> Vec<serde_json::Value> {
    let [first, last] = event.times();
    cells![
        age::since(last, now),
        event.whole.get("type").text(),
        event.whole.get("reason").text(),
        object(event.object),
        event.object.get("fieldPath").text(),
        event.source(),
        event.message.trim(),
        age::since(first, now),
        event.count(),
        name,
    ]
}

impl Event<'_> {
    /// When it happened first, and last. A series knows its last time itself.
    fn times(&self) -> [&str; 2] {
        let first = if self.first.is_empty() { self.whole.get("eventTime").text() } else { self.first };
        let last = match self.whole.get("series").present() {
            Some(series) => series.get("lastObservedTime").text(),
            None if self.last.is_empty() => first,
            None => self.last,
        };
        [first, last]
    }

    /// How often it happened. Whoever reports in the new way counts only series.
    fn count(&self) -> i64 {
        match (self.whole.get("series").present(), self.count) {
            (Some(series), _) => series.get("count").number(),
            (None, 0) => 1,
            (None, count) => count,
        }
    }

    /// `component, host`.
    fn source(&self) -> String {
        let component = self.source.get("component").text_or(self.reporter);
        let host = self.source.get("host").text_or(self.whole.get("reportingInstance").text());
        if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") }
    }
}

/// `kind/name`, in lower case as in commands.
fn object(reference: Fields<'_>) -> String {
    let kind = reference.get("kind").text().to_lowercase();
    match reference.get("name").text() {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{CREATED, row};
    use super::*;

    /// An event of the core group, with more fields.
    fn event(more: &Value) -> Value {
        let mut event = json!({
            "metadata": {"name": "ev1"}, "type": "Normal", "reason": "Because", "message": " hello\n",
            "involvedObject": {"kind": "Pod", "name": "pp"},
        });
        for (key, value) in more.as_object().unwrap() {
            event[key] = value.clone();
        }
        event
    }

    #[test]
    fn an_event_that_is_repeated_shows_both_ends_and_the_count() {
        let event = event(&json!({
            "source": {"component": "c"}, "count": 3,
            "firstTimestamp": "2026-11-21T21:38:29Z", "lastTimestamp": CREATED,
        }));
        assert_eq!(
            row(&CORE, event),
            json!(["42m", "Normal", "Because", "pod/pp", "", "c", "hello", "72m", 3, "ev1"])
        );
    }

    #[test]
    fn a_series_knows_its_last_time_and_its_count() {
        let event = event(&json!({
            "eventTime": "2026-11-21T21:38:29.000000Z", "reportingComponent": "r", "reportingInstance": "i",
            "series": {"count": 5, "lastObservedTime": "2026-11-21T22:50:24.500000Z"},
        }));
        assert_eq!(
            row(&CORE, event),
            json!(["4s", "Normal", "Because", "pod/pp", "", "r, i", "hello", "72m", 5, "ev1"])
        );
    }

    #[test]
    fn a_single_event_happened_once() {
        let event = event(&json!({"eventTime": CREATED, "source": {"component": "c", "host": "h"}}));
        assert_eq!(
            row(&CORE, event),
            json!(["42m", "Normal", "Because", "pod/pp", "", "c, h", "hello", "42m", 1, "ev1"])
        );
    }

    #[test]
    fn an_event_without_times_is_of_unknown_age() {
        let event = event(&json!({"involvedObject": {"kind": "Node", "fieldPath": "spec.containers{c}"}}));
        assert_eq!(
            row(&CORE, event),
            json!([
                "<unknown>",
                "Normal",
                "Because",
                "node",
                "spec.containers{c}",
                "",
                "hello",
                "<unknown>",
                1,
                "ev1"
            ])
        );
    }

    #[test]
    fn both_versions_of_an_event_show_the_same() {
        let event = json!({
            "metadata": {"name": "ev1"}, "type": "Normal", "reason": "Because", "note": "hello",
            "regarding": {"kind": "Pod", "name": "pp"}, "deprecatedSource": {"component": "c"}, "deprecatedCount": 3,
            "deprecatedFirstTimestamp": "2026-11-21T21:38:29Z", "deprecatedLastTimestamp": CREATED,
            "reportingController": "other",
        });
        assert_eq!(
            row(&EVENTS, event),
            json!(["42m", "Normal", "Because", "pod/pp", "", "c", "hello", "72m", 3, "ev1"])
        );
    }
}
