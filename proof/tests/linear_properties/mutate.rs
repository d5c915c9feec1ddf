//! One wrong answer in a history that was right.

use rand::RngExt as _;
use rand::rngs::StdRng;
use watchkeep_proof::linear::{Change, Content, Event, History, Input, Output, ReadAt, Seen, Version};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    AnotherRevision,
    AcknowledgedForNothing,
    CommittedAndRefused,
    StaleGet,
    AbsentGet,
    StaleListItem,
    MissingListItem,
    ListedAtAnotherRevision,
    OlderCurrentRevision,
    MissingEvent,
    DoubledEvent,
    SwappedEvents,
    WrongPrevious,
    BookmarkAhead,
}

pub(crate) const FAULTS: [Fault; 14] = [
    Fault::AnotherRevision,
    Fault::AcknowledgedForNothing,
    Fault::CommittedAndRefused,
    Fault::StaleGet,
    Fault::AbsentGet,
    Fault::StaleListItem,
    Fault::MissingListItem,
    Fault::ListedAtAnotherRevision,
    Fault::OlderCurrentRevision,
    Fault::MissingEvent,
    Fault::DoubledEvent,
    Fault::SwappedEvents,
    Fault::WrongPrevious,
    Fault::BookmarkAhead,
];

/// Makes one answer wrong; tells whether there was one to make wrong.
pub(crate) fn mutate(history: &mut History, fault: Fault, chance: &mut StdRng) -> bool {
    if matches!(
        fault,
        Fault::MissingEvent
            | Fault::DoubledEvent
            | Fault::SwappedEvents
            | Fault::WrongPrevious
            | Fault::BookmarkAhead
    ) {
        return mutate_session(history, fault, chance);
    }
    let versions = versions(history);
    let count = history.operations.len();
    let begin = chance.random_range(0..count);
    (0..count).any(|step| {
        let operation = &mut history.operations[(begin + step) % count];
        let older = |key: &str, than: u64| {
            let of_key = versions.iter().filter(|(own, version)| own == key && version.revision < than);
            of_key.map(|(_, version)| *version).next_back()
        };
        match (fault, &operation.input, &mut operation.output) {
            (Fault::AnotherRevision, _, Output::Committed { revision: Some(revision), .. }) => {
                *revision = if chance.random() { *revision + 1 } else { *revision - 1 };
                true
            }
            (Fault::AcknowledgedForNothing, Input::Write { change, .. }, output @ Output::Refused { .. }) => {
                let content = match change {
                    Change::Put(content) => Some(*content),
                    Change::Increment { tag } => Some(Content { tag: *tag, count: 1 }),
                    Change::Delete => return false,
                };
                // A revision that the store has not given to anybody.
                let revision = Some(1_000_000_000);
                *output = Output::Committed { revision, content, previous: Seen::Untold };
                true
            }
            (Fault::CommittedAndRefused, _, output @ Output::Committed { .. }) => {
                *output = Output::Refused { seen: Seen::Untold };
                true
            }
            (
                Fault::StaleGet,
                Input::Get { key, at: ReadAt::Latest },
                Output::Found { version: Some(found), .. },
            ) => older(key, found.revision).map(|older| *found = older).is_some(),
            (Fault::AbsentGet, Input::Get { at: ReadAt::Latest, .. }, Output::Found { version, .. }) => {
                version.take().is_some()
            }
            (Fault::StaleListItem, _, Output::Listed { items, .. }) => items
                .iter_mut()
                .any(|(key, version)| older(key, version.revision).map(|older| *version = older).is_some()),
            (Fault::MissingListItem, _, Output::Listed { items, .. }) if items.len() > 1 => {
                items.remove(chance.random_range(0..items.len() - 1));
                true
            }
            (Fault::ListedAtAnotherRevision, Input::List { at, .. }, Output::Listed { revision, .. }) => {
                *revision -= 5;
                *at != ReadAt::AtLeast(0)
            }
            (Fault::OlderCurrentRevision, _, Output::Revision(revision)) => {
                *revision -= 5;
                true
            }
            _ => false,
        }
    })
}

fn mutate_session(history: &mut History, fault: Fault, chance: &mut StdRng) -> bool {
    let number = chance.random_range(0..history.sessions.len());
    let seen = &mut history.sessions[number].seen;
    let changes: Vec<usize> = (0..seen.len()).filter(|at| seen[*at].event.change().is_some()).collect();
    let Some(at) = changes.get(chance.random_range(0..changes.len().max(1))).copied() else { return false };
    match fault {
        Fault::MissingEvent => drop(seen.remove(at)),
        Fault::DoubledEvent => seen.insert(at + 1, seen[at].clone()),
        Fault::SwappedEvents => {
            let Some(next) = changes.iter().copied().find(|next| *next > at) else { return false };
            let event = seen[at].event.clone();
            seen[at].event = std::mem::replace(&mut seen[next].event, event);
        }
        Fault::WrongPrevious => match &mut seen[at].event {
            Event::Modified { previous: Seen::Version(version), .. }
            | Event::Deleted { previous: Seen::Version(version), .. } => version.revision -= 1,
            _ => return false,
        },
        _ => {
            let Some(revision) = seen[at].event.revision() else { return false };
            let at = seen[at].at;
            let before = changes.iter().position(|change| seen[*change].event.revision() == Some(revision));
            let bookmark = watchkeep_proof::linear::Observed { at, event: Event::Bookmark(revision) };
            seen.insert(changes[before.unwrap_or(0)], bookmark);
        }
    }
    true
}

/// All versions that anybody was told of, oldest first.
fn versions(history: &History) -> Vec<(String, Version)> {
    let written =
        history.operations.iter().filter_map(|operation| match (&operation.input, &operation.output) {
            (
                Input::Write { key, change: Change::Put(content), .. },
                Output::Committed { revision: Some(revision), .. },
            ) => Some((key.to_string(), Version { revision: *revision, content: *content })),
            _ => None,
        });
    let mut versions: Vec<_> = written.collect();
    versions.sort_by_key(|(_, version)| version.revision);
    versions
}
