//! Each checker finds the violation that it is for, and accepts what is right.

use watchkeep_storage::{CompactedDuring, Error, EventType, Revision};

use super::check;
use crate::objects::{Area, Content, Look, Place, Selection, View};
use crate::oracle::{Commit, Oracle, Version};
use crate::stream::{Found, Item, Seen, Start, Stream};

const X: Place = Place { resource: 0, namespace: 0, name: 0 };
const Z: Place = Place { resource: 0, namespace: 2, name: 3 };
const RED: Look = Look { color: 1, node: 0, fill: 0 };
const BLUE: Look = Look { color: 2, node: 0, fill: 0 };

fn at(revision: u64) -> Revision {
    Revision::new(revision)
}

fn content(mark: u32, look: Look) -> Content {
    Content { look, mark }
}

/// | revision | what |
/// |---|---|
/// | 11 | `x` is created, red |
/// | 12 | `z` is created, blue |
/// | 13 | `x` turns blue |
/// | 14 | `z` turns red |
/// | 15 | `x` is deleted |
fn oracle() -> Oracle {
    let mut oracle = Oracle::of_empty(at(10));
    for (revision, place, after) in [
        (11, X, Some(content(1, RED))),
        (12, Z, Some(content(2, BLUE))),
        (13, X, Some(content(3, BLUE))),
        (14, Z, Some(content(4, RED))),
        (15, X, None),
    ] {
        oracle.commit(at(revision), Commit { place, after, deadline: None }).unwrap();
    }
    oracle
}

fn view(selection: Selection) -> View {
    View { resource: 0, area: Area::All, selection }
}

fn found(place: Place, version: Version) -> Found {
    let bytes = version.content.text(place).into_bytes().into();
    Found { key: place.key_text(), revision: version.revision, bytes }
}

/// What a right watch shows of a commit.
fn seen(view: View, revision: u64) -> Seen {
    let shown = oracle().shown(view, at(revision)).unwrap();
    Seen {
        event_type: shown.event_type,
        key: shown.place.key_text(),
        revision: shown.revision,
        before: shown.before.map(|version| found(shown.place, version)),
        after: shown.after.map(|version| found(shown.place, version)),
    }
}

fn change(revision: u64) -> Item {
    Item::Change(seen(view(Selection::Everything), revision))
}

/// An initial event.
fn initial(place: Place, revision: u64) -> Item {
    let version = oracle().object_at(place, at(revision)).unwrap();
    let (key, after) = (place.key_text(), Some(found(place, version)));
    Item::Change(Seen { event_type: EventType::Added, key, revision: version.revision, before: None, after })
}

fn bookmark(revision: u64, ends_initial: bool) -> Item {
    Item::Bookmark { revision: at(revision), ends_initial }
}

fn stream(start: Start, items: Vec<Item>) -> Stream {
    Stream { view: view(Selection::Everything), start, opened: (at(12), at(12)), items }
}

fn broken(start: Start, items: Vec<Item>) -> &'static str {
    check(&stream(start, items), &oracle()).unwrap_err().promise
}

const AFTER_11: Start = Start::After(Revision::new(11));
const STATE: Start = Start::Initial { not_before: Revision::new(12), bookmark: true };

#[test]
fn a_right_watch_is_accepted() {
    let drained = || Item::Drained(at(15));
    for (start, items) in [
        (AFTER_11, vec![change(12), change(13), bookmark(13, false), change(14), change(15), drained()]),
        (AFTER_11, vec![]),
        (AFTER_11, vec![change(12), Item::Progress(at(12))]),
        (Start::Now, vec![change(13), change(14), change(15), drained()]),
        (
            STATE,
            vec![
                initial(X, 12),
                initial(Z, 12),
                bookmark(12, true),
                change(13),
                change(14),
                change(15),
                drained(),
            ],
        ),
        (STATE, vec![initial(X, 12)]),
    ] {
        check(&stream(start, items), &oracle()).unwrap();
    }
}

#[test]
fn ordered_finds_a_change_before_an_older_one() {
    assert_eq!(broken(AFTER_11, vec![change(12), change(14), change(13)]), "WATCH-ORDERED");
}

#[test]
fn ordered_finds_initial_events_that_are_not_in_the_order_of_keys() {
    assert_eq!(broken(STATE, vec![initial(Z, 12), initial(X, 12), bookmark(12, true)]), "WATCH-ORDERED");
}

#[test]
fn unique_finds_what_comes_twice() {
    assert_eq!(broken(AFTER_11, vec![change(12), change(13), change(13)]), "WATCH-UNIQUE");
    assert_eq!(broken(STATE, vec![initial(X, 12), initial(X, 12), bookmark(12, true)]), "WATCH-UNIQUE");
    // What is in the state does not come once more as a change.
    let again = vec![initial(X, 12), initial(Z, 12), bookmark(12, true), change(12)];
    assert_eq!(broken(STATE, again), "WATCH-UNIQUE");
}

#[test]
fn atomic_finds_a_state_that_never_was() {
    // `x` is of revision 13, and the state is said to be of 12.
    assert_eq!(broken(STATE, vec![initial(X, 13), initial(Z, 12), bookmark(12, true)]), "WATCH-ATOMIC");
    assert_eq!(broken(STATE, vec![initial(X, 12), bookmark(12, true)]), "WATCH-ATOMIC");
}

#[test]
fn a_state_that_is_too_old_is_found() {
    assert_eq!(broken(STATE, vec![initial(X, 11), bookmark(11, true)]), "WATCH-OPTIONS");
}

#[test]
fn reliable_finds_a_gap_between_two_changes() {
    assert_eq!(broken(AFTER_11, vec![change(12), change(14)]), "WATCH-RELIABLE");
}

#[test]
fn reliable_finds_what_is_missing_at_the_end() {
    assert_eq!(broken(AFTER_11, vec![change(12), change(13), Item::Drained(at(15))]), "WATCH-RELIABLE");
}

#[test]
fn resumable_finds_a_watch_that_begins_late_or_early() {
    assert_eq!(broken(AFTER_11, vec![change(13), change(14)]), "WATCH-RESUMABLE");
    assert_eq!(broken(AFTER_11, vec![change(11), change(12)]), "WATCH-RESUMABLE");
    assert_eq!(broken(AFTER_11, vec![Item::Drained(at(12))]), "WATCH-RESUMABLE");
}

#[test]
fn bookmarkable_finds_a_claim_that_is_ahead_of_what_was_delivered() {
    assert_eq!(
        broken(AFTER_11, vec![change(12), bookmark(14, false), change(13), change(14)]),
        "WATCH-BOOKMARKABLE"
    );
    assert_eq!(broken(AFTER_11, vec![change(12), Item::Progress(at(13)), change(13)]), "WATCH-BOOKMARKABLE");
}

#[test]
fn bookmarkable_finds_a_bookmark_that_goes_back() {
    assert_eq!(
        broken(AFTER_11, vec![change(12), change(13), bookmark(13, false), bookmark(12, false)]),
        "WATCH-BOOKMARKABLE"
    );
}

#[test]
fn bookmarkable_finds_initial_events_that_end_twice_or_never() {
    let twice = vec![initial(X, 12), initial(Z, 12), bookmark(12, true), bookmark(12, true)];
    assert_eq!(broken(STATE, twice), "WATCH-BOOKMARKABLE");
    let never =
        vec![initial(X, 12), initial(Z, 12), change(13), change(14), change(15), Item::Drained(at(15))];
    assert_eq!(broken(STATE, never), "WATCH-BOOKMARKABLE");
}

#[test]
fn filtered_finds_an_event_that_is_not_what_its_commit_is_to_the_watch() {
    let red = view(Selection::Red);
    let check_red = |seen: Seen| {
        let items = vec![Item::Change(seen)];
        check(&Stream { view: red, ..stream(Start::After(at(12)), items) }, &oracle())
    };
    // `x` turns blue: to a watch of red objects it is deleted, with its last red state.
    let right = seen(red, 13);
    assert_eq!(right.event_type, EventType::Deleted);
    check_red(right.clone()).unwrap();
    for wrong in [
        Seen { event_type: EventType::Modified, ..right.clone() },
        Seen { before: None, ..right.clone() },
        Seen { revision: at(11), ..right.clone() },
        Seen { before: right.after.clone(), ..right.clone() },
    ] {
        let promise = check_red(wrong).unwrap_err().promise;
        assert!(["WATCH-FILTERED", "WATCH-RESUMABLE"].contains(&promise), "{promise}");
    }
    // 12 is blue before and after: it is nothing to this watch.
    let foreign = Item::Change(seen(view(Selection::Everything), 12));
    let shown = check(&Stream { view: red, ..stream(AFTER_11, vec![foreign]) }, &oracle());
    assert_eq!(shown.unwrap_err().promise, "WATCH-FILTERED");
}

#[test]
fn an_end_is_the_last_thing_and_has_a_reason() {
    let end = |oldest| {
        let during = CompactedDuring::Watch;
        Item::Ended(Error::Compacted { requested: at(12), oldest: at(oldest), during })
    };
    assert_eq!(broken(AFTER_11, vec![change(12), end(14)]), "COMPACT-WATCHES");
    let mut compacted = oracle();
    compacted.compact(at(14));
    check(&stream(AFTER_11, vec![change(12), end(14)]), &compacted).unwrap();
    let up_to_date = vec![change(12), change(13), change(14), end(14)];
    assert!(check(&stream(AFTER_11, up_to_date), &compacted).is_err());
    let after_the_end = vec![change(12), end(14), change(13)];
    let promise = check(&stream(AFTER_11, after_the_end), &compacted).unwrap_err().promise;
    assert_eq!(promise, "WATCH-ERROR-LAST");
}
