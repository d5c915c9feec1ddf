//! Clients that write, read and watch over HTTP, and write down what they are told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use watchkeep_proof::linear::{
    Change, Content, Event, Expect, Input, Key, Output, ReadAt, Scope, Version, Watch,
};
use watchkeep_tests::chance::Chance;
use watchkeep_tests::http::Lines;
use watchkeep_tests::load::pause;

use crate::wire::{Miss, NAMESPACES, Page, Wire, collection, event, version};

/// On how many keys they work.
const KEYS: usize = 6;
/// How long one waits where the server is away.
const COME_AGAIN: Duration = Duration::from_millis(10);
/// How long a slow watcher waits, and after how many events the others go away.
const NAP: Duration = Duration::from_millis(30);
const GOES_AFTER: usize = 60;
/// What is appended to the query of a watch that brings the list.
const INITIAL: &str = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
const INITIAL_END: &str = "/object/metadata/annotations/k8s.io~1initial-events-end";

/// A client that writes and reads.
pub(crate) struct Writer<'a> {
    pub(crate) wire: &'a Wire,
    pub(crate) client: usize,
    pub(crate) chance: Chance,
    pub(crate) known: BTreeMap<Key, Version>,
    pub(crate) reached: u64,
}

fn key(number: usize) -> Key {
    format!("{}/key-{number}", NAMESPACES[number % NAMESPACES.len()]).into()
}

/// The key that is written last in a namespace.
pub(crate) fn end(namespace: &str) -> Key {
    format!("{namespace}/the-end").into()
}

impl Writer<'_> {
    /// Works until it is over.
    pub(crate) fn work(mut self, over: &AtomicBool) -> Result<(), String> {
        while !over.load(Ordering::SeqCst) {
            match self.step() {
                Ok(()) | Err(Miss::Gone) => {}
                Err(Miss::Later) => pause(COME_AGAIN),
                Err(Miss::Wrong(reason)) => return Err(reason),
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Miss> {
        let key = key(self.chance.up_to(KEYS - 1));
        let known = self.known.get(&key).copied();
        let content = Content { tag: self.wire.recorder.tag(), count: 0 };
        let (expect, change) = match (self.chance.up_to(99), known) {
            (0..15, _) => (Expect::Absent, Change::Put(content)),
            (15..40, Some(known)) => (Expect::Revision(known.revision), Change::Put(content)),
            (40..48, Some(_)) => (Expect::Present, Change::Put(content)),
            (48..58, Some(known)) => (Expect::Revision(known.revision), Change::Delete),
            (58..62, Some(_)) => (Expect::Present, Change::Delete),
            (75..80, _) => return self.get(&key, ReadAt::AtLeast(0)),
            (80..92, _) => return self.list(),
            (92.., _) => return self.pages(),
            _ => return self.get(&key, ReadAt::Latest),
        };
        self.known.remove(&key);
        let version = self.wire.write(self.client, &key, expect, change)?;
        self.learn(key, version);
        Ok(())
    }

    fn learn(&mut self, key: Key, version: Option<Version>) {
        self.reached = self.reached.max(version.map_or(0, |version| version.revision));
        match version {
            Some(version) => drop(self.known.insert(key, version)),
            None => drop(self.known.remove(&key)),
        }
    }

    fn get(&mut self, key: &Key, at: ReadAt) -> Result<(), Miss> {
        let version = self.wire.get(self.client, key, at)?;
        self.learn(Key::clone(key), version);
        Ok(())
    }

    fn list(&mut self) -> Result<(), Miss> {
        let scope = match self.chance.up_to(2) {
            0 => Scope::Under(format!("{}/", NAMESPACES[0])),
            _ => Scope::All,
        };
        let at = match self.chance.up_to(4) {
            0 if self.reached > 0 => ReadAt::Exactly(self.reached),
            1 => ReadAt::AtLeast(self.reached),
            _ => ReadAt::Latest,
        };
        let page = self.wire.list(self.client, &scope, at, 0, None)?;
        self.reached = self.reached.max(page.revision);
        for (key, version) in page.items {
            self.learn(key, Some(version));
        }
        Ok(())
    }

    fn pages(&mut self) -> Result<(), Miss> {
        let limit = 1 + self.chance.up_to(2);
        let (mut at, mut from) = (ReadAt::Latest, None);
        loop {
            let Page { revision, items, next } = self.wire.list(self.client, &Scope::All, at, limit, from)?;
            at = ReadAt::Exactly(revision);
            let last = items.last().map(|(key, _)| Key::clone(key));
            match next.zip(last) {
                Some(rest) => from = Some(rest),
                None => return Ok(()),
            }
        }
    }

    /// Writes the last object of a namespace, however long that takes.
    pub(crate) fn end(&mut self, namespace: &str) -> Result<(), String> {
        loop {
            let content = Content { tag: self.wire.recorder.tag(), count: 0 };
            match self.wire.write(self.client, &end(namespace), Expect::Absent, Change::Put(content)) {
                // Where it was refused, one before it took effect.
                Ok(_) => return Ok(()),
                Err(Miss::Wrong(reason)) => return Err(reason),
                Err(Miss::Later | Miss::Gone) => pause(COME_AGAIN),
            }
        }
    }
}

/// How a watcher behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It reads what there is, and history is kept for it.
    Faithful,
    /// It waits now and then.
    Slow,
    /// It goes away, and comes back to where it was.
    Fickle,
    /// It goes away, and begins with a new list.
    Forgetful,
    /// As that, but the watch brings the list.
    Streaming,
}

/// A client that lists and watches.
pub(crate) struct Watcher<'a> {
    pub(crate) wire: &'a Wire,
    pub(crate) client: usize,
    pub(crate) chance: Chance,
    pub(crate) scope: Scope,
    pub(crate) manner: Manner,
    pub(crate) session: Option<Watch>,
}

/// Why a watch was left.
enum Left {
    Over,
    Resume,
    Relist,
}

impl Watcher<'_> {
    /// Watches until it has seen the end. Tells as soon as it watches.
    pub(crate) fn follow(mut self, mut ready: Option<Sender<()>>, failed: &AtomicBool) -> Result<(), String> {
        loop {
            if failed.load(Ordering::SeqCst) {
                return Ok(());
            }
            let left = match self.open() {
                Ok(lines) => {
                    let _ = ready.take().map(|ready| ready.send(()));
                    self.read(lines)
                }
                Err(miss) => Err(miss),
            };
            match left {
                Ok(Left::Over) => return Ok(()),
                Ok(Left::Resume) | Err(Miss::Later) => {
                    self.session.iter_mut().for_each(|session| session.saw(Event::Resumed));
                    pause(COME_AGAIN);
                }
                Err(Miss::Gone) if self.manner == Manner::Faithful => {
                    return Err("the watcher of everything was outpaced".to_owned());
                }
                Ok(Left::Relist) | Err(Miss::Gone) => self.session = None,
                Err(Miss::Wrong(reason)) => return Err(reason),
            }
        }
    }

    fn open(&mut self) -> Result<Lines, Miss> {
        if let Some(session) = &self.session {
            return self.watch(&format!("resourceVersion={}", session.reached()));
        }
        if self.manner == Manner::Streaming {
            return self.stream();
        }
        let page = self.wire.list(self.client, &self.scope, ReadAt::Latest, 0, None)?;
        self.begin(page.revision, page.items);
        self.watch(&format!("resourceVersion={}", page.revision))
    }

    fn begin(&mut self, revision: u64, items: Vec<(Key, Version)>) {
        let session = self.wire.recorder.watch(self.client, self.scope.clone(), revision, Some(items));
        self.session = Some(session);
    }

    fn watch(&self, start: &str) -> Result<Lines, Miss> {
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds=60&{start}",
            collection(&self.scope)
        );
        let lines = Lines::get(&self.wire.address(), &path).map_err(|_| Miss::Later)?;
        match lines.status {
            200 => Ok(lines),
            410 => Err(Miss::Gone),
            429 | 500.. => Err(Miss::Later),
            other => Err(Miss::Wrong(format!("{path}: {other}"))),
        }
    }

    /// Begins with the initial events of a watch.
    fn stream(&mut self) -> Result<Lines, Miss> {
        let input = Input::List { scope: self.scope.clone(), at: ReadAt::Latest, after: None };
        let call = self.wire.recorder.invoke(self.client, input);
        let mut lines = self.watch(INITIAL)?;
        let mut items = Vec::new();
        loop {
            let line = lines.next_line().ok().flatten().ok_or(Miss::Later)?;
            let json: serde_json::Value =
                serde_json::from_str(&line).map_err(|_| Miss::Wrong(format!("no event: {line}")))?;
            if json.pointer(INITIAL_END).is_some() {
                let Event::Bookmark(revision) = event(&line)? else { return Err(Miss::Wrong(line)) };
                let listed = items.clone();
                call.returned(Output::Listed { revision, items: listed, more: false, remaining: None });
                self.begin(revision, items);
                return Ok(lines);
            }
            match event(&line)? {
                Event::Added { .. } => items.push(version(&json["object"])?),
                other => return Err(Miss::Wrong(format!("{other} among the initial events"))),
            }
        }
    }

    fn read(&mut self, mut lines: Lines) -> Result<Left, Miss> {
        let namespace = match &self.scope {
            Scope::Under(prefix) => prefix.trim_end_matches('/').to_owned(),
            // The last that is ended.
            Scope::All | Scope::One(_) => NAMESPACES[NAMESPACES.len() - 1].to_owned(),
        };
        let end = end(&namespace);
        // A new list may show the end already, and nothing would come after it.
        if let Some(session) = &self.session
            && session.base().iter().any(|(key, _)| *key == end)
        {
            return Ok(Left::Over);
        }
        let goes_after = 1 + self.chance.up_to(GOES_AFTER);
        for number in 1.. {
            if self.manner == Manner::Slow && self.chance.one_in(4) {
                pause(NAP);
            }
            // A kill breaks the connection, also in the middle of a line.
            let Ok(Some(line)) = lines.next_line() else { return Ok(Left::Resume) };
            let event = event(&line)?;
            let is_end = event.change().is_some_and(|(key, _, _)| *key == end);
            self.session.iter_mut().for_each(|session| session.saw(event.clone()));
            match self.manner {
                _ if is_end => return Ok(Left::Over),
                Manner::Fickle if number == goes_after => return Ok(Left::Resume),
                Manner::Forgetful | Manner::Streaming if number == goes_after => return Ok(Left::Relist),
                _ => {}
            }
        }
        Ok(Left::Resume)
    }
}
