//! What the clients of a store know, and whether the store agrees after it was started again.
//!
//! What is checked is more than that no acknowledged write is lost: history, read again from before
//! everything, shows per object exactly the acknowledged changes in their order, and beside them only
//! changes whose outcome nobody knows; the revisions since each start of the server are without a hole, so
//! what survived is a prefix of what was committed; and no revision means two things.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value as Json;

use crate::chance::Chance;
use crate::http::{Lines, send};
use crate::load::{Attempt, PATH, Watcher, filler, put, revision_of};

/// A watch of everything that is written, from the revision that follows.
pub const WATCH: &str = "/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=60&resourceVersion=";
/// What the names of written objects begin with.
const OURS: &str = "writer-";
/// The object that a check writes, to know where history ends.
const MARKER: &str = "writer-of-checks";

/// A change as a watch shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its revision.
    pub revision: u64,
    /// The object.
    pub name: String,
    /// The counter that it got; `None` when it was deleted.
    pub content: Option<u64>,
}

/// A change that a client has asked for.
#[derive(Clone, Debug)]
struct Change {
    content: Option<u64>,
    /// Whether it happened for sure.
    certain: bool,
    revision: Option<u64>,
}

/// What the clients know of an object: what it was at first, and what became of it.
#[derive(Clone, Debug, Default)]
struct Object {
    first: Option<u64>,
    changes: Vec<Change>,
}

impl Object {
    /// What it may be now: the last that is certain, or anything that was tried since.
    fn may_be(&self) -> Vec<Option<u64>> {
        let certain = self.changes.iter().rposition(|change| change.certain);
        let since = self.changes.get(certain.unwrap_or_default()..).unwrap_or_default();
        let first = certain.is_none().then_some(self.first);
        first.into_iter().chain(since.iter().map(|change| change.content)).collect()
    }
}

/// What the clients know of a store.
#[derive(Clone, Debug)]
pub struct Known {
    /// History is read from here.
    base: u64,
    /// At which revisions a server has started since.
    starts: Vec<u64>,
    objects: BTreeMap<String, Object>,
    /// The newest revision that anybody has seen.
    pub newest: u64,
    /// The last counter that was used.
    pub counter: u64,
    /// How many writes were acknowledged.
    pub acknowledged: usize,
    /// Whether revisions may be left out: a write that fails burns its own.
    pub burns: bool,
}

impl Known {
    /// What is known of a store that nobody has written to: where it begins.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn begin(address: &str) -> Result<Self, String> {
        let base = revision_of(&get(address, PATH)?)?;
        let objects = BTreeMap::new();
        Ok(Self {
            base,
            starts: Vec::new(),
            objects,
            newest: base,
            counter: 0,
            acknowledged: 0,
            burns: false,
        })
    }

    /// A watcher of all that will be written.
    pub fn watcher(&self) -> Watcher {
        Watcher::new(self.newest)
    }

    /// What an object is, as far as is known.
    pub fn content(&self, name: &str) -> Option<u64> {
        let object = self.objects.get(name)?;
        object.changes.iter().rfind(|change| change.certain).map_or(object.first, |change| change.content)
    }

    /// Remembers what a client was told.
    pub fn remember(&mut self, attempt: Attempt) {
        let Attempt { name, content, acknowledged, revision } = attempt;
        self.counter = self.counter.max(content.unwrap_or_default());
        self.newest = self.newest.max(revision.unwrap_or_default());
        self.acknowledged += usize::from(acknowledged);
        let object = self.objects.entry(name).or_default();
        object.changes.push(Change { content, certain: acknowledged, revision });
    }

    /// Checks a server that was started again against all that the clients were told, and then remembers
    /// what has become of the writes whose outcome was unknown.
    ///
    /// # Errors
    /// Tells the broken promise.
    pub fn check(&mut self, address: &str, watchers: &[Watcher], chance: &mut Chance) -> Result<(), String> {
        let list = get(address, PATH)?;
        let started = revision_of(&list)?;
        if started < self.newest {
            return Err(format!("{started} comes before {}, which was seen", self.newest));
        }
        let state = state_of(&list)?;
        self.check_state(&state)?;
        check_count(address, &list)?;
        let marker = self.mark(address, started)?;
        let history = replay(address, self.base, marker)?;
        self.check_no_hole(&history, started)?;
        self.check_changes(&history)?;
        if fold(self.firsts(), &history, started) != state {
            return Err("the list is not what history makes".to_owned());
        }
        check_lost(address, &history, self.starts.last().copied().unwrap_or(self.base), started)?;
        for watcher in watchers {
            check_watcher(watcher, &history)?;
        }
        self.check_past(address, &history, marker, chance)?;
        self.starts.push(started);
        self.resolve(&history);
        self.newest = marker;
        Ok(())
    }

    /// Forgets what happened before the last check: history need not go back further.
    pub fn forget(&mut self, watchers: &mut [Watcher]) {
        self.base = self.newest;
        self.starts.clear();
        for object in self.objects.values_mut() {
            object.first = object.changes.last().map_or(object.first, |change| change.content);
            object.changes.clear();
        }
        // A watcher has not seen the marker yet, and what nobody acknowledged before it.
        for watcher in watchers {
            *watcher = Watcher::new(self.base);
        }
    }

    /// Everything acknowledged is there, or was replaced by a later write of the same writer.
    fn check_state(&self, state: &BTreeMap<String, u64>) -> Result<(), String> {
        for (name, object) in &self.objects {
            let (found, may_be) = (state.get(name).copied(), object.may_be());
            if !may_be.contains(&found) {
                return Err(format!("{name} is {found:?}, and can only be one of {may_be:?}"));
            }
        }
        let stranger = state.keys().find(|name| !self.objects.contains_key(*name));
        stranger.map_or(Ok(()), |name| Err(format!("nobody has written {name}")))
    }

    /// Writes the marker; its revision.
    fn mark(&mut self, address: &str, started: u64) -> Result<u64, String> {
        self.counter += 1;
        let (content, counter) = (self.content(MARKER), Some(self.counter));
        let answer = put(address, MARKER, content, counter, 0).map_err(no_answer)?;
        if !matches!(answer.status, 200 | 201) {
            return Err(format!("the first write after the start: {answer:?}"));
        }
        let revision = revision_of(&answer.json().map_err(no_answer)?)?;
        if revision <= started {
            return Err(format!("the first write after {started} got {revision}"));
        }
        let name = MARKER.to_owned();
        self.remember(Attempt { name, content: counter, acknowledged: true, revision: Some(revision) });
        Ok(revision)
    }

    /// Between two starts each revision follows the one before: what survived is a prefix of what was
    /// committed.
    fn check_no_hole(&self, history: &[Event], started: u64) -> Result<(), String> {
        if self.burns {
            return Ok(());
        }
        let starts: Vec<u64> = self.starts.iter().copied().chain([started]).collect();
        let mut last = self.base;
        for event in history {
            let start = starts.iter().rfind(|start| **start < event.revision).copied();
            let before = last.max(start.unwrap_or_default());
            if event.revision != before + 1 {
                return Err(format!("{event:?} does not follow {before}: between them something is lost"));
            }
            last = event.revision;
        }
        Ok(())
    }

    /// Per object, history shows the acknowledged changes in their order, and beside them only changes
    /// whose outcome was unknown.
    fn check_changes(&self, history: &[Event]) -> Result<(), String> {
        let mut of_objects: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for event in history {
            of_objects.entry(&event.name).or_default().push(event);
        }
        for (name, object) in &self.objects {
            let events = of_objects.remove(name.as_str()).unwrap_or_default();
            matched(&object.changes, &events).map_err(|reason| format!("{name}: {reason}"))?;
        }
        of_objects.keys().next().map_or(Ok(()), |name| Err(format!("nobody has written {name}")))
    }

    fn firsts(&self) -> BTreeMap<String, u64> {
        let first = |(name, object): (&String, &Object)| Some((name.clone(), object.first?));
        self.objects.iter().filter_map(first).collect()
    }

    /// A watch from a revision that was seen shows all that follows, and a list at one is as it was.
    fn check_past(
        &self,
        address: &str,
        history: &[Event],
        marker: u64,
        chance: &mut Chance,
    ) -> Result<(), String> {
        let Some(event) = history.get(chance.up_to(history.len().saturating_sub(1))) else { return Ok(()) };
        let from = event.revision;
        if from < marker {
            let rest: Vec<_> = history.iter().filter(|event| event.revision > from).cloned().collect();
            if replay(address, from, marker)? != rest {
                return Err(format!("a watch from {from} shows something else"));
            }
        }
        let list = get(address, &format!("{PATH}?resourceVersion={from}&resourceVersionMatch=Exact"))?;
        if state_of(&list)? != fold(self.firsts(), history, from) {
            return Err(format!("the list at {from} is something else"));
        }
        Ok(())
    }

    /// What was unknown is known now.
    fn resolve(&mut self, history: &[Event]) {
        for (name, object) in &mut self.objects {
            let events = history.iter().filter(|event| event.name == *name);
            let change = |event: &Event| Change {
                content: event.content,
                certain: true,
                revision: Some(event.revision),
            };
            object.changes = events.map(change).collect();
        }
    }
}

/// What is counted with each commit is what is there.
fn check_count(address: &str, list: &Json) -> Result<(), String> {
    let page = get(address, &format!("{PATH}?limit=1"))?;
    let remaining = page.pointer("/metadata/remainingItemCount").and_then(Json::as_u64).unwrap_or_default();
    let all = list.pointer("/items").and_then(Json::as_array).map_or(0, Vec::len) as u64;
    if all > 0 && remaining + 1 != all {
        return Err(format!("{all} objects, counted as {}", remaining + 1));
    }
    Ok(())
}

/// Whether events are the certain ones of the changes, and some of the others, in their order.
fn matched(changes: &[Change], events: &[&Event]) -> Result<(), String> {
    let mut left = changes.iter();
    for event in events {
        let is_it = |change: &Change| {
            change.content == event.content
                && change.revision.is_none_or(|revision| revision == event.revision)
        };
        loop {
            match left.next() {
                Some(change) if is_it(change) => break,
                Some(change) if change.certain => {
                    return Err(format!("{change:?} is lost; there is {event:?}"));
                }
                Some(_) => {}
                None => return Err(format!("nobody has asked for {event:?}")),
            }
        }
    }
    left.find(|change| change.certain).map_or(Ok(()), |change| Err(format!("{change:?} is lost")))
}

/// The state that history up to a revision makes.
fn fold(first: BTreeMap<String, u64>, history: &[Event], until: u64) -> BTreeMap<String, u64> {
    let mut state = first;
    for event in history.iter().take_while(|event| event.revision <= until) {
        match event.content {
            Some(content) => drop(state.insert(event.name.clone(), content)),
            None => drop(state.remove(&event.name)),
        }
    }
    state
}

/// What a watcher saw is history: every event, once.
fn check_watcher(watcher: &Watcher, history: &[Event]) -> Result<(), String> {
    let seen = |event: &&Event| watcher.after < event.revision && event.revision <= watcher.last;
    let want: Vec<_> = history.iter().filter(seen).collect();
    let got: Vec<_> = watcher.events.iter().collect();
    if want == got {
        return Ok(());
    }
    let at = want.iter().zip(&got).take_while(|(want, got)| want == got).count();
    Err(format!("a watcher saw {:?} where history shows {:?}", got.get(at), want.get(at)))
}

/// A revision that was never issued, or was lost before anybody saw it, cannot be watched from.
fn check_lost(address: &str, history: &[Event], last_start: u64, started: u64) -> Result<(), String> {
    let before = history.iter().map(|event| event.revision).rfind(|revision| *revision <= started);
    let lost = before.unwrap_or_default().max(last_start) + 1;
    if lost >= started {
        return Ok(());
    }
    let lines = Lines::get(address, &format!("{WATCH}{lost}")).map_err(no_answer)?;
    let gone = match lines.status {
        410 => true,
        200 => first_line(lines)?.contains("\"code\":410"),
        _ => false,
    };
    if gone { Ok(()) } else { Err(format!("a watch from {lost}, which is not there, is not refused")) }
}

fn first_line(mut lines: Lines) -> Result<String, String> {
    Ok(lines.next_line().map_err(no_answer)?.unwrap_or_default())
}

/// The events after a revision, up to and with that of the marker.
fn replay(address: &str, after: u64, marker: u64) -> Result<Vec<Event>, String> {
    let mut lines = Lines::get(address, &format!("{WATCH}{after}")).map_err(no_answer)?;
    let mut events: Vec<Event> = Vec::new();
    let mut last = after;
    while last < marker {
        let line = lines.next_line().map_err(no_answer)?.ok_or("the watch has ended")?;
        let event = read_event(&line)?;
        if event.revision <= last {
            return Err(format!("{event:?} came after {last}"));
        }
        last = event.revision;
        events.push(event);
    }
    Ok(events)
}

/// The event of a line of a watch.
///
/// # Errors
/// When it is none of an object that is written here, or the object is not as it was written.
pub fn read_event(line: &str) -> Result<Event, String> {
    let event: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let object = event.get("object").ok_or("an event without an object")?;
    let kind = event.get("type").and_then(Json::as_str).unwrap_or_default();
    let (name, counter) = content_of(object)?.ok_or_else(|| format!("not ours: {line}"))?;
    let content = match kind {
        "ADDED" | "MODIFIED" => Some(counter),
        "DELETED" => None,
        _ => return Err(format!("not a change: {line}")),
    };
    Ok(Event { revision: revision_of(object)?, name, content })
}

fn state_of(list: &Json) -> Result<BTreeMap<String, u64>, String> {
    let items = list.pointer("/items").and_then(Json::as_array).ok_or("no list")?;
    items.iter().filter_map(|object| content_of(object).transpose()).collect()
}

/// The name and the counter of an object, if it is one of those that are written here.
fn content_of(object: &Json) -> Result<Option<(String, u64)>, String> {
    let text = |place| object.pointer(place).and_then(Json::as_str);
    let Some(name) = text("/metadata/name").filter(|name| name.starts_with(OURS)) else { return Ok(None) };
    let number = |place| text(place).and_then(|text| text.parse::<u64>().ok());
    let whole = number("/data/counter").zip(number("/data/bytes")).filter(|(counter, bytes)| {
        text("/data/filler") == Some(&*filler(*counter, usize::try_from(*bytes).unwrap_or_default()))
    });
    let (counter, _) = whole.ok_or_else(|| format!("{name} is not as anybody wrote it"))?;
    Ok(Some((name.to_owned(), counter)))
}

fn get(address: &str, path: &str) -> Result<Json, String> {
    let answer = send(address, "GET", path, None).map_err(no_answer)?;
    if answer.status != 200 {
        return Err(format!("GET {path}: {answer:?}"));
    }
    answer.json().map_err(no_answer)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn no_answer(error: io::Error) -> String {
    format!("no answer: {error}")
}
