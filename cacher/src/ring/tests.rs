//! The ring by tables of known cases, and against a plain list of everything that it was ever given.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const WINDOW: Duration = WINDOW_MIN;
const SECOND: Duration = Duration::from_secs(1);

fn bounds(capacity_min: usize, capacity_max: usize) -> Bounds {
    Bounds { capacity_min, capacity_max, fresh: WINDOW, bytes: usize::MAX }
}

fn entry(revision: u64, time: Duration) -> Entry<u64> {
    Entry { event: revision, revision: Revision::new(revision), time, cost: 1 }
}

/// Appends an event whose name is its revision, and forgets what is given up.
fn append(ring: &mut Ring<u64>, revision: u64) {
    ring.append(entry(revision, Duration::ZERO), &mut Vec::new());
}

/// The events after a revision, `None` if some may be missing.
fn since(ring: &Ring<u64>, revision: u64) -> Option<Vec<u64>> {
    let first = ring.first_after(Revision::new(revision))?;
    Some(ring.from(first).expect("the number is one of the ring").copied().collect())
}

#[test]
fn the_largest_capacity_doubles_with_the_window() {
    let rows = [
        (WINDOW, CAPACITY_MAX),
        (Duration::from_secs(45), CAPACITY_MAX),
        (WINDOW * 4, CAPACITY_MAX * 4),
        (WINDOW * 3, CAPACITY_MAX * 4),
        (WINDOW * (1 << 20), CAPACITY_MAX << 14),
    ];
    for (window, expected) in rows {
        assert_eq!(Bounds::new(window, 0).capacity_max, expected, "{window:?}");
    }
    assert_eq!(Bounds::new(WINDOW, 0).capacity_min, 100);
    assert_eq!(Bounds::new(Duration::MAX, 0).capacity_max, CAPACITY_MAX << 14);
}

#[test]
fn the_capacity_follows_how_long_events_last() {
    // The events and the capacity, its bounds, the time between two events; the capacity after, and how many of
    // the oldest events are given up for that.
    let rows = [
        (5, 2, 10, WINDOW / 6, 10, 0),
        (5, 2, 10, WINDOW / 4, 5, 0),
        (5, 2, 10, WINDOW + SECOND, 2, 3),
        (5, 3, 10, WINDOW + SECOND, 3, 2),
        (5, 2, 8, WINDOW / 6, 8, 0),
        (8, 4, 16, WINDOW / 9, 16, 0),
        (8, 4, 16, WINDOW / 8, 8, 0),
        (8, 4, 16, WINDOW / 2 + SECOND, 4, 4),
        (8, 7, 16, WINDOW / 2 + SECOND, 7, 1),
        (8, 4, 10, WINDOW / 9, 10, 0),
    ];
    for (row, (events, least, most, interval, capacity, given_up)) in rows.into_iter().enumerate() {
        for start in [0, 3] {
            let mut ring = Ring::new(bounds(least, most));
            ring.capacity = events;
            ring.first = start;
            let times = (0..).map(|number| interval * number);
            ring.entries = (1..).zip(times).take(events).map(|(n, time)| entry(n, time)).collect();
            let now = interval * u32::try_from(events).unwrap();
            ring.resize(now);
            assert_eq!(ring.capacity(), capacity, "row {row} from {start}");
            // The next event takes the place of one more where the ring is full.
            let mut gone = Vec::new();
            ring.append(entry(100, now), &mut gone);
            let for_the_event = usize::from(capacity <= events);
            assert_eq!(gone.len(), given_up + for_the_event, "row {row} from {start}");
            assert_eq!(ring.first_sequence(), start + gone.len() as u64, "row {row} from {start}");
        }
    }
}

#[test]
fn a_ring_that_was_never_listed_serves_what_it_saw() {
    let mut ring = Ring::new(bounds(5, 5));
    assert_eq!(since(&ring, 1), None);
    assert_eq!(ring.complete_after(), None);
    append(&mut ring, 3);
    assert_eq!(since(&ring, 1), None);
    assert_eq!(since(&ring, 2), Some(vec![3]));
    append(&mut ring, 4);
    append(&mut ring, 5);
    assert_eq!(since(&ring, 3), Some(vec![4, 5]));
    (6..=9).for_each(|revision| append(&mut ring, revision));
    assert_eq!(since(&ring, 3), None);
    assert_eq!(since(&ring, 4), Some(vec![5, 6, 7, 8, 9]));
    append(&mut ring, 10);
    assert_eq!(since(&ring, 9), Some(vec![10]));
    assert_eq!(since(&ring, 10), Some(vec![]));
    assert_eq!(since(&ring, 11), Some(vec![]));
}

#[test]
fn a_list_can_be_continued_from_its_revision_and_from_no_older_one() {
    let mut ring = Ring::new(bounds(5, 5));
    ring.reset(Revision::new(9), &mut Vec::new());
    assert_eq!(since(&ring, 8), None);
    assert_eq!(since(&ring, 9), Some(vec![]));
    append(&mut ring, 12);
    assert_eq!(since(&ring, 8), None);
    assert_eq!(since(&ring, 9), Some(vec![12]));
}

#[test]
fn a_larger_capacity_brings_nothing_back() {
    let mut ring = Ring::new(bounds(2, 16));
    ring.reset(Revision::new(10), &mut Vec::new());
    let old = WINDOW * 4;
    let mut gone = Vec::new();
    for (revision, time) in [(20, Duration::ZERO), (30, old), (40, old)] {
        ring.append(entry(revision, time), &mut gone);
    }
    assert_eq!(gone, [20]);
    ring.append(entry(50, old), &mut gone);
    assert_eq!(ring.capacity(), 4, "fresh events doubled it");
    assert_eq!(since(&ring, 15), None);
    assert_eq!(since(&ring, 20), Some(vec![30, 40, 50]));
}

#[test]
fn bytes_are_bounded_and_one_event_is_kept_however_large() {
    let mut ring = Ring::new(Bounds { bytes: 10, ..bounds(100, 100) });
    ring.reset(Revision::new(1), &mut Vec::new());
    let mut gone = Vec::new();
    for (revision, cost) in [(2, 4), (3, 4), (4, 4), (5, 50), (6, 10), (7, 1)] {
        ring.append(Entry { cost, ..entry(revision, Duration::ZERO) }, &mut gone);
        assert!(ring.bytes() <= 10 || ring.len() == 1);
    }
    assert_eq!(gone, [2, 3, 4, 5, 6]);
    assert_eq!((ring.len(), ring.bytes()), (1, 1));
    assert_eq!(since(&ring, 5), None);
    assert_eq!(since(&ring, 6), Some(vec![7]));
}

#[test]
fn events_of_one_revision_are_served_all_or_not_at_all() {
    let mut ring = Ring::new(bounds(2, 2));
    ring.reset(Revision::new(1), &mut Vec::new());
    for revision in [5, 5, 5] {
        append(&mut ring, revision);
    }
    assert_eq!(since(&ring, 4), None, "one of the three is gone");
    assert_eq!(since(&ring, 5), Some(vec![]));
}

#[test]
fn a_reset_leaves_old_places_behind() {
    let mut ring = Ring::new(bounds(5, 50));
    ring.reset(Revision::new(1), &mut Vec::new());
    (2..=5).for_each(|revision| append(&mut ring, revision));
    let place = ring.first_after(Revision::new(3)).unwrap();
    assert_eq!(ring.get(place), Some(&4));
    let mut gone = Vec::new();
    ring.reset(Revision::new(10), &mut gone);
    assert_eq!(gone, [2, 3, 4, 5]);
    let older = (0..60).map(|age| entry(10 - age / 10, Duration::ZERO));
    assert_eq!(ring.prepend_older(older, Revision::ZERO), 50);
    assert!(ring.first_sequence() > place);
    assert!(ring.from(place).is_none() && ring.get(place).is_none());
}

#[test]
fn history_in_front_serves_what_was_before_the_list() {
    let mut ring = Ring::new(bounds(5, 50));
    ring.reset(Revision::new(10), &mut Vec::new());
    append(&mut ring, 12);
    let place = ring.first_after(Revision::new(10)).unwrap();
    // 12 is in the ring already.
    let older = [12, 9, 7].map(|revision| entry(revision, Duration::ZERO));
    assert_eq!(ring.prepend_older(older, Revision::new(3)), 2);
    assert_eq!(ring.get(place), Some(&12), "a place keeps its event");
    assert_eq!(since(&ring, 2), None);
    assert_eq!(since(&ring, 3), Some(vec![7, 9, 12]));
    assert_eq!(since(&ring, 9), Some(vec![12]));
    assert_eq!(ring.prepend_older([], Revision::new(2)), 0);
    assert_eq!(since(&ring, 2), Some(vec![7, 9, 12]), "history was empty down to there");
}

#[test]
fn history_is_taken_as_far_as_the_bounds_allow() {
    let older = || (1..=9).rev().map(|revision| entry(revision, Duration::ZERO));
    let mut ring = Ring::new(bounds(2, 6));
    ring.reset(Revision::new(9), &mut Vec::new());
    append(&mut ring, 11);
    assert_eq!(ring.prepend_older(older(), Revision::ZERO), 5);
    assert_eq!((ring.len(), ring.capacity()), (6, 6));
    assert_eq!(since(&ring, 3), None);
    assert_eq!(since(&ring, 4), Some(vec![5, 6, 7, 8, 9, 11]));

    let mut ring = Ring::new(Bounds { bytes: 3, ..bounds(2, 6) });
    ring.reset(Revision::new(9), &mut Vec::new());
    assert_eq!(ring.prepend_older(older(), Revision::ZERO), 3);
    assert_eq!(since(&ring, 6), Some(vec![7, 8, 9]));

    let mut ring = Ring::new(bounds(1, 1));
    ring.reset(Revision::new(9), &mut Vec::new());
    for revision in [10, 11] {
        append(&mut ring, revision);
    }
    assert_eq!(ring.prepend_older(older(), Revision::ZERO), 0, "10 is missing between");
    assert_eq!(since(&ring, 9), None);
}

#[test]
fn history_is_taken_by_whole_revisions() {
    let older = || [9, 8, 7, 7, 7, 6].map(|revision| entry(revision, Duration::ZERO));
    let mut ring = Ring::new(bounds(2, 4));
    ring.reset(Revision::new(9), &mut Vec::new());
    assert_eq!(ring.prepend_older(older(), Revision::ZERO), 2);
    assert_eq!(since(&ring, 6), None);
    assert_eq!(since(&ring, 7), Some(vec![8, 9]));
    assert_eq!(ring.prepend_older(older(), Revision::new(7)), 0, "nothing is taken twice");
    assert_eq!((ring.len(), ring.bytes()), (2, 2));
}

/// A step of a random program.
#[derive(Clone, Debug)]
enum Step {
    /// How much the revision grows, the seconds since the last event, the cost.
    Append(u64, u64, usize),
    /// How much the revision grows.
    Reset(u64),
    /// Offers all history but the oldest events.
    Prepend(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..3_u64, prop_oneof![0..2_u64, 0..90_u64], 0..20_usize)
            .prop_map(|(revisions, seconds, cost)| Step::Append(revisions, seconds, cost)),
        1 => (1..5_u64).prop_map(Step::Reset),
        2 => (0..30_usize).prop_map(Step::Prepend),
    ]
}

proptest! {
    #[test]
    fn what_is_served_is_all_that_happened_and_no_place_changes_its_event(
        steps in prop::collection::vec(step(), 0..150), bytes in 1..200_usize, capacities in (1..6_usize, 1..40_usize)
    ) {
        let (least, most) = (capacities.0, capacities.0.max(capacities.1));
        let mut ring = Ring::new(Bounds { bytes, ..bounds(least, most) });
        let (mut revision, mut now) = (10, Duration::ZERO);
        ring.reset(Revision::new(revision), &mut Vec::new());
        // All events that ever were, and what each place was seen to hold.
        let mut history: Vec<Entry<(u64, usize)>> = Vec::new();
        let mut places: HashMap<u64, (u64, usize)> = HashMap::new();
        let mut capacity = least;
        for step in steps {
            let mut gone = Vec::new();
            let before: Vec<_> = ring.entries.iter().map(|entry| entry.event).collect();
            match step {
                Step::Append(revisions, seconds, cost) => {
                    // A reset is at a revision that is done: the next event is after it.
                    let is_tied = revisions == 0 && !ring.is_empty();
                    revision += if is_tied { 0 } else { revisions.max(1) };
                    now += Duration::from_secs(seconds);
                    let event = (revision, history.len());
                    let entry = Entry { event, revision: Revision::new(revision), time: now, cost };
                    history.push(entry.clone());
                    ring.append(entry, &mut gone);
                    prop_assert_eq!(ring.entries.back().map(|entry| entry.event), Some(event));
                }
                Step::Reset(revisions) => {
                    revision += revisions;
                    ring.reset(Revision::new(revision), &mut gone);
                    prop_assert!(ring.is_empty());
                }
                Step::Prepend(without) => {
                    let older = history.iter().skip(without).rev().cloned();
                    let reaches = match without.checked_sub(1) {
                        None => Revision::ZERO,
                        Some(last) => history.get(last).map_or_else(|| Revision::new(revision), |entry| entry.revision),
                    };
                    let taken = ring.prepend_older(older.map(|entry| Entry { time: now, ..entry }), reaches);
                    prop_assert_eq!(ring.len(), before.len() + taken);
                    let kept = ring.entries.iter().skip(taken).map(|entry| entry.event);
                    prop_assert!(kept.eq(before.iter().copied()));
                }
            }
            // What is given up are the oldest, in order.
            prop_assert!(before.starts_with(&gone) || matches!(step, Step::Append(..)) && gone.len() > before.len());
            // The bounds hold, and the capacity moves by one step of its rule at most, but for history.
            prop_assert!(ring.len() <= ring.capacity() && ring.capacity() <= most && ring.capacity() >= least);
            prop_assert!(ring.bytes() <= bytes || ring.len() == 1);
            prop_assert_eq!(ring.bytes(), ring.entries.iter().map(|entry| entry.cost).sum::<usize>());
            if !matches!(step, Step::Prepend(_)) {
                prop_assert!([capacity, most.min(capacity * 2), least.max(capacity / 2)].contains(&ring.capacity()));
            }
            capacity = ring.capacity();
            // A place holds one event for ever.
            for (place, entry) in (ring.first_sequence()..).zip(&ring.entries) {
                prop_assert_eq!(*places.entry(place).or_insert(entry.event), entry.event);
                prop_assert_eq!(ring.get(place), Some(&entry.event));
            }
            prop_assert!(ring.from(ring.first_sequence() - 1).is_none());
            // What is served is everything, and what is held is served.
            let complete_after = ring.complete_after().unwrap();
            for asked in (0..=revision + 1).map(Revision::new) {
                let served = ring.first_after(asked);
                prop_assert_eq!(served.is_some(), asked >= complete_after);
                let Some(first) = served else { continue };
                let all = history.iter().filter(|entry| entry.revision > asked).map(|entry| entry.event);
                prop_assert!(ring.from(first).unwrap().copied().eq(all), "after {asked:?}");
            }
        }
    }
}
