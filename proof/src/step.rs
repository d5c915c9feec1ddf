//! What a program consists of. Steps name things by number and time by distance ("the third commit from the
//! end"), so that a program with steps left out is a program: it can shrink.

use std::time::Duration;

use proptest::prelude::*;

use crate::objects::{Area, FILLS, Look, NAMES, NAMESPACES, Place, RESOURCES, Selection, View};

/// How many watches, lists in pages and open lists a program has at a time.
pub const SLOTS: usize = 4;

/// One step of a program.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are what their names and types say")]
pub enum Step {
    /// Commits a put, or a deletion where there is no look.
    Commit { place: Place, expect: Expectation, look: Option<Look>, ttl: Option<Duration> },
    /// Creates an object.
    Create { place: Place, look: Look, ttl: Option<Duration> },
    /// Updates an object; `raced` by another write right after its first look.
    Update { place: Place, change: Changing, how: Manner, create_missing: bool, raced: bool },
    /// Deletes an object.
    Delete { place: Place, how: Manner, raced: bool },
    /// Reads an object.
    Get { place: Place, at: At },
    /// Reads the first page of a list, or all of it.
    List { view: View, at: At, limit: usize, slot: usize },
    /// Reads the next page of a list that was begun.
    NextPage { slot: usize, limit: usize },
    /// Opens a list and reads nothing yet.
    OpenList { view: View, at: At, slot: usize },
    /// Reads an open list to its end.
    ReadList { slot: usize },
    /// Opens a watch.
    Watch { slot: usize, view: View, start: Beginning, progress: bool },
    /// Takes what a watch has to show, at most so many events.
    Read { slot: usize, events_max: usize },
    /// Cuts a watch off, and opens it again where it was.
    Resume { slot: usize },
    /// Asks the watches of a resource for their progress.
    Progress { resource: usize },
    /// Gives up history.
    Compact { at: At },
    /// Counts the objects.
    Stats { resource: usize },
    /// Lets time pass.
    Advance { by: Duration },
    /// Ends the store in an orderly way and starts it again.
    Restart,
    /// Ends the store without a warning and starts it again.
    Crash,
    /// Does to the store what may happen to one of its kind: see [`crate::worlds::World::disturb`].
    Disturb,
}

/// What a commit expects.
#[derive(Clone, Copy, Debug)]
pub enum Expectation {
    /// What is there.
    TheTruth,
    /// Nothing.
    Absent,
    /// An older commit of the place.
    Outdated,
    /// A revision of nothing.
    Nonsense,
}

/// What an update makes of an object.
#[derive(Clone, Copy, Debug)]
pub enum Changing {
    /// Another look.
    To(Look),
    /// What it is.
    Nothing,
    /// Nothing at all.
    Deletion,
}

/// With what an update or a deletion begins.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The record that the caller has at hand.
    pub suggestion: Suggestion,
    /// The resourceVersion that the caller demands.
    pub precondition: Suggestion,
}

/// A version that a caller names.
#[derive(Clone, Copy, Debug)]
pub enum Suggestion {
    /// None.
    None,
    /// The one that is stored.
    Current,
    /// An older one.
    Outdated,
}

/// Which state a read wants.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// The newest.
    Latest,
    /// Any.
    Any,
    /// Not older than so many commits ago.
    NotOlder(usize),
    /// That of so many commits ago.
    Exactly(usize),
    /// One that there is not yet.
    Future,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "as for steps")]
pub enum Beginning {
    /// After the commit so many commits ago.
    After(usize),
    /// With what comes next.
    Now,
    /// With the state.
    Initial { at: At, bookmark: bool },
}

/// Programs of at most so many steps.
pub fn programs(steps_max: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..=steps_max)
}

fn step() -> impl Strategy<Value = Step> {
    let slot = 0..SLOTS;
    prop_oneof![
        24 => (place(), expectation(), prop::option::weighted(0.8, look()), ttl())
            .prop_map(|(place, expect, look, ttl)| Step::Commit { place, expect, look, ttl }),
        10 => (place(), look(), ttl()).prop_map(|(place, look, ttl)| Step::Create { place, look, ttl }),
        12 => (place(), changing(), manner(), any::<bool>(), prop::bool::weighted(0.3)).prop_map(
            |(place, change, how, create_missing, raced)| Step::Update { place, change, how, create_missing, raced }
        ),
        8 => (place(), manner(), prop::bool::weighted(0.3))
            .prop_map(|(place, how, raced)| Step::Delete { place, how, raced }),
        6 => (place(), at()).prop_map(|(place, at)| Step::Get { place, at }),
        10 => (view(), at(), limit(), slot.clone())
            .prop_map(|(view, at, limit, slot)| Step::List { view, at, limit, slot }),
        8 => (slot.clone(), limit()).prop_map(|(slot, limit)| Step::NextPage { slot, limit }),
        3 => (view(), at(), slot.clone()).prop_map(|(view, at, slot)| Step::OpenList { view, at, slot }),
        3 => slot.clone().prop_map(|slot| Step::ReadList { slot }),
        12 => (slot.clone(), view(), beginning(), any::<bool>())
            .prop_map(|(slot, view, start, progress)| Step::Watch { slot, view, start, progress }),
        16 => (slot.clone(), 1..12_usize).prop_map(|(slot, events_max)| Step::Read { slot, events_max }),
        5 => slot.prop_map(|slot| Step::Resume { slot }),
        3 => resource().prop_map(|resource| Step::Progress { resource }),
        4 => at().prop_map(|at| Step::Compact { at }),
        2 => resource().prop_map(|resource| Step::Stats { resource }),
        3 => prop::sample::select(vec![1, 700, 2_500, 10_000, 300_000])
            .prop_map(|millis| Step::Advance { by: Duration::from_millis(millis) }),
        2 => Just(Step::Restart),
        2 => Just(Step::Crash),
        2 => Just(Step::Disturb),
    ]
}

fn resource() -> impl Strategy<Value = usize> + Clone {
    // Most happens in one resource, so that something does.
    prop_oneof![4 => Just(0_usize), 1 => 1..RESOURCES.len()]
}

fn place() -> impl Strategy<Value = Place> {
    (resource(), 0..NAMESPACES.len(), 0..NAMES.len()).prop_map(|(resource, namespace, name)| Place {
        resource,
        namespace,
        name,
    })
}

fn look() -> impl Strategy<Value = Look> {
    let fill = prop_oneof![20 => Just(0), 6 => Just(1), 1 => Just(FILLS.len() - 1)];
    (0..3_usize, 0..3_usize, fill).prop_map(|(color, node, fill)| Look { color, node, fill })
}

fn ttl() -> impl Strategy<Value = Option<Duration>> {
    let seconds = prop::sample::select(vec![2, 60, 3600]);
    prop::option::weighted(0.15, seconds.prop_map(Duration::from_secs))
}

fn expectation() -> impl Strategy<Value = Expectation> {
    prop_oneof![
        12 => Just(Expectation::TheTruth),
        1 => Just(Expectation::Absent),
        2 => Just(Expectation::Outdated),
        1 => Just(Expectation::Nonsense),
    ]
}

fn changing() -> impl Strategy<Value = Changing> {
    prop_oneof![
        6 => look().prop_map(Changing::To),
        2 => Just(Changing::Nothing),
        1 => Just(Changing::Deletion),
    ]
}

fn suggestion() -> impl Strategy<Value = Suggestion> + Clone {
    prop_oneof![2 => Just(Suggestion::None), 2 => Just(Suggestion::Current), 3 => Just(Suggestion::Outdated)]
}

fn manner() -> impl Strategy<Value = Manner> {
    let precondition =
        prop_oneof![2 => Just(Suggestion::None), 1 => Just(Suggestion::Current), 1 => suggestion()];
    (suggestion(), precondition).prop_map(|(suggestion, precondition)| Manner { suggestion, precondition })
}

fn at() -> impl Strategy<Value = At> + Clone {
    prop_oneof![
        4 => Just(At::Latest),
        1 => Just(At::Any),
        2 => (0..12_usize).prop_map(At::NotOlder),
        5 => (0..12_usize).prop_map(At::Exactly),
        1 => Just(At::Future),
    ]
}

fn beginning() -> impl Strategy<Value = Beginning> {
    prop_oneof![
        5 => (0..15_usize).prop_map(Beginning::After),
        2 => Just(Beginning::Now),
        4 => (at(), any::<bool>()).prop_map(|(at, bookmark)| Beginning::Initial { at, bookmark }),
    ]
}

fn limit() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(0_usize), 5 => 1..5_usize]
}

fn view() -> impl Strategy<Value = View> {
    let area = prop_oneof![
        4 => Just(Area::All),
        2 => (0..NAMESPACES.len()).prop_map(Area::Namespace),
        1 => (0..NAMESPACES.len(), 0..NAMES.len()).prop_map(|(namespace, name)| Area::One(namespace, name)),
    ];
    let selection = prop_oneof![
        5 => Just(Selection::Everything),
        1 => Just(Selection::Red),
        1 => Just(Selection::NotRed),
        1 => Just(Selection::Colored),
        1 => Just(Selection::OnNode1),
        1 => Just(Selection::NamedX),
        1 => Just(Selection::ColoredOnNode1),
        1 => Just(Selection::LowerUids),
        1 => Just(Selection::SomeNamespaces),
    ];
    (resource(), area, selection).prop_map(|(resource, area, selection)| View { resource, area, selection })
}
