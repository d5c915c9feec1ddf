//! Clients that write and watch until the server is gone, and remember all that they were told.
//!
//! Each writer has objects of its own and one request at a time, so what an object may be after a crash
//! follows from its last answers.

use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::chance::Chance;
use crate::http::{Answer, Lines, send};
use crate::known::{Event, Known, WATCH, read_event};

/// The objects that are written.
pub const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// How long a writer waits after a refusal.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many write at once.
    pub writers: usize,
    /// How many objects each has.
    pub objects: usize,
    /// The most bytes that an object has beside its counter.
    pub bytes: usize,
    /// Whether objects are deleted too.
    pub deletes: bool,
    /// Whether the server may refuse writes: what came of them is then unknown, and the writers go on.
    pub refusals: bool,
}

/// What a writer tried: what the object becomes, or `None` for a deletion; and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The object.
    pub name: String,
    /// Its counter.
    pub content: Option<u64>,
    /// Whether it was acknowledged.
    pub acknowledged: bool,
    /// The revision, where the answer tells one.
    pub revision: Option<u64>,
}

/// A client that watches, and goes on where it was.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// Everything after this revision, up to the last one, is in the events.
    pub after: u64,
    /// The last revision that it saw.
    pub last: u64,
    /// What it saw.
    pub events: Vec<Event>,
}

impl Watcher {
    /// A watch from a revision on.
    pub fn new(after: u64) -> Self {
        Self { after, last: after, events: Vec::new() }
    }

    /// Reads events until the connection ends.
    fn follow(&mut self, address: &str) -> Result<(), String> {
        let Ok(mut lines) = Lines::get(address, &format!("{WATCH}{}", self.last)) else { return Ok(()) };
        if lines.status != 200 {
            return Err(format!("a watch from {}, which was seen, got {}", self.last, lines.status));
        }
        // A kill breaks the connection, also in the middle of a line.
        while let Ok(Some(line)) = lines.next_line() {
            let event = read_event(&line)?;
            if event.revision <= self.last {
                return Err(format!("{event:?} came after revision {}", self.last));
            }
            self.last = event.revision;
            self.events.push(event);
        }
        Ok(())
    }
}

/// A text of an object that its counter gives: what comes back wrong is noticed.
pub fn filler(counter: u64, bytes: usize) -> String {
    let mut chance = Chance::new(counter);
    let length = chance.up_to(bytes);
    let part = format!("{:016x}{:016x}{:016x}", chance.draw(), chance.draw(), chance.draw());
    let mut text = part.repeat(length / part.len() + 1);
    text.truncate(length);
    text
}

/// Waits for as long: for a moment that chance chose.
///
/// # Panics
/// Never: nobody is there to wake it.
pub fn pause(during: Duration) {
    let (_alive, never): (_, Receiver<()>) = mpsc::channel();
    assert!(never.recv_timeout(during).is_err());
}

/// Lets the clients write and watch while `meanwhile` runs, which ends the server, and has `known` remember
/// what they were told.
///
/// # Errors
/// When an answer breaks a promise.
///
/// # Panics
/// When a client does.
pub fn run(
    address: &str,
    known: &mut Known,
    watchers: &mut [Watcher],
    load: Load,
    meanwhile: impl FnOnce(),
) -> Result<(), String> {
    let over = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writers: Vec<_> = (0..load.writers)
            .map(|writer| {
                let contents: Vec<_> = (0..load.objects)
                    .map(|object| {
                        let name = format!("writer-{writer}-{object}");
                        let content = known.content(&name);
                        (name, content)
                    })
                    .collect();
                let writer = Writer { address, load, contents, counter: known.counter, over: &over };
                scope.spawn(move || writer.write())
            })
            .collect();
        let watching: Vec<_> =
            watchers.iter_mut().map(|watcher| scope.spawn(|| watcher.follow(address))).collect();
        meanwhile();
        over.store(true, Ordering::Relaxed);
        let watched: Vec<_> = watching.into_iter().map(joined).collect();
        let written: Vec<_> = writers.into_iter().map(joined).collect();
        watched.into_iter().collect::<Result<(), String>>().map(|()| written)
    });
    let written = written?;
    let newest = known.newest;
    for attempts in written {
        for attempt in attempts? {
            if let Some(revision) = attempt.revision.filter(|revision| *revision <= newest) {
                return Err(format!("{revision} is not above {newest}, which was seen before: {attempt:?}"));
            }
            known.remember(attempt);
        }
    }
    for watcher in watchers {
        known.newest = known.newest.max(watcher.last);
    }
    Ok(())
}

/// What a client found, who panics here if it did there.
fn joined<T>(client: ScopedJoinHandle<'_, T>) -> T {
    client.join().unwrap_or_else(|panic| resume_unwind(panic))
}

struct Writer<'a> {
    address: &'a str,
    load: Load,
    contents: Vec<(String, Option<u64>)>,
    counter: u64,
    over: &'a AtomicBool,
}

impl Writer<'_> {
    /// Writes until the server is gone, or the load is over.
    fn write(mut self) -> Result<Vec<Attempt>, String> {
        let mut attempts = Vec::new();
        let mut chance = Chance::new(self.counter);
        while !self.over.load(Ordering::Relaxed) {
            self.counter += 1;
            let at = chance.up_to(self.load.objects - 1);
            let Some((name, content)) = self.contents.get_mut(at) else { continue };
            let deletes = self.load.deletes && content.is_some() && chance.one_in(8);
            let next = (!deletes).then_some(self.counter);
            let answer = put(self.address, name, *content, next, self.load.bytes);
            let unknown = Attempt { name: name.clone(), content: next, acknowledged: false, revision: None };
            let Ok(answer) = answer else {
                attempts.push(unknown);
                break;
            };
            match answer.status {
                200 | 201 => {
                    *content = next;
                    let object = answer.json().map_err(|error| error.to_string())?;
                    let revision = if deletes { None } else { Some(revision_of(&object)?) };
                    attempts.push(Attempt { acknowledged: true, revision, ..unknown });
                }
                500.. if self.load.refusals => {
                    attempts.push(unknown);
                    pause(AFTER_REFUSAL);
                }
                // Nothing was done: what was refused before had been written after all, or had not.
                404 if self.load.refusals => *content = None,
                409 if self.load.refusals => *content = Some(0),
                _ => return Err(format!("{name} from {content:?} to {next:?}: {answer:?}")),
            }
        }
        Ok(attempts)
    }
}

/// Makes an object something else: creates it, replaces it, or deletes it.
///
/// # Errors
/// When no whole answer came.
pub fn put(
    address: &str,
    name: &str,
    content: Option<u64>,
    next: Option<u64>,
    bytes: usize,
) -> io::Result<Answer> {
    let path = format!("{PATH}/{name}");
    let Some(counter) = next else { return send(address, "DELETE", &path, None) };
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"counter": counter.to_string(), "bytes": bytes.to_string(), "filler": filler(counter, bytes)},
    });
    match content {
        Some(_) => send(address, "PUT", &path, Some(&object)),
        None => send(address, "POST", PATH, Some(&object)),
    }
}

/// The revision of an object or of a list.
///
/// # Errors
/// When it has none.
pub fn revision_of(object: &Json) -> Result<u64, String> {
    let text = object.pointer("/metadata/resourceVersion").and_then(Json::as_str);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| format!("no revision: {object}"))
}
