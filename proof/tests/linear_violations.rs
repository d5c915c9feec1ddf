//! Each kind of violation, as a small history, is caught by name; and what only looks like one is accepted.

use std::ops::RangeInclusive;

use watchkeep_proof::linear::{
    Change, Content, Event, Expect, History, Input, Key, Observed, Operation, Output, Promise, ReadAt, Scope,
    Seen, Session, Version, check, check_keys,
};

/// A history in the making. Moments are given; a content is its tag.
#[derive(Default)]
struct Story(History);

fn content(tag: u64) -> Content {
    Content { tag, count: 0 }
}

fn version(revision: u64, tag: u64) -> Version {
    Version { revision, content: content(tag) }
}

fn write(key: &str, expect: Expect, change: Change) -> Input {
    Input::Write { key: key.into(), expect, change }
}

fn create(key: &str, tag: u64) -> Input {
    write(key, Expect::Absent, Change::Put(content(tag)))
}

fn put(key: &str, expected: u64, tag: u64) -> Input {
    write(key, Expect::Revision(expected), Change::Put(content(tag)))
}

fn delete(key: &str, expected: u64) -> Input {
    write(key, Expect::Revision(expected), Change::Delete)
}

fn delete_any(key: &str) -> Input {
    write(key, Expect::Present, Change::Delete)
}

fn increment(key: &str, tag: u64) -> Input {
    write(key, Expect::Present, Change::Increment { tag })
}

fn get(key: &str) -> Input {
    Input::Get { key: key.into(), at: ReadAt::Latest }
}

fn get_any(key: &str, least: u64) -> Input {
    Input::Get { key: key.into(), at: ReadAt::AtLeast(least) }
}

fn list(at: ReadAt) -> Input {
    Input::List { scope: Scope::All, at, after: None }
}

fn committed(revision: u64) -> Output {
    Output::Committed { revision: Some(revision), content: None, previous: Seen::Untold }
}

fn counted_to(revision: u64, tag: u64, count: u64) -> Output {
    let content = Some(Content { tag, count });
    Output::Committed { revision: Some(revision), content, previous: Seen::Untold }
}

fn refused(seen: Seen) -> Output {
    Output::Refused { seen }
}

fn found(version: Option<Version>) -> Output {
    Output::Found { version, revision: None }
}

fn found_at(version: Option<Version>, revision: u64) -> Output {
    Output::Found { version, revision: Some(revision) }
}

fn items(of: &[(&str, Version)]) -> Vec<(Key, Version)> {
    of.iter().map(|(key, version)| ((*key).into(), *version)).collect()
}

fn listed(revision: u64, of: &[(&str, Version)]) -> Output {
    Output::Listed { revision, items: items(of), more: false, remaining: None }
}

fn added(key: &str, version: Version) -> Event {
    Event::Added { key: key.into(), version }
}

fn modified(key: &str, version: Version) -> Event {
    Event::Modified { key: key.into(), version, previous: Seen::Untold }
}

fn deleted(key: &str, revision: u64, last: u64) -> Event {
    Event::Deleted { key: key.into(), revision, last: content(last), previous: Seen::Untold }
}

impl Story {
    fn and(mut self, client: usize, during: RangeInclusive<u64>, input: Input, output: Output) -> Self {
        let (invoked, returned) = (*during.start(), Some(*during.end()));
        self.0.operations.push(Operation { client, invoked, returned, input, output });
        self
    }

    fn cut_off(mut self, client: usize, invoked: u64, input: Input) -> Self {
        let output = Output::Unknown;
        self.0.operations.push(Operation { client, invoked, returned: None, input, output });
        self
    }

    /// A watch from a revision on, with what came at which moment.
    fn watch(mut self, after: u64, seen: &[(u64, Event)]) -> Self {
        let seen = seen.iter().map(|(at, event)| Observed { at: *at, event: event.clone() }).collect();
        self.0.sessions.push(Session { client: 9, scope: Scope::All, after, base: None, seen });
        self
    }

    #[track_caller]
    fn breaks(&self, promise: Promise) -> String {
        let violation = check(&self.0).expect_err("a broken promise");
        eprintln!("{violation}");
        assert_eq!(violation.promise, promise, "{violation}");
        assert!(!violation.shown.is_empty(), "{violation}");
        violation.to_string()
    }

    /// Returns how many unknown outcomes were settled.
    #[track_caller]
    fn is_fine(&self) -> usize {
        let summary = check(&self.0).unwrap_or_else(|violation| panic!("{violation}"));
        check_keys(&self.0).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(summary.searched.undecided, 0);
        summary.settled
    }

    /// By the search for an order, which trusts no revision.
    #[track_caller]
    fn has_no_order(&self) {
        let violation = check_keys(&self.0).expect_err("no order");
        eprintln!("{violation}");
        assert_eq!(violation.promise, Promise::Linearizable, "{violation}");
    }
}

/// One object that is created, changed, and gone.
fn story() -> Story {
    Story::default()
        .and(1, 1..=4, create("a", 1), committed(10))
        .and(1, 6..=9, put("a", 10, 2), committed(11))
        .and(1, 20..=29, delete("a", 11), committed(14))
}

#[test]
fn what_happens_one_after_the_other_is_fine() {
    let events = [
        (5, added("a", version(10, 1))),
        (11, modified("a", version(11, 2))),
        (24, deleted("a", 14, 2)),
        (25, Event::Bookmark(17)),
    ];
    story()
        .and(2, 5..=5, get("a"), found(Some(version(10, 1))))
        .and(2, 10..=12, get("a"), found_at(Some(version(11, 2)), 12))
        .and(2, 13..=14, create("a", 3), refused(Seen::Version(version(11, 2))))
        .and(2, 15..=16, list(ReadAt::Exactly(10)), listed(10, &[("a", version(10, 1))]))
        .and(3, 21..=22, get("a"), found(None))
        .and(2, 30..=31, Input::Current, Output::Revision(17))
        .watch(9, &events)
        .is_fine();
}

#[test]
fn a_read_that_misses_a_write_that_had_returned_is_stale() {
    let stale = story().and(2, 10..=12, get("a"), found(Some(version(10, 1))));
    let words = stale.breaks(Promise::NoStaleRead);
    assert!(words.contains("put a = 0#2, if at 10 -> committed at 11"), "{words}");
    assert!(words.contains("client 2 [10, 12]: get a, the latest -> found 0#1 at 10"), "{words}");
    assert_eq!(words.lines().count(), 4, "{words}");
    stale.has_no_order();
    let gone = story().and(2, 10..=12, get("a"), found(None));
    gone.breaks(Promise::NoStaleRead);
    gone.has_no_order();
    story().and(2, 30..=31, get("a"), found(Some(version(11, 2)))).breaks(Promise::NoStaleRead);
}

#[test]
fn a_read_beside_a_write_sees_it_or_does_not() {
    story().and(2, 7..=8, get("a"), found(Some(version(10, 1)))).is_fine();
    story().and(2, 7..=8, get("a"), found(Some(version(11, 2)))).is_fine();
}

#[test]
fn what_one_read_has_seen_the_next_one_sees() {
    let gone_and_back =
        story().and(2, 21..=22, get("a"), found(None)).and(3, 23..=24, get("a"), found(Some(version(11, 2))));
    gone_and_back.breaks(Promise::NoStaleRead);
    gone_and_back.has_no_order();
}

#[test]
fn what_a_watch_has_shown_a_read_sees() {
    let shown = [(5, added("a", version(10, 1))), (7, modified("a", version(11, 2)))];
    story()
        .watch(9, &shown)
        .and(2, 8..=9, get("a"), found(Some(version(10, 1))))
        .breaks(Promise::NoStaleRead);
}

#[test]
fn a_read_of_any_state_is_bounded_from_below_only() {
    story().and(2, 10..=12, get_any("a", 0), found(Some(version(10, 1)))).is_fine();
    story().and(2, 10..=12, get_any("a", 0), found(None)).is_fine();
    story().and(2, 10..=12, get_any("a", 11), found(Some(version(10, 1)))).breaks(Promise::NoStaleRead);
    story().and(2, 10..=12, get_any("a", 11), found_at(None, 9)).breaks(Promise::ReadAsDemanded);
}

#[test]
fn a_read_shows_the_state_of_the_revision_that_it_names() {
    let other = story().and(2, 7..=8, get("a"), found_at(Some(version(10, 1)), 11));
    other.breaks(Promise::ReadIsTheState);
    story().and(2, 7..=8, get("a"), found_at(Some(version(10, 1)), 10)).is_fine();
}

#[test]
fn two_writes_over_one_revision_lose_an_update() {
    let lost = story().and(2, 7..=8, put("a", 10, 3), committed(12));
    lost.breaks(Promise::NoLostUpdate);
    lost.has_no_order();
    let twice = story().and(2, 2..=3, create("a", 3), committed(9));
    twice.breaks(Promise::NoLostUpdate);
    twice.has_no_order();
}

#[test]
fn an_increment_that_does_not_count_on_loses_an_update() {
    let both = |first, second| {
        Story::default()
            .and(1, 1..=2, create("a", 1), committed(10))
            .and(1, 3..=6, increment("a", 2), counted_to(11, 2, first))
            .and(2, 4..=5, increment("a", 3), counted_to(12, 3, second))
    };
    both(1, 2).is_fine();
    both(1, 1).breaks(Promise::NoLostUpdate);
    both(1, 1).has_no_order();
    both(2, 1).breaks(Promise::NoLostUpdate);
}

#[test]
fn what_is_told_of_the_state_before_a_write_was_so() {
    let previous = Seen::Version(version(10, 1));
    let told = Output::Committed { revision: Some(15), content: None, previous };
    Story::default()
        .and(1, 1..=2, create("a", 1), committed(10))
        .and(1, 3..=4, put("a", 10, 2), committed(11))
        .and(1, 5..=6, delete_any("a"), told)
        .breaks(Promise::NoLostUpdate);
}

#[test]
fn a_write_that_did_not_take_place_is_seen_by_nobody() {
    let created = || Story::default().and(1, 1..=2, create("a", 1), committed(10));
    created()
        .and(1, 3..=4, put("a", 9, 2), refused(Seen::Version(version(10, 1))))
        .and(2, 5..=6, get("a"), found(Some(version(11, 2))))
        .breaks(Promise::NoDirtyRead);
    created()
        .and(1, 3..=4, put("a", 10, 2), Output::Failed)
        .watch(10, &[(5, modified("a", version(11, 2)))])
        .breaks(Promise::NoDirtyRead);
}

#[test]
fn what_nobody_wrote_is_seen_by_nobody() {
    story().and(2, 5..=5, get("a"), found(Some(version(10, 7)))).breaks(Promise::OneContent);
    story().and(2, 6..=7, get("a"), found(Some(version(12, 7)))).breaks(Promise::NothingUninvited);
    story().and(2, 6..=7, get("b"), found(Some(version(12, 2)))).breaks(Promise::NothingUninvited);
    let nobody = [(5, added("a", version(10, 1))), (7, deleted("a", 11, 1))];
    Story::default()
        .and(1, 1..=2, create("a", 1), committed(10))
        .watch(9, &nobody)
        .breaks(Promise::NothingUninvited);
}

#[test]
fn nobody_sees_a_write_before_it_was_begun() {
    let early = story().and(2, 5..=5, get("a"), found(Some(version(11, 2))));
    early.breaks(Promise::NotBeforeInvocation);
    early.has_no_order();
    // The deletion is at 14, and was begun later.
    story().and(2, 10..=11, list(ReadAt::Latest), listed(15, &[])).breaks(Promise::RevisionsFollowTime);
    story().and(2, 10..=11, Input::Current, Output::Revision(14)).breaks(Promise::RevisionsFollowTime);
}

#[test]
fn no_revision_is_issued_twice() {
    story().and(2, 7..=8, create("b", 3), committed(11)).breaks(Promise::RevisionsAreUnique);
    let again = [(5, added("a", version(10, 1))), (6, modified("a", version(10, 2)))];
    Story::default()
        .and(1, 1..=2, create("a", 1), committed(10))
        .cut_off(1, 3, put("a", 10, 2))
        .watch(9, &again)
        .breaks(Promise::OneContent);
}

#[test]
fn revisions_do_not_go_back() {
    story().and(2, 10..=12, create("b", 3), committed(9)).breaks(Promise::RevisionsFollowTime);
    story().and(2, 10..=12, create("b", 3), committed(12)).is_fine();
    story().and(2, 7..=8, create("b", 3), committed(12)).is_fine();
    story().and(2, 10..=12, Input::Current, Output::Revision(10)).breaks(Promise::NoStaleRead);
    // A bookmark has told of 12, though nothing is there.
    let after_a_bookmark =
        story().watch(11, &[(7, Event::Bookmark(12))]).and(2, 10..=11, create("b", 3), committed(13));
    after_a_bookmark.is_fine();
    let below_a_bookmark =
        story().watch(12, &[(7, Event::Bookmark(13))]).and(2, 10..=11, create("b", 3), committed(12));
    below_a_bookmark.breaks(Promise::RevisionsFollowTime);
}

#[test]
fn a_write_is_refused_for_what_is_stored_only() {
    let refusal = |during, input, seen| story().and(2, during, input, refused(seen));
    for unfounded in [
        refusal(10..=12, put("a", 11, 3), Seen::Present),
        refusal(10..=12, create("a", 3), Seen::Absent),
        refusal(10..=12, put("a", 9, 3), Seen::Version(version(10, 1))),
    ] {
        unfounded.breaks(Promise::RefusedForAReason);
        unfounded.has_no_order();
    }
    refusal(10..=22, put("a", 11, 3), Seen::Absent).is_fine();
    refusal(7..=8, put("a", 9, 3), Seen::Version(version(10, 1))).is_fine();
    refusal(7..=8, put("a", 9, 3), Seen::Version(version(11, 2))).is_fine();
}

fn two_keys() -> Story {
    Story::default()
        .and(1, 1..=2, create("a", 1), committed(10))
        .and(1, 3..=4, create("b", 2), committed(11))
        .and(1, 5..=8, put("a", 10, 3), committed(12))
        .and(1, 9..=10, put("b", 11, 4), committed(13))
}

#[test]
fn a_list_that_mixes_two_revisions_is_no_state() {
    let mixed = [("a", version(10, 1)), ("b", version(13, 4))];
    for (at, revision) in [(ReadAt::Latest, 13), (ReadAt::AtLeast(0), 13), (ReadAt::Exactly(12), 12)] {
        let words =
            two_keys().and(2, 7..=12, list(at), listed(revision, &mixed)).breaks(Promise::ListIsAtomic);
        assert!(words.contains("put a = 0#3, if at 10 -> committed at 12"), "{words}");
    }
    let whole = [("a", version(12, 3)), ("b", version(11, 2))];
    two_keys().and(2, 7..=12, list(ReadAt::Latest), listed(12, &whole)).is_fine();
    two_keys().and(2, 11..=12, list(ReadAt::Exactly(12)), listed(12, &whole)).is_fine();
    two_keys().and(2, 11..=12, list(ReadAt::Latest), listed(12, &whole)).breaks(Promise::NoStaleRead);
    two_keys().and(2, 11..=12, list(ReadAt::Exactly(12)), listed(13, &whole)).breaks(Promise::ReadAsDemanded);
    let unordered = [("b", version(13, 4)), ("a", version(12, 3))];
    two_keys().and(2, 11..=12, list(ReadAt::Latest), listed(13, &unordered)).breaks(Promise::ListIsAtomic);
    let short = two_keys().and(2, 11..=12, list(ReadAt::Latest), listed(13, &[("a", version(12, 3))]));
    short.breaks(Promise::ListIsAtomic);
    short.has_no_order();
}

#[test]
fn pages_are_of_one_revision_and_tell_what_follows() {
    let page = |after: Option<&str>, at, revision, of: &[(&str, Version)], more, remaining| {
        let input = Input::List { scope: Scope::All, at, after: after.map(Key::from) };
        two_keys().and(2, 11..=12, input, Output::Listed { revision, items: items(of), more, remaining })
    };
    let (first, second) = ([("a", version(10, 1))], [("b", version(11, 2))]);
    page(None, ReadAt::Exactly(11), 11, &first, true, Some(1)).is_fine();
    page(Some("a"), ReadAt::Exactly(11), 11, &second, false, None).is_fine();
    page(None, ReadAt::Exactly(11), 11, &first, false, None).breaks(Promise::ListIsAtomic);
    page(None, ReadAt::Exactly(11), 11, &first, true, Some(2)).breaks(Promise::ListIsAtomic);
    page(Some("a"), ReadAt::Exactly(11), 11, &second, true, None).breaks(Promise::ListIsAtomic);
    page(Some("a"), ReadAt::Exactly(11), 13, &second, false, None).breaks(Promise::ReadAsDemanded);
    page(Some("a"), ReadAt::Exactly(13), 13, &second, false, None).breaks(Promise::ListIsAtomic);
}

/// A watch in which something has happened to the events.
fn watching(change: impl Fn(&mut Vec<(u64, Event)>)) -> Story {
    let mut seen = vec![
        (21, added("a", version(10, 1))),
        (22, added("b", version(11, 2))),
        (23, modified("a", version(12, 3))),
        (24, modified("b", version(13, 4))),
        (25, Event::Bookmark(13)),
    ];
    change(&mut seen);
    two_keys().watch(9, &seen)
}

#[test]
fn a_missing_event_is_noticed_by_the_next_one_or_by_a_bookmark() {
    watching(|_| {}).is_fine();
    let words = watching(|seen| drop(seen.remove(1))).breaks(Promise::WatchIsReliable);
    assert!(words.contains("put b = 0#2, if absent -> committed at 11"), "{words}");
    assert!(words.contains("client 9 [21]: ADDED a = 0#1 at 10"), "{words}");
    assert!(words.contains("client 9 [23]: MODIFIED a = 0#3 at 12"), "{words}");
    watching(|seen| drop(seen.remove(3))).breaks(Promise::BookmarkIsBehind);
    // Nobody promised more than came.
    watching(|seen| seen.truncate(3)).is_fine();
}

#[test]
fn a_doubled_event_is_noticed() {
    watching(|seen| seen.insert(2, seen[1].clone())).breaks(Promise::WatchIsUnique);
    watching(|seen| seen.insert(3, seen[0].clone())).breaks(Promise::WatchIsUnique);
}

#[test]
fn events_out_of_order_are_noticed() {
    watching(|seen| seen.swap(0, 1)).breaks(Promise::WatchIsOrdered);
    let words = watching(|seen| seen.swap(1, 2)).breaks(Promise::WatchIsOrdered);
    assert!(words.contains("11 of b comes later"), "{words}");
    watching(|seen| seen.swap(3, 4)).breaks(Promise::BookmarkIsBehind);
    watching(|seen| seen[4].1 = Event::Bookmark(12)).breaks(Promise::WatchIsOrdered);
    // What is not after the beginning of the watch was there already.
    two_keys().watch(11, &[(30, modified("b", version(13, 4)))]).breaks(Promise::WatchIsReliable);
    two_keys().watch(12, &[(30, modified("a", version(12, 3)))]).breaks(Promise::WatchIsOrdered);
}

#[test]
fn an_event_shows_what_was_changed() {
    watching(|seen| seen[0].1 = modified("a", version(10, 1))).breaks(Promise::WatchShowsTheChange);
    watching(|seen| seen[3].1 = added("b", version(13, 4))).breaks(Promise::WatchShowsTheChange);
    watching(|seen| seen[3].1 = modified("b", version(13, 3))).breaks(Promise::OneContent);
    let previous = |previous| {
        watching(move |seen| {
            seen[3].1 = Event::Modified { key: "b".into(), version: version(13, 4), previous };
        })
    };
    previous(Seen::Version(version(11, 2))).is_fine();
    previous(Seen::Version(version(11, 1))).breaks(Promise::OneContent);
    previous(Seen::Version(version(12, 3))).breaks(Promise::RevisionsAreUnique);
    previous(Seen::Absent).breaks(Promise::WatchShowsTheChange);
}

#[test]
fn a_deletion_shows_what_was_there_last() {
    let gone = |last, previous| {
        let event = Event::Deleted { key: "a".into(), revision: 14, last: content(last), previous };
        story().watch(11, &[(30, event)])
    };
    gone(2, Seen::Untold).is_fine();
    gone(2, Seen::Version(version(11, 2))).is_fine();
    gone(1, Seen::Untold).breaks(Promise::WatchShowsTheChange);
    gone(2, Seen::Version(version(10, 1))).breaks(Promise::WatchShowsTheChange);
    story().watch(11, &[(30, deleted("a", 15, 2))]).breaks(Promise::NothingUninvited);
}

#[test]
fn a_watch_shows_its_scope() {
    let session = |scope, seen: &[(u64, Event)]| {
        let mut story = two_keys().watch(9, seen);
        story.0.sessions[0].scope = scope;
        story
    };
    let of_a =
        [(21, added("a", version(10, 1))), (23, modified("a", version(12, 3))), (25, Event::Bookmark(13))];
    session(Scope::One("a".into()), &of_a).is_fine();
    session(Scope::Under("b".to_owned()), &of_a).breaks(Promise::WatchShowsTheChange);
    session(Scope::One("a".into()), &of_a[1..]).breaks(Promise::WatchIsReliable);
}

#[test]
fn who_lists_and_watches_begins_with_what_was_there() {
    let begin = |base: &[(&str, Version)]| {
        let mut story = two_keys().watch(11, &[(30, modified("a", version(12, 3)))]);
        story.0.sessions[0].base = Some(items(base));
        story
    };
    begin(&[("a", version(10, 1)), ("b", version(11, 2))]).is_fine();
    begin(&[("a", version(10, 1))]).breaks(Promise::ListIsAtomic);
}

#[test]
fn an_unknown_write_may_take_effect_late_or_never() {
    let begin =
        || Story::default().and(1, 1..=2, create("a", 1), committed(10)).cut_off(1, 3, put("a", 10, 2));
    let never = begin().and(2, 8..=9, get("a"), found(Some(version(10, 1))));
    assert_eq!(never.is_fine(), 0);
    let late = begin().and(2, 4..=5, get("a"), found(Some(version(10, 1)))).and(
        2,
        6..=7,
        get("a"),
        found(Some(version(11, 2))),
    );
    assert_eq!(late.is_fine(), 1);
    // Nobody has seen it, and who is refused is not told why.
    let unseen = begin()
        .and(2, 4..=5, put("a", 10, 3), refused(Seen::Present))
        .and(2, 6..=7, delete_any("a"), committed(12))
        .and(2, 8..=9, get("a"), found(None));
    check_keys(&unseen.0).unwrap();
    let seen = unseen.watch(10, &[(20, modified("a", version(11, 2))), (21, deleted("a", 12, 2))]);
    assert_eq!(seen.is_fine(), 1);
}

#[test]
fn an_unknown_deletion_is_settled_by_a_watch() {
    let begin =
        || Story::default().and(1, 1..=2, create("a", 1), committed(10)).cut_off(1, 3, delete_any("a"));
    let seen = [(20, added("a", version(10, 1))), (21, deleted("a", 12, 1))];
    assert_eq!(begin().watch(9, &seen).is_fine(), 1);
    assert_eq!(begin().watch(9, &seen[..1]).is_fine(), 0);
    let again = [(32, added("a", version(15, 2))), (33, deleted("a", 16, 2))];
    let twice = begin().and(1, 30..=31, create("a", 2), committed(15)).watch(9, &[seen, again].concat());
    twice.breaks(Promise::NothingUninvited);
}

/// Clients of a server that was killed showed it: the deletion of 13 was given to client 1, who was through before
/// client 4 found the object that it deleted, and that get was then taken for stale. It was client 2's, which
/// nobody had answered. Over HTTP a get tells no revision of the store; that it found an object has to do.
#[test]
fn a_deletion_is_not_of_who_was_through_before_the_object_was_found() {
    let deletion = || Output::Committed { revision: None, content: None, previous: Seen::Untold };
    let story = Story::default()
        .and(0, 0..=1, create("a", 1), committed(10))
        .cut_off(2, 2, delete_any("a"))
        .and(1, 3..=6, delete_any("a"), deletion())
        .and(3, 4..=7, create("a", 2), committed(12))
        .and(4, 8..=9, get("a"), found(Some(version(12, 2))))
        .watch(
            9,
            &[
                (1, added("a", version(10, 1))),
                (10, deleted("a", 11, 1)),
                (11, added("a", version(12, 2))),
                (12, deleted("a", 13, 2)),
            ],
        );
    assert_eq!(story.is_fine(), 1);
}

#[test]
fn an_unknown_write_takes_effect_once() {
    let twice = Story::default()
        .and(1, 1..=2, create("a", 1), committed(10))
        .cut_off(1, 3, put("a", 10, 2))
        .and(2, 4..=5, get("a"), found(Some(version(11, 2))))
        .and(2, 6..=7, get("a"), found(Some(version(12, 2))));
    twice.breaks(Promise::OnceOnly);
    twice.has_no_order();
    let created = Story::default()
        .cut_off(1, 1, create("a", 1))
        .and(2, 2..=3, get("a"), found(Some(version(10, 1))))
        .and(2, 4..=5, delete("a", 10), committed(11))
        .and(2, 6..=7, get("a"), found(Some(version(12, 1))));
    created.breaks(Promise::OnceOnly);
}

#[test]
fn a_deletion_without_a_revision_is_found_by_its_event() {
    let done = || Output::Committed { revision: None, content: None, previous: Seen::Untold };
    let deletion = || {
        Story::default().and(1, 1..=2, create("a", 1), committed(10)).and(1, 3..=4, delete("a", 10), done())
    };
    deletion().watch(10, &[(9, deleted("a", 12, 1))]).is_fine();
    deletion().watch(10, &[(9, Event::Bookmark(12))]).breaks(Promise::WatchIsReliable);
    // The one that is shown is too late to be this one.
    let late = deletion().watch(10, &[(9, deleted("a", 12, 1))]);
    late.and(2, 5..=6, create("b", 2), committed(11)).breaks(Promise::WatchIsReliable);
}

#[test]
fn deletions_are_told_apart_by_what_they_can_have_found() {
    let done = |previous| Output::Committed { revision: None, content: None, previous };
    let story = |first: Input, second: Input| {
        Story::default()
            .and(1, 1..=2, create("a", 1), committed(10))
            .cut_off(2, 3, first)
            .and(3, 4..=20, second, done(Seen::Untold))
            .and(1, 10..=11, create("a", 2), committed(12))
            .watch(
                9,
                &[
                    (21, added("a", version(10, 1))),
                    (22, deleted("a", 11, 1)),
                    (23, added("a", version(12, 2))),
                    (24, deleted("a", 13, 2)),
                ],
            )
    };
    // The one that is sure could be either; the other one could only be the first.
    assert_eq!(story(delete("a", 10), delete_any("a")).is_fine(), 1);
    assert_eq!(story(delete_any("a"), delete("a", 10)).is_fine(), 1);
    assert_eq!(story(delete_any("a"), delete_any("a")).is_fine(), 1);
    story(delete("a", 10), delete("a", 10)).breaks(Promise::NothingUninvited);
}
